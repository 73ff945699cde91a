"""Certificates: which places of a ranking are certain, and which documents share some."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, TypeAlias

Certainty: TypeAlias = Literal["certain", "tied", "open"]
"""One document at its place; documents that the judge put above each other; documents that nobody told apart."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tier:
    """Neighbouring places of a ranking, and the documents that have them.

    All documents of a tier are above all documents of the next one. What makes that certain is said by the strategy:
    "blitz", "partition" and "adaptive" have tiers. It is certain of what the judge stated, not of the truth.

    Attributes:
        first: the first of its places, from 1.
        indices: first-stage positions of its documents, in the order of the ranking.
        certainty: "certain" for one document whose place is certain; "tied" for several that the judge put above each
            other; "open" for documents whose order among themselves was not settled.
    """

    first: int
    indices: tuple[int, ...]
    certainty: Certainty

    @property
    def last(self) -> int:
        """The last of its places."""
        return self.first + len(self.indices) - 1

    def __str__(self) -> str:
        """Of one tier by itself: "place 2 is certain", "documents 7 and 9 are tied for place 4"."""
        if self.certainty == "tied":
            return f"documents {_listed(self.indices)} are tied for place {self.first}"
        return _places(self.first, self.last, self.certainty)


def said_of(tiers: Sequence[Tier]) -> str:
    """All tiers in a sentence: "places 1 to 3 are certain, documents 7 and 9 are tied for place 4, places 6 to 100 are
    open"."""
    groups = [list(group) for _, group in groupby(tiers, key=lambda tier: tier.certainty == "certain")]
    parts: list[str] = []
    for group in groups:
        if group[0].certainty == "certain":
            parts.append(_places(group[0].first, group[-1].last, "certain"))
        else:
            parts += map(str, group)
    return ", ".join(parts)


def tiers_without(tiers: Sequence[Tier] | None, cut: Collection[int]) -> tuple[Tier, ...] | None:
    """The tiers without documents that were cut off the end; what is left of a tier is no more certain than it was."""
    if tiers is None:
        return None
    left = [(tier, tuple(index for index in tier.indices if index not in cut)) for tier in tiers]
    return tuple(Tier(first=t.first, indices=kept, certainty=t.certainty) for t, kept in left if kept)


def _places(first: int, last: int, certainty: str) -> str:
    return f"place {first} is {certainty}" if first == last else f"places {first} to {last} are {certainty}"


def _listed(indices: Sequence[int]) -> str:
    *others, last = map(str, indices)
    return f"{', '.join(others)} and {last}" if others else last
