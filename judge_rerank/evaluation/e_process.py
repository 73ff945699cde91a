"""Evidence that may be looked at after every observation: the chance of ever being misled stays below alpha.

An e-process is the capital of somebody who bets against a hypothesis at odds that are fair under it. If the hypothesis
is true, the chance that the capital ever grows to 1 / alpha times the stake is at most alpha (Ville, 1939), whenever
and however often one looks. So one may stop as soon as it does. (Ramdas, Grünwald, Vovk and Shafer, arXiv:2210.01948.)
"""

from __future__ import annotations

import math

# Small bets win slowly and surely on small differences, large ones at once on large differences.
_BETS = tuple(0.99 * 0.8**place for place in range(20))


class BettingProcess:
    """An e-process against "the mean is at most 0", for observations from -1 to 1.

    The stake is divided among bets of fixed sizes λ, each of which grows by 1 + λx with an observation x, as in
    Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting" (arXiv:2010.09686). No assumption
    but the bounds is made, and the order of the observations does not matter.
    """

    __slots__ = ("_capitals", "count", "total")

    def __init__(self) -> None:
        self._capitals = [0.0] * len(_BETS)
        self.count = 0
        self.total = 0.0

    def add(self, value: float) -> None:
        """Take in one observation, from -1 to 1."""
        self.count += 1
        self.total += value
        self._capitals = [capital + math.log1p(bet * value) for capital, bet in zip(self._capitals, _BETS, strict=True)]

    @property
    def log_e(self) -> float:
        """The logarithm of the capital in stakes; 0 at first."""
        highest = max(self._capitals)
        return highest + math.log(math.fsum(math.exp(c - highest) for c in self._capitals) / len(_BETS))


def log_coin_evidence(heads: int, tails: int) -> float:
    """The logarithm of the evidence against a fair coin: the mean over all biases of how much likelier they make this.

    It is an e-process in the tosses, two-sided (Robbins, 1970): 2ⁿ · heads! · tails! / (n + 1)!
    """
    n = heads + tails
    return n * math.log(2) + math.lgamma(heads + 1) + math.lgamma(tails + 1) - math.lgamma(n + 2)
