"""The same question several times, the documents shown in another order each time, and one order out of all."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

from judge_rerank.core import (
    Candidates,
    Evidence,
    Ordering,
    Outcome,
    Plan,
    Query,
    Steps,
    Strategy,
    require,
    require_one_of,
)
from judge_rerank.strategies.algorithms.combinators import shuffled, side_by_side, watched
from judge_rerank.strategies.algorithms.rank_aggregation import kemeny, reciprocal_ranks
from judge_rerank.strategies.cascade import Composable, as_stage
from judge_rerank.strategies.decorators import strategy
from judge_rerank.strategies.listwise import Listwise

_AGGREGATES = ("kemeny", "reciprocal")


@strategy("self-consistent")
@dataclass(frozen=True, kw_only=True)
class SelfConsistent(Composable):
    """Runs a strategy `n` times on the top of the list, each time with the documents of every call shown in another
    order, and aggregates the orders (permutation self-consistency, arXiv:2310.07712).

    Where there are more than `head` documents, the strategy first orders all of them once; only the best `head` of
    that are then ranked `n` times. The first pass counts as a run; it also decides ties, or else the first-stage order
    does. A run that got no judgment at all does not count. All runs advance in step.

    Calls: those of the strategy for all documents, and n times those for `head`; rounds: those for all documents and
    those for `head`. With Listwise() at 100 documents, n=3, head=20: 9 + 3 calls in 9 + 1 rounds.

    `confidence` is the share of runs that put the document among the best p, for place p. There are no scores.

    Attributes:
        strategy: what is run; it has to show several documents per call, or there is no order to vary.
        n: how many shuffled runs, at least 1; three to five give most of the gain.
        head: how many documents are ranked again, at least 2; None for all of them, without a first pass.
        aggregate: "kemeny", the order with the fewest disagreements with the runs, or "reciprocal", by the sum of
            reciprocal ranks.
        seed: the seed of the shuffles.
    """

    strategy: Strategy = field(default_factory=Listwise)
    n: int = 3
    head: int | None = 20
    aggregate: Literal["kemeny", "reciprocal"] = "kemeny"
    seed: int = 0

    def __post_init__(self) -> None:
        as_stage(self.strategy)
        require("n", self.n, at_least=1)
        require("head", self.head, at_least=2)
        require_one_of("aggregate", self.aggregate, _AGGREGATES)

    @property
    def name(self) -> str:
        """The name of what is run, in brackets."""
        return f"self-consistent({self.strategy.name})"

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """The strategy's rounds for all documents, then the rounds of all runs over the head in step."""
        order = [candidate.index for candidate in candidates]
        head = len(order) if self.head is None else min(self.head, len(order))
        rankings: list[Sequence[int]] = []
        notes: tuple[str, ...] = ()
        if len(order) > head:
            first = yield from _run(self.strategy.plan(query, candidates))
            notes = first.notes
            if first.order is not None:
                order = list(first.order)
                rankings.append(order[:head])
        plans = [self._shuffled(query, candidates, order[:head], number) for number in range(self.n)]
        runs = yield from side_by_side([_run(plan) for plan in plans])
        rankings += [run.order for run in runs if run.order is not None]
        notes = tuple(dict.fromkeys((*notes, *(note for run in runs for note in run.notes))))
        if not rankings:
            return Ordering(order=tuple(order), notes=notes)
        aggregate = kemeny if self.aggregate == "kemeny" else reciprocal_ranks
        best = aggregate(rankings, order[:head])
        return Ordering(order=(*best, *order[head:]), confidence=_agreement(rankings, best), notes=notes)

    def _shuffled(self, query: Query, candidates: Candidates, head: Sequence[int], number: int) -> Plan:
        """The plan of one run, with evidence of its own: a run that repeats what is known would tell nothing."""
        alone = candidates.arranged(head).replaced(evidence=Evidence())
        plan = _reseeded(self.strategy, number).plan(query, alone)
        return shuffled(plan, self.seed * _MOST_RUNS + number)


_MOST_RUNS = 1_000_003  # runs of different seeds must not share their shuffles


@dataclass(frozen=True, slots=True)
class _Run:
    """The order of a run, None where it got no judgment; and its notes."""

    order: tuple[int, ...] | None
    notes: tuple[str, ...]


def _reseeded(strategy: Strategy, number: int) -> Strategy:
    """The strategy with groups of its own, where it draws them."""
    if dataclasses.is_dataclass(strategy) and isinstance(seed := getattr(strategy, "seed", None), int):
        return cast("Strategy", replace(cast("Any", strategy), seed=seed + number + 1))
    return strategy


def _run(plan: Plan) -> Steps[_Run]:
    judgments: list[Outcome] = []
    ordering = yield from watched(plan, lambda outcomes: judgments.extend(o for o in outcomes if o.failure is None))
    return _Run(ordering.order if judgments else None, ordering.notes)


def _agreement(rankings: Sequence[Sequence[int]], order: Sequence[int]) -> dict[int, float]:
    return {
        index: sum(index in ranking[:place] for ranking in rankings) / len(rankings)
        for place, index in enumerate(order, start=1)
    }
