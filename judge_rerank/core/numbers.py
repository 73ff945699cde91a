"""Numbers that several subpackages use: the logistic function, and raw scores as relevance on one scale."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")

_HIGHEST_LOGIT = 16.0
"""Above this the logistic function is 1 but for a ten-millionth, so scores that all lie between 0 and something higher
are taken for sums or grades."""


def sigmoid(value: float) -> float:
    """The logistic function, 1 / (1 + e⁻ˣ), without an overflow."""
    return 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(value) / (1 + math.exp(value))


def as_relevance(raw: Mapping[T, float]) -> dict[T, float]:
    """Raw scores of unknown kind as relevance in [0, 1], all on one scale, which is chosen once for all of them.

    A reply does not say whether its scores are probabilities, logits, sums or grades, and a part of them can look like
    another kind than the whole. So the scale is chosen over all scores that are to be compared:

    - all in [0, 1]: they stay as they are;
    - one below 0, or none above 16: they are logits, and squashed;
    - none below 0 and one above 16: they are sums or grades, and divided by the lowest power of ten that is not below
      the highest.

    Greater stays greater: see `kept_apart`.
    """
    if not raw:
        return {}
    low, high = min(raw.values()), max(raw.values())
    if low >= 0 and high <= 1:
        return dict(raw)
    if low < 0 or high <= _HIGHEST_LOGIT:
        return kept_apart(raw, {key: sigmoid(score) for key, score in raw.items()})
    power = math.ceil(math.log10(high))
    whole = 10.0**power if power <= 308 else high
    return kept_apart(raw, {key: score / whole for key, score in raw.items()})


def kept_apart(raw: Mapping[T, float], relevance: Mapping[T, float]) -> dict[T, float]:
    """The relevance with what differs in raw score kept different, by a last digit where the scale makes it equal.

    A logistic function is 1 for 45 and for 46. Sorted by such relevance, documents would stand in the order given, and
    nobody would see that it is not the scorer's.

    Args:
        raw: finite scores.
        relevance: in [0, 1], for the same keys; greater where `raw` is greater, or equal.
    """
    levels = sorted(set(raw.values()))
    value_at = {raw[key]: value for key, value in relevance.items()}
    values = [value_at[level] for level in levels]
    for place in range(1, len(values)):
        if values[place] <= values[place - 1]:
            values[place] = math.nextafter(values[place - 1], math.inf)
    above = math.nextafter(1.0, math.inf)
    for place in reversed(range(len(values))):
        if values[place] < above:
            break
        values[place] = above = math.nextafter(above, -math.inf)
    kept = dict(zip(levels, values, strict=True))
    return {key: kept[raw[key]] for key in relevance}
