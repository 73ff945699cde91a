"""The report of an online test: the effect, its certainty, and whether the arms have their expected sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from judge_rerank.evaluation import ab_statistics as twosample
from judge_rerank.evaluation.outcomes import Exposed

# The level at which unequal sides are an alarm; low, because it is looked at often (Fabijan et al., KDD 2019).
_MISMATCH = 0.001


@dataclass(frozen=True, kw_only=True, slots=True)
class ArmSummary:
    """One side of a report: units that took part, those of them that count for the outcome, and their mean."""

    name: str
    exposed: int
    units: int
    mean: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ABReport:
    """How an online test stands. `str()` of it is for people.

    Attributes:
        outcome: what was measured.
        control, treatment: the sides.
        guard: "any time", where interval and p-value hold however often one looks, or "horizon", where there is none
            until as many units took part as was declared, and then only these count.
        units_to_go: how many are still to come until the horizon, or until both sides can be tested at all.
        difference: mean of the treatment minus that of the control; None before the horizon.
        interval, p: of the difference; None before the horizon, and with too few units on a side.
        significant: whether p is at most alpha, and the sides have the sizes that they should have.
        sample_ratio_p: of the hypothesis that units were assigned as the split says.
        sample_ratio_mismatch: whether that is below 0.001: then units were lost or counted on one side only, and the
            difference means nothing until it is known why.
    """

    outcome: str
    control: ArmSummary
    treatment: ArmSummary
    guard: str
    units_to_go: int
    difference: float | None
    interval: tuple[float, float] | None
    p: float | None
    significant: bool
    sample_ratio_p: float
    sample_ratio_mismatch: bool

    def __str__(self) -> str:
        lines = [
            f"{side.name}: {side.units:,} of {side.exposed:,} units"
            + (f", mean {self.outcome} {side.mean:.4g}" if side.mean is not None else "")
            for side in (self.control, self.treatment)
        ]
        if self.sample_ratio_mismatch:
            lines.append(f"The sizes of the arms differ from the split (p = {self.sample_ratio_p:.2g}); find out why.")
        if self.p is None or self.interval is None or self.difference is None:
            wait = f"{self.units_to_go:,} more units are needed" if self.units_to_go else "nothing varies yet"
            return "\n".join([*lines, f"No result yet: {wait}."])
        low, high = self.interval
        verdict = "significant" if self.significant else "not significant"
        return "\n".join(
            [*lines, f"difference {self.difference:+.4g} [{low:+.4g}, {high:+.4g}], p = {self.p:.3g}: {verdict}"]
        )


def reported(
    units: Sequence[Exposed],
    *,
    outcome: str,
    names: tuple[str, str],
    split: float,
    missing: float | None,
    horizon: int | None,
    expected_units: int,
    alpha: float,
) -> ABReport:
    """The report on the units of a test, in the order in which they came; `names` are of control and treatment."""
    waiting = max(0, horizon - len(units)) if horizon is not None else 0
    treated = sum(unit.treated for unit in units)
    sides = tuple(_values(units[:horizon], missing, treated=side) for side in (False, True))
    control, treatment = sides
    if horizon is None:
        effect = twosample.any_time_effect(control, treatment, alpha=alpha, expected_units=expected_units)
    else:
        effect = None if waiting else twosample.fixed_effect(control, treatment, alpha=alpha)
    short = sum(max(0, twosample.LEAST_UNITS - len(side)) for side in sides)
    ratio_p = twosample.sample_ratio_p(len(units) - treated, treated, split)
    return ABReport(
        outcome=outcome,
        control=_summary(names[0], len(units) - treated, control),
        treatment=_summary(names[1], treated, treatment),
        guard="any time" if horizon is None else "horizon",
        units_to_go=waiting or short,
        difference=effect.difference if effect else None,
        interval=effect.interval if effect else None,
        p=effect.p if effect else None,
        significant=effect is not None and effect.p <= alpha and ratio_p >= _MISMATCH,
        sample_ratio_p=ratio_p,
        sample_ratio_mismatch=ratio_p < _MISMATCH,
    )


def _values(units: Sequence[Exposed], missing: float | None, *, treated: bool) -> list[float]:
    values = (missing if unit.value is None else unit.value for unit in units if unit.treated == treated)
    return [value for value in values if value is not None]


def _summary(name: str, exposed: int, values: Sequence[float]) -> ArmSummary:
    mean = math.fsum(values) / len(values) if values else None
    return ArmSummary(name=name, exposed=exposed, units=len(values), mean=mean)
