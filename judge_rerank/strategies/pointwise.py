"""The base class of strategies that give each document a score of its own: `score`, `binary`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from judge_rerank.core import Candidate, Candidates, Outcome, Plan, Query, Steps, by_score, require, scored
from judge_rerank.strategies.algorithms.alignment import aligned
from judge_rerank.strategies.algorithms.windows import balanced, even
from judge_rerank.strategies.asking import Asking

# Failures of a batched reply that asking about each document by itself can repair.
_MENDABLE = frozenset({"refused", "unreadable", "truncated"})


@dataclass(frozen=True, kw_only=True)
class Pointwise(Asking):
    """Judges documents by a score each, alone or in groups, and sorts by it; ties keep first-stage order.

    With `batch_size` b, ⌈n / b⌉ calls in one round, in groups whose sizes differ by at most one; documents that a
    group's reply leaves unjudged are asked about once more, one at a time, in a second round. A group shrinks where its
    documents would not fit the context, and one that the provider refuses as too large is asked about in halves, or
    smaller where the provider said how large, in the rounds that follow: at most ⌈log₂ b⌉ of them. Documents that stay
    without a score follow all that have one.

    Attributes:
        batch_size: the most documents a call, at least 1, or 2 with an anchor. More share the instructions' tokens,
            and a judge reads each less well. None for one from a model that answers in words, and as many as it takes
            from a decision model.
        shuffle: a seed: it and the query draw which documents are in a group and in which order they are shown. Every
            group gets its share of the first and of the last, and none is a slice of the first stage, in which a judge
            that compares would grade the best ones against each other. None for slices in first-stage order.
        anchor: show one document, the first, in every group, and stretch each group's scale so that it has the same
            score in all (`algorithms/alignment.py`), for a judge that grades one group more strictly than another. It
            is one of the `batch_size`: ⌈(n − 1) / (b − 1)⌉ calls where there is more than one group.
        explain: ask for a reason before the verdict. Log-probabilities are not used then.
    """

    batch_size: int | None = None
    shuffle: int | None = 0
    anchor: bool = False

    def __post_init__(self) -> None:
        if self.batch_size is not None:
            require("batch_size", self.batch_size, at_least=1)
        if self.anchor:
            require("batch_size with an anchor", self.batch_size or 1, at_least=2)

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """One round of independent calls; a second one for what a group's reply left out."""
        if not candidates:
            return by_score(candidates, {})
        anchor, groups = self._groups(query, candidates, self._size(query, candidates))
        asked, outcomes = yield from self._asked(query, candidates, groups)
        scores = self._scores(asked, outcomes, anchor)
        left_out = {candidate.index: candidate for candidate in _left_out(asked, outcomes)}
        alone = [(candidate,) for index, candidate in left_out.items() if index not in scores]
        if alone:
            outcomes = yield [self.call(query, one) for one in alone]
            scores |= scored(alone, outcomes)
        return by_score(candidates, scores)

    def _size(self, query: Query, candidates: Candidates) -> int:
        """How many documents a call shows."""
        call, limits = self.call(query, candidates[:]), candidates.limits
        size = limits.group(call) if self.batch_size is None else self.batch_size
        return limits.largest(call, size) if size > 1 else size

    def _asked(
        self, query: Query, candidates: Candidates, groups: Sequence[Sequence[Candidate]]
    ) -> Steps[tuple[list[Sequence[Candidate]], list[Outcome]]]:
        """What was asked together and what came of it; a group that was refused as too large, in smaller ones."""
        asked: list[Sequence[Candidate]] = []
        outcomes: list[Outcome] = []
        waiting: list[Sequence[Candidate]] = list(groups)
        while waiting:
            came = list(zip(waiting, (yield [self.call(query, group) for group in waiting]), strict=True))
            waiting = []
            for group, outcome in came:
                if outcome.failure == "oversized" and len(group) > 1:
                    half = -(-len(group) // 2)
                    waiting += even(group, candidates.limits.largest(self.call(query, group), half))
                else:
                    asked.append(group)
                    outcomes.append(outcome)
        return asked, outcomes

    def _groups(
        self, query: Query, candidates: Candidates, size: int
    ) -> tuple[Candidate | None, list[Sequence[Candidate]]]:
        """Which documents are asked about together, in the order shown; and the one that stands first in all groups."""
        anchor = candidates[0] if self.anchor and 1 < size < len(candidates) else None
        shared = () if anchor is None else (anchor,)
        others, room = candidates[len(shared) :], size - len(shared)
        if self.shuffle is None or size == 1:
            return anchor, [(*shared, *group) for group in even(others, room)]
        rng = Random(f"{self.shuffle}/{query.text}")  # noqa: S311
        groups = balanced(others, room, rng)
        return anchor, [(*shared, *rng.sample(group, len(group))) for group in groups]

    @staticmethod
    def _scores(
        asked: Sequence[Sequence[Candidate]], outcomes: Sequence[Outcome], anchor: Candidate | None
    ) -> dict[int, float]:
        """By `index`, what the groups said, on one scale where there is an anchor."""
        if anchor is None:
            return scored(asked, outcomes)
        said = [scored([group], [outcome]) for group, outcome in zip(asked, outcomes, strict=True)]
        return aligned(said, anchor.index)


def _left_out(asked: Sequence[Sequence[Candidate]], outcomes: Sequence[Outcome]) -> Iterator[Candidate]:
    """Documents of groups (of more than one) that got no score for a reason that lies in the reply."""
    for group, outcome in zip(asked, outcomes, strict=True):
        if len(group) == 1:
            continue
        for candidate, said in zip(group, outcome.statements(len(group)), strict=True):
            if said.failure in _MENDABLE:
                yield candidate
