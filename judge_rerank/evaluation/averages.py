"""Averages over queries: within each dataset first, so that a large one does not outweigh the others."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean


def by_dataset(values: Iterable[tuple[str, float]]) -> float | None:
    """The mean of the datasets' means; None where there is no value.

    Args:
        values: each with the name of its dataset.
    """
    grouped: defaultdict[str, list[float]] = defaultdict(list)
    for dataset, value in values:
        grouped[dataset].append(value)
    return fmean(map(fmean, grouped.values())) if grouped else None


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The value below which this share of an ascending list lies, by the nearest rank; None for an empty list."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None
