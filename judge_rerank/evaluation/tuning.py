"""What a user's own data say: which weights a hybrid should have, and which strategy each class of query."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from statistics import fmean
from typing import TYPE_CHECKING, Any, cast

from judge_rerank.core import DataError, Document, InputError, JudgeKind, Strategy, spec_of, total_usd
from judge_rerank.evaluation.datasets import Dataset, Topic
from judge_rerank.evaluation.metrics import Metrics
from judge_rerank.evaluation.significance import Comparison, compared
from judge_rerank.routing import QueryClassifier, Route, Routes
from judge_rerank.strategies import FIRST_STAGE, Hybrid, Signal, Unchanged, by_place, summed

if TYPE_CHECKING:
    from judge_rerank.judge import Judge

_STEPS = 10
_MOST_SIGNALS = 4
_FOLDS = 5
_LEAST_QUERIES = 10

Values = dict[str, float]
"""A metric by query id."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tuned:
    """Weights of a hybrid, and what they are worth.

    Attributes:
        weights: by signal, adding up to 1; fitted on all queries.
        metric: what was maximised.
        fitted: its mean on the queries that the weights were fitted on, which flatters them.
        held_out: its mean on queries that the weights of their fold have not seen (five folds).
        alone: its mean for each signal by itself.
        comparison: the held-out values beside the best single signal.
    """

    weights: Mapping[str, float]
    metric: str
    fitted: float
    held_out: float
    alone: Mapping[str, float]
    comparison: Comparison


def shuffled(topic: Topic, seed: int | None) -> list[Document]:
    """The candidates as a judge gets them: in an order drawn by the seed, so that an order kept is no merit."""
    return [topic.candidates[place] for place in topic.shown(seed)]


