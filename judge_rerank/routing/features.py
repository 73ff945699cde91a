"""What the trained classifier sees of a query: its words, its shape, and letters of its content words.

Case, punctuation, quotation marks, the question mark and how an apostrophe is spaced are taken away first, so that the
same question gives the same features however it is typed.
"""

# Words in a row are easier to read than a list of them.
# ruff: noqa: SIM905

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

_MOST_CHARACTERS = 2_000
_MOST_WORDS = 64
_GAP = "…"
_START, _END = "^", "$"

_SHAPING = frozenset(
    """a an the this that these those some any each every all both either neither no another other others such same
    what which who whom whose when where why how is are was were be been being am do does did done has have had
    having can could may might will would shall should must i you he she it we they me him her us them my your
    his its our their one ones there of in on at by for from to with without into onto over under between among
    through during before after above below since until against about around within near as than per via out up
    down off and or but nor if because while though although so not more most less least first last only also
    too very much many few long far old big tall often 's 0""".split()
)
"""Words that make the shape of a query; all others are its content."""

_AUXILIARIES = frozenset(
    """is are was were be been being do does did has have had can could may might will would shall should
    must""".split()
)
_COUNTED = {
    "verbs": _AUXILIARIES,
    "clauses": frozenset("that who whom whose which where when what while after before".split()),
    "links": frozenset("of in by from with for to at on into during between under among through".split()),
    "articles": frozenset(["the", "a", "an"]),
}
"""What a long chain has more of: kinds of word, and (as "things") runs of content."""

# "that", and in the middle "who", "when" and "where", belong to claims as often as to questions.
_ASKING_ANYWHERE = frozenset("what why how which".split())
_ASKING_AT_THE_EDGE = frozenset("who whom whose when where whats".split())
_ASKING_FIRST = _AUXILIARIES | frozenset("name tell give list explain describe define find compare please".split())

_LOOSE_CLITIC = re.compile(r"\s+(?=n't\b|'(?:s|re|ll|ve|d|m)\b)")
_IS = re.compile(r"\b(what|who|where|when|how|why|there)'?s\b")
_ARE = re.compile(r"\b(what|who|where|when|how|why|there|they|you|we)'re\b")
_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "`": "'", "´": "'"})
_WORD = re.compile(r"'s\b|[^\W\d_]+|\d[\d.,]*")


def words(query: str) -> list[str]:
    """The query's words in lower case; "'s" is a word of its own, and every number is "0". At most 64."""
    text = unicodedata.normalize("NFKC", query[:_MOST_CHARACTERS]).lower().translate(_APOSTROPHES)
    text = _ARE.sub(r"\1 are", _IS.sub(r"\1 is", _LOOSE_CLITIC.sub("", text))).replace("n't", "nt")
    found = _WORD.findall(text)[:_MOST_WORDS]
    return ["0" if word[0].isdigit() else word for word in found]


def features(tokens: Sequence[str]) -> set[str]:
    """Names of everything that a query of these words has, each a kind, a colon and what was found.

    `w` one to three words; `s` two to four places of the shape, with a gap for each content word; `k` two to five with
    runs of content taken together; `p` how the shape begins; `c` three to five letters of a content word; `o` the
    words before the first content; `h` the last word of the first content; `oh` both; `oa` the words before it, its
    length and the word after; `n` that there are at least so many runs of content, verbs, clauses, links, articles.
    """
    shape = [word if word in _SHAPING else _GAP for word in tokens]
    shorter = [mark for place, mark in enumerate(shape) if not (mark == _GAP and shape[place - 1 : place] == [_GAP])]
    bounded, collapsed = [_START, *shape, _END], [_START, *shorter, _END]
    found = {f"w:{gram}" for gram in _grams([_START, *tokens, _END], 1, 3)}
    found.update(f"s:{gram}" for gram in _grams(bounded, 2, 4))
    found.update(f"k:{gram}" for gram in _grams(collapsed, 2, 5))
    found.update(f"p:{' '.join(collapsed[:length])}" for length in range(6, 9))
    for word in tokens:
        if word not in _SHAPING:
            found.update(f"c:{letters}" for letters in _letters(f"<{word}>"))
    counts = {what: sum(word in kind for word in tokens[1:]) for what, kind in _COUNTED.items()}
    counts["things"] = shorter.count(_GAP)
    for what, count in counts.items():
        found.update(f"n:{least} {what}" for least in range(1, min(count, 9) + 1))
    return found | _opening(tokens, shape)


def asks(tokens: Sequence[str]) -> bool:
    """Whether the words are a question or a request, rather than keywords or a claim."""
    return (
        not _ASKING_ANYWHERE.isdisjoint(tokens)
        or not _ASKING_AT_THE_EDGE.isdisjoint((*tokens[:3], *tokens[-3:]))
        or (bool(tokens) and tokens[0] in _ASKING_FIRST)
    )


def _opening(tokens: Sequence[str], shape: Sequence[str]) -> set[str]:
    """What is asked for, roughly: the words before the first content, and the last word of that content."""
    if _GAP not in shape:
        return set()
    first = shape.index(_GAP)
    end = next((place for place in range(first, len(shape)) if shape[place] != _GAP), len(shape))
    opening, head = " ".join(tokens[:first]), tokens[end - 1]
    after = tokens[end] if end < len(tokens) else _END
    return {
        f"o:{opening}",
        f"h:{head}",
        f"oh:{opening} {head}",
        f"oa:{opening} {_GAP * min(end - first, 4)} {after}",
    }


def _grams(items: Sequence[str], shortest: int, longest: int) -> Iterator[str]:
    for length in range(shortest, longest + 1):
        for start in range(len(items) - length + 1):
            yield " ".join(items[start : start + length])


def _letters(word: str) -> Iterator[str]:
    for length in (3, 4, 5):
        for start in range(len(word) - length + 1):
            yield word[start : start + length]


_SAID = {
    "w": "the words “{}”",
    "s": "the shape “{}”",
    "k": "the shape “{}”",
    "p": "it begins like “{}”",
    "c": "the letters “{}”",
    "o": "it begins with “{}”",
    "h": "it is about “{}”",
    "oh": "it asks for “{}”",
    "oa": "it begins like “{}”",
    "n": "it has at least {}",
}


def in_words(feature: str) -> str:
    """A feature's name for people."""
    kind, _, what = feature.partition(":")
    what = f"{what[0]} {what[2:-1] if what[0] == '1' else what[2:]}" if kind == "n" else what
    what = what.replace(_START, "").replace(_END, "").replace("<", "").replace(">", "").strip()
    return _SAID[kind].format(what or _GAP)
