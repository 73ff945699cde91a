"""The quality-cost chart: where each variant stands, and the front that no other variant beats."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from judge_rerank.evaluation.report import figures
from judge_rerank.evaluation.report.scope import Scope
from judge_rerank.evaluation.summary import FIRST_STAGE, IDEAL, Row

_Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right, bottom."""

_CHARACTER = 6.6
"""Pixels of a character in a label, on average."""
_LINE = 16
_GUTTER = 56
"""Pixels for what has no place on a scale: no cost on a logarithmic one, an unknown cost on any."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tick:
    """A place on an axis, in pixels, with what stands there."""

    at: float
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """One variant.

    Attributes:
        x, y: in pixels.
        kind: "front", "beaten", "unknown" (no price) or "start" (the first stage).
        label: beside the mark: its name, or its letter where there is little room.
        told: the same with all figures, for those who cannot see the chart or point at a mark.
        label_x, label_y, anchor: where the label stands.
    """

    name: str
    x: float
    y: float
    kind: str
    label: str
    told: str
    label_x: float = 0.0
    label_y: float = 0.0
    anchor: str = "start"


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """Everything that is drawn, in pixels from the top left."""

    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    marks: Sequence[Mark]
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    front: str
    x_title: str
    y_title: str
    told: str
    unknown_at: float | None = None
    free_at: float | None = None
    start_y: float | None = None
    key: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Axis:
    place: Callable[[float], float]
    ticks: Sequence[Tick]
    free_at: float | None = None


def chart(scope: Scope, *, width: int = 880, height: int = 420, narrow: bool = False) -> Chart | None:
    """The chart of a table; None where fewer than two variants have a result.

    Args:
        scope: the figures.
        width, height: in pixels.
        narrow: whether marks carry letters, with a key below, instead of names.
    """
    rows = [row for row in scope.summary.rows if row.variant.reference != IDEAL and scope.metric in row.metrics]
    if sum(row.variant.reference is None for row in rows) < 2:
        return None
    left, right, top, bottom = 52.0, width - 16.0, 16.0, height - 48.0
    costs = {row.variant.name: _cost(scope, row) for row in rows}
    unknown = [name for name, cost in costs.items() if cost is None]
    ending = right - (_GUTTER if unknown else 0)
    x = _cost_axis([cost for cost in costs.values() if cost is not None], left, ending, scope, narrow=narrow)
    y = _quality_axis([row.metrics[scope.metric] for row in rows], top, bottom)
    unknown_at = right - _GUTTER / 2 if unknown else None
    marks = [
        _mark(
            scope,
            row,
            unknown_at or 0.0 if cost is None else x.place(cost),
            y.place(row.metrics[scope.metric]),
            narrow=narrow,
        )
        for row in rows
        for cost in (costs[row.variant.name],)
    ]
    start = next((mark for mark in marks if mark.kind == "start"), None)
    best = _steps([mark for row, mark in zip(rows, marks, strict=True) if row.pareto])
    return Chart(
        width=width,
        height=height,
        left=left,
        right=right,
        top=top,
        bottom=bottom,
        marks=_labelled(marks, _segments(best, ending), left, right, top, bottom),
        # The last one would run into the word for what has no price.
        x_ticks=[tick for tick in x.ticks if not unknown or tick.at < ending - 18],
        y_ticks=y.ticks,
        front=_path(best, ending),
        x_title="Dollars per 1,000 queries" if scope.summary.axis == "usd" else "Median time of a query",
        y_title=scope.metric,
        told=_told(scope, rows),
        unknown_at=unknown_at,
        free_at=x.free_at,
        start_y=start.y if start else None,
        key=[(mark.label, mark.name) for mark in marks] if narrow else [],
    )


def _cost(scope: Scope, row: Row) -> float | None:
    if row.variant.reference == FIRST_STAGE:
        return 0.0
    return row.usd_per_1000_queries if scope.summary.axis == "usd" else row.latency_p50_s


def _written(scope: Scope, cost: float | None) -> str:
    return figures.dollars(cost) if scope.summary.axis == "usd" else figures.seconds(cost)


def _mark(scope: Scope, row: Row, x: float, y: float, *, narrow: bool) -> Mark:
    name, cost = row.variant.name, _cost(scope, row)
    kind = "start" if row.variant.reference else "unknown" if cost is None else "front" if row.pareto else "beaten"
    beside = scope.comparisons.get(name)
    told = f"{name}: {scope.metric} {figures.shown_quality(row.metrics[scope.metric])}, {_written(scope, cost)}"
    short = beside.letter if beside else "?"
    label = short if narrow else name if len(name) <= 30 else name[:29] + "…"
    return Mark(name=name, x=x, y=y, kind=kind, label=label, told=told)


def _cost_axis(costs: Sequence[float], left: float, right: float, scope: Scope, *, narrow: bool) -> _Axis:
    """Logarithmic where costs span more than a decade, with what is free to the left of it; otherwise from 0."""
    some = [cost for cost in costs if cost > 0]
    if some and max(some) > 10 * min(some):
        start = left + (_GUTTER if len(some) < len(costs) else 12)
        low, high = math.log10(min(some)) - 0.15, math.log10(max(some)) + 0.25
        step = (right - start) / (high - low)
        decades = range(math.ceil(low), math.floor(high) + 1)
        at = [mantissa * 10.0**decade for decade in range(math.floor(low), math.floor(high) + 1) for mantissa in (1, 3)]
        inside = [cost for cost in at if low <= math.log10(cost) <= high]
        if len(inside) > (5 if narrow else 9):
            inside = [10.0**decade for decade in decades]
        free_at = left + _GUTTER / 2 - 4 if len(some) < len(costs) else None
        return _Axis(
            place=lambda cost: start + (math.log10(cost) - low) * step if cost > 0 else free_at or left,
            ticks=[Tick(at=start + (math.log10(cost) - low) * step, text=_tick(scope, cost)) for cost in inside],
            free_at=free_at,
        )
    most = max(some, default=1.0) * 1.12
    scale = (right - left - 12) / most
    return _Axis(
        place=lambda cost: left + 12 + cost * scale,
        ticks=[
            Tick(at=left + 12 + at * scale, text=_tick(scope, at)) for at in _round_numbers(0, most, 4 if narrow else 7)
        ],
    )


def _tick(scope: Scope, cost: float) -> str:
    if scope.summary.axis == "usd":
        return f"${cost:,.10f}".rstrip("0").rstrip(".")
    return f"{cost:.10f}".rstrip("0").rstrip(".") + " s"


def _quality_axis(values: Sequence[float], top: float, bottom: float) -> _Axis:
    low, high = min(values), max(values)
    margin = max((high - low) * 0.12, 0.01)
    low, high = max(0.0, low - margin) if low >= 0 else low - margin, high + margin
    scale = (bottom - top) / (high - low)
    places = _round_numbers(low, high, 6)
    decimals = max(1, min(3, -math.floor(math.log10(places[1] - places[0])))) if len(places) > 1 else 2
    return _Axis(
        place=lambda value: bottom - (value - low) * scale,
        ticks=[Tick(at=bottom - (value - low) * scale, text=f"{value:.{decimals}f}") for value in places],
    )


def _round_numbers(low: float, high: float, most: int) -> list[float]:
    """At most so many multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return [number * step for number in range(math.ceil(low / step), math.floor(high / step + 1e-9) + 1)]


