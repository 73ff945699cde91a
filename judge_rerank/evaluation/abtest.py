"""A/B tests: two variants query by query, and two arms in front of users.

Offline, over the same queries under both: `versus(a, b)`.

Online, in a service:

    test = ABTest(
        control=Arm(judge=judge, strategy="score"),
        treatment=Arm(judge=judge, strategy="listwise"),
        split=0.5,
        salt="listwise-2026-03",
        path="ab.db",
    )
    ranking = test.rerank(query, docs, unit=user_id)
    test.record(user_id, 1.0, outcome="clicked")
    print(test.report("clicked", missing=0.0))
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from judge_rerank.core import InputError, spec_of
from judge_rerank.evaluation.ab_statistics import LEAST_UNITS
from judge_rerank.evaluation.abreport import ABReport, ArmSummary, reported
from judge_rerank.evaluation.outcomes import Outcomes
from judge_rerank.evaluation.paired_comparison import Moved, Versus, versus
from judge_rerank.evaluation.power import check_level
from judge_rerank.strategies import parse

if TYPE_CHECKING:
    from judge_rerank.core import DocumentsLike, Query, Ranking, Strategy
    from judge_rerank.judge import Judge
    from judge_rerank.spending import Amount

__all__ = ["ABReport", "ABTest", "Arm", "ArmSummary", "Moved", "Versus", "versus"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """One side of an online test: a judge with a strategy, None for the judge's own."""

    judge: Judge
    strategy: str | Strategy | None = None

    def __str__(self) -> str:
        """What it is, the same after a restart."""
        strategy = "its own strategy" if self.strategy is None else spec_of(parse(self.strategy))
        return f"{self.judge.model}, {strategy}"


class ABTest:
    """An online test of two arms. Units are users, sessions or queries: whatever should always get the same arm.

    Which arm a unit gets is decided by a hash of salt and unit, so that every process decides alike and nothing has to
    be looked up. What happened is kept in an SQLite file, units as hashes; threads and processes may share it.

    Args:
        control: an `Arm` to rerank with, or only a name, where the service does that itself.
        treatment: the arm that is compared with it, given in the same way.
        split: the share of units that get the treatment.
        salt: names the test. Another salt deals the units anew.
        path: the file of the outcomes; several tests may share it.
        horizon: report only when so many units took part, and on these, with the sharper test for one look. None
            reports at any time, with an interval and a p-value that hold however often one looks.
        expected_units: about how many will take part; the interval at any time is narrowest there.
        alpha: the greatest probability of calling a difference significant where there is none.

    Raises:
        InputError: an option is out of range, or the file has a test of this salt with other settings.
        DataError: the file cannot be used.
    """

    def __init__(
        self,
        *,
        control: Arm | str,
        treatment: Arm | str,
        salt: str,
        path: str | Path,
        split: float = 0.5,
        horizon: int | None = None,
        expected_units: int = 1_000,
        alpha: float = 0.05,
    ) -> None:
        check_level("split", split)
        check_level("alpha", alpha)
        if not salt:
            raise InputError("The salt is empty; give the test a name of its own.")
        for name, value in (("horizon", horizon), ("expected_units", expected_units)):
            if value is not None and value < 2 * LEAST_UNITS:
                raise InputError(f"{name} is {value}; a test needs at least {2 * LEAST_UNITS} units.")
        self.control, self.treatment, self.split, self.salt = control, treatment, split, salt
        self.horizon, self._expected_units, self._alpha = horizon, expected_units, alpha
        settings = {"control": str(control), "treatment": str(treatment), "split": split, "horizon": horizon}
        self._outcomes = Outcomes(path, salt, settings | {"expected_units": expected_units, "alpha": alpha})

    def treated(self, unit: str) -> bool:
        """Whether a unit gets the treatment; always the same. Notes nothing."""
        digest = hashlib.sha256(f"{self.salt}\0{unit}".encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:8], "big") < self.split * 2**64

    def arm(self, unit: str) -> Arm | str:
        """The arm that a unit gets. Notes nothing."""
        return self.treatment if self.treated(unit) else self.control

    def expose(self, unit: str) -> Arm | str:
        """The arm that a unit gets, and a note that it takes part; `rerank` and `record` do so by themselves."""
        self._outcomes.expose(unit, treated=self.treated(unit))
        return self.arm(unit)

    def rerank(
        self,
        query: str | Query,
        docs: DocumentsLike,
        *,
        unit: str,
        top_n: int | None = None,
        deadline_s: float | None = None,
        max_usd: Amount | None = None,
    ) -> Ranking:
        """Rerank with the arm that the unit gets, and note that it takes part. Arguments are those of `Judge.rerank`.

        Raises:
            InputError: the arm is only a name.
        """
        arm = self._reranking(unit)
        self.expose(unit)
        return arm.judge.rerank(query, docs, arm.strategy, top_n=top_n, deadline_s=deadline_s, max_usd=max_usd)

    async def arerank(
        self,
        query: str | Query,
        docs: DocumentsLike,
        *,
        unit: str,
        top_n: int | None = None,
        deadline_s: float | None = None,
        max_usd: Amount | None = None,
    ) -> Ranking:
        """`rerank` for asynchronous code."""
        arm = self._reranking(unit)
        await asyncio.to_thread(self.expose, unit)
        return await arm.judge.arerank(query, docs, arm.strategy, top_n=top_n, deadline_s=deadline_s, max_usd=max_usd)

    def record(self, unit: str, value: float, *, outcome: str) -> None:
        """Note an outcome of a unit: 1 for a click, a rating, the quality of an answer.

        Several of the same unit are averaged, since they are not independent of each other.

        Raises:
            InputError: the value is not a finite number, or the outcome has no name.
        """
        if not math.isfinite(value) or not outcome:
            raise InputError(f"The outcome {outcome!r} is {value}; expected a name and a finite number.")
        self._outcomes.record(unit, outcome, value, treated=self.treated(unit))

    def report(self, outcome: str, *, missing: float | None = None) -> ABReport:
        """How the test stands on one kind of outcome. Decide beforehand which one decides.

        Args:
            outcome: as it was recorded.
            missing: what units count as that took part and have none: 0 for clicks, where only clicks are recorded;
                None leaves them out, as for ratings.

        Raises:
            InputError: no such outcome was recorded.
        """
        units = self._outcomes.units(outcome)
        if all(unit.value is None for unit in units) and outcome not in (known := self._outcomes.names()):
            recorded = f"there are {', '.join(known)}" if known else "there is none"
            raise InputError(f"No outcome {outcome!r} was recorded for {self.salt!r}; {recorded}.")
        return reported(
            units,
            outcome=outcome,
            names=(str(self.control), str(self.treatment)),
            split=self.split,
            missing=missing,
            horizon=self.horizon,
            expected_units=self._expected_units,
            alpha=self._alpha,
        )

    def _reranking(self, unit: str) -> Arm:
        arm = self.arm(unit)
        if isinstance(arm, str):
            raise InputError(
                f"The arm {arm!r} is only a name. Give Arm(judge=..., strategy=...) to rerank through the test."
            )
        return arm
