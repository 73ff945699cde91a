"""What `binary` and `score` share: each document judged by itself, then sorted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from judge_rerank.core import (
    Candidate,
    Candidates,
    JudgeCall,
    Outcome,
    Plan,
    Query,
    Scores,
    by_score,
    require,
    scored,
)
from judge_rerank.strategies.algorithms.windows import batches
from judge_rerank.strategies.cascade import Composable

# Failures of a batched reply that asking about each document by itself can mend.
_MENDABLE = frozenset({"refused", "unreadable", "truncated"})


@dataclass(frozen=True, kw_only=True)
class Pointwise(Composable):
    """Judges documents independently and sorts by the score; ties stand in first-stage order.

    With `batch_size` b, ⌈n / b⌉ calls in one round; documents that a batched reply leaves unjudged are asked about
    once more, one at a time, in a second round. A batch shrinks where its documents would not fit the context.
    Documents that stay without a score follow all that have one.

    Attributes:
        prompt: a template's name or path; None for the task's default.
        explain: ask for a reason before the verdict. Log-probabilities are not used then.
        batch_size: documents a call. One is the most accurate; more share the instructions' tokens.
        model: judge with another model than the `Judge`'s own.
    """

    name = ""

    prompt: str | None = None
    explain: bool = False
    batch_size: int = 1
    model: str | None = None

    def __post_init__(self) -> None:
        require("batch_size", self.batch_size, at_least=1)

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """One round of independent calls; a second one for what a batch left out."""
        scores: dict[int, float] = {}
        size = self.batch_size
        if size > 1 and candidates:
            size = candidates.limits.largest(self._call(query, candidates[:]), size)
        asked = batches(candidates[:], size)
        if asked:
            outcomes = yield [self._call(query, batch) for batch in asked]
            scores |= scored(asked, outcomes)
            left_out = list(_left_out(asked, outcomes))
            if left_out:
                alone = [(candidate,) for candidate in left_out]
                outcomes = yield [self._call(query, one) for one in alone]
                scores |= scored(alone, outcomes)
        return by_score(candidates, scores)

    def _call(self, query: Query, candidates: Sequence[Candidate]) -> JudgeCall:
        return JudgeCall(
            task=self.name,
            query=query,
            candidates=tuple(candidates),
            prompt=self.prompt,
            explain=self.explain,
            model=self.model,
            stage=self.name,
        )


def _left_out(asked: Sequence[Sequence[Candidate]], outcomes: Sequence[Outcome]) -> Iterator[Candidate]:
    """Documents of batches (of more than one) that got no score for a reason that lies in the reply."""
    for batch, outcome in zip(asked, outcomes, strict=True):
        if len(batch) == 1:
            continue
        if outcome.failure in _MENDABLE:
            yield from batch
        elif isinstance(outcome, Scores):
            yield from (c for c, value in zip(batch, outcome.values, strict=True) if value is None)
