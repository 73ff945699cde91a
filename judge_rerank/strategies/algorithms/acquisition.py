"""Where another look would help most, and how sure the places are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist, fmean, pstdev

from judge_rerank.strategies.algorithms.trueskill import Message, Rating, Ratings, cdf, density

_FARTHEST = 5.0  # deviations beyond which a change of places is not worth the arithmetic
_STEEPEST = 0.9  # the greatest weight that the first-stage order may get
_SCORE_NOISE = 0.5  # variance of a judge's score around a candidate's worth
_STEPS = 40


def gains(ratings: Sequence[Rating], top: int, noise: float) -> list[float]:
    """By place, how much discounted gain in the best `top` one more look at the candidate can be expected to bring.

    A look moves a rating's mean by a normally distributed amount. Each candidate that it thereby overtakes, or is
    overtaken by, adds the difference of worth times the difference of the discounts of the two ranks (the knowledge
    gradient of DCG).
    """
    n = len(ratings)
    order = sorted(range(n), key=lambda place: -ratings[place].mean)
    discounts = [1 / math.log2(rank + 2) if rank < top else 0.0 for rank in range(n + 1)]
    result = [0.0] * n
    for rank, place in enumerate(order):
        rating = ratings[place]
        step = rating.variance / math.sqrt(rating.variance + noise)
        # Above it at most the best `top` matter, below it at most those down to the first that is not among them.
        for other in (*range(min(rank, top)), *range(rank + 1, min(n, top + 1))):
            distance = abs(ratings[order[other]].mean - rating.mean) / step
            if distance < _FARTHEST:
                upper = other if other < rank else other - 1
                overtaking = step * (density(distance) - distance * cdf(-distance))
                result[place] += (discounts[upper] - discounts[upper + 1]) * overtaking
    return result


def confidence(ratings: Sequence[Rating], order: Sequence[int], top: int) -> list[float]:
    """For each of the first `top` of `order`, how probable it is that the one at rank p is among the best p.

    The best p are taken to be those above a threshold that p candidates are expected to pass.
    """
    deviations = [math.sqrt(rating.variance) for rating in ratings]

    def passing(place: int, threshold: float) -> float:
        return cdf((ratings[place].mean - threshold) / deviations[place])

    reach = 5 * max(deviations)
    result: list[float] = []
    for rank, place in enumerate(order[:top], start=1):
        if rank == len(ratings):
            result.append(1.0)
            continue
        low = min(rating.mean for rating in ratings) - reach
        high = max(rating.mean for rating in ratings) + reach
        for _ in range(_STEPS):
            middle = (low + high) / 2
            if sum(passing(other, middle) for other in range(len(ratings))) > rank:
                low = middle
            else:
                high = middle
        result.append(passing(place, (low + high) / 2))
    return result


def separations(ratings: Sequence[Rating], order: Sequence[int], top: int, sure: float) -> list[int]:
    """The numbers of places p, up to `top`, after which the ratings do not overlap: each of the first p of `order` is
    better than each of the others with at least the probability `sure`.
    """
    distance = NormalDist().inv_cdf(sure)

    def apart(better: Rating, worse: Rating) -> bool:
        return better.mean - worse.mean >= distance * math.sqrt(better.variance + worse.variance)

    rated = [ratings[place] for place in order]
    return [
        count
        for count in range(1, min(top, len(rated) - 1) + 1)
        if all(apart(one, other) for one in reversed(rated[:count]) for other in rated[count:])
    ]


def first_stage_priors(ratings: Ratings, n: int, observed: Sequence[Message]) -> list[Rating]:
    """Priors that trust the first-stage order as far as the comparisons bear it out (empirical Bayes).

    Args:
        ratings: what the comparisons say.
        n: how many candidates there are, in first-stage order.
        observed: what else is known of each.
    """
    ranks = [-NormalDist().inv_cdf((place + 0.5) / n) for place in range(n)]
    compared = [ratings.evidence_of(place) for place in range(n)]
    weight = sum(precision for precision, _ in compared)
    slope = 0.0
    if weight > 0:
        mean = sum(weighted for _, weighted in compared) / weight
        rise = sum(r * (weighted - p * mean) for r, (p, weighted) in zip(ranks, compared, strict=True))
        spread = sum(r * r * p for r, (p, _) in zip(ranks, compared, strict=True))
        slope = max(0.0, min(_STEEPEST, rise / spread)) if spread > 0 else 0.0
    variance = 1 - _STEEPEST * slope * slope
    return [
        Rating((slope * r / variance + weighted) / (1 / variance + p), 1 / (1 / variance + p))
        for r, (p, weighted) in zip(ranks, observed, strict=True)
    ]


def from_scores(scores: Mapping[str, Mapping[int, float]], indices: Sequence[int]) -> list[Message]:
    """What earlier scores say of each candidate: by task, how far it is above the average."""
    observed: dict[int, Message] = dict.fromkeys(indices, (0.0, 0.0))
    for by_index in scores.values():
        known = {index: by_index[index] for index in indices if index in by_index}
        spread = pstdev(known.values()) if len(known) > 1 else 0.0
        if spread > 0:
            mean = fmean(known.values())
            for index, value in known.items():
                precision, weighted = observed[index]
                observed[index] = (
                    precision + 1 / _SCORE_NOISE,
                    weighted + (value - mean) / spread / _SCORE_NOISE,
                )
    return [observed[index] for index in indices]
