"""Which of these documents is the best?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import ClassVar, Literal

from judge_rerank.core import Candidates, Ordering, Plan, Query, Steps, require, require_one_of
from judge_rerank.strategies.algorithms.heap import BestOf, top_of
from judge_rerank.strategies.asking import Lettered
from judge_rerank.strategies.decorators import strategy

_METHODS = ("heapsort", "insertion")


@strategy("setwise")
@dataclass(frozen=True, kw_only=True)
class Setwise(Lettered):
    """Asks for the best of up to c + 1 documents (arXiv:2310.09497), and finds the best `k` with such questions.

    Where the backend has log-probabilities the best is the label with the greatest probability, which is better than
    the label that was generated. A set whose best is known from an earlier stage is not asked about. Where a reply
    cannot be read, the document that stands first in the first-stage order counts as the best. The documents below
    place `k` follow in first-stage order. There are no scores.

    - "heapsort": a heap in which each document stands above c others. About n/c + (k − 1)·log_c n calls: 31 at
      n = 100, c = 9, k = 10. Nodes of one depth are asked about side by side, so that there are fewer rounds: about
      (k + 1)·log_c n.
    - "insertion" (arXiv:2504.10509): the first k are put in order by a heap, then the k-th and the next c documents
      are shown; when one of those is better it is inserted by binary search and the rest of them are shown again. About
      (n − k)/c calls for a good first stage, and about 1 + log₂ k more for each document inserted, one a round.

    Attributes:
        method: "heapsort" or "insertion".
        c: how many documents are compared with the one at hand, from 2 to 25.
        k: how many places at the top are to be right, at least 1.
    """

    task: ClassVar[str] = "setwise"

    method: Literal["heapsort", "insertion"] = "heapsort"
    c: int = 9
    k: int = 10

    def __post_init__(self) -> None:
        require_one_of("method", self.method, _METHODS)
        require("c", self.c, at_least=2, at_most=len(ascii_uppercase) - 1)
        require("k", self.k, at_least=1)

    def compared(self, query: Query, candidates: Candidates) -> Plan:
        """Rounds of sets, by the method chosen."""
        indices = [candidate.index for candidate in candidates]
        children = max(1, self.fitting(query, candidates, self.c + 1) - 1)

        def best_of(group: tuple[int, ...]) -> Steps[int | None]:
            known = candidates.evidence.best(group)
            if known is not None:
                return known
            call = self.call(query, candidates.arranged(group), ascii_uppercase[: len(group)])
            (outcome,) = yield [call]
            best, *_ = outcome.preferences(call) or ((None,),)
            return best[0]

        if self.method == "heapsort":
            order = yield from top_of(indices, k=self.k, children=children, best_of=best_of)
        else:
            order = yield from _Insertion(indices, self.k, children, best_of).run()
        return Ordering(order=tuple(order))


class _Insertion:
    """The best k so far, in order, and the others, which are measured against the k-th."""

    def __init__(self, indices: Sequence[int], k: int, children: int, best_of: BestOf) -> None:
        self._indices, self._k, self._children, self._best_of = indices, k, children, best_of

    def run(self) -> Steps[list[int]]:
        top = yield from top_of(self._indices[: self._k], k=self._k, children=self._children, best_of=self._best_of)
        waiting = list(self._indices[self._k :])
        while waiting:
            group = waiting[: self._children]
            best = yield from self._best_of((top[-1], *group))
            if best is None or best == top[-1]:
                del waiting[: len(group)]
                continue
            waiting.remove(best)
            place = yield from self._place(top[:-1], best)
            top = [*top[:place], best, *top[place:-1]]
        chosen = set(top)
        return [*top, *(index for index in self._indices if index not in chosen)]

    def _place(self, top: Sequence[int], item: int) -> Steps[int]:
        """Where `item` belongs in `top`, by binary search."""
        low, high = 0, len(top)
        while low < high:
            middle = (low + high) // 2
            best = yield from self._best_of((top[middle], item))
            if best == item:
                high = middle
            else:
                low = middle + 1
        return low
