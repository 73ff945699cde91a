"""Blocks measured against a pivot, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

from judge_rerank.core import Candidates, InputError, Ordering, Plan, Query, Steps, require
from judge_rerank.strategies.algorithms.preference_search import PreferenceSearch
from judge_rerank.strategies.algorithms.windows import even
from judge_rerank.strategies.asking import Comparing
from judge_rerank.strategies.decorators import strategy


@strategy("partition")
@dataclass(frozen=True, kw_only=True)
class Partition(Comparing):
    """Ranks the first window, then all other documents against its `top`-th (top-down partitioning,
    arXiv:2405.14589).

    The first `window_size` documents are put in order; the one at place `top` is the pivot. All others are ranked in
    blocks that hold the pivot too, side by side. Those above it join the documents above it, and these are partitioned
    in turn, until they fit in one window. Documents below the pivot follow in first-stage order.

    With a first stage whose best `top` are in the first window, 1 + ⌈(n − w) / (w − 1)⌉ calls in two rounds: 6 calls,
    105 documents read at n = 100, w = 20. No document that beat the pivot is dropped, so a poor first stage costs more
    calls but no quality: about 9 calls in 4 rounds, 160 documents read, when it is random.

    `tiers` are as in "blitz", from the orders of the windows and blocks: with a judge that does not contradict itself,
    the best `top` are certain, and all documents below the pivot are one block, whose order is open.

    Documents that a reply leaves out follow those that it names. There are no scores.

    Attributes:
        window_size: documents per call, more than `top`.
        top: how many places must be right, at least 1; the pivot's place.
    """

    window_size: int = 20
    top: int = 10

    def __post_init__(self) -> None:
        require("top", self.top, at_least=1)
        require("window_size", self.window_size, at_least=2)
        if self.window_size <= max(2, self.top):
            msg = f"window_size is {self.window_size}; it must be greater than top ({self.top}) and than 2."
            raise InputError(msg)

    def compared(self, query: Query, candidates: Candidates) -> Plan:
        """The first window, then rounds of blocks that hold the pivot."""
        size = self.fitting(query, candidates, self.window_size)
        order = yield from _Partitioning(self, query, candidates, size).top_down(
            [candidate.index for candidate in candidates]
        )
        found = PreferenceSearch(candidates, lambda group: self.call(query, group), candidates.evidence.preferences)
        return Ordering(order=tuple(order), tiers=found.tiers(order))


class _Partitioning:
    """One ranking under way. Lists hold `index` values."""

    def __init__(self, strategy: Partition, query: Query, candidates: Candidates, size: int) -> None:
        self._strategy, self._query, self._candidates, self._size = strategy, query, candidates, size
        self._top = min(strategy.top, size - 1)

    def top_down(self, pool: Sequence[int]) -> Steps[list[int]]:
        """The pool with its best `top` in order, then the others."""
        if len(pool) <= self._size:
            (order,) = yield from self._ranked([pool])
            return order
        (first,) = yield from self._ranked([pool[: self._size]])
        pivot = first[self._top - 1]
        rest = pool[self._size :]
        blocks = even(rest, self._size - 1)
        orders = yield from self._ranked([(pivot, *block) for block in blocks])
        above = [order[: order.index(pivot)] for order in orders]
        if not any(above):
            return [*first, *rest]
        # The best of each block first, so that the next pivot is a good one.
        by_place = zip_longest(first[: self._top], *above)
        contenders = [index for index in chain.from_iterable(by_place) if index is not None]
        passed = set(contenders)
        others = [index for index in (*first, *rest) if index not in passed]
        top = yield from self.top_down(contenders)
        return [*top, *others]

    def _ranked(self, groups: Sequence[Sequence[int]]) -> Steps[list[list[int]]]:
        """Each group in the judge's order, in one round; what the judge left out stands where it can gain nothing."""
        calls = [self._strategy.call(self._query, self._candidates.arranged(group)) for group in groups]
        outcomes = yield calls
        orders: list[list[int]] = []
        for group, call, outcome in zip(groups, calls, outcomes, strict=True):
            named = [index for tier in outcome.preferences(call) for index in tier]
            orders.append([*named, *(index for index in group if index not in named)])
        return orders
