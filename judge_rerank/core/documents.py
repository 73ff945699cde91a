"""Queries, documents and candidates, and how they are made of what callers pass."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from judge_rerank.core.errors import InputError


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
    """

    text: str
    title: str | None = None
    id: str | None = None
    score: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])

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


def as_query(query: str | Query) -> Query:
    """The query, checked.

    Raises:
        InputError: it is empty or not a string.
    """
    if isinstance(query, str):
        query = Query(text=query)
    if not isinstance(query, Query) or not isinstance(query.text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        msg = f"The query is {type(query).__name__}; expected a string or a Query."
        raise InputError(msg)
    _check_text(query.id, "The query's id", optional=True)
    if not query.text.strip():
        msg = "The query is empty; there is nothing to judge the documents for."
        raise InputError(msg)
    return query


def as_documents(docs: Iterable[str | Mapping[str, Any] | Document]) -> tuple[Document, ...]:
    """The documents, checked, in the given order.

    Raises:
        InputError: one is not a document; the message has its position.
    """
    given: object = docs
    if isinstance(given, (str, bytes, Mapping)):
        kind = type(cast("object", given)).__name__
        msg = f"docs is one {kind}; expected a list of documents: rerank(query, [doc, ...])."
        raise InputError(msg)
    try:
        items = list(docs)
    except TypeError:
        msg = f"docs is {type(docs).__name__}; expected a list of strings, mappings with a 'text', or Documents."
        raise InputError(msg) from None
    return tuple(_as_document(item, position) for position, item in enumerate(items))


def _as_document(item: object, position: int) -> Document:
    if isinstance(item, Document):
        return _checked(item, f"docs[{position}]")
    if isinstance(item, str):
        return Document(text=item)
    if isinstance(item, Mapping):
        return _from_mapping(cast("Mapping[str, Any]", item), position)
    msg = f"docs[{position}] is {type(item).__name__}; expected a string, a mapping with a 'text', or a Document."
    raise InputError(msg)


def _from_mapping(item: Mapping[str, Any], position: int) -> Document:
    where = f"docs[{position}]"
    if "text" not in item:
        keys = ", ".join(repr(key) for key in list(item)[:8]) or "none"
        msg = f"{where} has no 'text' (its keys: {keys}); put what the judge should read under 'text'."
        raise InputError(msg)
    _check_text(item["text"], f"{where}['text']")
    title, identifier, score = item.get("title"), item.get("id"), item.get("score")
    _check_text(title, f"{where}['title']", optional=True)
    if identifier is not None and not isinstance(identifier, (str, int)):
        msg = f"{where}['id'] is {type(identifier).__name__}; expected a string, a number or None."
        raise InputError(msg)
    return Document(
        text=item["text"],
        title=title or None,
        id=str(identifier) if identifier is not None else None,
        score=_score(score, f"{where}['score']"),
        metadata={key: value for key, value in item.items() if key not in {"text", "title", "id", "score"}},
    )


def _checked(document: Document, where: str) -> Document:
    """A `Document` as the caller made it, which nothing has checked yet."""
    _check_text(document.text, f"{where}.text")
    _check_text(document.title, f"{where}.title", optional=True)
    _check_text(document.id, f"{where}.id", optional=True)
    _score(document.score, f"{where}.score")
    if not isinstance(document.metadata, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        msg = f"{where}.metadata is {type(document.metadata).__name__}; expected a mapping."
        raise InputError(msg)
    return document


def _check_text(text: object, where: str, *, optional: bool = False) -> None:
    if not isinstance(text, str) and not (optional and text is None):
        msg = f"{where} is {type(text).__name__}; expected a string{' or None' if optional else ''}."
        raise InputError(msg)


def _score(score: object, where: str) -> float | None:
    if score is None:
        return None
    try:
        number = float(cast("Any", score))
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if isinstance(score, (str, bool)) or not math.isfinite(number):
        msg = f"{where} is {score!r}; expected a finite number or None."
        raise InputError(msg)
    return number
