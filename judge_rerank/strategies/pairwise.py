"""Two documents at a time, in both orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar, Literal

from judge_rerank.core import (
    Candidates,
    InputError,
    JudgeCall,
    Ordering,
    Plan,
    Query,
    Steps,
    by_score,
    require,
    require_one_of,
)
from judge_rerank.strategies.algorithms.heap import top_of
from judge_rerank.strategies.asking import Lettered
from judge_rerank.strategies.decorators import strategy

OPTIONS = ("A", "B")
_METHODS = ("allpair", "heapsort", "sliding")


@strategy("pairwise")
@dataclass(frozen=True, kw_only=True)
class Pairwise(Lettered):
    """Asks which of two documents is more relevant (pairwise ranking prompting, arXiv:2306.17563).

    Every pair is asked in both orders in one round; a pair whose two answers differ is a tie, as is one of which an
    answer is missing. An order of two documents that an earlier stage, or a permutation, already holds is not asked
    again. Ties keep first-stage order.

    - "allpair": every pair, documents by their share of wins (ties count half), which is `relevance_score`;
      a pair of which the judge said nothing does not count.
      n(n − 1) calls in one round.
    - "heapsort": the best `k` by a binary heap; about 2(2n + k log₂ n) calls; the rounds are about
      log₂² n + 2k log₂ n. The others follow in first-stage order.
    - "sliding": `k` passes of bubble sort from the end to the top, each pass two steps behind the one before.
      2k(n − 1) − k(k − 1) calls in n + k − 2 rounds for k < n. The others follow as the passes left them.

    Attributes:
        method: "allpair", "heapsort" or "sliding".
        k: how many places at the top are to be right, at least 1; "allpair" gets all of them right.
        shuffle: must be None, because both orders are asked.
    """

    task: ClassVar[str] = "pairwise"

    method: Literal["allpair", "heapsort", "sliding"] = "heapsort"
    k: int = 10

    def __post_init__(self) -> None:
        require_one_of("method", self.method, _METHODS)
        require("k", self.k, at_least=1)
        if self.shuffle is not None:
            msg = (
                f"shuffle={self.shuffle} cannot be used with strategy 'pairwise', which asks every pair in both orders."
            )
            raise InputError(msg)

    def compared(self, query: Query, candidates: Candidates) -> Plan:
        """Rounds of pairs, by the method chosen."""
        asking = _Asking(self, query, candidates)
        if self.method == "allpair":
            return (yield from _all_pairs(asking, candidates))
        indices = [candidate.index for candidate in candidates]
        if self.method == "sliding":
            order = yield from _bubbled(asking, indices, self.k)
        else:
            order = yield from top_of(indices, k=self.k, children=2, best_of=asking.best_of)
        return Ordering(order=tuple(order))


class _Asking:
    """Pairs of one ranking: asks for the verdicts that are not known yet, each once."""

    def __init__(self, strategy: Pairwise, query: Query, candidates: Candidates) -> None:
        self._strategy, self._query, self._candidates = strategy, query, candidates
        self._by_index = {candidate.index: candidate for candidate in candidates}
        self._verdicts: dict[tuple[int, int], int] = {}
        self._unanswered: set[tuple[int, int]] = set()

    def compare(self, pairs: Sequence[tuple[int, int]]) -> Steps[list[int]]:
        """For each pair 1 where the first is better, -1 where the second is, 0 for a tie; one round at most."""
        missing = [order for one, other in pairs for order in ((one, other), (other, one)) if not self._known(order)]
        if missing:
            calls = [self._question(order) for order in missing]
            outcomes = yield calls
            for order, call, outcome in zip(missing, calls, outcomes, strict=True):
                tiers = outcome.preferences(call)
                self._verdicts[order] = 0 if not tiers else 1 if tiers[0] == order[:1] else -1
                if outcome.failure is not None:
                    self._unanswered.add(order)
        return [self._preferred(one, other) for one, other in pairs]

    def answered(self, one: int, other: int) -> bool:
        """Whether the judge said anything of a pair that was compared, a tie among it."""
        return not {(one, other), (other, one)} <= self._unanswered

    def best_of(self, group: tuple[int, ...]) -> Steps[int | None]:
        """The best of a group by a knock-out: each document against the best so far."""
        best, *others = group
        for other in others:
            (preferred,) = yield from self.compare([(best, other)])
            best = other if preferred < 0 else best
        return best

    def _question(self, order: tuple[int, int]) -> JudgeCall:
        return self._strategy.call(self._query, self._candidates.arranged(order), OPTIONS)

    def _known(self, order: tuple[int, int]) -> bool:
        if order not in self._verdicts:
            verdict = self._candidates.evidence.verdict(*order)
            if not verdict:
                return False
            self._verdicts[order] = verdict
        return True

    def _preferred(self, one: int, other: int) -> int:
        forward, backward = self._verdicts[one, other], self._verdicts[other, one]
        return forward if forward == -backward else 0


def _all_pairs(asking: _Asking, candidates: Candidates) -> Plan:
    indices = [candidate.index for candidate in candidates]
    pairs = list(combinations(indices, 2))
    won: dict[int, list[float]] = {index: [] for index in indices}
    verdicts = yield from asking.compare(pairs)
    for (one, other), preferred in zip(pairs, verdicts, strict=True):
        if asking.answered(one, other):
            won[one].append((1 + preferred) / 2)
            won[other].append((1 - preferred) / 2)
    return by_score(candidates, {index: sum(points) / len(points) for index, points in won.items() if points})


def _bubbled(asking: _Asking, indices: Sequence[int], k: int) -> Steps[list[int]]:
    """`k` passes of bubble sort; pass p compares place j with the one above it at step n − 1 − j + 2p."""
    order = list(indices)
    last = len(order) - 1
    passes = range(min(k, last))
    for step in range(last + len(passes) - 1):
        lower = [place for number in passes if number < (place := last - step + 2 * number) <= last]
        verdicts = yield from asking.compare([(order[place - 1], order[place]) for place in lower])
        for place, preferred in zip(lower, verdicts, strict=True):
            if preferred < 0:
                order[place - 1], order[place] = order[place], order[place - 1]
    return order
