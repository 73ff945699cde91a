"""The same question several times, the documents shown in another order each time, and a vote."""

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
    Strategy,
    require,
    require_one_of,
)
from judge_rerank.strategies.algorithms.combinators import Steps, shuffled, side_by_side, watched
from judge_rerank.strategies.algorithms.rank_aggregation import kemeny, reciprocal_ranks
from judge_rerank.strategies.cascade import Composable, as_stage
from judge_rerank.strategies.decorators import strategy
from judge_rerank.strategies.listwise import Listwise

_AGGREGATES = ("kemeny", "reciprocal")


@strategy("self-consistent")
@dataclass(frozen=True, kw_only=True)
class SelfConsistent(Composable):
    """Runs a strategy `n` times on the top of the list, each time with the documents of every call shown in another
    order, and lets the runs vote (permutation self-consistency, arXiv:2310.07712).

    Where there are more than `head` documents, the strategy first orders all of them once; only the best `head` of
    that, which is what is contested, are then ranked `n` times. The first pass has a vote of its own; it also decides
    ties, or else the first-stage order does. A run that got no judgment at all has no vote. All runs advance in step.

    Calls: those of the strategy for all documents, and n times those for `head`; rounds: those for all documents and
    those for `head`. With Listwise() at 100 documents, n=3, head=20: 9 + 3 calls in 9 + 1 rounds.

    `confidence` is the share of votes that put the document among the best p, for place p. There are no scores.

    Attributes:
        strategy: what is run; it has to show several documents a call, or there is no order to vary.
        n: how many shuffled runs, at least 1; three to five give most of the gain.
        head: how many documents are ranked again; None for all of them, without a first pass.
        aggregate: "kemeny", the order with the fewest disagreements with the votes, or "reciprocal", by the sum of
            reciprocal ranks.
        seed: of the shuffles.
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
        votes: list[Sequence[int]] = []
        head = len(order) if self.head is None else min(self.head, len(order))
        if len(order) > head:
            first = yield from _voting(self.strategy.plan(query, candidates))
            if first is not None:
                order = list(first)
                votes.append(order[:head])
        runs = [self._run(query, candidates, order[:head], number) for number in range(self.n)]
        votes += [vote for vote in (yield from side_by_side(runs)) if vote is not None]
        if not votes:
            return Ordering(order=tuple(order))
        voted = kemeny(votes, order[:head]) if self.aggregate == "kemeny" else reciprocal_ranks(votes, order[:head])
        return Ordering(order=(*voted, *order[head:]), confidence=_agreement(votes, voted))

    def _run(self, query: Query, candidates: Candidates, head: Sequence[int], number: int) -> Steps[Vote]:
        """One run, with evidence of its own: a vote that repeats what is known would be no vote."""
        alone = candidates.arranged(head).replaced(evidence=Evidence())
        plan = _reseeded(self.strategy, number).plan(query, alone)
        return _voting(shuffled(plan, self.seed * _MOST_RUNS + number))


Vote = tuple[int, ...] | None
"""The order of a run; None where the judge said nothing in it."""

_MOST_RUNS = 1_000_003  # runs of different seeds must not share their shuffles


def _reseeded(strategy: Strategy, number: int) -> Strategy:
    """The strategy with groups of its own, where it draws them."""
    if dataclasses.is_dataclass(strategy) and isinstance(seed := getattr(strategy, "seed", None), int):
        return cast("Strategy", replace(cast("Any", strategy), seed=seed + number + 1))
    return strategy


def _voting(plan: Plan) -> Steps[Vote]:
    judgments: list[Outcome] = []
    ordering = yield from watched(plan, lambda outcomes: judgments.extend(o for o in outcomes if o.failure is None))
    return ordering.order if judgments else None


def _agreement(votes: Sequence[Sequence[int]], order: Sequence[int]) -> dict[int, float]:
    return {
        index: sum(index in vote[:place] for vote in votes) / len(votes) for place, index in enumerate(order, start=1)
    }
