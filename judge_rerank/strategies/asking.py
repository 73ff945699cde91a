"""The base classes of strategies that ask the judge: how a question is put, and their options."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from judge_rerank.core import Candidate, Candidates, Criterion, JudgeCall, Plan, Query
from judge_rerank.strategies.algorithms.combinators import as_given, shuffled
from judge_rerank.strategies.cascade import Composable


@dataclass(frozen=True, kw_only=True)
class Asking(Composable):
    """The base class of strategies whose calls are all of one task.

    Attributes:
        prompt: a template's name or path; None for the task's default.
        explain: ask for a reason with each answer.
        model: judge with another model than the `Judge`'s own.
    """

    task: ClassVar[str]

    prompt: str | None = None
    explain: bool = False
    model: str | None = None

    def call(self, query: Query, candidates: Sequence[Candidate], options: Sequence[str] = ()) -> JudgeCall:
        """The question about these candidates, shown in this order."""
        return JudgeCall(
            task=self.task,
            query=query,
            candidates=tuple(candidates),
            prompt=self.prompt,
            options=tuple(options),
            explain=self.explain,
            model=self.model,
            stage=self.name,
            criteria=self.asked_criteria(query),
        )

    def asked_criteria(self, query: Query) -> tuple[Criterion, ...]:  # noqa: ARG002
        """The criteria that each document is judged by, each for itself: none, unless the task can."""
        return ()


@dataclass(frozen=True, kw_only=True)
class Comparing(Asking, ABC):
    """The base class of strategies that ask about several documents at once.

    Attributes:
        shuffle: a seed: the documents of each call are shown in an order that it draws, so that a judge's liking for
            some positions favours no document. None shows them in their present order.
    """

    task: ClassVar[str] = "listwise"

    shuffle: int | None = None

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """Yield rounds, receive outcomes, return an ordering."""
        if len(candidates) < 2:
            return as_given(candidates)
        return shuffled(self.compared(query, candidates), self.shuffle)

    @abstractmethod
    def compared(self, query: Query, candidates: Candidates) -> Plan:
        """The plan for two or more candidates, in the order in which they stand."""

    def fitting(self, query: Query, candidates: Candidates, at_most: int) -> int:
        """How many documents a call can show: `at_most`, fewer where most are too long for it, but at least two."""
        call = self.call(query, candidates[:])
        return max(2, candidates.limits.largest(call, min(at_most, len(candidates))))
