"""Numbers as people read them; what is not known is said to be unknown, never shown as 0."""

from __future__ import annotations

import math

UNKNOWN = "unknown"


def shown_quality(value: float | None) -> str:
    """A metric: 0.712."""
    return UNKNOWN if value is None else f"{value:.3f}"


def shown_change(value: float | None) -> str:
    """A difference of metrics, with its sign and a true minus: +0.031."""
    if value is None:
        return UNKNOWN
    return "0.000" if abs(value) < 0.0005 else f"{value:+.3f}".replace("-", "−")


def interval(ends: tuple[float, float] | None) -> str:
    """A confidence interval: +0.012 to +0.050."""
    return UNKNOWN if ends is None else f"{shown_change(ends[0])} to {shown_change(ends[1])}"


def shown_probability(value: float | None) -> str:
    """A p-value: 0.012, or < 0.001."""
    return UNKNOWN if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


def dollars(value: float | None) -> str:
    """A price with at least two significant digits: $12.40, $0.0031."""
    if value is None:
        return UNKNOWN
    if value == 0:
        return "$0"
    places = 2 if abs(value) >= 0.1 else 1 - math.floor(math.log10(abs(value)))
    return f"${value:,.{places}f}"


def seconds(value: float | None) -> str:
    """A time: 1.3 s, 420 ms."""
    if value is None:
        return UNKNOWN
    return f"{1000 * value:.0f} ms" if value < 0.9995 else f"{value:.1f} s" if value < 99.95 else f"{value:,.0f} s"


def share(value: float | None) -> str:
    """A part of a whole: 3.4 %."""
    return UNKNOWN if value is None else "0 %" if value == 0 else f"{100 * value:.1f} %"


def count(value: float | None) -> str:
    """How many, on average: 12, 12.5, 20,100."""
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}" if value >= 100 or value == round(value) else f"{value:.1f}"
