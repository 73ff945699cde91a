"""Weights for free signals, fitted listwise to judgments, and measured on queries that the fit has not seen."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any, Protocol

from judge_rerank.scorers import needed_weights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FOLDS, _REPEATS = 5, 3
_STRENGTHS = (0.003, 0.03, 0.3)
# How much a candidate that nobody judged counts as an irrelevant one: most are, some are not.
_UNJUDGED = 0.3
_DEPTH = 10


class Graded(Protocol):
    """A query's candidates: their signals, and what judges said of them."""

    @property
    def signals(self) -> NDArray[np.float64]:
        """A row a candidate."""
        ...

    @property
    def grades(self) -> tuple[float | None, ...]:
        """By place; None for candidates that nobody judged."""
        ...


def weighed(seen: Sequence[Graded]) -> list[float]:
    """The weights that all queries together ask for."""
    lists = _lists(seen)
    return [float(weight) for weight in _fit(lists, _strength(seen, lists))]


def cross_weighed(seen: Sequence[Graded]) -> list[list[float]]:
    """Scores of each query by fits that have not seen it: the mean over several ways to part the queries.

    The strength of the regularisation is chosen within each training part, so that the figures stay honest.
    """
    import numpy as np

    lists = _lists(seen)
    sums = [np.zeros(len(one.grades)) for one in seen]
    for repeat in range(_REPEATS):
        places = list(range(len(seen)))
        random.Random(repeat).shuffle(places)  # noqa: S311
        for fold in range(_FOLDS):
            held = set(places[fold::_FOLDS])
            rest = [place for place in places if place not in held]
            inner = lists.of(rest)
            weights = _fit(inner, _strength([seen[place] for place in rest], inner))
            for place in held:
                sums[place] += seen[place].signals @ weights
    return [(total / _REPEATS).tolist() for total in sums]


def ndcg(one: Graded, scores: Sequence[float]) -> float:
    """nDCG@10 with exponential gain; ties in the order given, candidates without a grade count as irrelevant."""
    order = sorted(range(len(scores)), key=lambda place: -scores[place] if math.isfinite(scores[place]) else math.inf)
    gains = [2 ** max(0.0, grade or 0.0) - 1 for grade in one.grades]
    discounts = [1 / math.log2(rank + 2) for rank in range(_DEPTH)]
    ideal = math.fsum(g * d for g, d in zip(sorted(gains, reverse=True), discounts, strict=False))
    return math.fsum(gains[place] * d for place, d in zip(order, discounts, strict=False)) / ideal


@dataclass(frozen=True)
class _Lists:
    """Queries for the loss, as arrays padded to the longest list; padding has no weight.

    Attributes:
        signals: by query, candidate and signal.
        target: the share of relevance that each candidate should get.
        log_weight: how much each candidate counts.
    """

    signals: NDArray[np.float64]
    target: NDArray[np.float64]
    log_weight: NDArray[np.float64]

    def of(self, places: Sequence[int]) -> _Lists:
        """Only these queries."""
        chosen = list(places)
        return _Lists(self.signals[chosen], self.target[chosen], self.log_weight[chosen])


def _lists(seen: Sequence[Graded]) -> _Lists:
    import numpy as np

    highest = max(grade for one in seen for grade in one.grades if grade is not None)
    shape = (len(seen), max(len(one.grades) for one in seen))
    signals = np.zeros((*shape, seen[0].signals.shape[1]))
    target, log_weight = np.zeros(shape), np.full(shape, -1e9)
    for row, one in enumerate(seen):
        gains = np.array([2 ** (3 * max(0.0, grade or 0.0) / (highest or 1)) - 1 for grade in one.grades])
        size = len(gains)
        signals[row, :size] = one.signals
        target[row, :size] = gains / (gains.sum() or 1)
        log_weight[row, :size] = [math.log(_UNJUDGED) if grade is None else 0.0 for grade in one.grades]
    return _Lists(signals, target, log_weight)


def _fit(lists: _Lists, strength: float) -> NDArray[np.float64]:
    """ListNet with the top-one probability (Cao et al., doi:10.1145/1273496.1273513) and a square penalty."""
    import numpy as np

    optimize, threadpoolctl = needed_weights("Fitting weights", "distill", _optimize)
    queries, _, count = lists.signals.shape

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scores = np.einsum("qcs,s->qc", lists.signals, weights) + lists.log_weight
        scores -= scores.max(axis=1, keepdims=True)
        shares = np.exp(scores)
        shares /= shares.sum(axis=1, keepdims=True)
        value = -float((lists.target * np.log(shares + 1e-12)).sum()) / queries
        slope = np.einsum("qcs,qc->s", lists.signals, shares - lists.target) / queries
        return value + strength * float((weights**2).sum()), slope + 2 * strength * weights

    start = np.full(count, 1 / count)
    with threadpoolctl.threadpool_limits(1):  # nine numbers are not worth waiting for other threads
        return optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * count).x


def _strength(seen: Sequence[Graded], lists: _Lists) -> float:
    """The one that does best on parts that it was not fitted on."""
    every = range(len(seen))

    def worth(strength: float) -> float:
        gained: list[float] = []
        for fold in range(_FOLDS):
            weights = _fit(lists.of([place for place in every if place % _FOLDS != fold]), strength)
            gained += [ndcg(one, (one.signals @ weights).tolist()) for one in seen[fold::_FOLDS]]
        return fmean(gained)

    return max(_STRENGTHS, key=worth)


def _optimize() -> Any:
    import threadpoolctl
    from scipy import optimize

    return optimize, threadpoolctl
