"""Advances a plan round by round. The only place that sends into a generator."""

from __future__ import annotations

from collections.abc import Generator
from typing import Generic, TypeAlias, TypeVar

from judge_rerank.core.candidates import Candidates
from judge_rerank.core.documents import Query
from judge_rerank.core.effects import Round
from judge_rerank.core.outcomes import Outcomes
from judge_rerank.core.strategy import Ordering, Strategy

T = TypeVar("T")

Steps: TypeAlias = Generator[Round, Outcomes, T]
"""A part of a plan: yields rounds, receives outcomes, returns a T."""


class PlanRunner(Generic[T]):
    """A plan under way. It runs to its first round when it is made.

        runner = PlanRunner(strategy.plan(query, candidates))
        while not runner.done:
            runner.send(perform(runner.round))
        ordering = runner.result

    Attributes:
        round: the effects that are asked for now; empty once the plan is done.
        done: whether it has returned.
        result: what the plan returned; only once it is done.
    """

    __slots__ = ("_plan", "done", "result", "round")

    result: T

    def __init__(self, plan: Steps[T]) -> None:
        self._plan = plan
        self.round: Round = ()
        self.done = False
        self._advance(None)

    def send(self, outcomes: Outcomes) -> None:
        """Answer the round under way, in its order, and run to the next."""
        self._advance(outcomes)

    def _advance(self, outcomes: Outcomes | None) -> None:
        try:
            self.round = next(self._plan) if outcomes is None else self._plan.send(outcomes)
        except StopIteration as end:
            self.round, self.done = (), True
            self.result = end.value


class StrategyRunner(PlanRunner[Ordering]):
    """A strategy under way. What the outcomes of a round state is evidence before the strategy gets them."""

    __slots__ = ("_candidates",)

    def __init__(self, strategy: Strategy, query: Query, candidates: Candidates) -> None:
        self._candidates = candidates
        super().__init__(strategy.plan(query, candidates))

    def send(self, outcomes: Outcomes) -> None:
        """Answer the round under way, in its order, and run to the next."""
        for call, outcome in zip(self.round, outcomes, strict=True):
            self._candidates.evidence.add(call, outcome)
        super().send(outcomes)
