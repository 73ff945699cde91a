"""Cuts a text into sentences, and says of each which classes of words it has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from judge_rerank.guarding.lexicon import Lexicon
from judge_rerank.guarding.normalising import plain

# All of it begins with one of a few characters: of nearly all others the search then only sees that they are none.
_END = re.compile(r"[.!?。！？\n](?:(?<=[.!?])[\"')\]]*\s+|(?<=[。！？])|(?<=\n)\n*)")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W\d_]+)?")
# Elements of HTML that pages in Markdown have on lines of their own; none that a prompt could have.
_MARKUP = re.compile(
    r"(?:\s*</?(?:a|blockquote|br|center|code|dd|details|div|dl|dt|em|font|h[1-6]|hr|kbd|li|ol|p|picture|pre|small"
    r"|span|strong|sub|summary|sup|t(?:able|body|d|h|head|r)|ul)\s*/?>)+\s*",
    re.IGNORECASE,
)
_LONGEST = 400
"""Characters of a sentence; one that goes on is cut at a space."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """A sentence, or a line.

    Attributes:
        start, end: where it stands in the text.
        text: what it says, in plain letters.
        words: its words, in small letters.
        masks: for each, its classes; 0 for most.
        unspaced: the classes of words of scripts without spaces, in the order in which they stand.
        mask: all of them together.
    """

    start: int
    end: int
    text: str
    words: Sequence[str]
    masks: Sequence[int]
    unspaced: Sequence[int] = ()
    mask: int = field(init=False)

    def __post_init__(self) -> None:
        together = 0
        for each in self.masks:
            together |= each
        for each in self.unspaced:
            together |= each
        object.__setattr__(self, "mask", together)


def words_in(text: str) -> list[str]:
    """The words of a text, in small letters."""
    return _WORD.findall(text.lower().replace("’", "'"))


def is_markup(text: str) -> bool:
    """Whether a text is nothing but tags of HTML, without attributes, which could hold words."""
    return bool(_MARKUP.fullmatch(text))


def word_places(text: str, segment: Segment) -> list[tuple[int, int]]:
    """Where the words of a sentence of a text start and end in it; empty if they are spelled differently there."""
    if text[segment.start : segment.end] != segment.text:
        return []
    found = [(segment.start + match.start(), segment.start + match.end()) for match in _WORD.finditer(segment.text)]
    return found if len(found) == len(segment.words) else []


def segments_of(text: str, held: Lexicon) -> list[Segment]:
    """The sentences of a text, in order; blank ones are left out."""
    return [_segment(text, start, end, held) for start, end in _spans(text)]


def _segment(text: str, start: int, end: int, held: Lexicon) -> Segment:
    shown = plain(text[start:end])
    words = words_in(shown)
    get = held.masks.get
    unspaced: Sequence[int] = ()
    if not shown.isascii():
        unspaced = [held.unspaced_masks[match[0]] for match in held.unspaced.finditer(shown)]
    masks = [get(word, 0) for word in words]
    return Segment(start=start, end=end, text=shown, words=words, masks=masks, unspaced=unspaced)


def _spans(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for match in _END.finditer(text):
        yield from _trimmed(text, start, match.start() + (match[0][0] != "\n"))
        start = match.end()
    yield from _trimmed(text, start, len(text))


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while end - start > _LONGEST:
        cut = text.rfind(" ", start + _LONGEST // 2, start + _LONGEST)
        cut = cut if cut > 0 else start + _LONGEST
        yield from _stripped(text, start, cut)
        start = cut
    yield from _stripped(text, start, end)


def _stripped(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    part = text[start:end]
    left = len(part) - len(part.lstrip())
    if left < len(part):
        yield start + left, start + len(part.rstrip())
