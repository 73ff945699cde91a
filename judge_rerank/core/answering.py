"""Whether any document answers a query: one number, from the scores of all of them."""

from __future__ import annotations

from collections.abc import Iterable

ENOUGH = 0.5
"""The probability from which on a document counts as relevant, and a query as answered, for `keep="relevant"`."""


def answer_signal(scores: Iterable[float]) -> float | None:
    """The highest score; None where there is none.

    It does not grow with the number of documents as one minus the product of all failures (noisy-or) does, and tells
    answered queries from others as well as what was compared with it (`eval/results/answerable.md`).
    """
    return max(scores, default=None)
