"""Queries, documents, and the candidates that a strategy puts in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """What is searched for; `id` names it in TREC output and in reports."""

    text: str
    id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """One retrieved text.

    Attributes:
        text: what the judge reads.
        title: shown to the judge before the text, where there is one.
        id: the caller's name for it; used in TREC output. Never shown to the judge.
        score: the first stage's score, if it is known. Never shown to the judge.
        metadata: anything else the caller wants to find again in the ranking. Never shown to the judge.
        source: what the caller passed, as it was: a mapping, a row of a table, a document of LangChain, LlamaIndex or
            Haystack. None for a `Document` of the caller's own. It is neither compared nor written anywhere, and never
            shown to the judge.
    """

    text: str
    title: str | None = None
    id: str | None = None
    score: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    source: Any = field(default=None, compare=False, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The document as JSON-ready keys; absent parts are left out, metadata keys stand beside the others."""
        known = {"text": self.text, "title": self.title, "id": self.id, "score": self.score}
        return dict(self.metadata) | {key: value for key, value in known.items() if value is not None}


@dataclass(frozen=True, kw_only=True, slots=True)
class Passage:
    """A part of a document's text, `document.text[start:end]`, in characters."""

    start: int
    end: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A document and its place in the first-stage order, counted from 0.

    Where `passage` is set, `document.text` is only that part of the text of the document at `index`.
    """

    index: int
    document: Document
    passage: Passage | None = None
