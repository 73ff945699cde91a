"""Delimiters of a template that a document can write, so that it can end itself and begin another."""

from __future__ import annotations

import re

from judge_rerank.prompting.template import Template

_SHOWS = re.compile(r"\{\{[^{}]*(?:\.(?:text|title)|documents)\b")
_COUNTED = r"\{\{[^{}]*(?:\bid|\.id|loop\.index0?|\[loop\.index0?\])[^{}]*\}\}"
_WEAK = (
    ("three quotation marks", re.compile(r"\"\"\"|'''")),
    ("a Markdown fence", re.compile(r"```|~~~")),
    ("a heading", re.compile(r"^\s*#{1,6}\s")),
    ("a line of dashes or the like", re.compile(r"^\s*(?:-{3,}|={3,}|\*{3,}|_{3,}|#{3,})\s*$")),
    (
        "a name in words",
        re.compile(rf"\b(?:document|passage|doc|text|item|candidate)\s*\W?\s*{_COUNTED}", re.IGNORECASE),
    ),
    ("a number or a letter", re.compile(rf"^\s*{_COUNTED}\s*[:.)-]")),
)


def weak_delimiters(template: Template) -> list[tuple[int, str]]:
    """The lines of a template's file that delimit documents by what any document can write, and what that is.

    None where tags enclose the documents, since these are sent with a word that no document can know; nor on lines
    with `fence()`. Numbers in square brackets are none: documents lose them.
    """
    if template.fenced:
        return []
    found: list[tuple[int, str]] = []
    for number, line in _shown_lines(template.source):
        kinds = [] if "fence(" in line else [kind for kind, pattern in _WEAK if pattern.search(line)]
        found += [(number, kind) for kind in kinds[:1]]
    return found


def _shown_lines(source: str) -> list[tuple[int, str]]:
    """The lines of the part that shows documents, if it shows some."""
    lines = list(enumerate(source.split("\n"), start=1))
    starts = [place for place, (_, line) in enumerate(lines) if line.rstrip() in ("user:", "state:")]
    if not starts:
        return []
    shown = lines[starts[0] + 1 :]
    ends = [place for place, (_, line) in enumerate(shown) if line.rstrip() in ("system:", "question:")]
    shown = shown[: ends[0]] if ends else shown
    return shown if any(_SHOWS.search(line) for _, line in shown) else []
