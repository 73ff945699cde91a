"""The result: documents best first, and how far the order rests on judgments."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, cast, overload

from judge_rerank.core.documents import Document, Passage, Query
from judge_rerank.core.explanation import Explanation, explain
from judge_rerank.core.judgments import Judgment
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


@dataclass(frozen=True, kw_only=True, slots=True)
class RankedDocument:
    """One place in a ranking.

    Attributes:
        rank: the place, from 1.
        index: position in the caller's list, from 0 (as in the Cohere API).
        relevance_score: in [0, 1] where the strategy has a score, None where it only has an order; with a calibration,
            the probability that the document is relevant.
        document: the document itself, untruncated.
        judgments: what was said of it, in the order in which it was asked.
        confidence: how sure the strategy is of this place: how probable it is that the document is really among the
            best `rank`. None where the strategy does not know.
        evidence: the passage that decided; None where the document was judged in one piece, or not at all.
    """

    rank: int
    index: int
    relevance_score: float | None
    document: Document
    judgments: tuple[Judgment, ...] = ()
    confidence: float | None = None
    evidence: Passage | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Integrity:
    """How far the ranking rests on what the judge really said.

    Attributes:
        parsed: calls whose reply was read as it stood.
        repaired: calls whose reply was read after mending it; each mend is in its judgment's `repairs`.
        failed: calls that ended without a judgment, by reason.
        missing, duplicate, invented: ids that listwise replies left out, repeated, or made up.
        unjudged: first-stage positions of documents that no judgment covers; they keep their first-stage order.
        truncated: first-stage positions of documents that were cut to fit `max_tokens_per_doc` or the context, or of
            which only the first passages were asked about.
        cut: first-stage positions of documents whose score is below `min_score`, or that a stage of a cascade had cut
            before there was such a score; they are left out of the results. Empty without `min_score`.
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


class Ranking(Sequence[RankedDocument]):
    """Documents best first: a sequence of `RankedDocument`.

    Without `top_n` and `min_score` it holds every document of the input exactly once. Ties stand in first-stage order.

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
    """

    __slots__ = ("integrity", "kept", "model", "notes", "query", "reasons", "results", "status", "strategy", "usage")

    def __init__(
        self,
        results: Sequence[RankedDocument],
        *,
        query: Query,
        strategy: str,
        model: str | None = None,
        status: Status = "complete",
        reasons: Sequence[str] = (),
        usage: Usage | None = None,
        integrity: Integrity | None = None,
        notes: Sequence[str] = (),
        kept: Sequence[Kept] = (),
    ) -> None:
        self.kept = tuple(kept)
        self.notes = tuple(notes)
        self.results = tuple(results)
        self.query = query
        self.strategy = strategy
        self.model = model
        self.status: Status = status
        self.reasons = tuple(reasons)
        self.usage = usage or Usage()
        self.integrity = integrity or Integrity()

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
            "query": asdict(self.query),
            "strategy": self.strategy,
            "model": self.model,
            "status": self.status,
            "reasons": list(self.reasons),
            "notes": list(self.notes),
            "kept": [{"stage": each.stage, "indices": list(each.indices)} for each in self.kept],
            "results": [
                {
                    "rank": r.rank,
                    "index": r.index,
                    "relevance_score": _plain(r.relevance_score),
                    "confidence": _plain(r.confidence),
                    "evidence": asdict(r.evidence) if r.evidence else None,
                    "document": _plain(r.document.to_dict()),
                    "judgments": [_plain(asdict(j)) for j in r.judgments],
                }
                for r in self.results
            ],
            "usage": _plain(asdict(self.usage)),
            "integrity": {name: _plain(getattr(self.integrity, name)) for name in Integrity.__dataclass_fields__},
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
