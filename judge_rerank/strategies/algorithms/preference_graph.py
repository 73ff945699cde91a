"""Who is known to be better than whom, with everything that follows from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence


class Preferences:
    """A directed graph over places 0 … n−1, always transitively closed. Sets of places are the bits of integers.

    Places that are above each other (the judge contradicted itself) form a tie: neither is better.
    """

    __slots__ = ("_above", "_below", "_n")

    def __init__(self, n: int) -> None:
        self._n = n
        self._above = [0] * n
        self._below = [0] * n

    def add(self, better: int, worse: int) -> None:
        """Note that `better` is above `worse`, and so above all that `worse` is above."""
        if better == worse or self._below[better] >> worse & 1:
            return
        upper, lower = self._above[better] | 1 << better, self._below[worse] | 1 << worse
        for place in _bits(upper):
            self._below[place] |= lower
        for place in _bits(lower):
            self._above[place] |= upper

    def better_than(self, place: int) -> int:
        """The places that are above this one and not tied with it."""
        return self._above[place] & ~self._below[place]

    def tied_with(self, place: int) -> int:
        """The places that are both above and below this one, itself included where it is in a tie."""
        return self._above[place] & self._below[place]

    def related(self, place: int) -> int:
        """The places whose relation to this one is known: above, below or tied."""
        return self._above[place] | self._below[place]

    def agrees_with(self, order: Sequence[int]) -> bool:
        """Whether nothing contradicts `order`."""
        earlier = 0
        for place in order:
            if self._below[place] & earlier:
                return False
            earlier |= 1 << place
        return True

    def certain_cuts(self, order: Sequence[int]) -> list[int]:
        """The numbers of places p after which `order` is certain: each of its first p is better than all others.

        These are the p for which every order that the graph allows has the same first p.
        """
        found: list[int] = []
        head, above_the_rest = sum(1 << place for place in order), -1
        for count in range(len(order) - 1, 0, -1):
            head &= ~(1 << order[count])
            above_the_rest &= self.better_than(order[count])
            if not head & ~above_the_rest:
                found.append(count)
        return found[::-1]

    def all_tied(self, places: Sequence[int]) -> bool:
        """Whether these places are all above each other."""
        return not sum(1 << place for place in places) & ~self.tied_with(places[0])

    def extension(self, order: Iterable[int]) -> list[int]:
        """The order nearest to `order` in which everything known to be better comes first; ties as in `order`."""
        left = list(order)
        remaining = sum(1 << place for place in left)
        result: list[int] = []
        while left:
            free = next(p for p in left if not self.better_than(p) & remaining)
            left.remove(free)
            remaining &= ~(1 << free)
            result.append(free)
        return result


def _bits(value: int) -> Iterator[int]:
    while value:
        lowest = value & -value
        yield lowest.bit_length() - 1
        value ^= lowest
