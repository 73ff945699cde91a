"""What a ranking leaves in the results: one row a document; and what a part of them sums up to, in its footer."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from decimal import Decimal
from typing import Any, Literal

from judge_rerank.bulk.places import Folder, arrow
from judge_rerank.bulk.staging import part_name
from judge_rerank.core import (
    AuthenticationError,
    BudgetError,
    Document,
    InputError,
    LedgerError,
    Query,
    QuotaExhausted,
    Ranking,
    RerankError,
    SetupError,
)

COLUMNS = ("query_id", "doc_id", "rank", "score", "judged", "stage", "cost_usd")
_FOOTER = b"judge_rerank"

# What keeps a ranking from being finished, unlike replies that came and could not be used.
_UNFINISHED = frozenset({"provider", "budget", "ledger", "deadline", "cancelled"})
_FATAL = (AuthenticationError, BudgetError, LedgerError, QuotaExhausted, SetupError)

CANCELLED = "cancelled"
"""Why a run stops that the user ends; what was under way is not written."""

QueryStatus = Literal["complete", "partial", "unfinished", "failed"]
"""`partial`: some of the judge's replies could not be used. `unfinished`: a resumed run asks again. `failed`: the query
cannot be ranked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sums:
    """What many queries sum up to.

    Attributes:
        queries, rows: how many.
        statuses: queries by status: complete, partial, unfinished, failed.
        calls, cached_calls, scored_pairs, input_tokens, output_tokens: over all queries.
        cost_usd: what their calls took; what the cache had is not in it, nor an attempt that was killed.
        saved_usd: what the replies from the cache had cost when they were bought.
        unpriced: queries whose cost is not known.
    """

    queries: int = 0
    rows: int = 0
    statuses: dict[str, int] = field(default_factory=dict[str, int])
    calls: int = 0
    cached_calls: int = 0
    scored_pairs: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: str = "0"
    saved_usd: str = "0"
    unpriced: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class PartResult(Sums):
    """What a part sums up to.

    Attributes:
        number: which part.
        prompts: hashes of the templates, by name.
        seconds: how long it took.
        stopped: why the run should go no further; "" where it may.
    """

    number: int
    prompts: dict[str, str] = field(default_factory=dict[str, str])
    seconds: float = 0.0
    stopped: str = ""

    @property
    def finished(self) -> bool:
        """Whether a resumed run leaves it as it is."""
        return not self.statuses.get("unfinished")

    @classmethod
    def from_json(cls, text: str | bytes) -> PartResult:
        """What `asdict` of one was as JSON; what another version knew more of is left out."""
        known = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in json.loads(text).items() if name in known})


@dataclass(frozen=True, kw_only=True, slots=True)
class _Judged:
    """One query with what became of it."""

    query: Query
    documents: Sequence[Document]
    made: Ranking | RerankError

    @property
    def ranking(self) -> Ranking | None:
        return self.made if isinstance(self.made, Ranking) else None

    @property
    def status(self) -> QueryStatus:
        if isinstance(self.made, RerankError):
            return "failed" if isinstance(self.made, InputError) else "unfinished"
        if self.made.status == "complete":
            return "complete"
        return "unfinished" if _UNFINISHED & self.made.integrity.failed.keys() else "partial"

    @property
    def reasons(self) -> list[str]:
        return [str(self.made)] if isinstance(self.made, RerankError) else list(self.made.reasons)

    def rows(self) -> list[tuple[Any, ...]]:
        ranking = self.ranking
        if ranking is None:
            return [(self.query.id, each.id, n, None, False, "", None) for n, each in enumerate(self.documents, 1)]
        cost = ranking.usage.cost_usd
        share = None if cost is None else float(cost) / max(1, len(ranking))
        unjudged, kept = set(ranking.integrity.unjudged), [(each.stage, set(each.indices)) for each in ranking.kept]
        return [
            (
                self.query.id,
                each.document.id,
                each.rank,
                each.relevance_score,
                each.index not in unjudged,
                next((stage for stage, indices in kept if each.index not in indices), None)
                or (each.judgments[-1].stage if each.judgments else ""),
                share,
            )
            for each in ranking
        ]


