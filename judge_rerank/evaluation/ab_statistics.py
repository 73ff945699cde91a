"""The difference between two groups of users: effect, interval and p-value, once or at any time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, variance

LEAST_UNITS = 30
"""Fewer units in a group than this are not tested: the mean of so few is not yet normally distributed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """How much better the treatment is.

    Attributes:
        difference: mean of the treatment minus mean of the control.
        interval: its confidence interval.
        p: two-sided.
    """

    difference: float
    interval: tuple[float, float]
    p: float


def fixed_effect(control: Sequence[float], treatment: Sequence[float], *, alpha: float) -> Effect | None:
    """The two-sample test by the normal distribution. It holds for one look, at a number of units fixed beforehand.

    None where a group has fewer than `LEAST_UNITS`, or nothing varies.
    """
    found = _estimate(control, treatment)
    if found is None:
        return None
    difference, error = found
    half = NormalDist().inv_cdf(1 - alpha / 2) * error
    p = math.erfc(abs(difference) / error / math.sqrt(2))
    return Effect(difference=difference, interval=(difference - half, difference + half), p=p)


def any_time_effect(
    control: Sequence[float], treatment: Sequence[float], *, alpha: float, expected_units: int
) -> Effect | None:
    """The mixture sequential probability ratio test: interval and p-value hold however often one looks.

    As in Johari, Pekelis and Walsh, "Always valid inference" (arXiv:1512.04922): the likelihood of the difference under
    normally distributed effects, over that under no effect. How far these effects spread is set in units of the
    deviation of the outcomes, so that the interval is narrowest at about `expected_units`, as for the asymptotic
    confidence sequences of Waudby-Smith et al. (arXiv:2103.06476), which this is one of: it holds for large samples.

    None where a group has fewer than `LEAST_UNITS`, or nothing varies.
    """
    found = _estimate(control, treatment)
    if found is None:
        return None
    difference, error = found
    # What the data weigh against the prior spread; at `expected_units` it is the ratio that makes the interval narrow.
    wanted = -2 * math.log(alpha)
    ratio = (wanted + math.log(wanted + 1)) * (len(control) + len(treatment)) / expected_units
    log_evidence = (difference / error) ** 2 * ratio / (2 * (1 + ratio)) - math.log1p(ratio) / 2
    half = error * math.sqrt((1 + ratio) / ratio * (wanted + math.log1p(ratio)))
    p = min(1.0, math.exp(-log_evidence))
    return Effect(difference=difference, interval=(difference - half, difference + half), p=p)


def sample_ratio_p(control: int, treatment: int, split: float) -> float:
    """The p-value of the hypothesis that units were assigned as `split` says (χ², one degree of freedom)."""
    n = control + treatment
    if not n:
        return 1.0
    return math.erfc(abs(treatment - n * split) / math.sqrt(2 * n * split * (1 - split)))


def _estimate(control: Sequence[float], treatment: Sequence[float]) -> tuple[float, float] | None:
    """The difference in means and its standard error.

    The error is the greater of Welch's and the one by the common variance: in a small group, rare clicks may not have
    happened yet, which makes Welch's far too small.
    """
    n, m = len(control), len(treatment)
    if min(n, m) < LEAST_UNITS:
        return None
    a, b = variance(control), variance(treatment)
    common = ((n - 1) * a + (m - 1) * b) / (n + m - 2)
    error = math.sqrt(max(a / n + b / m, common * (1 / n + 1 / m)))
    return (fmean(treatment) - fmean(control), error) if error > 0 else None
