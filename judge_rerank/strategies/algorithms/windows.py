"""Window arithmetic: which documents stand together in one question. Pure, and the only place that has any."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from random import Random
from typing import TypeVar

T = TypeVar("T")


def sliding(n: int, size: int, stride: int) -> list[tuple[int, int]]:
    """The windows of one pass over `n` documents as (start, end) pairs, in the order in which they are asked.

    From the end to the top, as in RankGPT (arXiv:2304.09542): the first window ends at `n`, each next one starts
    `stride` earlier, and the last is moved to the top, so that it is as large as the others. Together they cover
    every document. There are 1 + ⌈max(0, n − size) / stride⌉ of them, none for fewer than two documents.

    Requires 1 ≤ stride ≤ size and size ≥ 2.
    """
    if n < 2:
        return []
    starts = [*range(max(0, n - size), 0, -stride), 0]
    return [(start, min(start + size, n)) for start in starts]


def shrunk(size: int, stride: int, room: int) -> tuple[int, int]:
    """A window and stride that fit: the size cut to `room`, the stride in proportion, at least one."""
    if room >= size:
        return size, stride
    return room, max(1, stride * room // size)


def batches(items: Sequence[T], size: int) -> list[Sequence[T]]:
    """`items` in runs of at most `size`, in order; all runs but the last are full."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def replaced(order: Sequence[T], start: int, window: Sequence[T]) -> list[T]:
    """`order` with the places from `start` on taken by `window`."""
    return [*order[:start], *window, *order[start + len(window) :]]


def even(items: Sequence[T], size: int) -> list[Sequence[T]]:
    """`items` in as few runs of at most `size` as there can be, in order; their sizes differ by at most one."""
    groups = -(-len(items) // size)
    bounds = [len(items) * place // groups for place in range(groups + 1)] if groups else []
    return [items[start:end] for start, end in pairwise(bounds)]


def balanced(items: Sequence[T], size: int, rng: Random | None = None) -> list[list[T]]:
    """`items` in as few groups of at most `size` as there can be, their sizes differing by at most one.

    Each group gets its share of the first and of the last: every run of as many items as there are groups goes to
    different groups, in an order that `rng` draws; without it the direction changes from run to run (1 2 3 3 2 1 …).
    Within a group the items keep their order.
    """
    groups: list[list[T]] = [[] for _ in range(-(-len(items) // size))]
    if not groups:
        return []
    places = list(range(len(groups)))
    for run in batches(items, len(groups)):
        # The last run may be short: it must not always fall to the first groups.
        for item, place in zip(run, rng.sample(places, len(places)) if rng else places, strict=False):
            groups[place].append(item)
        places.reverse()
    return groups
