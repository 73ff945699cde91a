"""The base classes of strategies that ask the judge: how a question is put, and their options."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from judge_rerank.core import Candidate, Candidates, Criterion, Document, Evidence, JudgeCall, Plan, Query
from judge_rerank.strategies.algorithms.combinators import as_given, debiased, shuffled
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


NEUTRAL = Document(text="N/A", id="content-free")
"""A document that says nothing."""


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


@dataclass(frozen=True, kw_only=True)
class Lettered(Comparing, ABC):
    """The base class of strategies that ask for the letter of a document.

    Attributes:
        content_free: ask once more for each number of documents shown, in the same round and with documents that say
            nothing, and divide the probabilities of the letters by those of that answer (contextual calibration,
            arXiv:2102.09690), so that a judge's liking for some positions favours no document. Without
            log-probabilities it changes nothing.
    """

    content_free: bool = False

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """Yield rounds, receive outcomes, return an ordering."""
        if not self.content_free:
            return super().plan(query, candidates)
        # What is known of the candidates has to be known without the bias as well.
        evidence = Evidence()
        return debiased(super().plan(query, candidates.replaced(evidence=evidence)), _without_content, evidence)


def _without_content(call: JudgeCall) -> JudgeCall:
    """The same question about documents that say nothing."""
    shown = tuple(Candidate(index=candidate.index, document=NEUTRAL) for candidate in call.candidates)
    return replace(call, candidates=shown, content_free=True)
