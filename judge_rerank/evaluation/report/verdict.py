"""What a run says, in words: what ranks best, how certain that is, what it costs, what to take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from judge_rerank.evaluation.record import RunInfo
from judge_rerank.evaluation.report import figures
from judge_rerank.evaluation.report.scope import Scope
from judge_rerank.evaluation.significance import Comparison
from judge_rerank.evaluation.summary import FIRST_STAGE, Row

MANY_FAILURES = 0.05
"""From this share of unreadable replies on, a variant's figures say as much about its format as about its judgment."""

FEWEST = 6
"""Queries with which the smallest p-value of the randomization test, 2 / 2^n, is below 0.05."""

_SENTENCES = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The summary in words.

    Attributes:
        headline: what ranks best, in one sentence.
        points: topic and text of what follows: certainty, cost, pick, and what to mind.
        best: the variant with the highest metric; None where nothing can be compared.
        pick: the one to take; None where leaving the order as it is does as well.
    """

    headline: str
    points: Sequence[tuple[str, str]] = ()
    best: str | None = None
    pick: str | None = None


def verdict(scope: Scope) -> Verdict:
    """What the figures say."""
    judged = [row for row in scope.summary.rows if row.variant.reference is None]
    rows = [row for row in judged if row.variant.name in scope.comparisons]
    cautions = tuple(("Note", text) for text in _cautions(scope))
    if not rows:
        headline = "Nothing can be compared yet: no variant has a query in common with the baseline."
        return Verdict(headline=headline, points=cautions)
    best = max(rows, key=lambda row: scope.comparisons[row.variant.name].difference)
    pick, advice = _pick(scope, best, rows)
    points = (
        ("Certainty", _certainty(scope, best)),
        ("Cost", _cost(best)),
        ("Pick", advice),
        *cautions,
    )
    return Verdict(
        headline=_headline(scope, best), points=points, best=best.variant.name, pick=pick.variant.name if pick else None
    )


def _headline(scope: Scope, best: Row) -> str:
    name, metric, first = best.variant.name, scope.metric, scope.first_stage
    reached = f"{metric} {figures.shown_quality(best.metrics.get(metric))}"
    if best.gain is None or first is None:
        return f"{name} ranks best: {reached}."
    if best.gain <= 0:
        nearest = f"{name} is closest, with {reached} ({figures.shown_change(best.gain)})"
        return f"No variant is better than the first stage: {nearest}."
    return f"{name} ranks best: {reached}, {figures.shown_change(best.gain)} over the first stage."


def _certainty(scope: Scope, best: Row) -> str:
    mine = scope.comparisons[best.variant.name]
    others = [name for name in scope.comparisons if name != mine.variant]
    worse = [_name(scope, name) for name in others if _beats(scope, mine, name)]
    level = [_name(scope, name) for name in others if not _beats(scope, mine, name)]
    said: list[str] = []
    if worse and not level:
        said.append(f"It is significantly better than {'all ' * (len(worse) > 3)}{_few(worse)}.")
    elif worse:
        said.append(f"It is significantly better than {_few(worse)}; its lead over {_few(level)} may be chance.")
    elif level:
        said.append(f"Its lead over {_few(level)} may be chance.")
    if mine.p_adjusted is not None:
        said.append(_beside(scope, mine))
    if mine.p_adjusted is not None and not mine.significant and mine.detectable is not None:
        said.append(
            f"{mine.queries:,} queries find a difference of {mine.detectable:.3f} or more four times in five; smaller "
            "differences need more queries."
        )
    return " ".join(said) or "It is the only variant."


def _beats(scope: Scope, mine: Comparison, other: str) -> bool:
    """Whether it is significantly better. The baseline was chosen beforehand, so that fewer comparisons are corrected
    for there than among all pairs."""
    return other in mine.better_than or (other == scope.info.baseline and mine.significant and mine.difference > 0)


def _beside(scope: Scope, mine: Comparison) -> str:
    """The best beside the baseline."""
    return (
        f"Compared with {_name(scope, scope.info.baseline)}, the baseline: {figures.shown_change(mine.difference)} "
        f"(95 % interval {figures.interval(mine.interval)}, p {_equals(mine.p_adjusted)} after Holm's correction), "
        f"better on {mine.wins:,} queries, worse on {mine.losses:,}, equal on {mine.ties:,}."
    )


def _cost(row: Row) -> str:
    usd, median = row.usd_per_1000_queries, row.latency_p50_s
    work = f"{figures.count(row.calls)} calls and {figures.count(row.input_tokens + row.output_tokens)} tokens"
    price = (
        "Its cost is unknown"
        if usd is None
        else "Its only cost is machine time"
        if usd == 0
        else f"It costs {figures.dollars(usd)} for 1,000 queries"
    )
    time = (
        "Its time is unknown, because the cache answered."
        if median is None
        else f"Half of the queries take {figures.seconds(median)} or less, 95 % {figures.seconds(row.latency_p95_s)}."
    )
    return f"{price}: {work} per query. {time}"


def _pick(scope: Scope, best: Row, rows: Sequence[Row]) -> tuple[Row | None, str]:
    mine = scope.comparisons[best.variant.name]
    first = scope.first_stage
    if first is not None and first.variant.name in scope.comparisons and not _beats(scope, mine, first.variant.name):
        return None, "Keep the first-stage order, or measure more queries: no gain over the first stage is certain."
    level = [row for row in rows if not _beats(scope, mine, row.variant.name)]
    priced = [row for row in level if _price(scope, row) is not None]
    if not priced:
        return best, f"{best.variant.name}: its price is unknown, so no cheaper choice can be named."
    # max and min keep the first of equals; the better one is the first.
    by_quality = sorted(priced, key=lambda row: -scope.comparisons[row.variant.name].difference)
    pick = min(by_quality, key=lambda row: _price(scope, row) or 0.0)
    if pick is not best:
        behind = mine.difference - scope.comparisons[pick.variant.name].difference
        return pick, (
            f"{pick.variant.name}: {behind:.3f} behind, which may be chance, for {_instead(scope, pick, best)}."
        )
    if len(level) > 1:
        return best, f"{best.variant.name}: the cheapest of the {len(level)} with no certain difference."
    return best, f"{best.variant.name}: nothing cheaper is as good.{_thrifty(scope, best, rows)}"


def _thrifty(scope: Scope, best: Row, rows: Sequence[Row]) -> str:
    """A variant that keeps most of the gain for at most half of the price."""
    most = _price(scope, best)
    kept = [
        row
        for row in rows
        if row.pareto and most and best.gain and row.gain and row.gain >= best.gain / 2
        if (price := _price(scope, row)) is not None and price <= most / 2
    ]
    if not kept or not best.gain:
        return ""
    row = max(kept, key=lambda row: row.gain or 0.0)
    part = f"{100 * (row.gain or 0.0) / best.gain:.0f} %"
    return f" Where cost matters more, {row.variant.name} keeps {part} of the gain for {_instead(scope, row, best)}."


def _cautions(scope: Scope) -> Iterator[str]:
    rows = [row for row in scope.summary.rows if row.variant.reference is None]
    if not scope.info.finished:
        yield "The run is not finished; these are the results so far."
        yield from _first(scope.info.unfinished)
    yield from scope.info.stopped
    yield from too_few(scope.info)
    most = max((row.results for row in rows), default=0)
    for row in rows:
        name = row.variant.name
        if row.results < most:
            yield f"{name} has {row.results:,} results of {most:,}; its figures cover these only."
        if row.results and scope.comparisons and name not in scope.comparisons:
            yield f"{name} is not compared, as it has no query in common with the baseline or with another variant."
        if row.parse_failure_rate >= MANY_FAILURES:
            yield f"{figures.share(row.parse_failure_rate)} of the replies to {name} gave no judgment."
    unpriced = [row.variant.name for row in rows if row.results and row.usd_per_1000_queries is None]
    if unpriced:
        yield f"The price of {_listed(unpriced)} is unknown, so the quality-cost front leaves it out."


def too_few(info: RunInfo) -> Iterator[str]:
    """That no difference can be certain, where there are so few queries."""
    queries = sum(dataset.queries for dataset in info.datasets)
    if queries < FEWEST:
        counted = "1 query" if queries == 1 else f"{queries} queries"
        yield f"With {counted} no difference can be distinguished from chance; measure at least {FEWEST}, better 50."


def _first(sentences: Sequence[str]) -> Iterator[str]:
    """A few of them, and how many more there are."""
    yield from sentences[:_SENTENCES]
    if len(sentences) > _SENTENCES:
        yield f"{len(sentences) - _SENTENCES:,} more reasons like these are in run.json."


def _price(scope: Scope, row: Row) -> float | None:
    return row.usd_per_1000_queries if scope.summary.axis == "usd" else row.latency_p50_s


def _instead(scope: Scope, row: Row, other: Row) -> str:
    """What one takes, beside what the other takes."""
    price, most = _price(scope, row), _price(scope, other)
    if scope.summary.axis == "latency":
        longer = figures.seconds(most) if most is not None else "an unknown time"
        return f"{figures.seconds(price)} instead of {longer} a query"
    less = figures.dollars(price) if price else "nothing"
    more = figures.dollars(most) if most is not None else "an unknown price"
    return f"{less} instead of {more} for 1,000 queries"


def _name(scope: Scope, name: str) -> str:
    reference = next((v.reference for v in scope.info.variants if v.name == name), None)
    return "the first stage" if reference == FIRST_STAGE else name


def _equals(p: float | None) -> str:
    text = figures.shown_probability(p)
    return text if text.startswith("<") else f"= {text}"


def _few(names: Sequence[str]) -> str:
    return f"{len(names)} others" if len(names) > 3 else _listed(names)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
