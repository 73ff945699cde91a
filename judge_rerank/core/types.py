"""What goes in and what comes out: documents, judgments, rankings. Standard library only."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, cast, overload

if TYPE_CHECKING:
    from judge_rerank.core.explanation import Explanation

Status = Literal["complete", "partial"]

FailureReason = Literal["refused", "unreadable", "truncated", "provider", "budget", "deadline", "cancelled", "scorer"]
"""Why a call gave no judgment. The first three are replies that came and could not be used; the rest never came."""


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgment:
    """What one call said of one document, and everything needed to check it.

    Attributes:
        stage: the strategy that asked ("score", "listwise").
        round: which round of the ranking it was, from 1.
        score: relevance in [0, 1]; None where the judge gave an order only.
        raw: the score as a scorer gave it, on its own scale; None where an LLM judged.
        label: the judge's own words for it ("yes", "7"); None for an order.
        position: place among the documents of the same call, from 1 (best); None for a score.
        window: first-stage positions of the documents the call showed, in the order shown.
        passage: the part of the document that was shown; None where it was shown as a whole.
        reason: the judge's explanation, where one was asked for.
        prompt, prompt_hash: the template.
        model: the model that answered.
        reply: its raw text.
        repairs: what was mended while reading the reply; empty for a clean one.
        failure: why there is no judgment, if there is none; score, label and position are then None.
        input_tokens, output_tokens, cost_usd, latency_s: of the whole call, which may have judged other documents too.
        cached: whether the reply came from the cache and cost nothing.
    """

    stage: str
    round: int
    score: float | None = None
    raw: float | None = None
    label: str | None = None
    position: int | None = None
    window: tuple[int, ...] = ()
    passage: Passage | None = None
    reason: str | None = None
    prompt: str | None = None
    prompt_hash: str | None = None
    model: str | None = None
    reply: str | None = None
    repairs: tuple[str, ...] = ()
    failure: FailureReason | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal | None = None
    latency_s: float = 0.0
    cached: bool = False


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
class Usage:
    """What a ranking took.

    Attributes:
        calls: judgments bought, with re-asks; replies from the cache are not in it.
        cached_calls: judgments that the cache held.
        retries: attempts that failed and were made again.
        reasks: replies that could not be read and were asked for once more.
        rounds: calls in sequence, which is what sets the latency.
        scored_pairs: documents that local scorers scored, each counted every time.
        input_tokens, output_tokens, cached_input_tokens: as the provider counted them, of the calls.
        cost_usd: of the calls; None when any price is not known, 0 for a local model.
        saved_input_tokens, saved_output_tokens, saved_usd: what the replies from the cache took when they were bought;
            dollars are None when the price of any is not known.
        latency_s: wall-clock seconds from the request to the ranking.
    """

    calls: int = 0
    cached_calls: int = 0
    retries: int = 0
    reasks: int = 0
    rounds: int = 0
    scored_pairs: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    cost_usd: Decimal | None = Decimal(0)
    saved_input_tokens: int = 0
    saved_output_tokens: int = 0
    saved_usd: Decimal | None = Decimal(0)
    latency_s: float = 0.0


def total_usd(costs: Iterable[Decimal | None]) -> Decimal | None:
    """The sum of the costs; None when any of them is not known."""
    total = Decimal(0)
    for cost in costs:
        if cost is None:
            return None
        total += cost
    return total


def added(*usages: Usage) -> Usage:
    """What several pieces of work took together, one after the other; the cost is unknown if any of them is."""
    return Usage(
        calls=sum(usage.calls for usage in usages),
        cached_calls=sum(usage.cached_calls for usage in usages),
        retries=sum(usage.retries for usage in usages),
        reasks=sum(usage.reasks for usage in usages),
        rounds=sum(usage.rounds for usage in usages),
        scored_pairs=sum(usage.scored_pairs for usage in usages),
        input_tokens=sum(usage.input_tokens for usage in usages),
        output_tokens=sum(usage.output_tokens for usage in usages),
        cached_input_tokens=sum(usage.cached_input_tokens for usage in usages),
        cost_usd=total_usd(usage.cost_usd for usage in usages),
        saved_input_tokens=sum(usage.saved_input_tokens for usage in usages),
        saved_output_tokens=sum(usage.saved_output_tokens for usage in usages),
        saved_usd=total_usd(usage.saved_usd for usage in usages),
        latency_s=sum(usage.latency_s for usage in usages),
    )


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """What a ranking would take, found without a call.

    Attributes:
        calls, rounds: what a run without failures makes; a strategy that stops early may make fewer.
        scored_pairs: documents for local scorers to score, which are no calls and cost nothing.
        input_tokens: of the prompts as they would be sent, by the model's own tokenizer where it is known.
        output_tokens: the most that the replies may use.
        cost_usd: the most that it can cost without retries; None when the price is not known, 0 for a local model.
    """

    calls: int
    rounds: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal | None
    scored_pairs: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """What one strategy is expected to take and to give.

    Attributes:
        strategy: as a spec string, for `strategy=`.
        ndcg: expected nDCG@10, from a table that a benchmark fitted; it orders strategies, and promises nothing.
        calls, rounds, input_tokens: of a run with a judge that errs.
        output_tokens: the most that the replies may use.
        cost_usd: the most that it can cost without retries; None when the price is not known, 0 for a local model.
        latency_s: how long the rounds take, one after another.
    """

    strategy: str
    ndcg: float
    calls: int
    rounds: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal | None
    latency_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Recommendation:
    """The strategy to use within some limits.

    Attributes:
        best: the one with the highest expected nDCG@10; of those within `tolerance` of it, the one with fewest tokens.
        alternatives: all others that fit the limits, in the same order.
        call_latency_s: how long a call was taken to last.
        tolerance: differences of expected nDCG below it were not told apart by the benchmark.
    """

    best: Forecast
    alternatives: tuple[Forecast, ...]
    call_latency_s: float
    tolerance: float

    @property
    def strategy(self) -> str:
        """The best strategy, for `strategy=`."""
        return self.best.strategy


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
        from judge_rerank.core.explanation import explain

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
