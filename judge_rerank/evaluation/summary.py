"""What each variant gains and what it takes: quality, dollars, time, replies that could not be read."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Literal

from judge_rerank.core import total_usd
from judge_rerank.evaluation.averages import by_dataset, percentile
from judge_rerank.evaluation.ceilings import Ceiling, ceilings
from judge_rerank.evaluation.record import Result, RunInfo, Variant

Axis = Literal["usd", "latency"]

FIRST_STAGE, IDEAL = "first-stage", "ideal"
"""The reference rows: the order that the judge was not asked about, and the best that there is by the grades."""

_BAD_REPLIES = ("refused", "unreadable", "truncated")


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One variant. Figures are means for a query unless they say otherwise, and as if no reply had come from the cache:
    a cached reply counts at what it took when it was bought.

    Attributes:
        variant: the variant.
        results: how many it has: queries times seeds.
        metrics: mean over the queries of each dataset, then over datasets, by metric name.
        gain: of the first metric over the first stage, on the same queries; None where there is no result.
        usd_per_1000_queries: None where a price is not known.
        usd_per_point: dollars for 1,000 queries and each gained hundredth (a "point") of the first metric; None where
            nothing is gained or the price is not known.
        latency_p50_s, latency_p95_s: over the queries that the cache had no part in; None without any.
        calls, rounds: as the strategy makes them.
        input_tokens, output_tokens: as the provider counted them.
        cached_share: of all calls, those that the cache answered.
        parse_failure_rate: of all questions that were answered, those without a judgment even when asked again.
        repair_rate: of these, the ones whose answer was read after repairing it.
        reask_rate: of these, the ones that were asked again.
        pareto: whether no other row gains as much for less, or more for the same.
        ceilings: what each cut of a cascade leaves to be gained, the first cut first.
    """

    variant: Variant
    results: int
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    gain: float | None = None
    usd_per_1000_queries: float | None = None
    usd_per_point: float | None = None
    latency_p50_s: float | None = None
    latency_p95_s: float | None = None
    calls: float = 0.0
    rounds: float = 0.0
    input_tokens: float = 0.0
    output_tokens: float = 0.0
    cached_share: float = 0.0
    parse_failure_rate: float = 0.0
    repair_rate: float = 0.0
    reask_rate: float = 0.0
    pareto: bool = False
    ceilings: Sequence[Ceiling] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """The cost-benefit table.

    Attributes:
        rows: the reference rows and the variants, in the order of the run.
        metric: the one that gains are measured by.
        axis: what the Pareto front weighs against the gain: dollars, or the median latency where nothing costs any.
    """

    rows: Sequence[Row]
    metric: str
    axis: Axis

    def row(self, variant: str) -> Row:
        """The row of a variant, by name; a `KeyError` for one that is not there."""
        return {row.variant.name: row for row in self.rows}[variant]


def summarize(info: RunInfo, results: Iterable[Result], *, dataset: str | None = None) -> Summary:
    """The cost-benefit table of a run.

    Args:
        info: the experiment.
        results: as far as there are any; a run that was broken off has fewer.
        dataset: only this one; None for all of them.
    """
    by_variant: defaultdict[str, list[Result]] = defaultdict(list)
    for result in results:
        if dataset in (None, result.dataset):
            by_variant[result.variant].append(result)
    metric = info.metrics[0]
    first = next((v.name for v in info.variants if v.reference == FIRST_STAGE), None)
    # The same query under another seed is shown in another order, and its first stage is the same.
    start = {(r.dataset, r.query_id): r.metrics[metric] for r in by_variant.get(first or "", ()) if metric in r.metrics}
    rows = [_row(variant, by_variant.get(variant.name, []), metric, start) for variant in info.variants]
    axis: Axis = "usd" if any(row.usd_per_1000_queries for row in rows) else "latency"
    front = _front(rows, axis)
    return Summary(rows=[replace(row, pareto=row.variant.name in front) for row in rows], metric=metric, axis=axis)


def _row(variant: Variant, results: Sequence[Result], metric: str, start: Mapping[tuple[str, str], float]) -> Row:
    if not results:
        return Row(variant=variant, results=0)
    gains = by_dataset(
        (r.dataset, r.metrics[metric] - start[r.dataset, r.query_id])
        for r in results
        if metric in r.metrics and (r.dataset, r.query_id) in start
    )
    names = dict.fromkeys(name for result in results for name in result.metrics)
    row = Row(
        variant=variant,
        results=len(results),
        metrics={
            name: mean
            for name in names
            if (mean := by_dataset((r.dataset, r.metrics[name]) for r in results if name in r.metrics)) is not None
        },
        gain=gains,
        ceilings=ceilings(results),
    )
    return _with_costs(row, results)


def _with_costs(row: Row, results: Sequence[Result]) -> Row:
    n = len(results)
    cached = _total(results, "cached_calls")
    calls = _total(results, "calls") + cached
    usd = total_usd(_decimal(result.usage.get(kind, "0")) for result in results for kind in ("cost_usd", "saved_usd"))
    per_1000 = None if usd is None else 1000 * float(usd) / n
    latencies = sorted(float(r.usage.get("latency_s", 0.0)) for r in results if not r.usage.get("cached_calls"))
    answered = sum(_answered(result) for result in results)
    good = bool(row.gain and row.gain > 0)
    return replace(
        row,
        usd_per_1000_queries=per_1000,
        usd_per_point=None if per_1000 is None or not good else per_1000 / (100 * (row.gain or math.nan)),
        latency_p50_s=percentile(latencies, 0.50),
        latency_p95_s=percentile(latencies, 0.95),
        calls=calls / n,
        rounds=_total(results, "rounds") / n,
        input_tokens=(_total(results, "input_tokens") + _total(results, "saved_input_tokens")) / n,
        output_tokens=(_total(results, "output_tokens") + _total(results, "saved_output_tokens")) / n,
        cached_share=cached / calls if calls else 0.0,
        parse_failure_rate=_rate(sum(bad_replies(result) for result in results), answered),
        repair_rate=_rate(sum(int(result.integrity.get("repaired", 0)) for result in results), answered),
        reask_rate=_rate(_total(results, "reasks"), answered),
    )


def _decimal(stored: str | None) -> Decimal | None:
    return None if stored is None else Decimal(stored)


def bad_replies(result: Result) -> int:
    """Replies that came and gave no judgment."""
    failed: Mapping[str, int] = result.integrity.get("failed") or {}
    return sum(failed.get(reason, 0) for reason in _BAD_REPLIES)


def _answered(result: Result) -> int:
    """Questions whose answer came, whatever could be read from it."""
    read = (int(result.integrity.get(kind, 0)) for kind in ("parsed", "repaired"))
    return sum(read) + bad_replies(result)


def _front(rows: Sequence[Row], axis: Axis) -> set[str]:
    """Names of the rows that no other row dominates; the ideal order is no offer, as nobody can buy it."""
    offers = {
        row.variant.name: (row.gain, 0.0 if row.variant.reference else cost)
        for row in rows
        if row.gain is not None and row.variant.reference != IDEAL
        for cost in (row.usd_per_1000_queries if axis == "usd" else row.latency_p50_s,)
        if cost is not None
    }
    return {
        name
        for name, (gain, cost) in offers.items()
        if not any(g >= gain and c <= cost and (g, c) != (gain, cost) for g, c in offers.values())
    }


def _total(results: Sequence[Result], name: str) -> int:
    return sum(int(result.usage.get(name, 0)) for result in results)


def _rate(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
