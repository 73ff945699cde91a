"""Scores of different origin put together: on one scale by z-scores, min-max or ranks, then summed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean, pstdev

from judge_rerank.core import Candidates, Ordering, by_score, sigmoid

Signal = Mapping[int, float]
"""Values by `index`; greater is more relevant."""

_TRACE = 1e-6
_LEAST_ODDS = 1e-9


def zscores(values: Signal) -> dict[int, float]:
    """How many standard deviations each value is above the mean; 0 for all where they are equal."""
    if not values:
        return {}
    mean, deviation = fmean(values.values()), pstdev(values.values())
    return {index: (value - mean) / deviation if deviation else 0.0 for index, value in values.items()}


def minmax(values: Signal) -> dict[int, float]:
    """Each value's place between the lowest (0) and the highest (1); a half for all where they are equal."""
    if not values:
        return {}
    low, high = min(values.values()), max(values.values())
    return {index: (value - low) / (high - low) if high > low else 0.5 for index, value in values.items()}


def ranks(values: Signal) -> dict[int, float]:
    """From 1 for the highest value to 0 for the lowest, in equal steps; equal values share the mean of their steps."""
    ordered = sorted(values.values(), reverse=True)
    first: dict[float, int] = {}
    last: dict[float, int] = {}
    for place, value in enumerate(ordered):
        first.setdefault(value, place)
        last[value] = place
    steps = max(1, len(ordered) - 1)
    return {index: 1 - (first[value] + last[value]) / 2 / steps for index, value in values.items()}


def agreement(one: Signal, other: Signal) -> float:
    """The correlation (Pearson's) of two signals over the documents that both have; 0 where one of them is constant."""
    shared = sorted(one.keys() & other.keys())
    first, second = (zscores({index: signal[index] for index in shared}) for signal in (one, other))
    return fmean(first[index] * second[index] for index in shared) if shared else 0.0


def by_agreement(found: Mapping[str, Signal], weights: Mapping[str, float]) -> dict[str, float]:
    """Weights by what can be seen without judgments: how far each signal agrees with the one that is trusted most.

    Two signals that know something of relevance agree by what they know; one that knows nothing agrees with none. So
    the signal with the greatest weight keeps it, and that of every other is multiplied by their correlation. Where they
    contradict each other a trace is left, which decides ties, and documents that the trusted one says nothing of. A
    signal that says the same of all documents cannot be the one trusted most.
    """
    trusted = max(found, key=lambda name: (len(set(found[name].values())) > 1, weights[name]), default="")
    return {
        name: weights[name] * (1.0 if name == trusted else max(_TRACE, agreement(values, found[trusted])))
        for name, values in found.items()
    }


def log_odds(values: Signal) -> dict[int, float]:
    """Probabilities on the scale that a model had before it squashed them: near 0 and 1 they are apart again."""
    inside = {index: min(1 - _LEAST_ODDS, max(_LEAST_ODDS, value)) for index, value in values.items()}
    return {index: math.log(value / (1 - value)) for index, value in inside.items()}


def by_place(order: Sequence[int]) -> dict[int, float]:
    """Values for an order without scores: the first has the greatest."""
    return {index: float(-place) for place, index in enumerate(order)}


def rounded(total: float) -> float:
    """A sum without its last digits: what two signals that disagree, or the same fractions in another order, add up to
    may differ by a rounding error alone, and that is a tie."""
    return round(total, 12)


def fused(candidates: Candidates, ordering: Ordering, weight: float) -> Ordering:
    """An ordering whose scores are summed with those that the candidates came with, as z-scores. Candidates with equal
    sums stay as they stood before.

    Args:
        candidates: as they stood before, with their scores in `prior`.
        ordering: what the stage made of them.
        weight: of the stage's scores, in (0, 1); the rest is that of the scores before. A candidate that the stage
            gave no score counts by the scores before alone.
    """
    given = [candidate.index for candidate in candidates]
    before = zscores(candidates.prior if set(given) <= set(candidates.prior) else by_place(given))
    now = zscores(ordering.scores or by_place(ordering.order))
    sums = {index: rounded((1 - weight) * before[index] + weight * now.get(index, before[index])) for index in given}
    order = by_score(candidates, sums).order
    scores = {index: sigmoid(total) for index, total in sums.items()}
    # What the stage was certain of need not hold of the sum.
    return replace(ordering, order=order, scores=scores, tiers=None)