def write_results(
    folder: Folder,
    number: int,
    pairs: Sequence[tuple[Query, Sequence[Document]]],
    made: Sequence[Ranking | RerankError],
    *,
    seconds: float,
) -> PartResult:
    """Write the results of a part, and beside them what became of queries that are not complete.

    Raises:
        DataError: the folder cannot be written to.
    """
    judged = [
        _Judged(query=query, documents=documents, made=one) for (query, documents), one in zip(pairs, made, strict=True)
    ]
    rows = [row for each in judged for row in each.rows()]
    result = _summed(number, judged, rows=len(rows), seconds=seconds)
    if result.stopped == CANCELLED:
        return result
    troubled = [each for each in judged if each.status != "complete"]
    errors = folder / "_errors"
    name = part_name(number).replace(".parquet", ".jsonl")
    if troubled:
        errors.create()
        errors.write(name, "".join(_error_line(each) for each in troubled).encode())
    _write_part(folder, part_name(number), rows, result)
    if not troubled:
        errors.delete(name)
    return result


def read_result(folder: Folder, number: int) -> PartResult:
    """What a part of the results sums up to."""
    parquet = arrow("pyarrow.parquet")
    with folder.source(part_name(number)).opened() as file:
        footer = parquet.read_metadata(file).metadata[_FOOTER]
    return PartResult.from_json(footer)


def _write_part(folder: Folder, name: str, rows: Sequence[tuple[Any, ...]], result: PartResult) -> None:
    pyarrow, parquet = arrow(), arrow("pyarrow.parquet")
    text, number = pyarrow.string(), pyarrow.float64()
    kinds = dict(zip(COLUMNS, (text, text, pyarrow.int32(), number, pyarrow.bool_(), text, number), strict=True))
    schema = pyarrow.schema(list(kinds.items()), metadata={_FOOTER: json.dumps(asdict(result)).encode()})
    columns = [pyarrow.array([row[place] for row in rows], type=kind) for place, kind in enumerate(kinds.values())]
    with folder.writing(name) as file:
        parquet.write_table(pyarrow.table(columns, schema=schema), file, compression="zstd")


def _summed(number: int, judged: Sequence[_Judged], *, rows: int, seconds: float) -> PartResult:
    rankings = [ranking for each in judged if (ranking := each.ranking) is not None]
    usages = [ranking.usage for ranking in rankings]
    costs = [usage.cost_usd for usage in usages]
    saved = [usage.saved_usd for usage in usages]
    return PartResult(
        number=number,
        queries=len(judged),
        rows=rows,
        statuses=dict(Counter(each.status for each in judged)),
        calls=sum(usage.calls for usage in usages),
        cached_calls=sum(usage.cached_calls for usage in usages),
        scored_pairs=sum(usage.scored_pairs for usage in usages),
        input_tokens=sum(usage.input_tokens for usage in usages),
        output_tokens=sum(usage.output_tokens for usage in usages),
        cost_usd=str(sum((cost for cost in costs if cost is not None), Decimal(0))),
        saved_usd=str(sum((cost for cost in saved if cost is not None), Decimal(0))),
        unpriced=costs.count(None),
        prompts=_prompts(rankings),
        seconds=round(seconds, 3),
        stopped=_stopped(judged),
    )


def _prompts(rankings: Sequence[Ranking]) -> dict[str, str]:
    return {
        judgment.prompt: judgment.prompt_hash or ""
        for ranking in rankings
        for each in ranking
        for judgment in each.judgments
        if judgment.prompt
    }


def _stopped(judged: Sequence[_Judged]) -> str:
    """Why no other query will fare better: a cap, the ledger, the key, a provider that answers nobody; "" if none."""
    for each in judged:
        if isinstance(each.made, _FATAL):
            return str(each.made)
        if isinstance(each.made, Ranking):
            failed = each.made.integrity.failed
            if "cancelled" in failed:
                return CANCELLED
            if "budget" in failed or "ledger" in failed:
                return "; ".join(each.made.reasons)
    troubled = [each for each in judged if each.status == "unfinished"]
    return "; ".join(troubled[0].reasons) if judged and len(troubled) == len(judged) else ""


def _error_line(each: _Judged) -> str:
    said = {"query_id": each.query.id, "status": each.status, "reasons": each.reasons}
    return json.dumps(said, ensure_ascii=False) + "\n"
