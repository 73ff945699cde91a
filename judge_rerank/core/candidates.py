"""The candidates of one query, the circumstances of their ranking, and what the judge has said of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self, TypeAlias

from judge_rerank.core.backend import ModelInfo
from judge_rerank.core.documents import Candidate
from judge_rerank.core.effects import JudgeCall
from judge_rerank.core.evidence import Evidence


class ContextLimits(Protocol):
    """What fits in one request."""

    def largest(self, call: JudgeCall, at_most: int) -> int:
        """The greatest n, 1 ≤ n ≤ `at_most`, such that any n of the call's candidates fit in one request."""
        ...

    def group(self, call: JudgeCall) -> int:
        """How many documents a call that judges each by itself shows at once where nobody says: one, or, of a model
        that takes many questions about one text, as many as it takes."""
        ...

    def per_document(self, model: str | None = None) -> int:
        """The most tokens of a document, title and text together, that a request shows."""
        ...

    def tokens(self, text: str, model: str | None = None) -> int:
        """How many tokens a text takes; of the judge's own model, or of another."""
        ...


class _NoLimits:
    def largest(self, call: JudgeCall, at_most: int) -> int:
        return max(1, min(at_most, len(call.candidates)))

    def group(self, call: JudgeCall) -> int:  # noqa: ARG002
        return 1

    def per_document(self, model: str | None = None) -> int:  # noqa: ARG002
        return sys.maxsize

    def tokens(self, text: str, model: str | None = None) -> int:  # noqa: ARG002
        return -(-len(text) // 4)


JudgeKind: TypeAlias = Literal["hosted", "local", "none"]
"""Who would judge: a model that is paid for, one that runs here and is small, or nobody."""


def judge_kind(info: ModelInfo | None) -> JudgeKind:
    """Who judges: nobody, a model that runs here, or one that is paid for."""
    return "none" if info is None else "local" if info.local else "hosted"


def _nothing(strategy: Any, candidates: Candidates) -> str:  # noqa: ARG001
    return ""


def _nobody(index: int) -> bool:  # noqa: ARG001
    return False


def _unknown() -> frozenset[str]:
    return frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Circumstances:
    """What a strategy that chooses among others has to know of the ranking. Travels with the candidates.

    Attributes:
        judge: who would judge.
        exceeded: which cap, or the deadline, a strategy would exceed on these candidates, in words; "" for none.
        suspicious: whether the document with this `index` looks as if it wants to deceive the judge.
        languages: the languages of query and documents, as far as they can be told (`languages_of`).
    """

    judge: JudgeKind = "hosted"
    exceeded: Callable[[Any, Candidates], str] = _nothing
    languages: Callable[[], frozenset[str]] = _unknown
    suspicious: Callable[[int], bool] = _nobody


class Candidates(tuple[Candidate, ...]):
    """The candidates of one query in first-stage order, with what holds for their ranking.

    A strategy that runs another one gives it these, or `replaced` or `arranged` ones, so that limits and circumstances
    are known at any depth.

    Attributes:
        limits: what fits in one request.
        circumstances: who judges, what caps and deadline leave room for, and which languages there are.
        evidence: everything that the judge stated so far; whoever drives a plan adds each outcome once.
        prior: scores by `index` that the order given rests on: of the stage before, else those that came with the
            documents; empty where there are none.
    """

    limits: ContextLimits
    circumstances: Circumstances
    evidence: Evidence
    prior: Mapping[int, float]

    def __new__(
        cls,
        items: Iterable[Candidate],
        *,
        limits: ContextLimits | None = None,
        evidence: Evidence | None = None,
        prior: Mapping[int, float] | None = None,
        circumstances: Circumstances | None = None,
    ) -> Self:
        """What is not given is as for candidates that nobody knows anything of."""
        self = super().__new__(cls, items)
        self.limits = limits or _NoLimits()
        self.circumstances = circumstances or Circumstances()
        if prior is None:
            prior = {c.index: c.document.score for c in self if c.document.score is not None}
        self.prior = prior
        self.evidence = evidence if evidence is not None else Evidence()
        return self

    def arranged(self, order: Iterable[int], *, prior: Mapping[int, float] | None = None) -> Candidates:
        """The candidates with these `index` values, in this order.

        `prior` are the scores that the order rests on; None for those that there were.
        """
        by_index = {candidate.index: candidate for candidate in self}
        return self.replaced((by_index[index] for index in order), prior=prior)

    def replaced(
        self,
        items: Iterable[Candidate] | None = None,
        *,
        limits: ContextLimits | None = None,
        evidence: Evidence | None = None,
        prior: Mapping[int, float] | None = None,
        circumstances: Circumstances | None = None,
    ) -> Candidates:
        """The same with what is given put in the place of what there was."""
        return Candidates(
            self if items is None else items,
            limits=limits or self.limits,
            evidence=self.evidence if evidence is None else evidence,
            prior=self.prior if prior is None else prior,
            circumstances=circumstances or self.circumstances,
        )
