"""What is suspicious in a document: a part of it that seems written for the judge, not for readers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from judge_rerank.core.documents import Document

ERASED = "N/A"
"""What stands for a text of which nothing is left."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """A suspicious part of a document.

    Attributes:
        index: position of the document in the caller's list, from 0.
        start, end: the characters of the part, `text[start:end]`.
        reason: what is suspicious about it, in words; it quotes nothing of the document.
        score: how suspicious it is, from the guard's threshold to 1.
        part: where it stands: in the "text", in the "title", or in the metadata of this name, as it is shown.
    """

    index: int = 0
    start: int
    end: int
    reason: str
    score: float = 1.0
    part: str = "text"


def erased(document: Document, findings: Iterable[Finding]) -> Document:
    """The document without its suspicious parts; where nothing of its text is left, it is `ERASED`."""
    spans: dict[str, list[tuple[int, int]]] = {"text": [], "title": []}
    for finding in findings:
        if finding.part in spans:
            spans[finding.part].append((finding.start, finding.end))
    if not (spans["text"] or spans["title"]):
        return document
    text = _without(document.text, spans["text"]) if spans["text"] else document.text
    title = _without(document.title, spans["title"]) if document.title and spans["title"] else document.title
    return replace(document, text=text if text.strip() else ERASED, title=title if title and title.strip() else None)


def _without(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """What is left, as it would read without the parts: the white space around a part becomes one separator.

    So a document to which a part was added is the document that it was before, and the judge says the same of it.
    """
    kept: list[str] = []
    at = 0
    for start, end in sorted(spans):
        kept.append(text[at : max(at, start)])
        at = max(at, end)
    kept.append(text[at:])
    first, last = kept[0], kept[-1]
    left = [piece.strip() for piece in kept]
    between = "\n" if any("\n" in piece for piece in left) else " "
    joined = between.join(filter(None, left))
    # What stands before the first part and after the last one is not ours to change.
    before = first[: len(first) - len(first.lstrip())] if first.strip() else ""
    after = last[len(last.rstrip()) :] if last.strip() else ""
    return f"{before}{joined}{after}"
