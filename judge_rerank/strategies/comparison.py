"""What the strategies that compare documents share: how they ask, and how they check their options."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from judge_rerank.core import Candidate, Candidates, JudgeCall, Ordering, Plan, Query
from judge_rerank.strategies.algorithms.combinators import shuffled
from judge_rerank.strategies.cascade import Composable


@dataclass(frozen=True, kw_only=True)
class Comparing(Composable, ABC):
    """Asks about several documents at once.

    Attributes:
        prompt: a template's name or path; None for the task's default.
        explain: ask for a reason with each answer.
        model: judge with another model than the `Judge`'s own.
        shuffle: a seed: the documents of each call are shown in an order that it draws, so that a judge's liking for
            some positions favours no document. None shows them in their present order.
    """

    name = ""
    task = "listwise"

    prompt: str | None = None
    explain: bool = False
    model: str | None = None
    shuffle: int | None = None

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """Yield rounds, receive outcomes, return an ordering."""
        if len(candidates) < 2:
            yield from ()
            return Ordering(order=tuple(candidate.index for candidate in candidates))
        return (yield from shuffled(self._compared(query, candidates), self.shuffle))

    @abstractmethod
    def _compared(self, query: Query, candidates: Candidates) -> Plan:
        """The plan for two or more candidates, in the order in which they stand."""

    def _call(self, query: Query, candidates: Sequence[Candidate], options: tuple[str, ...] = ()) -> JudgeCall:
        return JudgeCall(
            task=self.task,
            query=query,
            candidates=tuple(candidates),
            prompt=self.prompt,
            options=options,
            explain=self.explain,
            model=self.model,
            stage=self.name,
        )

    def _fitting(self, query: Query, candidates: Candidates, at_most: int) -> int:
        """How many documents a call can show: `at_most`, fewer where the longest would not fit, but at least two."""
        call = self._call(query, candidates[:])
        return max(2, candidates.limits.largest(call, min(at_most, len(candidates))))
