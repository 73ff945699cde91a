"""How well scores agree with what they stand for, and how well a fit of them does on queries that it has not seen."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeAlias, TypeVar

T = TypeVar("T")

BINS = 10
_FOLDS = 5

Sample: TypeAlias = tuple[float, bool]
"""A score, and whether what it stands for is so: that a document is relevant, that a query is answered."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fit:
    """How well scores agree with the truth, measured on queries that the fit had not seen.

    Attributes:
        brier_before, brier_after: mean squared difference of score and truth.
        ece_before, ece_after: expected calibration error: the mean difference of score and share of true samples in
            ten bins of equal width, weighted by their samples.
    """

    brier_before: float
    brier_after: float
    ece_before: float
    ece_after: float


def brier(samples: Sequence[Sample]) -> float:
    """The mean squared difference of score and truth."""
    return fmean((score - label) ** 2 for score, label in samples)


def bins_of(samples: Sequence[Sample]) -> dict[int, list[Sample]]:
    """The samples by the bin of their score, of ten bins of equal width; without empty bins."""
    bins: dict[int, list[Sample]] = {}
    for score, label in samples:
        bins.setdefault(min(int(score * BINS), BINS - 1), []).append((score, label))
    return bins


def expected_error(samples: Sequence[Sample]) -> float:
    """The expected calibration error over ten bins of equal width."""
    return math.fsum(
        abs(math.fsum(score - label for score, label in held)) for held in bins_of(samples).values()
    ) / len(samples)


def auroc(samples: Sequence[Sample]) -> float | None:
    """The probability that a true sample scores above one that is not; ties count half. None where one kind is missing.

    It is the area under the ROC curve (Mann and Whitney's statistic).
    """
    trues = sum(label for _, label in samples)
    falses = len(samples) - trues
    if not trues or not falses:
        return None
    by_score: dict[float, list[bool]] = {}
    for score, label in samples:
        by_score.setdefault(score, []).append(label)
    won, below = 0.0, 0
    for score in sorted(by_score):
        here = by_score[score]
        alike = len(here) - sum(here)
        won += sum(here) * (below + alike / 2)
        below += alike
    return won / (trues * falses)


def held_out(
    groups: Sequence[Sequence[tuple[T, bool]]],
    fit: Callable[[Sequence[tuple[T, bool]]], Callable[[T], float]],
    before: Callable[[T], float],
) -> tuple[list[Sample], list[Sample]]:
    """Each query's samples without a fit, and by a fit on the queries of the other folds.

    Args:
        groups: what was observed of each query, with what is so.
        fit: from observations to what makes a probability of one.
        before: what an observation says without a fit.
    """
    folds = min(_FOLDS, len(groups))
    plain: list[Sample] = []
    fitted: list[Sample] = []
    for fold in range(folds):
        apply = fit([s for place, samples in enumerate(groups) if place % folds != fold for s in samples])
        left = [s for samples in groups[fold::folds] for s in samples]
        plain += [(before(observed), label) for observed, label in left]
        fitted += [(apply(observed), label) for observed, label in left]
    return plain, fitted


def errors_of(before: Sequence[Sample], after: Sequence[Sample]) -> Fit:
    """The errors of the same samples without a fit and with one."""
    return Fit(
        brier_before=brier(before),
        brier_after=brier(after),
        ece_before=expected_error(before),
        ece_after=expected_error(after),
    )