def tune(
    judge: Judge,
    dataset: Dataset,
    signals: Sequence[str],
    *,
    norm: str = "zscore",
    metric: str = "nDCG@10",
    seed: int | None = 1,
) -> Tuned:
    """Fit the weights of a hybrid: mixtures in steps of a tenth are tried, and each fold takes the best of the rest.

    Every signal is run once for each query; trying mixtures costs nothing.

    Args:
        judge: runs the signals.
        dataset: queries with candidates and grades; at least ten.
        signals: two to four names of scorers or strategies, or "first-stage".
        norm: as in `Hybrid`.
        metric: by its ir-measures name.
        seed: of the order in which candidates are given; None for the first stage's.

    Raises:
        InputError: too few or too many signals.
        DataError: too few queries.
    """
    if not 2 <= len(set(signals)) <= _MOST_SIGNALS:
        raise InputError(f"{len(set(signals))} signals were named; two to {_MOST_SIGNALS} can be weighed.")
    require_queries(dataset, _LEAST_QUERIES)
    topics, measure = dataset.topics, Metrics([metric])
    Hybrid(dict.fromkeys(signals, 1.0), norm=cast("Any", norm))  # which says what is wrong with the names
    said = {signal: _scored(judge, topics, signal, seed) for signal in signals}
    mixtures = list(_mixtures(len(signals)))
    table = [
        {
            topic.id: _value(measure, dataset, topic, _mixed(topic, weights, said, place, norm, seed))
            for place, topic in enumerate(topics)
        }
        for weights in (dict(zip(signals, mixture, strict=True)) for mixture in mixtures)
    ]
    ids = [topic.id for topic in topics]
    held_out: Values = {}
    for fold in range(_FOLDS):
        unseen = ids[fold::_FOLDS]
        best = _best(table, [query for query in ids if query not in set(unseen)])
        held_out |= {query: table[best][query] for query in unseen}
    chosen = _best(table, ids)
    alone = {signal: table[mixtures.index(tuple(float(other == signal) for other in signals))] for signal in signals}
    means = {signal: fmean(values.values()) for signal, values in alone.items()}
    strongest = max(means, key=lambda signal: means[signal])
    beside = compared({strongest: alone[strongest], "hybrid": held_out}, strongest)[1]
    return Tuned(
        weights={signal: weight for signal, weight in zip(signals, mixtures[chosen], strict=True) if weight},
        metric=metric,
        fitted=fmean(table[chosen].values()),
        held_out=fmean(held_out.values()),
        alone=means,
        comparison=beside,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """One strategy on the queries of one class.

    Attributes:
        label: the class.
        strategy: its spec string.
        metric: the mean of the metric.
        usd: dollars a query; None where the price is not known.
        seconds: a query.
        comparison: beside the strategy that the routes have for the class.
        chosen: whether the new route takes it.
    """

    label: str
    strategy: str
    metric: float
    usd: float | None
    seconds: float
    comparison: Comparison
    chosen: bool = False


def fit_routes(
    judge: Judge,
    dataset: Dataset,
    strategies: Sequence[str],
    classifier: QueryClassifier,
    *,
    routes: Routes,
    kind: JudgeKind,
    metric: str = "nDCG@10",
    alpha: float = 0.05,
    seed: int | None = 1,
) -> tuple[Routes, list[Tried]]:
    """For each class of query, the strategy that gives most for its price, where the data prove it.

    A class departs from its route only for a strategy that is significantly better (Holm's correction over all that
    were tried), or that is cheaper by half and not worse by more than 0.01 at the lower end of its interval. Among
    several of these the one with the greatest gain over the first stage for each dollar is taken, for each second where
    all are free.

    Args:
        judge: runs them; every strategy once for each query, so mind the price.
        dataset: queries with candidates and grades; classes with fewer than ten queries keep their route.
        strategies: spec strings that may take a route's place.
        classifier: what tells the classes.
        routes: those in force.
        kind: who judges.
        metric: by its ir-measures name.
        alpha: of the tests.
        seed: of the order in which candidates are given.

    Returns:
        The routes with a row before them for each class that departs, and what was measured.
    """
    from judge_rerank.routing import resolved

    by_label: defaultdict[str, list[Topic]] = defaultdict(list)
    for topic in dataset.topics:
        by_label[classifier.classify(topic.query.text).label].append(topic)
    found: list[Tried] = []
    for label, topics in sorted(by_label.items()):
        n = max(len(topic.candidates) for topic in topics)
        chosen = [resolved(text) for text in (routes.choose(label, kind, n).strategies[0], *strategies)]
        by_spec = {spec_of(strategy): strategy for strategy in chosen}
        names = list(by_spec)
        usual = names[0]
        runs = {name: _run(judge, dataset, topics, strategy, metric, seed) for name, strategy in by_spec.items()}
        beside = {row.variant: row for row in compared({name: runs[name][0] for name in names}, usual, alpha=alpha)}
        floor = fmean(_run(judge, dataset, topics, Unchanged(), metric, seed)[0].values())
        tried = [
            Tried(
                label=label,
                strategy=name,
                metric=fmean(runs[name][0].values()),
                usd=runs[name][1],
                seconds=runs[name][2],
                comparison=beside[name],
            )
            for name in names
        ]
        best = _most_for_its_price(tried, floor) if len(topics) >= _LEAST_QUERIES else tried[0]
        found += [replace(row, chosen=row is best) for row in tried]
        if best is not tried[0]:
            why = f"fitted on {len(topics)} queries: {metric} {best.metric:.3f}, {tried[0].metric:.3f} by {usual}"
            kept = routes.choose(label, kind, n).strategies
            routes = routes.with_row(Route(label=label, judge=kind, strategies=(best.strategy, *kept[1:]), why=why))
    return routes, found


def require_queries(dataset: Dataset, least: int) -> None:
    """Raises: DataError: the dataset has fewer queries."""
    if len(dataset.topics) < least:
        raise DataError(
            f"{len(dataset.topics)} queries are too few to fit anything to; at least {least} were expected.",
            path=dataset.source,
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


def _run(
    judge: Judge, dataset: Dataset, topics: Sequence[Topic], strategy: Strategy, metric: str, seed: int | None
) -> tuple[Values, float | None, float]:
    """The metric by query, and dollars and seconds a query, of one strategy."""
    measure = Metrics([metric])
    rankings = judge.rerank_many([(topic.query, shuffled(topic, seed)) for topic in topics], strategy)
    values = {
        topic.id: _value(measure, dataset, topic, [place.document.id or "" for place in ranking])
        for topic, ranking in zip(topics, rankings, strict=True)
    }
    # Replies from the cache count at what they cost when they were bought: they would cost that on other queries.
    total = total_usd(cost for ranking in rankings for cost in (ranking.usage.cost_usd, ranking.usage.saved_usd))
    usd = None if total is None else float(total) / len(rankings)
    return values, usd, fmean(ranking.usage.latency_s for ranking in rankings)


def _scored(judge: Judge, topics: Sequence[Topic], signal: str, seed: int | None) -> list[Signal]:
    """What one signal says of every query's candidates, by the place at which they are given."""
    given = [shuffled(topic, seed) for topic in topics]
    if signal == FIRST_STAGE:
        scores = [{i: doc.score for i, doc in enumerate(docs) if doc.score is not None} for docs in given]
        places = [by_place(_inverse(topic.shown(seed))) for topic in topics]
        return [values or place for values, place in zip(scores, places, strict=True)]
    rankings = judge.rerank_many([(topic.query, docs) for topic, docs in zip(topics, given, strict=True)], signal)
    return [
        {place.index: place.relevance_score for place in ranking if place.relevance_score is not None}
        or by_place(ranking.order)
        for ranking in rankings
    ]


def _inverse(shown: Sequence[int]) -> list[int]:
    """The places at which candidates are given, in first-stage order."""
    return sorted(range(len(shown)), key=lambda place: shown[place])


def _mixed(
    topic: Topic,
    weights: Mapping[str, float],
    said: Mapping[str, Sequence[Signal]],
    number: int,
    norm: str,
    seed: int | None,
) -> list[str]:
    """The ids of a query's candidates in the order of the mixture, as `Hybrid` would put them."""
    total = summed({signal: values[number] for signal, values in said.items()}, weights, norm)
    given = shuffled(topic, seed)
    return [given[place].id or "" for place in sorted(range(len(given)), key=lambda place: -total.get(place, -1.0))]


def _mixtures(n: int) -> Iterable[tuple[float, ...]]:
    """All weights in tenths that add up to 1."""
    for parts in product(range(_STEPS + 1), repeat=n):
        if sum(parts) == _STEPS:
            yield tuple(part / _STEPS for part in parts)


def _best(table: Sequence[Values], queries: Sequence[str]) -> int:
    return max(range(len(table)), key=lambda row: fmean(table[row][query] for query in queries))


def _value(measure: Metrics, dataset: Dataset, topic: Topic, order: Sequence[str]) -> float:
    (value,) = measure.of(order, dataset.grades.get(topic.id, {})).values()
    return value
