"""From which number a reply counts the documents: from 1, as it is told to, or from 0, as programmers do."""

from __future__ import annotations

from collections.abc import Iterable

SHIFTED = "documents counted from 0, as 1"
"""The repair that says that a reply counted from 0."""


def first_number(numbers: Iterable[int], n: int) -> int | None:
    """The number of the first document in a reply that names documents by `numbers`: 1 or 0; None if it may be either.

    A reply that names a document 0 and none `n` counts from 0, if it names all from 0 to n - 1. One that names 0
    besides all from 1 to n counts from 1 and has made up a document. Whatever else has a 0 in it can be read in two
    ways, and which documents it means is not known.
    """
    named = set(numbers)
    if 0 not in named:
        return 1
    if n in named:
        return 1 if named.issuperset(range(1, n + 1)) else None
    return 0 if named.issuperset(range(n)) else None


def not_from_zero(n: int) -> str:
    """What to tell a judge whose numbers can be read in two ways."""
    return f"Your reply named a document 0. The documents are numbered from 1 to {n}; use these numbers."
