"""Text and Markdown cut into passages: along headings and paragraphs, never longer than a bound."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from judge_rerank.core import Document, InputError

Markup = Literal["markdown", "rst", "text"]

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_HASHES = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?\s*$")
_MARKDOWN_RULE = re.compile(r" {0,3}(?:(=)=*|(-)-*)\s*$")
_RULE = re.compile(r"([=\-~^\"'`*+#.:_])\1{2,}\s*$")
_FRONT_MATTER = re.compile(r"---[ \t]*\n.*?\n(?:---|\.\.\.)[ \t]*(?:\n|$)", re.DOTALL)
_WORD = re.compile(r"\w")
_BREAKS = (re.compile(r"[.!?][)\"'”’]*(?:[ \t]+|\n)|[。！？]"), re.compile(r"\n"), re.compile(r"[ \t]+"))
"""Where a long paragraph may be cut, best first: after a sentence, at a line end, between words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Block:
    """A paragraph, or a heading with its level from 1 and its title, as a span of the text."""

    start: int
    end: int
    level: int = 0
    title: str = ""


def passages(
    text: str, *, title: str | None = None, path: str | None = None, markup: Markup = "text", max_chars: int = 1200
) -> list[Document]:
    """The text as passages of at most `max_chars` characters, in the order of the text.

    Paragraphs under one heading are put together while they fit; a longer paragraph is cut after a sentence, at a
    line end or between words. A passage's title is `title › heading › subheading`, its metadata say the `line` (from
    1) and the `path`, and its id is `path:line`, with the column where it starts within a line. A heading without
    anything below it is a passage too, so that a bare outline is not lost.

    Args:
        text: what to cut.
        title: the first part of every title, usually the file's name.
        path: what the ids and the metadata name.
        markup: "markdown" has `#` and underlined headings, fences and front matter; "rst" and "text" have underlined
            headings.
        max_chars: the bound.

    Raises:
        InputError: `max_chars` is below 1.
    """
    if max_chars < 1:
        raise InputError(f"max_chars is {max_chars}; expected at least 1.")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    skipped = _FRONT_MATTER.match(text) if markup == "markdown" else None
    lines = list(_LINE.finditer(text, skipped.end() if skipped else 0))
    found_blocks = _markdown_blocks(lines) if markup == "markdown" else _underlined_blocks(lines)
    # A rule of dashes below a heading is no text below it.
    blocks = (block for block in found_blocks if block.level or _WORD.search(text, block.start, block.end))
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    found: list[Document] = []
    for start, end, headings in _grouped(blocks, max_chars):
        full_title = " › ".join(part for part in (title, *headings) if part) or None
        for piece_start, piece_end in _cut(text, start, end, max_chars):
            piece = text[piece_start:piece_end].rstrip()
            if _WORD.search(piece):
                found.append(_document(piece, piece_start, starts, full_title, path))
    return found


def _document(text: str, start: int, starts: Sequence[int], title: str | None, path: str | None) -> Document:
    line = bisect_right(starts, start)
    column = start - starts[line - 1] + 1
    place = f"{line}" if column == 1 else f"{line}:{column}"
    metadata: dict[str, Any] = {"line": line} if path is None else {"path": path, "line": line}
    return Document(text=text, title=title, id=place if path is None else f"{path}:{place}", metadata=metadata)


_Line = re.Match[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Heading:
    """What a line turns out to be: a heading by itself, or together with the paragraph `above` that it underlines."""

    level: int
    title: str
    above: bool = False


_HeadingRule = Callable[[_Line, Sequence[_Line]], _Heading | None]


def _markdown_blocks(lines: Iterable[_Line]) -> Iterator[_Block]:
    fence = ""

    def heading(line: _Line, above: Sequence[_Line]) -> _Heading | None:
        nonlocal fence
        if mark := _FENCE.match(line[0]):
            if not fence:
                fence = mark[1]
            elif mark[1].startswith(fence):
                fence = ""
            return None
        if fence:
            return None
        if hashes := _HASHES.match(line[0]):
            return _Heading(level=len(hashes[1]), title=hashes[2] or "")
        if len(above) == 1 and (rule := _MARKDOWN_RULE.match(line[0])):
            return _Heading(level=1 if rule[1] else 2, title=above[0][0].strip(), above=True)
        return None

    return _blocks(lines, heading)


def _underlined_blocks(lines: Iterable[_Line]) -> Iterator[_Block]:
    styles: list[tuple[str, bool]] = []

    def heading(line: _Line, above: Sequence[_Line]) -> _Heading | None:
        rule = _RULE.match(line[0])
        if not rule or len(above) not in (1, 2) or _RULE.match(above[-1][0]):
            return None
        title, overlined = above[-1][0].strip(), len(above) == 2
        if len(title) > len(line[0].strip()) or (overlined and above[0][0].strip() != line[0].strip()):
            return None
        style = (rule[1], overlined)
        if style not in styles:
            styles.append(style)
        return _Heading(level=styles.index(style) + 1, title=title, above=True)

    return _blocks(lines, heading)


def _blocks(lines: Iterable[_Line], heading: _HeadingRule) -> Iterator[_Block]:
    """Paragraphs and headings in order. `heading` sees each line and the paragraph so far."""
    paragraph: list[_Line] = []
    for line in lines:
        found = heading(line, paragraph)
        if found is None and not line[0].isspace():
            paragraph.append(line)
            continue
        start = line.start()
        if paragraph:
            if found is not None and found.above:
                start = paragraph[0].start()
            else:
                yield _Block(start=paragraph[0].start(), end=paragraph[-1].end())
            paragraph.clear()
        if found is not None:
            yield _Block(start=start, end=line.end(), level=found.level, title=found.title)
    if paragraph:
        yield _Block(start=paragraph[0].start(), end=paragraph[-1].end())


def _grouped(blocks: Iterable[_Block], max_chars: int) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Spans of paragraphs that stand together under one heading, each with the way to that heading.

    A heading with nothing below it, neither text nor a lower heading, is a span of its own.
    """
    trail: list[_Block] = []
    span: tuple[int, int] | None = None
    bare = False
    for block in blocks:
        if block.level:
            if span and not (bare and block.level > trail[-1].level):
                yield *span, _titles(trail)
            trail = [*(heading for heading in trail if heading.level < block.level), block]
            span, bare = (block.start, block.end), True
        elif span and not bare and block.end - span[0] <= max_chars:
            span = (span[0], block.end)
        else:
            if span and not bare:
                yield *span, _titles(trail)
            span, bare = (block.start, block.end), False
    if span:
        yield *span, _titles(trail)


def _titles(trail: Sequence[_Block]) -> tuple[str, ...]:
    return tuple(heading.title for heading in trail if heading.title)


def _cut(text: str, start: int, end: int, max_chars: int) -> Iterator[tuple[int, int]]:
    """The span in pieces of at most `max_chars`, cut in the second half of each piece where that is possible."""
    while end - start > max_chars:
        cut = start + max_chars
        for pattern in _BREAKS:
            ends = [match.end() for match in pattern.finditer(text, start + max_chars // 2, cut)]
            if ends:
                cut = ends[-1]
                break
        yield start, cut
        start = cut
    yield start, end
