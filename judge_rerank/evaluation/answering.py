"""How well a variant knows that nothing answers: each query's list, and its twin without the relevant documents."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean
from typing import TypeAlias

from judge_rerank.evaluation.averages import percentile
from judge_rerank.evaluation.record import Result, RunInfo
from judge_rerank.learning import Sample, auroc, bins_of, expected_error

RECALL = 0.9
"""Of the queries that are answered, the share that has to be accepted."""

_RESAMPLES = 1000
_LEVEL = 0.95

Groups: TypeAlias = Sequence[Sequence[Sample]]
"""By query, `ranking.answerable` and whether it is so, for its list and for its twin."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A figure with its 95 % interval, by a bootstrap over queries."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Bin:
    """A point of the reliability curve.

    Attributes:
        said: the mean of `ranking.answerable` in the bin.
        so: of its lists, the share that has a relevant document.
        lists: how many there are.
    """

    said: float
    so: float
    lists: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """One variant. Figures are means over datasets.

    Attributes:
        variant: its name.
        answered, unanswered: lists with a relevant document, and without one.
        unknown: lists of which the variant could not say it; they are in no figure.
        auroc: the probability that a list with a relevant document has the higher value.
        false_accepts: of the lists without one, the share that is accepted where `RECALL` of the others are.
        ece: the expected calibration error, over ten bins.
        bins: the reliability curve, over all datasets together.
    """

    variant: str
    answered: int
    unanswered: int
    unknown: int
    auroc: Figure
    false_accepts: Figure
    ece: Figure
    bins: Sequence[Bin]


def answers(info: RunInfo, results: Iterable[Result], dataset: str | None = None) -> list[Answers]:
    """What each variant knew, in the order of the run; without variants that had no lists of both kinds.

    Args:
        info: the experiment.
        results: those of an experiment with `answerable: true`.
        dataset: only this one; None for all of them.
    """
    least = {each.name: each.min_grade for each in info.datasets}
    by_variant: defaultdict[str, list[Result]] = defaultdict(list)
    for result in results:
        if dataset in (None, result.dataset):
            by_variant[result.variant].append(result)
    made = (_answers(variant.name, by_variant[variant.name], least) for variant in info.variants if info.answerable)
    return [each for each in made if each is not None]


def false_accepts(samples: Sequence[Sample], recall: float = RECALL) -> float | None:
    """Of the false samples, the share at or above the score that this share of the true ones reach."""
    trues = sorted((score for score, label in samples if label), reverse=True)
    falses = [score for score, label in samples if not label]
    if not trues or not falses:
        return None
    threshold = trues[max(0, math.ceil(recall * len(trues) - 1e-9) - 1)]
    return sum(score >= threshold for score in falses) / len(falses)


def curve(samples: Sequence[Sample]) -> list[Bin]:
    """The reliability curve, from low to high."""
    return [
        Bin(said=fmean(score for score, _ in held), so=fmean(label for _, label in held), lists=len(held))
        for _, held in sorted(bins_of(samples).items())
    ]


def with_interval(
    by_dataset: Iterable[Groups], of: Callable[[Sequence[Sample]], float | None], *, seed: int = 0
) -> Figure | None:
    """The mean over datasets of a figure of their samples; its interval is from queries drawn anew in each dataset.

    None where the figure cannot be computed for any dataset.
    """
    datasets = list(by_dataset)
    value = _mean(of(_flat(groups)) for groups in datasets)
    if value is None:
        return None
    rng = Random(seed)  # noqa: S311
    drawn = (
        _mean(of(_flat(rng.choices(groups, k=len(groups)))) for groups in datasets if groups) for _ in range(_RESAMPLES)
    )
    found = sorted(each for each in drawn if each is not None)
    tail = (1 - _LEVEL) / 2
    low, high = (percentile(found, share) for share in (tail, 1 - tail))
    return Figure(value=value, low=value if low is None else low, high=value if high is None else high)


def _answers(variant: str, results: Sequence[Result], least: Mapping[str, float]) -> Answers | None:
    groups: defaultdict[str, defaultdict[str, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    unknown = 0
    for result in results:
        relevant = any((place.grade or 0.0) >= least.get(result.dataset, 1.0) for place in result.ranking)
        said = [(result.answerable, relevant)] + ([(result.twin.answerable, False)] if result.twin else [])
        known = [(value, label) for value, label in said if value is not None]
        unknown += len(said) - len(known)
        groups[result.dataset][result.query_id] += known
    by_dataset = [list(queries.values()) for queries in groups.values()]
    everything = [sample for queries in by_dataset for sample in _flat(queries)]
    area = with_interval(by_dataset, auroc)
    accepted, error = with_interval(by_dataset, false_accepts), with_interval(by_dataset, _error)
    if area is None or accepted is None or error is None:
        return None
    answered = sum(label for _, label in everything)
    return Answers(
        variant=variant,
        answered=answered,
        unanswered=len(everything) - answered,
        unknown=unknown,
        auroc=area,
        false_accepts=accepted,
        ece=error,
        bins=curve(everything),
    )


def _error(samples: Sequence[Sample]) -> float | None:
    return expected_error(samples) if samples else None


def _flat(groups: Groups) -> list[Sample]:
    return [sample for samples in groups for sample in samples]


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
