"""The result: documents best first, and how far the order depends on judgments."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from importlib import import_module
from typing import Any, Literal, TypedDict, Unpack, cast, overload

from judge_rerank.core.documents import Document, Passage, Query
from judge_rerank.core.errors import SetupError
from judge_rerank.core.explanation import Explanation, explain
from judge_rerank.core.findings import Finding
from judge_rerank.core.judgments import Judgment
from judge_rerank.core.tiers import Tier
from judge_rerank.core.usage import Usage

Status = Literal["complete", "partial"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """What a stage of a cascade left for the next.

    Attributes:
        stage: the stage, as in a spec string ("bm25 % 50").
        indices: first-stage positions of the documents kept, in the stage's order.
    """

    stage: str
    indices: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class RankedDocument:
    """One place in a ranking.

    Attributes:
        rank: the place, from 1.
        index: position in the caller's list, from 0 (as in the Cohere API).
        relevance_score: in [0, 1] where the strategy has a score, None where it only has an order; with a calibration,
            the probability that the document is relevant.
        document: the document itself, untruncated.
        judgments: the judgments of the document, in the order in which they were requested.
        confidence: the certainty of this place: the probability that the document is really among the best `rank`. None
            if the strategy does not know it.
        evidence: the passage that decided; None where the document was judged in one piece, or not at all.
        warnings: parts of the document that seem written for the judge, in the order in which they stand.
    """

    rank: int
    index: int
    relevance_score: float | None
    document: Document
    judgments: tuple[Judgment, ...] = ()
    confidence: float | None = None
    evidence: Passage | None = None
    warnings: tuple[Finding, ...] = ()

    def __repr__(self) -> str:
        score = "" if self.relevance_score is None else f", {self.relevance_score:.4g}"
        name = "" if self.document.id is None else f" {self.document.id!r}"
        return f"<{self.rank}. (index {self.index}{score}){name} {_shown(self.document, 60)!r}>"


@dataclass(frozen=True, kw_only=True, slots=True)
class Integrity:
    """How far the ranking depends on real judgments.

    Attributes:
        parsed: calls whose reply was read as it stood.
        repaired: calls whose reply was read after repairing it; each repair is in its judgment's `repairs`.
        failed: calls that ended without a judgment, by reason.
        missing, duplicate, invented: ids that listwise replies left out, repeated, or made up.
        unjudged: first-stage positions of documents that no judgment covers; they keep their first-stage order.
        truncated: first-stage positions of documents that were cut to fit `max_tokens_per_doc` or the context, or of
            which only the first passages were asked about.
        cut: first-stage positions of documents that are left out of the results: their score is below `min_score`, or
            they are not relevant (`keep="relevant"`), or a stage of a cascade had cut them before there was such a
            score. Empty without these options.
        suspicious: parts of documents that seem written for the judge, and why, by `index`.
    """

    parsed: int = 0
    repaired: int = 0
    failed: Mapping[str, int] = field(default_factory=dict[str, int])
    missing: int = 0
    duplicate: int = 0
    invented: int = 0
    unjudged: tuple[int, ...] = ()
    truncated: tuple[int, ...] = ()
    cut: tuple[int, ...] = ()
    suspicious: tuple[Finding, ...] = ()


class RankingDetails(TypedDict, total=False):
    """What a ranking is made with beside its documents; each is explained at `Ranking`."""

    status: Status
    reasons: Sequence[str]
    notes: Sequence[str]
    kept: Sequence[Kept]
    usage: Usage | None
    integrity: Integrity | None
    tiers: Sequence[Tier] | None
    answerable: float | None


class Ranking(Sequence[RankedDocument]):
    """Documents best first: a sequence of `RankedDocument`.

    Without `top_n` and `min_score` it holds every document of the input exactly once. Ties keep first-stage order.

    Attributes:
        query: what was asked.
        results: the ranked documents, best first (the same as iterating over the ranking).
        strategy: the strategy that made the order.
        model: the judge.
        status: "complete" when every document was judged, else "partial".
        reasons: why it is partial, one sentence each; empty when complete.
        usage: calls, tokens, cost, time.
        integrity: how the replies were read.
        notes: what the strategy has to say of its run, one sentence each: the route taken and why, a stage that was
            not needed, a signal that was missing.
        kept: what each cut of a cascade kept, the first cut first; empty without cuts.
        tiers: which places are certain and which documents are tied, best first, as the last stage knows it; documents
            that an earlier one cut are in none. None if the strategy does not know it ("blitz", "partition" and
            "adaptive" do).
        answerable: the probability that any document answers the query: of what an LLM scored, the highest score; a
            calibration (`calibrate`) makes a probability of it. None where no score says it; `answerable=True` then
            asks.
    """

    __slots__ = (
        "answerable",
        "integrity",
        "kept",
        "model",
        "notes",
        "query",
        "reasons",
        "results",
        "status",
        "strategy",
        "tiers",
        "usage",
    )

    def __init__(
        self,
        results: Sequence[RankedDocument],
        *,
        query: Query,
        strategy: str,
        model: str | None = None,
        **details: Unpack[RankingDetails],
    ) -> None:
        self.results = tuple(results)
        self.query = query
        self.strategy = strategy
        self.model = model
        self.status: Status = details.get("status", "complete")
        self.reasons = tuple(details.get("reasons", ()))
        self.notes = tuple(details.get("notes", ()))
        self.kept = tuple(details.get("kept", ()))
        self.usage = details.get("usage") or Usage()
        self.integrity = details.get("integrity") or Integrity()
        tiers = details.get("tiers")
        self.tiers = None if tiers is None else tuple(tiers)
        self.answerable = details.get("answerable")

    @overload
    def __getitem__(self, place: int) -> RankedDocument: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[RankedDocument]: ...
    def __getitem__(self, place: int | slice) -> RankedDocument | Sequence[RankedDocument]:
        return self.results[place]

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[RankedDocument]:
        return iter(self.results)

    def __repr__(self) -> str:
        return f"<Ranking of {len(self)} documents by {self.strategy}, {self.status}>"

    def _repr_html_(self) -> str:
        """The ranking as a table, for notebooks."""
        rows = [
            (
                str(r.rank),
                str(r.index),
                "" if r.relevance_score is None else f"{r.relevance_score:.3f}",
                r.document.id or "",
                _shown(r.document, 200),
            )
            for r in self.results
        ]
        head = "".join(f"<th>{name}</th>" for name in ("rank", "index", "score", "id", "document"))
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        caption = escape(f"{self.query.text} – {self.strategy}, {self.status}")
        return f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """For pydantic and FastAPI: a ranking is valid as it is, and written as `to_dict()`."""
        from pydantic_core import core_schema

        return core_schema.is_instance_schema(
            cls,
            serialization=core_schema.plain_serializer_function_ser_schema(
                cls.to_dict, return_schema=core_schema.dict_schema()
            ),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        """For the description of an HTTP interface: an object."""
        return {"type": "object", "title": "Ranking"}

    def to_pandas(self) -> Any:
        """The ranking as a pandas DataFrame, a row for each document, best first.

        Its columns are `rank`, `index`, `relevance_score`, and what `Document.to_dict` has; where a metadata key has
        one of the first three names, the ranking's value stands.

        Raises:
            SetupError: pandas is not installed.
        """
        try:
            pandas: Any = import_module("pandas")
        except ImportError:
            raise SetupError("A DataFrame needs pandas, which is not installed. Run: pip install pandas") from None
        first = ("rank", "index", "relevance_score")
        rows = [{name: getattr(r, name) for name in first} for r in self.results]
        whole = [row | r.document.to_dict() | row for row, r in zip(rows, self.results, strict=True)]
        columns = dict.fromkeys((*first, "id", "title", "text", *(key for row in whole for key in row)))
        return pandas.DataFrame(whole, columns=[*columns])

    @property
    def order(self) -> tuple[int, ...]:
        """First-stage positions, best first."""
        return tuple(r.index for r in self.results)

    def explain(self, index: int) -> Explanation:
        """A document's path through the stages, with the judgments that moved it; `str()` of it is for people.

        Args:
            index: the document's position in the caller's list.

        Raises:
            InputError: no such document is in this ranking.
        """
        return explain(self, index=index)

    def to_dict(self) -> dict[str, Any]:
        """The whole ranking in JSON-ready types. Money is a string, so that no digit is lost."""
        return {
            "query": _plain(asdict(self.query)),
            "strategy": self.strategy,
            "model": self.model,
            "status": self.status,
            "reasons": list(self.reasons),
            "notes": list(self.notes),
            "kept": [{"stage": each.stage, "indices": list(each.indices)} for each in self.kept],
            "answerable": self.answerable,
            "tiers": None if self.tiers is None else [_plain(asdict(tier)) for tier in self.tiers],
            "results": [
                {
                    "rank": r.rank,
                    "index": r.index,
                    "relevance_score": _plain(r.relevance_score),
                    "confidence": _plain(r.confidence),
                    "evidence": asdict(r.evidence) if r.evidence else None,
                    "document": _plain(r.document.to_dict()),
                    "judgments": [_plain(asdict(j)) for j in r.judgments],
                    "warnings": [_plain(asdict(warning)) for warning in r.warnings],
                }
                for r in self.results
            ],
            "usage": _plain(asdict(self.usage)),
            "integrity": _plain(asdict(self.integrity)),
        }

    def to_json(self, *, indent: int | None = None) -> str:
        """`to_dict()` as JSON text."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=indent, allow_nan=False)

    def to_trec(self, *, tag: str = "judge_rerank") -> str:
        """The ranking as lines of a TREC run: `qid Q0 docid rank score tag`.

        The score is derived from the rank (n, n-1, … 1), so that tools that sort by score and break ties by id
        reproduce this order. A missing query id is written as `q`, a missing document id as its position, and white
        space in an id, which would break the line, as `_`.
        """
        qid = _field(self.query.id or "q")
        lines = (
            f"{qid} Q0 {_field(r.document.id or str(r.index))} {r.rank} {len(self) - r.rank + 1} {tag}"
            for r in self.results
        )
        return "".join(line + "\n" for line in lines)


def _shown(document: Document, longest: int) -> str:
    """A document on one line."""
    text = " ".join(f"{document.title}: {document.text}".split() if document.title else document.text.split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _field(text: str) -> str:
    return "_".join(text.split()) or "_"


def _plain(value: Any) -> Any:
    """`value` in types that JSON has; a float that JSON has not (NaN, infinity) becomes its name."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in cast("Iterable[Any]", value)]
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return str(value)
