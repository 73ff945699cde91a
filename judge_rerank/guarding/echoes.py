"""Where a text repeats the query. Honest pages do, too, so it is no finding; only a second question leaves it out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal, TypeAlias

from judge_rerank.guarding.asking import COMMON, Asked
from judge_rerank.guarding.features import Text
from judge_rerank.guarding.segments import Segment, word_places

_FILE = files("judge_rerank.guarding").joinpath("questions.json")
_KNOWN: dict[str, list[str]] = json.loads(_FILE.read_text(encoding="utf-8"))
_ASKS, _ASKS_FIRST = frozenset(_KNOWN["asks"]), frozenset(_KNOWN["asks if first"])
_RELATES = frozenset(_KNOWN["relates"])
"""Words that begin clauses, too, and a clause may be an answer: "Bell, who invented the telephone"."""
_REPLIES = frozenset(_KNOWN["replies"])
_BEGINS = frozenset(phrase.partition(" ")[0] for phrase in _ASKS) | _RELATES
_AMONG = 3
"""Words among which a question begins: "in what county"."""
_SMALL = 3
"""Letters of a word that counts as a small one in any language."""
_FEWEST, _FEWEST_IN_HEADING = 2, 3
"""Words of a query that a sentence, or a heading, cannot have by chance."""
_LONG = 4
"""Words of content of a question of which an echo may lack one."""
_MOST_AROUND = 2
"""Words beside a question that may be a clause."""
_COLON = re.compile(r":\W*$")
_CODE = re.compile(r"[^\W_]_[^\W_]|[=<>@\\{}|]")
_OPENS, _CLOSES = re.compile(r"[\"'“‘„«»]$"), re.compile(r"\W{0,2}[\"'”’“»«]")

Kind: TypeAlias = Literal["question", "clause", "phrase"]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Word:
    """A word of a text: the number of its sentence, and its own in that."""

    said: str
    place: int
    n: int


def echoes(text: str, looked: Text, asked: Asked) -> Iterator[tuple[int, int]]:
    """The parts of a text that repeat the query, in the order in which they stand.

    A part is a whole sentence if it says nothing else, or the query's words in it.

    - A question counts in any sentence, also in slightly other words, since an answer does not repeat it. A question
      that may be a clause ("who invented the telephone") counts if hardly anything stands beside it.
    - Keywords and claims count word for word, if the sentence says nothing else, in quotes, or after a colon.
    - Two halves of the query count if each is a sentence of its own.
    """
    if len(asked.words) < _FEWEST or not looked.may_repeat:
        return
    words = [
        _Word(said=word, place=place, n=n)
        for place, segment in enumerate(looked.segments)
        for n, word in enumerate(segment.words)
    ]
    kind = kind_of(asked.words)
    repeated: dict[int, set[int]] = {}
    for word in _repeated(words, asked, kind):
        repeated.setdefault(word.place, set()).add(word.n)
    pieces = _pieces(looked.segments, asked) if not repeated else frozenset[int]()
    for place, segment in enumerate(looked.segments):
        if place in pieces:
            yield segment.start, segment.end
        elif place in repeated and not (kind == "phrase" and place == 0 and len(asked.words) < _FEWEST_IN_HEADING):
            yield from _parts(text, segment, repeated[place], asked, kind)


def kind_of(words: Sequence[str]) -> Kind:
    """Whether a query is a question, words that may be a clause as well, or neither: keywords, or a claim."""
    if words[0] in _ASKS_FIRST:
        return "question"
    for first in range(min(_AMONG, len(words))):
        if any(" ".join(words[first : first + n]) in _ASKS for n in (1, 2, 3)):
            return "question"
        if words[first] in _RELATES:
            return "clause"
    return "phrase"


def _repeated(words: Sequence[_Word], asked: Asked, kind: Kind) -> Iterator[_Word]:
    """The words of a text that are the query, or nearly the query."""
    row, said = asked.words, tuple(word.said for word in words)
    begins = next((word for word in row[:_AMONG] if word in _BEGINS), None) if kind != "phrase" else None
    for at, word in enumerate(said):
        if word == row[0] and said[at : at + len(row)] == row:
            yield from words[at : at + len(row)]
        elif word == begins:
            yield from words[at : _end_of_question(words, at, asked)]


def _end_of_question(words: Sequence[_Word], start: int, asked: Asked) -> int:
    """Where a question ends that begins here and has the query's words of content; or its start.

    It may have one other word. Of many words of content it may lack one, if the others are in the query's order.
    """
    found: list[str] = []
    others, end = 1, start
    for at in range(start, min(len(words), start + 2 * len(asked.words) + 2)):
        said = words[at].said
        if words[at].place != words[start].place:
            break
        if said in asked.spellings:
            found.append(asked.spellings[said])
            end = at + 1
        elif not _is_small(said, asked) and (others := others - 1) < 0:
            break
    missing = len(asked.content) - len(set(found))
    in_order = [word for word in asked.said if word in found] == found
    whole = (missing == 0 and (in_order or others == 1)) or (missing == 1 and in_order and len(asked.content) >= _LONG)
    return end if whole else start


def _parts(text: str, segment: Segment, repeated: set[int], asked: Asked, kind: Kind) -> Iterator[tuple[int, int]]:
    """The whole sentence if it says nothing else; else the query in it, if that cannot be a part of an answer."""
    own = [n for n, word in enumerate(segment.words) if n not in repeated and _says(word, segment.masks[n], asked)]
    places = word_places(text, segment)
    if kind == "phrase" and _CODE.search(segment.text):
        return
    if not (own or _REPLIES & {*segment.words}) or (not places and kind == "question"):
        yield segment.start, segment.end
    elif places:
        starts = [places[n][0] for n in sorted(repeated) if n - 1 not in repeated]
        ends = [places[n][1] for n in sorted(repeated) if n + 1 not in repeated]
        anywhere = kind == "question" or (kind == "clause" and _only_around(text, own, places))
        yield from (
            (start, end)
            for start, end in zip(starts, ends, strict=True)
            if anywhere or _is_quoted(text[segment.start : start], text[end : segment.end])
        )


def _is_quoted(before: str, after: str) -> bool:
    """Whether a part of a sentence stands in quotes, or ends it after a colon."""
    if _COLON.search(before):
        return not any(map(str.isalnum, after))
    return bool(_OPENS.search(before) and _CLOSES.match(after))


def _only_around(text: str, own: Sequence[int], places: Sequence[tuple[int, int]]) -> bool:
    """Whether these words of a sentence are too few for an answer, which is mostly a name or a number."""
    names = [n for n in own if n and not text[places[n][0]].islower()]
    return len(own) <= _MOST_AROUND and not names


def _pieces(segments: Sequence[Segment], asked: Asked) -> frozenset[int]:
    """The sentences that are the query's beginning and its end, and together all of it; none where they are not."""
    by_words: dict[tuple[str, ...], set[int]] = {}
    for place, segment in enumerate(segments):
        by_words.setdefault(tuple(segment.words), set()).add(place)
    cuts = [(asked.words[:n], asked.words[n:]) for n in range(1, len(asked.words))]
    return frozenset(
        place
        for first, second in cuts
        if first in by_words and second in by_words
        for place in by_words[first] | by_words[second]
    )


def _says(word: str, mask: int, asked: Asked) -> bool:
    """Whether a word says something: a number, or one that is neither small nor one that speaks of documents."""
    return any(map(str.isdigit, word)) or not (mask or _is_small(word, asked))


def _is_small(word: str, asked: Asked) -> bool:
    small = word in COMMON or len(word) <= _SMALL or word in asked.words
    return small and not any(map(str.isdigit, word))
