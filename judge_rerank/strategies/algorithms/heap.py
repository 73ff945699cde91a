"""The best few of many with few questions: a heap in which a question finds the best of a small group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from judge_rerank.core import Steps
from judge_rerank.strategies.algorithms.combinators import side_by_side

BestOf: TypeAlias = Callable[[tuple[int, ...]], Steps[int | None]]
"""Asks which of a group (of two or more) is best; None where the judge does not know."""


def top_of(items: Sequence[int], *, k: int, children: int, best_of: BestOf) -> Steps[list[int]]:
    """All items: the best `k` in order, then the rest as they stood in `items`.

    Building the heap asks about each inner node and its children, nodes of one depth side by side; each further place
    is found by letting the best of the children move up. Where the judge does not know, the item that stands first in
    `items` is taken, so that no answers leave the order as it was.
    """
    heap = _Heap(items, children, best_of)
    yield from heap.build()
    top = [heap.root]
    for _ in range(min(k, len(items)) - 1):
        yield from heap.drop_root()
        top.append(heap.root)
    chosen = set(top)
    return [*top, *(item for item in items if item not in chosen)]


class _Heap:
    """Items in a tree whose root is the best; a slot is None once everything below it has moved up."""

    def __init__(self, items: Sequence[int], children: int, best_of: BestOf) -> None:
        self._slots: list[int | None] = list(items)
        self._children = children
        self._best_of = best_of
        self._position = {item: place for place, item in enumerate(items)}

    @property
    def root(self) -> int:
        item = self._slots[0]
        assert item is not None
        return item

    def build(self) -> Steps[None]:
        """Sift down every inner node, the deepest first."""
        for level in reversed(self._levels()):
            yield from side_by_side([self._sift_down(slot) for slot in level])

    def drop_root(self) -> Steps[None]:
        """Take the root out and fill its place from below."""
        slot = 0
        while below := self._below(slot):
            winner = yield from self._winner(tuple(below))
            self._slots[slot] = winner
            slot = below[winner]
        self._slots[slot] = None

    def _levels(self) -> list[range]:
        """The slots that have children, by depth."""
        levels: list[range] = []
        start, end = 0, 1
        while start < len(self._slots):
            with_children = range(start, min(end, -(-(len(self._slots) - 1) // self._children)))
            if with_children:
                levels.append(with_children)
            start, end = start * self._children + 1, end * self._children + 1
        return levels

    def _below(self, slot: int) -> dict[int, int]:
        """The items in the child slots, with their slots."""
        first = slot * self._children + 1
        slots = range(first, min(first + self._children, len(self._slots)))
        return {item: child for child in slots if (item := self._slots[child]) is not None}

    def _winner(self, group: tuple[int, ...]) -> Steps[int]:
        group = tuple(sorted(group, key=self._position.__getitem__))
        if len(group) == 1:
            return group[0]
        winner = yield from self._best_of(group)
        return group[0] if winner is None else winner

    def _sift_down(self, slot: int) -> Steps[None]:
        while below := self._below(slot):
            item = self._slots[slot]
            assert item is not None
            winner = yield from self._winner((item, *below))
            if winner == item:
                return
            self._slots[slot], self._slots[below[winner]] = winner, item
            slot = below[winner]
