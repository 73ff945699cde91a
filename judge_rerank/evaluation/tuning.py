"""Which weights a hybrid should have, fitted to relevance judgments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from statistics import fmean
from typing import TYPE_CHECKING, Any, cast

from judge_rerank.core import DataError, Document, InputError, Ranking
from judge_rerank.evaluation.complete_runs import CompleteRuns
from judge_rerank.evaluation.datasets import Dataset, Topic
from judge_rerank.evaluation.metrics import Metrics
from judge_rerank.evaluation.significance import Comparison, compared
from judge_rerank.strategies import FIRST_STAGE, Hybrid, Signal, by_place, summed

if TYPE_CHECKING:
    from judge_rerank.judge import Judge

LEAST_QUERIES = 10
"""Fewer queries than this say nothing about others."""

_STEPS = 10
_MOST_SIGNALS = 4
_FOLDS = 5

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
        left_out: how many queries had a partial ranking under a signal, and were left out.
        rankings: all that were made, for what they cost.
    """

    weights: Mapping[str, float]
    metric: str
    fitted: float
    held_out: float
    alone: Mapping[str, float]
    comparison: Comparison
    left_out: int = 0
    rankings: Sequence[Ranking] = field(default=(), repr=False)

    @property
    def strongest(self) -> str:
        """The best signal by itself."""
        return max(self.alone, key=lambda signal: self.alone[signal])

    @property
    def better(self) -> bool:
        """Whether the hybrid beats its best signal on queries not seen, with significance.

        Without that it is not worth its parts: weights fitted to few queries are often worse on others.
        """
        return self.comparison.significant and self.comparison.difference > 0


def shuffled(topic: Topic, seed: int | None) -> list[Document]:
    """The candidates as a judge gets them: in an order drawn by the seed, so that an order kept is no merit."""
    return [topic.candidates[place] for place in topic.shown(seed)]


def value_of(measure: Metrics, dataset: Dataset, topic: Topic, order: Sequence[str]) -> float:
    """The one metric of an order of document ids."""
    (value,) = measure.of(order, dataset.grades.get(topic.id, {})).values()
    return value


def require_queries(dataset: Dataset, count: int) -> None:
    """Raises: DataError: these are too few queries to fit anything to."""
    if count < LEAST_QUERIES:
        raise DataError(
            f"{count} queries are too few for a fit; at least {LEAST_QUERIES} were expected.",
            path=dataset.source,
        )


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

    Every signal is run once for each query; trying mixtures costs nothing. A query whose ranking is partial under any
    signal is left out.

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
        IncompleteRankings: more than a fifth of the rankings are partial.
    """
    if not 2 <= len(set(signals)) <= _MOST_SIGNALS:
        raise InputError(f"{len(set(signals))} signals were named; expected two to {_MOST_SIGNALS} can be weighted.")
    require_queries(dataset, len(dataset.topics))
    Hybrid(dict.fromkeys(signals, 1.0), norm=cast("Any", norm))  # which says what is wrong with the names
    measure = Metrics([metric])
    given = [shuffled(topic, seed) for topic in dataset.topics]
    runs = CompleteRuns(judge, [(topic.query, docs) for topic, docs in zip(dataset.topics, given, strict=True)])
    scored = {signal: _scored(runs, dataset.topics, given, signal, seed) for signal in signals}
    kept = runs.kept()
    require_queries(dataset, len(kept))

    def valued(weights: Mapping[str, float]) -> Values:
        """The metric of one mixture, as `Hybrid` would sum it, by query."""
        values: Values = {}
        for place in kept:
            total = summed({signal: by_query[place] for signal, by_query in scored.items()}, weights, norm)
            docs = given[place]
            best_first = sorted(range(len(docs)), key=lambda index: -total.get(index, -1.0))
            topic = dataset.topics[place]
            values[topic.id] = value_of(measure, dataset, topic, [docs[index].id or "" for index in best_first])
        return values

    mixtures = list(_mixtures(len(signals)))
    table = [valued(dict(zip(signals, mixture, strict=True))) for mixture in mixtures]
    alone = {signal: table[mixtures.index(tuple(float(other == signal) for other in signals))] for signal in signals}
    chosen = _best(table, list(table[0]))
    found = _cross_validated(table)
    means = {signal: fmean(values.values()) for signal, values in alone.items()}
    strongest = max(means, key=lambda signal: means[signal])
    return Tuned(
        weights={signal: weight for signal, weight in zip(signals, mixtures[chosen], strict=True) if weight},
        metric=metric,
        fitted=fmean(table[chosen].values()),
        held_out=fmean(found.values()),
        alone=means,
        comparison=compared({strongest: alone[strongest], "hybrid": found}, strongest)[1],
        left_out=len(runs.left_out),
        rankings=tuple(runs.rankings),
    )


def _scored(
    runs: CompleteRuns,
    topics: Sequence[Topic],
    given: Sequence[Sequence[Document]],
    signal: str,
    seed: int | None,
) -> dict[int, Signal]:
    """What one signal gives the candidates of each query, by the place at which they are shown."""
    if signal == FIRST_STAGE:
        scores = [{i: doc.score for i, doc in enumerate(docs) if doc.score is not None} for docs in given]
        places = [by_place(_inverse(topic.shown(seed))) for topic in topics]
        return {n: values or place for n, (values, place) in enumerate(zip(scores, places, strict=True))}
    return {
        n: {place.index: place.relevance_score for place in ranking if place.relevance_score is not None}
        or by_place(ranking.order)
        for n, ranking in runs.run(signal).items()
    }


def _inverse(shown: Sequence[int]) -> list[int]:
    """The places at which candidates are given, in first-stage order."""
    return sorted(range(len(shown)), key=lambda place: shown[place])


def _mixtures(n: int) -> Iterable[tuple[float, ...]]:
    """All weights in tenths that add up to 1."""
    for parts in product(range(_STEPS + 1), repeat=n):
        if sum(parts) == _STEPS:
            yield tuple(part / _STEPS for part in parts)


def _cross_validated(table: Sequence[Values]) -> Values:
    """For each query its value under the mixture that was best on the other folds."""
    ids = list(table[0])
    found: Values = {}
    for fold in range(_FOLDS):
        unseen = ids[fold::_FOLDS]
        best = _best(table, [query for query in ids if query not in set(unseen)])
        found |= {query: table[best][query] for query in unseen}
    return found


def _best(table: Sequence[Values], queries: Sequence[str]) -> int:
    return max(range(len(table)), key=lambda row: fmean(table[row][query] for query in queries))
