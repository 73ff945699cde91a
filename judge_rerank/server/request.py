"""What a client asks for and what it gets, whichever API it speaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any, Literal, cast

from judge_rerank.core import Finding

_TEXT_KEYS = ("text", "content", "page_content", "passage", "body")


@dataclass(frozen=True, kw_only=True, slots=True)
class SpansWanted:
    """The passages of a document that a client wants to know.

    Attributes:
        threshold: the lowest score of a passage, from 0 to 1.
        most: the most passages of one document.
    """

    threshold: float = 0.0
    most: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """One request.

    Attributes:
        model: the route, as the client calls it; None where it names none.
        query: the text of the query.
        documents: their texts, in the order of the request.
        top_n: how many results to send; None for all.
        with_documents: whether the results carry the texts.
        spans: what passages to send; None for none.
        id: what the query is called in the trace; None for no name.
    """

    model: str | None = None
    query: str
    documents: tuple[str, ...]
    top_n: int | None = None
    with_documents: bool = False
    spans: SpansWanted | None = None
    id: str | None = None

    @property
    def tokens(self) -> int:
        """About how long it is: a token for every four bytes."""
        texts = sum([len(text.encode()) for text in self.documents])
        return -(-(texts + len(self.query.encode())) // 4)


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A passage that was relevant: characters `start` to `end` of its document, and its score."""

    start: int
    end: int
    score: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One document of a reply: its place in the request, its score in (0, 1), its text."""

    index: int
    score: float
    text: str
    span: Span | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Meta:
    """How a ranking was made.

    Attributes:
        route, strategy: what ranked.
        status, reasons, notes: as in `Ranking`.
        judged, unjudged: indices of documents that were judged, and of those that only follow their first-stage order.
        calls, cached_calls, input_tokens, output_tokens, cost_usd, latency_s: as in `Usage`.
        documents: how many were ranked.
        unreadable: replies of the judge that could not be read.
        suspicious: parts of documents that seem written for the judge.
    """

    route: str
    strategy: str
    status: Literal["complete", "partial"] = "complete"
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    judged: tuple[int, ...] = ()
    unjudged: tuple[int, ...] = ()
    calls: int = 0
    cached_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal | None = Decimal(0)
    latency_s: float = 0.0
    documents: int = 0
    unreadable: int = 0
    suspicious: tuple[Finding, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """What clients see of it. Money is a string, so that no digit is lost."""
        cost = None if self.cost_usd is None else str(self.cost_usd)
        return {
            "status": self.status,
            "reasons": list(self.reasons),
            "notes": list(self.notes),
            "strategy": self.strategy,
            "judged": list(self.judged),
            "unjudged": list(self.unjudged),
            "suspicious": [asdict(finding) for finding in self.suspicious],
            "calls": self.calls,
            "cached_calls": self.cached_calls,
            "cost_usd": cost,
            "latency_s": round(self.latency_s, 4),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One reply: the results that were asked for, best first, and how they were made."""

    id: str
    model: str
    results: tuple[Result, ...]
    meta: Meta = field(default_factory=lambda: Meta(route="", strategy=""))


def text_of(given: object) -> str:
    """The text of a document or a query: a string, or an object with text in it.

    An object's text stands under one of `text`, `content` and their like, as a string or as parts of which those of
    type "text" count. "" where there is none.
    """
    if isinstance(given, str):
        return _clean(given)
    record = _record(given)
    for key in _TEXT_KEYS:
        value = record.get(key)
        if isinstance(value, str):
            return _clean(value)
        if isinstance(value, list):
            return _clean("\n".join(_part_text(part) for part in cast("Sequence[object]", value)).strip())
    return ""


def document_text(given: object) -> str:
    """The text of a document; of an object that has no text, a line for each of its values."""
    record = _record(given)
    if not record or any(key in record for key in (*_TEXT_KEYS, "image")):
        return text_of(given)
    lines = (f"{key}: {value}" for key, value in record.items() if isinstance(value, (str, int, float)))
    return _clean("\n".join(lines))


def _record(given: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", given) if isinstance(given, Mapping) else {}


def _part_text(part: object) -> str:
    if isinstance(part, str):
        return part
    text = _record(part).get("text")
    return text if isinstance(text, str) else ""


def _clean(text: str) -> str:
    """The text without halves of surrogate pairs, which JSON can hold and UTF-8 cannot."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
