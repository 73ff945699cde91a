"""Which strategy each class of query should have, fitted to relevance judgments and prices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import TYPE_CHECKING

from judge_rerank.core import DataError, JudgeKind, Ranking, Strategy, spec_of, total_usd
from judge_rerank.evaluation.complete_runs import CompleteRuns
from judge_rerank.evaluation.datasets import Dataset, Topic
from judge_rerank.evaluation.metrics import Metrics
from judge_rerank.evaluation.significance import Comparison, compared
from judge_rerank.evaluation.tuning import LEAST_QUERIES, Values, shuffled, value_of
from judge_rerank.routing import QueryClassifier, Route, Routes, resolved

if TYPE_CHECKING:
    from judge_rerank.judge import Judge


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """One strategy on the queries of one class.

    Attributes:
        strategy: its spec string.
        metric: the mean of the metric.
        usd: dollars a query; None where the price is not known.
        seconds: a query.
        comparison: beside the strategy that the routes have for the class.
        chosen: whether the new route takes it.
    """

    strategy: str
    metric: float
    usd: float | None
    seconds: float
    comparison: Comparison
    chosen: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class FittedClass:
    """What came of one class of query.

    Attributes:
        label: the class.
        queries: how many of them have complete rankings under every strategy that was tried.
        tried: the strategies, that of the routes first; empty where the queries are too few to tell strategies apart,
            so that nothing was run for them.
    """

    label: str
    queries: int
    tried: tuple[Tried, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class FittedRoutes:
    """A table of routes, and what it rests on.

    Attributes:
        routes: those that were in force, with a row before them for each class that departs.
        classes: what was measured, by class.
        left_out: how many queries had a partial ranking, and were left out.
        rankings: all that were made, for what they cost.
    """

    routes: Routes
    classes: tuple[FittedClass, ...]
    left_out: int
    rankings: Sequence[Ranking] = field(default=(), repr=False)


def fit_routes(
    judge: Judge,
    dataset: Dataset,
    strategies: Sequence[str],
    classifier: QueryClassifier,
    *,
    routes: Routes,
    kind: JudgeKind,
    metric: str = "nDCG@10",
    seed: int | None = 1,
) -> FittedRoutes:
    """For each class of query, the strategy that gives most for its price, where the data prove it.

    A class departs from its route only for a strategy that is significantly better (Holm's correction over all that
    were tried), or that is cheaper by half and not worse by more than 0.01 at the lower end of its interval. Among
    several of these the one with the greatest gain over the first stage for each dollar is taken, for each second where
    all are free. A query whose ranking is partial under any strategy is left out for all of them.

    Args:
        judge: runs them; every strategy once for each query, so mind the price.
        dataset: queries with candidates and grades; classes with fewer than ten queries keep their route, and nothing
            is run for them.
        strategies: spec strings that may take a route's place.
        classifier: what tells the classes.
        routes: those in force.
        kind: who judges.
        metric: by its ir-measures name.
        seed: of the order in which candidates are given.

    Raises:
        InputError: a strategy or the metric does not exist.
        DataError: no class has ten queries.
        IncompleteRankings: more than a fifth of the rankings of a class are partial.
    """
    wanted = [resolved(text) for text in strategies]
    fitting = _Fitting(judge, dataset, metric, seed)
    by_label = _by_label(dataset, classifier)
    classes: list[FittedClass] = []
    for label, places in by_label.items():
        if len(places) < LEAST_QUERIES:
            classes.append(FittedClass(label=label, queries=len(places)))
            continue
        n = max(len(dataset.topics[place].candidates) for place in places)
        route = routes.choose(label, kind, n)
        found = fitting.measured(label, places, [resolved(route.strategies[0]), *wanted])
        classes.append(found)
        best = next((each for each in found.tried if each.chosen), None)
        if best is not None and best is not found.tried[0]:
            usual = found.tried[0]
            why = (
                f"fitted on {found.queries} queries: {metric} {best.metric:.3f}, {usual.metric:.3f} by {usual.strategy}"
            )
            row = Route(label=label, judge=kind, strategies=(best.strategy, *route.strategies[1:]), why=why)
            routes = routes.with_row(row)
    runs = fitting.runs
    return FittedRoutes(
        routes=routes, classes=tuple(classes), left_out=len(runs.left_out), rankings=tuple(runs.rankings)
    )


def _by_label(dataset: Dataset, classifier: QueryClassifier) -> dict[str, list[int]]:
    """Places of the queries of each class.

    Raises:
        DataError: no class has enough of them.
    """
    found: defaultdict[str, list[int]] = defaultdict(list)
    for place, topic in enumerate(dataset.topics):
        found[classifier.classify(topic.query.text).label].append(place)
    if all(len(places) < LEAST_QUERIES for places in found.values()):
        counts = ", ".join(f"{label} {len(places)}" for label, places in sorted(found.items()))
        raise DataError(
            f"No class has enough queries to fit a route to ({counts}); at least {LEAST_QUERIES} of one class were "
            "expected. Add judged queries.",
            path=dataset.source,
        )
    return dict(sorted(found.items()))


class _Fitting:
    """Runs strategies on the queries of a class, and compares them."""

    def __init__(self, judge: Judge, dataset: Dataset, metric: str, seed: int | None) -> None:
        self._dataset, self._seed = dataset, seed
        self._measure = Metrics([metric])
        self.runs = CompleteRuns(judge, [(topic.query, shuffled(topic, seed)) for topic in dataset.topics])

    def measured(self, label: str, places: Sequence[int], strategies: Iterable[Strategy]) -> FittedClass:
        """The strategies on the queries that all of them ranked completely; the first is the route's own."""
        by_spec = {spec_of(strategy): strategy for strategy in strategies}
        runs = {name: self.runs.run(strategy, places) for name, strategy in by_spec.items()}
        kept = self.runs.kept(places)
        if len(kept) < LEAST_QUERIES:
            return FittedClass(label=label, queries=len(kept))
        values = {name: self._values(kept, rankings) for name, rankings in runs.items()}
        beside = {row.variant: row for row in compared(values, next(iter(by_spec)))}
        tried = [_tried(name, values[name], [runs[name][n] for n in kept], beside[name]) for name in by_spec]
        best = _most_for_its_price(tried, fmean(map(self._first_stage, kept)))
        return FittedClass(
            label=label, queries=len(kept), tried=tuple(replace(each, chosen=each is best) for each in tried)
        )

    def _values(self, places: Sequence[int], rankings: Mapping[int, Ranking]) -> Values:
        topics = self._dataset.topics
        return {
            topics[n].id: self._value(topics[n], [place.document.id or "" for place in rankings[n]]) for n in places
        }

    def _first_stage(self, place: int) -> float:
        """What the candidates are worth in the order in which they are shown."""
        topic = self._dataset.topics[place]
        return self._value(topic, [document.id or "" for document in shuffled(topic, self._seed)])

    def _value(self, topic: Topic, order: Sequence[str]) -> float:
        return value_of(self._measure, self._dataset, topic, order)


def _tried(strategy: str, values: Values, rankings: Sequence[Ranking], comparison: Comparison) -> Tried:
    # Replies from the cache count at what they cost when they were bought: they would cost that on other queries.
    total = total_usd(cost for ranking in rankings for cost in (ranking.usage.cost_usd, ranking.usage.saved_usd))
    return Tried(
        strategy=strategy,
        metric=fmean(values.values()),
        usd=None if total is None else float(total) / len(rankings),
        seconds=fmean(ranking.usage.latency_s for ranking in rankings),
        comparison=comparison,
    )


def _most_for_its_price(tried: Sequence[Tried], floor: float) -> Tried:
    usual = tried[0]
    free = not any(row.usd for row in tried)

    def price(row: Tried) -> float:
        return row.seconds if free else (row.usd or 0.0)

    def departs(row: Tried) -> bool:
        better = row.comparison.significant and row.comparison.difference > 0
        cheaper = price(row) <= price(usual) / 2 and row.comparison.interval[0] > -0.01
        return better or cheaper

    worth = [row for row in tried[1:] if departs(row)]
    return max(worth, key=lambda row: (row.metric - floor) / max(price(row), 1e-9), default=usual)