def _steps(front: Sequence[Mark]) -> list[Mark]:
    """The marks of the front from left to right, each better than the ones before it."""
    best: list[Mark] = []
    for mark in sorted(front, key=lambda mark: (mark.x, mark.y)):
        if not best or mark.y < best[-1].y:
            best.append(mark)
    return best


def _path(best: Sequence[Mark], right: float) -> str:
    """The line of the front: for each price the best that can be had for it."""
    if not best:
        return ""
    path = f"M{best[0].x:.1f} {best[0].y:.1f}"
    return path + "".join(f"H{mark.x:.1f}V{mark.y:.1f}" for mark in best[1:]) + f"H{right:.1f}"


def _segments(best: Sequence[Mark], right: float) -> Iterator[_Box]:
    """Where that line runs, so that no label stands on it."""
    for mark, following in zip(best, [*best[1:], None], strict=True):
        end = following.x if following else right
        yield mark.x, mark.y - 1, end, mark.y + 1
        if following:
            yield end - 1, following.y, end + 1, mark.y


def _labelled(
    marks: Sequence[Mark], lines: Iterable[_Box], left: float, right: float, top: float, bottom: float
) -> list[Mark]:
    """Labels beside their marks where nothing else stands, the best variants first to choose."""
    taken = [*((mark.x - 7, mark.y - 7, mark.x + 7, mark.y + 7) for mark in marks), *lines]
    placed: dict[str, Mark] = {}
    for mark in sorted(marks, key=lambda mark: mark.y):
        size = len(mark.label) * _CHARACTER
        inside = [
            (option, box)
            for option in _places(mark)
            for box in (_box(option, size),)
            if box[0] >= left and box[2] <= right + 8 and box[1] >= top - 14 and box[3] <= bottom
        ]
        free = (item for item in inside if not any(_overlap(item[1], other) for other in taken))
        option, box = next(free, inside[0] if inside else (next(_places(mark)), (0.0, 0.0, 0.0, 0.0)))
        taken.append(box)
        placed[mark.name] = option
    return [placed[mark.name] for mark in marks]


def _places(mark: Mark) -> Iterator[Mark]:
    """Where a label may stand, the best first: above the line of the front, which runs to the right of its marks."""
    if mark.kind == "front":
        yield replace(mark, label_x=mark.x + 5, label_y=mark.y - 10, anchor="start")
        yield replace(mark, label_x=mark.x - 9, label_y=mark.y - 7, anchor="end")
    for away in (0, 1, 2):
        for sign in (-1, 1) if away else (0,):
            y = mark.y + 4 + sign * away * _LINE
            yield replace(mark, label_x=mark.x + 11, label_y=y, anchor="start")
            yield replace(mark, label_x=mark.x - 11, label_y=y, anchor="end")
            if away:
                yield replace(mark, label_x=mark.x, label_y=y, anchor="middle")


def _box(mark: Mark, size: float) -> _Box:
    start = mark.label_x - {"start": 0.0, "middle": size / 2, "end": size}[mark.anchor]
    return start, mark.label_y - 11, start + size, mark.label_y + 3


def _overlap(a: _Box, b: _Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _told(scope: Scope, rows: Sequence[Row]) -> str:
    front = [row.variant.name for row in rows if row.pareto]
    what = "dollars per 1,000 queries" if scope.summary.axis == "usd" else "the median time of a query"
    return f"{scope.metric} against {what} for {len(rows)} variants. On the Pareto front: {', '.join(front) or 'none'}."
