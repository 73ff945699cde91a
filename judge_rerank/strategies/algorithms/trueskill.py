"""What the evidence says of the worth of each candidate: a mean and a deviation, by expectation propagation.

The model is TrueSkill's (Herbrich et al., 2006): each candidate has a worth; in each comparison it shows its worth plus
an error of its own; the comparison orders what is shown. Unlike in TrueSkill nothing is played in sequence: all
comparisons are taken together, each refined in the light of the others, so that their order does not matter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

Message: TypeAlias = tuple[float, float]
"""A Gaussian factor as precision and precision times mean; (0, 0) says nothing."""

Game: TypeAlias = Sequence[Sequence[int]]
"""One comparison: groups of places, each above the next; no order within a group."""

_NOTHING: Message = (0.0, 0.0)
_ROOT_2, _ROOT_2_PI = math.sqrt(2), math.sqrt(2 * math.pi)
_LEAST_VARIANCE = 1e-9
_INNER_SWEEPS = 2


@dataclass(frozen=True, slots=True)
class Rating:
    """A candidate's worth."""

    mean: float
    variance: float


def cdf(x: float) -> float:
    """The share of a standard normal distribution below `x`."""
    return 0.5 * math.erfc(-x / _ROOT_2)


def density(x: float) -> float:
    """The density of the standard normal distribution at `x`."""
    return math.exp(-0.5 * x * x) / _ROOT_2_PI


class Ratings:
    """Ratings about candidates at places 0 … n−1, given priors and comparisons.

    Args:
        priors: what is rated before any comparison.
        noise: variance of the error in each comparison, against a variance of worth of about 1.
    """

    def __init__(self, priors: Sequence[Rating], *, noise: float) -> None:
        self._noise = noise
        self._games: list[list[list[int]]] = []
        self._messages: list[dict[int, Message]] = []
        self._priors: list[Message] = []
        self._precision: list[float] = []
        self._weighted: list[float] = []
        self.set_priors(priors)

    def set_priors(self, priors: Sequence[Rating]) -> None:
        """Replace the priors; the comparisons stay."""
        self._priors = [(1 / prior.variance, prior.mean / prior.variance) for prior in priors]
        self._precision = [precision for precision, _ in self._priors]
        self._weighted = [weighted for _, weighted in self._priors]
        for messages in self._messages:
            for place, (precision, weighted) in messages.items():
                self._precision[place] += precision
                self._weighted[place] += weighted

    def add(self, game: Game) -> None:
        """Take a comparison into account; call `refine` after the last."""
        groups = [list(group) for group in game if group]
        if len(groups) > 1:
            self._games.append(groups)
            self._messages.append({place: _NOTHING for group in groups for place in group})

    def refine(self, sweeps: int = 2) -> None:
        """Bring all comparisons into agreement, the latest first."""
        for _ in range(sweeps):
            for number in range(len(self._games) - 1, -1, -1):
                self._play(number)

    def __getitem__(self, place: int) -> Rating:
        precision = self._precision[place]
        return Rating(self._weighted[place] / precision, 1 / precision)

    def evidence_of(self, place: int) -> Message:
        """What the comparisons alone say."""
        precision, weighted = self._priors[place]
        return self._precision[place] - precision, self._weighted[place] - weighted

    def _play(self, number: int) -> None:
        """Update the messages of one comparison from what all others say of its members."""
        messages = self._messages[number]
        shown: dict[int, list[float]] = {}
        for place, (precision, weighted) in messages.items():
            rest = self._precision[place] - precision
            mean, variance = (self._weighted[place] - weighted) / rest, 1 / rest + self._noise
            shown[place] = [1 / variance, mean / variance]
        before = {place: tuple(values) for place, values in shown.items()}
        _order(shown, self._games[number])
        for place, (precision, weighted) in shown.items():
            gained, gained_weighted = precision - before[place][0], weighted - before[place][1]
            old = messages[place]
            new = _NOTHING
            if gained > _LEAST_VARIANCE:
                variance = 1 / gained + self._noise
                new = (1 / variance, gained_weighted / gained / variance)
            messages[place] = new
            self._precision[place] += new[0] - old[0]
            self._weighted[place] += new[1] - old[1]


def _order(shown: dict[int, list[float]], groups: Sequence[Sequence[int]]) -> None:
    """Condition what is shown (precision, weighted mean) on every group being above the next."""
    pairs = [(one, other) for above, below in pairwise(groups) for one in above for other in below]
    sent: dict[tuple[int, int], tuple[float, float, float, float]] = {}
    for sweep in range(_INNER_SWEEPS * 2 if len(pairs) > 1 else 1):
        for pair in pairs if sweep % 2 == 0 else reversed(pairs):
            one, other = shown[pair[0]], shown[pair[1]]
            p1, w1, p2, w2 = sent.get(pair, (0.0, 0.0, 0.0, 0.0))
            a, aw, b, bw = one[0] - p1, one[1] - w1, other[0] - p2, other[1] - w2
            sent[pair] = message = _above(a, aw, b, bw)
            one[0], one[1] = a + message[0], aw + message[1]
            other[0], other[1] = b + message[2], bw + message[3]


def _above(a: float, aw: float, b: float, bw: float) -> tuple[float, float, float, float]:
    """The messages of "the first is above the second" to both, each given as precision and weighted mean."""
    va, vb = 1 / a, 1 / b
    c2 = va + vb
    c = math.sqrt(c2)
    t = (aw * va - bw * vb) / c
    # Far in the tail the ratio of density and share is its asymptote.
    v = density(t) / cdf(t) if t > -30 else -t - 1 / t
    w = min(max(v * (v + t), 0.0), 1 - 1e-9)
    new_va = va * (1 - va / c2 * w)
    new_vb = vb * (1 - vb / c2 * w)
    return (
        1 / new_va - a,
        (aw * va + va / c * v) / new_va - aw,
        1 / new_vb - b,
        (bw * vb - vb / c * v) / new_vb - bw,
    )
