"""A query as the guard compares texts with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from judge_rerank.guarding.segments import words_in

_COMMON_WORDS = """
the and for are was were what who when where which why how does did can could would should will with from that this have
has had its into than then them they there their about your you not but all any one out get much many long mean means
definition define between is in of to on by at as an do it be or us
"""
COMMON = frozenset(_COMMON_WORDS.split())
"""Small words, which say nothing of a subject."""

_SHORTEST_STEM = 4
_ENDINGS = ("s", "es", "ed", "ing")


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A query as far as the guard compares texts with it.

    Attributes:
        words: its words, as they stand.
        said: its words of content, as they stand; all of its words where it has none.
        content: the same, each once.
        row: all of its words in a row, with a space around each.
        spellings: words that count as one of the content's, such as its plural, with that one.
        pairs: words of content that follow each other.
    """

    words: tuple[str, ...]
    said: tuple[str, ...]
    content: frozenset[str]
    row: str
    spellings: Mapping[str, str]
    pairs: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, query: str) -> Asked:
        """The words of a query."""
        words = words_in(query)
        said = [word for word in words if word not in COMMON and len(word) > 2] or words
        spellings: dict[str, str] = {}
        for word in said:
            for spelling in _spellings(word):
                spellings.setdefault(spelling, word)
        spellings |= {word: word for word in said}
        return cls(
            words=tuple(words),
            said=tuple(said),
            content=frozenset(said),
            row=f" {' '.join(words)} ",
            spellings=spellings,
            pairs=frozenset(pairwise(said)),
        )

    def shared(self, words: Iterable[str]) -> frozenset[str]:
        """The words of content that are among these."""
        return frozenset([self.spellings[word] for word in self.spellings.keys() & words])

    def in_order(self, words: Sequence[str]) -> float:
        """The share of the query's pairs of words that follow each other here, too, whatever stands between."""
        said = [self.spellings[word] for word in words if word in self.spellings]
        return len(self.pairs & set(pairwise(said))) / len(self.pairs) if self.pairs else 0.0


def _spellings(word: str) -> Iterable[str]:
    stem = next((word[: -len(end)] for end in _ENDINGS if word.endswith(end) and len(word) - len(end) > 2), word)
    yield from (word + end for end in _ENDINGS)
    if len(stem) >= _SHORTEST_STEM:
        yield from (stem, *(stem + end for end in _ENDINGS))
