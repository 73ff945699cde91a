"""From several orders of the same items to one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TypeVar

from judge_rerank.strategies.algorithms.preference_graph import Preferences
from judge_rerank.strategies.algorithms.score_fusion import rounded

T = TypeVar("T")

# Subsets of a component are tried up to this size: 2¹⁰ · 10 steps. Beyond it a local search has to do.
_LARGEST_EXACT = 10


def reciprocal_ranks(rankings: Sequence[Sequence[int]], base: Sequence[int]) -> list[int]:
    """The items of `base` by the sum of 1 / rank over the rankings; ties as in `base`."""
    total = dict.fromkeys(base, 0.0)
    for ranking in rankings:
        for rank, item in enumerate(ranking, start=1):
            total[item] += 1 / rank
    return sorted(base, key=lambda item: -rounded(total[item]))


def kemeny(rankings: Sequence[Sequence[int]], base: Sequence[int]) -> list[int]:
    """An order that disagrees with as few pairs of the rankings as possible (Kemeny); ties as in `base`.

    Exact where every group of items that beat each other in a circle has at most ten members, since such groups can
    be put in order by themselves. Larger ones start from the Borda order and are improved by moving single items
    until none improves.
    """
    margin = _margins(rankings, base)
    graph = Preferences(len(base))
    for one, other in combinations(range(len(base)), 2):
        if margin[one][other] > 0:
            graph.add(one, other)
        elif margin[one][other] < 0:
            graph.add(other, one)
    result: list[int] = []
    left = set(range(len(base)))
    for place in graph.extension(range(len(base))):
        if place in left:
            component = [other for other in sorted(left) if other == place or graph.tied_with(place) >> other & 1]
            left.difference_update(component)
            result += _ordered(component, margin)
    return [base[place] for place in result]


def _margins(rankings: Sequence[Sequence[int]], base: Sequence[int]) -> list[list[int]]:
    """By two places in `base`, how many rankings more put the one above the other than below."""
    ranks = [{item: rank for rank, item in enumerate(ranking)} for ranking in rankings]
    return [
        [sum((rank[one] < rank[other]) - (rank[one] > rank[other]) for rank in ranks) for other in base] for one in base
    ]


def _ordered(places: Sequence[int], margin: Sequence[Sequence[int]]) -> list[int]:
    if len(places) < 2:
        return list(places)
    if len(places) <= _LARGEST_EXACT:
        return _exact(places, margin)
    borda = sorted(places, key=lambda place: -sum(margin[place][other] for other in places))
    return _improved(borda, margin)


def _exact(places: Sequence[int], margin: Sequence[Sequence[int]]) -> list[int]:
    """The best order of few places: the best order of a set puts one of it last, after the best order of the rest."""
    n = len(places)
    gain = [0] * (1 << n)
    last = [0] * (1 << n)
    for chosen in range(1, 1 << n):
        members = [i for i in range(n) if chosen >> i & 1]
        options = (
            (gain[chosen ^ 1 << i] + sum(margin[places[other]][places[i]] for other in members), i) for i in members
        )
        gain[chosen], last[chosen] = max(options)
    order: list[int] = []
    chosen = (1 << n) - 1
    while chosen:
        order.append(places[last[chosen]])
        chosen ^= 1 << last[chosen]
    return order[::-1]


def _improved(order: Sequence[int], margin: Sequence[Sequence[int]]) -> list[int]:
    """Moves single places to where they agree with most rankings, until no move helps."""
    current = list(order)
    moved = True
    while moved:
        moved = False
        for place in tuple(current):
            start = current.index(place)
            others = [*current[:start], *current[start + 1 :]]
            # What a place before others[i:] gains, for every i.
            gains = [0] * (len(others) + 1)
            for i in range(len(others) - 1, -1, -1):
                gains[i] = gains[i + 1] + 2 * margin[place][others[i]]
            best = max(range(len(gains)), key=lambda i: (gains[i], -abs(i - start)))
            if gains[best] > gains[start]:
                current = [*others[:best], place, *others[best:]]
                moved = True
    return current
