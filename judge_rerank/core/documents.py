"""Queries, documents, and the candidates that a strategy puts in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from judge_rerank.core.criteria import Criterion

ShownFields: TypeAlias = tuple[tuple[str, str], ...]
"""Names of metadata with their values as text, in the order in which they are shown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """What is searched for, and what documents are judged by.

    Example:
        ```python
        from judge_rerank import Judge, Query

        query = Query(text="why do my brakes squeal?", id="q1", instruction="prefer quick remedies")
        docs = ["A bell is loud.", "Squealing brakes need clean rotors."]
        ranking = Judge("openai/gpt-6-luna").rerank(query, docs)
        print(ranking.query.id)  # q1
        ```

    Attributes:
        text: the query; it must not be empty.
        id: its name in TREC output and in reports.
        instruction: what the judge is to heed beside the query; None where nobody said, "" for none.
        criteria: what the judge is to weigh; empty for relevance alone.
        fields: the metadata of each document that is shown to the judge.
    """

    text: str
    id: str | None = None
    instruction: str | None = None
    criteria: tuple[Criterion, ...] = ()
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """One retrieved text.

    Example:
        ```python
        from judge_rerank import Document, Judge

        bell = Document(text="A bell is loud.", id="bell", metadata={"year": 2024})
        oil = Document(text="Squealing brakes need clean rotors.", id="oil", title="Squealing")
        docs = [bell, oil]
        ranking = Judge("openai/gpt-6-luna").rerank("why do my brakes squeal?", docs)
        print([result.document.id for result in ranking])  # ['oil', 'bell']
        ```

    Attributes:
        text: what the judge reads.
        title: shown to the judge before the text, where there is one.
        id: the caller's name for it; used in TREC output. Never shown to the judge.
        score: the first stage's score, if it is known. Shown to the judge only by `first_stage_scores=True`.
        metadata: anything else the caller wants to find again in the ranking. Only what `fields` names is shown to the
            judge.
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

    Where `passage` is set, `document.text` is only that part of the text of the document at `index`. `fields` are
    shown before the text.
    """

    index: int
    document: Document
    passage: Passage | None = None
    fields: ShownFields = ()

    @property
    def heading(self) -> str:
        """The fields as text, a line each; "" for none."""
        return "\n".join(f"{name}: {value}" for name, value in self.fields)
