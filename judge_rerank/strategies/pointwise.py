"""The base class of strategies that judge each document by itself: `score`, `binary`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from judge_rerank.core import Candidate, Candidates, Outcome, Plan, Query, by_score, require, scored
from judge_rerank.strategies.algorithms.windows import batches
from judge_rerank.strategies.asking import Asking

# Failures of a batched reply that asking about each document by itself can repair.
_MENDABLE = frozenset({"refused", "unreadable", "truncated"})


@dataclass(frozen=True, kw_only=True)
class Pointwise(Asking):
    """Judges documents independently and sorts by the score; ties keep first-stage order.

    With `batch_size` b, ⌈n / b⌉ calls in one round; documents that a batched reply leaves unjudged are asked about
    once more, one at a time, in a second round. A batch shrinks where its documents would not fit the context.
    Documents that stay without a score follow all that have one.

    Attributes:
        batch_size: documents a call. One is the most accurate; more share the instructions' tokens.
        explain: ask for a reason before the verdict. Log-probabilities are not used then.
    """

    batch_size: int = 1

    def __post_init__(self) -> None:
        require("batch_size", self.batch_size, at_least=1)

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """One round of independent calls; a second one for what a batch left out."""
        scores: dict[int, float] = {}
        size = self.batch_size
        if size > 1 and candidates:
            size = candidates.limits.largest(self.call(query, candidates[:]), size)
        asked = batches(candidates[:], size)
        if asked:
            outcomes = yield [self.call(query, batch) for batch in asked]
            scores |= scored(asked, outcomes)
            left_out = list(_left_out(asked, outcomes))
            if left_out:
                alone = [(candidate,) for candidate in left_out]
                outcomes = yield [self.call(query, one) for one in alone]
                scores |= scored(alone, outcomes)
        return by_score(candidates, scores)


def _left_out(asked: Sequence[Sequence[Candidate]], outcomes: Sequence[Outcome]) -> Iterator[Candidate]:
    """Documents of batches (of more than one) that got no score for a reason that lies in the reply."""
    for batch, outcome in zip(asked, outcomes, strict=True):
        if len(batch) == 1:
            continue
        for candidate, said in zip(batch, outcome.statements(len(batch)), strict=True):
            if said.failure in _MENDABLE:
                yield candidate
