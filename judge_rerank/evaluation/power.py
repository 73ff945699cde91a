"""How small a difference a number of queries can find, and how many queries a difference needs."""

from __future__ import annotations

import math
from importlib import import_module
from statistics import NormalDist
from typing import Any

from judge_rerank.core import InputError, MissingExtra


def detectable_effect(deviation: float, queries: int, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """The smallest true mean difference that a two-sided test at alpha finds with this power.

    Args:
        deviation: the standard deviation of the differences over queries.
        queries: how many there are, at least 2.
        alpha: the level of the test.
        power: the probability of finding it.

    Raises:
        InputError: an argument is out of range.
    """
    check_level("alpha", alpha)
    check_level("power", power)
    if queries < 2 or not 0 <= deviation < math.inf:
        raise InputError(f"deviation is {deviation} and queries {queries}; expected at least 0 and at least 2.")
    return (t_quantile(1 - alpha / 2, queries - 1) + t_quantile(power, queries - 1)) * deviation / math.sqrt(queries)


def queries_needed(effect: float, deviation: float, *, alpha: float = 0.05, power: float = 0.8) -> int:
    """The fewest queries whose `detectable_effect` is at most `effect`.

    Raises:
        InputError: an argument is out of range.
    """
    if not effect > 0:
        raise InputError(f"effect is {effect}; expected a difference above 0.")
    few, many = 2, 4
    while detectable_effect(deviation, many, alpha=alpha, power=power) > effect:
        few, many = many, 2 * many
    while few < many:
        middle = (few + many) // 2
        enough = detectable_effect(deviation, middle, alpha=alpha, power=power) <= effect
        few, many = (few, middle) if enough else (middle + 1, many)
    return few


def t_quantile(probability: float, freedom: int) -> float:
    """Student's t distribution: the value that it stays below with this probability.

    Raises:
        MissingExtra: scipy is not installed.
    """
    try:
        special: Any = import_module("scipy.special")
    except ImportError:
        raise MissingExtra("Intervals of Student's t", "eval", "scipy") from None
    return float(special.stdtrit(freedom, probability))


def share_interval(hits: int, n: int, *, alpha: float = 0.05) -> tuple[float, float]:
    """The 1 - alpha confidence interval of a share of `n` independent trials (Wilson); from 0 to 1 where n is 0."""
    if not n:
        return 0.0, 1.0
    z2 = NormalDist().inv_cdf(1 - alpha / 2) ** 2
    centre, share = (hits + z2 / 2) / (n + z2), hits / n
    half = math.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def check_level(name: str, value: float) -> None:
    """That a probability is strictly between 0 and 1.

    Raises:
        InputError: it is not.
    """
    if not 0 < value < 1:
        raise InputError(f"{name} is {value}; expected a number between 0 and 1.")
