"""Racing: variants that are losing for certain are stopped, and the calls that they would still have made are saved.

    race = Race(["a", "b", "c"], alpha=0.05)
    race.add("a", "q1", 0.71)     # after each query of each variant
    race.alive, race.stopped

For every two variants there is a bet that the one is worse than the other, over the queries that both have, in pairs
(`BettingProcess`). A variant is stopped as soon as such a bet has grown by m (m - 1) / alpha, for m variants: of all
m (m - 1) bets, with a probability of at most alpha any ever grows so far whose variant is not worse. That holds however
often one looks, for any metric from 0 to 1, with no assumption on how values are distributed. The queries are taken for
a sample: they should come in an order that has nothing to do with how hard they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import permutations

from judge_rerank.core import InputError, UnknownName
from judge_rerank.evaluation.e_process import BettingProcess
from judge_rerank.evaluation.power import check_level


@dataclass(frozen=True, kw_only=True, slots=True)
class Stop:
    """Why a variant was stopped.

    Attributes:
        variant: which.
        behind: the variant that it is worse than.
        queries: on how many that was seen.
        difference: its mean minus that of the other on these; below 0.
        e_value: by how much the bet against it had grown.
    """

    variant: str
    behind: str
    queries: int
    difference: float
    e_value: float

    def __str__(self) -> str:
        return (
            f"{self.variant} was stopped after {self.queries} queries: it is {-self.difference:.3f} behind "
            f"{self.behind} (evidence {self.e_value:,.0f} to 1)."
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Saved:
    """What stopping early saved.

    Attributes:
        planned: calls of the whole experiment, or queries over all variants where calls are not known.
        saved: those that were not made.
        by_variant: of which variant.
    """

    planned: float
    saved: float
    by_variant: Mapping[str, float]

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.saved / self.planned if self.planned else 0.0


class Race:
    """Which variants can still win, as values come in.

    Args:
        variants: those that race. Leave out orders that no judge makes.
        alpha: the greatest probability that any variant is stopped which is not worse than the one that stopped it.
        keep: variants that are never stopped, such as the baseline that all are compared with.

    Raises:
        InputError: fewer than two variants race, or alpha is not between 0 and 1.
        UnknownName: one to be kept does not race.
    """

    def __init__(self, variants: Iterable[str], *, alpha: float = 0.05, keep: Iterable[str] = ()) -> None:
        self.variants = tuple(dict.fromkeys(variants))
        if len(self.variants) < 2:
            raise InputError(f"{len(self.variants)} variants race; expected at least 2.")
        check_level("alpha", alpha)
        self._keep = frozenset(keep)
        for name in self._keep:
            self._check(name)
        self._values: dict[str, dict[str, float]] = {name: {} for name in self.variants}
        self._bets = {pair: BettingProcess() for pair in permutations(self.variants, 2)}
        self._threshold = math.log(len(self._bets) / alpha)
        self.stopped: dict[str, Stop] = {}

    @property
    def alive(self) -> tuple[str, ...]:
        """The variants that were not stopped, in the given order; never empty."""
        return tuple(name for name in self.variants if name not in self.stopped)

    @property
    def leader(self) -> str | None:
        """The one alive with the highest mean; None before the first value. Ties go to the one given first."""
        means = {name: math.fsum(v.values()) / len(v) for name in self.alive if (v := self._values[name])}
        return max(means, key=lambda name: means[name], default=None)

    def add(self, variant: str, query_id: str, value: float) -> None:
        """Take in a variant's value on a query, and stop whom it stops.

        A query counts once: give the mean over seeds, and data sets as parts of the id. The same value again, as after
        a restart, changes nothing; values of a stopped variant are taken in and stop nobody.

        Raises:
            UnknownName: no such variant races.
            InputError: the value is not from 0 to 1, or another one than before.
        """
        self._check(variant)
        if not 0 <= value <= 1:
            raise InputError(f"The value of {variant!r} on {query_id!r} is {value}; a race needs a metric from 0 to 1.")
        known = self._values[variant].setdefault(query_id, value)
        if known != value:
            msg = f"{variant!r} has the value {known} on {query_id!r} already, not {value}; give the mean over seeds."
            raise InputError(msg)
        if variant not in self.stopped:
            self._compare(variant, query_id, value)

    def saved(self, queries: int, calls: Mapping[str, float] | None = None) -> Saved:
        """What stopping saved of an experiment.

        Args:
            queries: how many each variant would have run on.
            calls: calls a query by variant; None counts queries.
        """
        each = calls or dict.fromkeys(self.variants, 1.0)
        left = {name: each[name] * max(0, queries - len(self._values[name])) for name in self.stopped}
        planned = math.fsum(each[name] * queries for name in self.variants)
        return Saved(planned=planned, saved=math.fsum(left.values()), by_variant=left)

    def _compare(self, variant: str, query_id: str, value: float) -> None:
        for other in self.alive:
            theirs = self._values[other].get(query_id)
            if other == variant or theirs is None or variant in self.stopped:
                continue
            for worse, better, lead in ((variant, other, theirs - value), (other, variant, value - theirs)):
                bet = self._bets[worse, better]
                bet.add(lead)
                if bet.log_e >= self._threshold and worse not in self._keep:
                    self._stop(worse, better, bet)

    def _stop(self, worse: str, better: str, bet: BettingProcess) -> None:
        self.stopped[worse] = Stop(
            variant=worse,
            behind=better,
            queries=bet.count,
            difference=-bet.total / bet.count,
            e_value=math.exp(bet.log_e),
        )

    def _check(self, name: str) -> None:
        if name not in self.variants:
            raise UnknownName("variant", name, self.variants)
