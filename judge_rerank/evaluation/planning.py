"""Which strategy to use by what a run has measured on the user's own queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from judge_rerank.core import DataError, InputError
from judge_rerank.evaluation.record import Result, RunInfo
from judge_rerank.evaluation.significance import compared, per_query
from judge_rerank.evaluation.summary import Row, summarize
from judge_rerank.spending import Amount, to_decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """A variant of a run that fits the limits.

    Attributes:
        variant, model, strategy: what it is.
        metric, mean: the run's first metric, and its mean.
        is_best: whether its mean is the highest of those that fit.
        interval: of the difference to that one, over the queries that both have; (0, 0) for the best itself.
        worse: whether it is significantly worse than the best, by Holm's correction over all that fit.
        calls: for a ranking.
        seconds: the median of a ranking; None where the cache answered.
        usd: for a ranking; None where a price is not known.
    """

    variant: str
    model: str
    strategy: str
    metric: str
    mean: float
    is_best: bool
    interval: tuple[float, float]
    worse: bool
    calls: float
    seconds: float | None
    usd: float | None


def measured_plan(
    info: RunInfo, results: Sequence[Result], *, usd: Amount | None = None, latency_s: float | None = None
) -> list[Measured]:
    """The variants that fit, those first that are not significantly worse than the best, and of these the cheapest.

    Dollars decide which is cheapest, then seconds, then calls. Everything is what the run took; a reply from the cache
    counts at what it took when it was bought.

    Args:
        info: what was run.
        results: every result of the run.
        usd: the most that a ranking may cost.
        latency_s: the most that a ranking may take, in the median.

    Raises:
        DataError: the run has no results.
        InputError: no variant fits, or a variant's price or time is not known and there is a limit on it.
    """
    summary = summarize(info, results)
    rows = [row for row in summary.rows if row.variant.reference is None and row.results]
    if not rows:
        raise DataError("The run has no results yet; finish it with judge-rerank eval --resume.")
    fitting = [row for row in rows if _fits(row, usd, latency_s)]
    if not fitting:
        each = "; ".join(f"{row.variant.name}: {_takes(row)}" for row in rows)
        raise InputError(f"No variant of the run fits the limits. Their costs: {each}.")
    best = max(fitting, key=lambda row: row.metrics[summary.metric]).variant.name
    values = per_query(results, summary.metric)
    beside = {
        each.variant: each for each in compared({row.variant.name: values[row.variant.name] for row in fitting}, best)
    }
    found = [
        Measured(
            variant=row.variant.name,
            model=row.variant.model,
            strategy=row.variant.strategy,
            metric=summary.metric,
            mean=row.metrics[summary.metric],
            is_best=row.variant.name == best,
            interval=(0.0, 0.0) if row.variant.name == best else beside[row.variant.name].interval,
            worse=beside[row.variant.name].significant and beside[row.variant.name].difference < 0,
            calls=row.calls,
            seconds=row.latency_p50_s,
            usd=_usd(row),
        )
        for row in fitting
    ]
    return sorted(found, key=_order)


def _order(each: Measured) -> tuple[bool, float, float, float]:
    if each.worse:
        return True, -each.mean, 0.0, 0.0
    infinity = float("inf")
    return (
        False,
        infinity if each.usd is None else each.usd,
        infinity if each.seconds is None else each.seconds,
        each.calls,
    )


def _usd(row: Row) -> float | None:
    return None if row.usd_per_1000_queries is None else row.usd_per_1000_queries / 1000


def _fits(row: Row, usd: Amount | None, latency_s: float | None) -> bool:
    """What is not known does not fit a limit on it."""
    cost, seconds = _usd(row), row.latency_p50_s
    affordable = usd is None or (cost is not None and cost <= to_decimal(usd, "usd"))
    return affordable and (latency_s is None or (seconds is not None and seconds <= latency_s))


def _takes(row: Row) -> str:
    cost, seconds = _usd(row), row.latency_p50_s
    return f"{'an unknown price' if cost is None else f'${cost:.6f}'}, " + (
        "an unknown time (the cache answered)" if seconds is None else f"{seconds:.1f} s"
    )
