"""Where a long text is cut: between paragraphs and sentences, in parts that take at most so many tokens."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from judge_rerank.core import CHARS_PER_TOKEN, Passage, fitting

_UNIT = re.compile(r".+?(?:\n\s*\n|[.!?…][)\"'”’\]]*\s+|[。！？]\s*|\Z)", re.DOTALL)
"""A sentence, or what else ends at a blank line, with the white space that follows it."""

_PARAGRAPH_END = re.compile(r"\n\s*\n\s*\Z")


@dataclass(frozen=True, slots=True)
class _Unit:
    start: int
    end: int
    tokens: int
    closes: bool  # a paragraph


def passages(text: str, max_tokens: int, overlap_tokens: int, count: Callable[[str], int]) -> tuple[Passage, ...]:
    """Passages of at most `max_tokens` tokens that cover the text; one for a text that is short enough or blank.

    A passage ends with a paragraph where one ends in its second half, else with a sentence; a longer sentence is cut
    between words. It begins with the last sentences of the one before, as far as these take `overlap_tokens`.

    Args:
        text: what to cut.
        max_tokens: the bound, at least 1. Only a single character that takes more tokens can pass it.
        overlap_tokens: how much of a passage may be shown again at the beginning of the next.
        count: how many tokens a text takes.
    """
    if len(text) <= max_tokens * CHARS_PER_TOKEN and count(text) <= max_tokens:
        return (Passage(start=0, end=len(text)),)
    units = list(_units(text, max_tokens, count))
    found: list[Passage] = []
    first = done = 0
    while first < len(units):
        end = _end(units, first, max_tokens)
        while end - first > 1 and count(text[units[first].start : units[end - 1].end].strip()) > max_tokens:
            end -= 1  # a tokenizer may make more of a text than of its sentences one by one
        if end <= done:  # what is shown again leaves no room for anything new
            first = done
            continue
        found.append(_trimmed(text, units[first].start, units[end - 1].end))
        done = end
        first = _next(units, first, end, max_tokens, overlap_tokens)
    return tuple(found) or (Passage(start=0, end=0),)  # nothing but white space


def _units(text: str, max_tokens: int, count: Callable[[str], int]) -> Iterator[_Unit]:
    for match in _UNIT.finditer(text):
        start, end = match.span()
        closes = _PARAGRAPH_END.search(match[0]) is not None
        while start < end:
            cut, tokens = fitting(text, start, end, max_tokens, count)
            if text[start:cut].strip():
                yield _Unit(start, cut, tokens, closes=closes and cut == end)
            start = cut


def _end(units: list[_Unit], first: int, max_tokens: int) -> int:
    """The unit that the passage from `first` on ends before."""
    end, total, paragraph = first, 0, first
    while end < len(units) and (end == first or total + units[end].tokens <= max_tokens):
        total += units[end].tokens
        end += 1
        if units[end - 1].closes and total * 2 >= max_tokens:
            paragraph = end
    return end if end == len(units) or paragraph == first else paragraph


def _next(units: list[_Unit], first: int, end: int, max_tokens: int, overlap_tokens: int) -> int:
    """The unit that the next passage begins with; the one at `end` has to fit too."""
    if end == len(units):
        return end
    room = min(overlap_tokens, max_tokens - units[end].tokens)
    begin = end
    while begin - 1 > first and units[begin - 1].tokens <= room:
        begin -= 1
        room -= units[begin].tokens
    return begin


def _trimmed(text: str, start: int, end: int) -> Passage:
    piece = text[start:end]
    return Passage(start=start + len(piece) - len(piece.lstrip()), end=start + len(piece.rstrip()))
