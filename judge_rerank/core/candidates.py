"""The candidates of one query, what fits in a request, and what the judge has said of them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol, overload

from judge_rerank.core.documents import Candidate
from judge_rerank.core.effects import JudgeCall
from judge_rerank.core.evidence import Evidence


class ContextLimits(Protocol):
    """What fits in one request."""

    def largest(self, call: JudgeCall, at_most: int) -> int:
        """The greatest n, 1 ≤ n ≤ `at_most`, such that any n of the call's candidates fit in one request."""
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

    def per_document(self, model: str | None = None) -> int:  # noqa: ARG002
        return sys.maxsize

    def tokens(self, text: str, model: str | None = None) -> int:  # noqa: ARG002
        return -(-len(text) // 4)


class Candidates(Sequence[Candidate]):
    """The candidates of one query in first-stage order, what fits in a request, and what the judge has said of them.

    Attributes:
        limits: what fits in one request.
        evidence: everything that the judge stated so far; whoever drives a plan adds each outcome once.
        prior: scores by `index` that the order given rests on: of the stage before, else those that came with the
            documents; empty where there are none.
    """

    __slots__ = ("_items", "evidence", "limits", "prior")

    def __init__(
        self,
        items: Iterable[Candidate],
        *,
        limits: ContextLimits | None = None,
        evidence: Evidence | None = None,
        prior: Mapping[int, float] | None = None,
    ) -> None:
        self._items = tuple(items)
        self.limits: ContextLimits = limits or _NoLimits()
        self.evidence = evidence if evidence is not None else Evidence()
        if prior is None:
            prior = {c.index: c.document.score for c in self._items if c.document.score is not None}
        self.prior: Mapping[int, float] = prior

    @overload
    def __getitem__(self, place: int) -> Candidate: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Candidate, ...]: ...
    def __getitem__(self, place: int | slice) -> Candidate | tuple[Candidate, ...]:
        return self._items[place]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Candidate]:
        return iter(self._items)

    def arranged(self, order: Iterable[int], *, prior: Mapping[int, float] | None = None) -> Candidates:
        """The candidates with these `index` values, in this order, with the same limits and evidence.

        `prior` are the scores that the order rests on; None for those that there were.
        """
        by_index = {candidate.index: candidate for candidate in self._items}
        return Candidates(
            (by_index[index] for index in order),
            limits=self.limits,
            evidence=self.evidence,
            prior=self.prior if prior is None else prior,
        )
