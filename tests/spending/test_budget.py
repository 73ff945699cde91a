"""Budgets and caps: what is accepted, and the arithmetic that holds them."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge_rerank.core.errors import BudgetError, BudgetExceeded, InputError, PricingUnknown, RerankError
from judge_rerank.spending.budget import NOTHING, Budget, Cap, Charge, to_micro_usd, to_usd


@pytest.mark.parametrize(
    ("usd", "micro_usd"),
    [("2.00", 2_000_000), (2, 2_000_000), (0.1, 100_000), (Decimal("0.0000019"), 1), ("1e-6", 1), ("1e9", 10**15)],
)
def test_money_becomes_whole_micro_dollars(usd: Any, micro_usd: int) -> None:
    assert Budget(usd=usd).cap().limits == {"usd": micro_usd}


@pytest.mark.parametrize(
    "usd", [0, "0", -1, "-0.01", "NaN", float("nan"), "inf", "two", "", None, True, "1e-7", "1e10"]
)
def test_money_that_caps_nothing_is_refused(usd: Any) -> None:
    with pytest.raises(InputError, match="budget must be"):
        Budget(usd=usd)


@given(st.integers(1, 10**15))
def test_micro_dollars_survive_the_way_to_dollars_and_back(micro_usd: int) -> None:
    assert to_micro_usd(to_usd(micro_usd), "budget") == micro_usd


def test_periods_are_day_and_month() -> None:
    assert Budget(usd=1, period="day").period == "day"
    with pytest.raises(InputError, match='"day", "month" or None'):
        Budget(usd=1, period="week")  # type: ignore[arg-type]


def test_the_environment_names_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUDGE_RERANK_BUDGET_USD", raising=False)
    assert Budget.from_environment() is None
    monkeypatch.setenv("JUDGE_RERANK_BUDGET_USD", " 0.50 ")
    budget = Budget.from_environment()
    assert budget is not None
    assert budget.cap().limits == {"usd": 500_000}
    monkeypatch.setenv("JUDGE_RERANK_BUDGET_USD", "lots")
    with pytest.raises(InputError, match="JUDGE_RERANK_BUDGET_USD must be"):
        Budget.from_environment()


@pytest.mark.parametrize("bounds", [{}, {"calls": 0}, {"tokens": -1}, {"calls": 1.5}, {"calls": True}, {"usd": 0}])
def test_caps_that_cap_nothing_are_refused(bounds: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="limit"):
        Cap("limit", **bounds)


def test_a_cap_grants_then_waits_then_refuses() -> None:
    cap = Cap("limit", usd="0.000010", calls=3)
    four = Charge(micro_usd=4, calls=1)
    assert cap.verdict(four) == "grant"
    cap.move(held=four + four)
    assert cap.verdict(four) == "wait"
    cap.move(held=NOTHING - four, spent=four)
    assert cap.verdict(four) == "wait"
    cap.move(held=NOTHING - four, spent=four)
    assert cap.verdict(four) == "refuse"
    assert cap.verdict(Charge(micro_usd=2, calls=1)) == "grant"
    assert cap.verdict(Charge(micro_usd=2, calls=2)) == "refuse"


def test_a_refusal_names_its_cap_and_its_unit() -> None:
    cap = Cap("max_usd", usd="0.10", calls=2)
    cap.move(spent=Charge(micro_usd=99_000, calls=1))
    refusal = cap.refusal(Charge(micro_usd=2_000, calls=1))
    assert (refusal.source, refusal.unit) == ("max_usd", "usd")
    assert (refusal.spent, refusal.limit, refusal.needed) == (Decimal("0.099"), Decimal("0.1"), Decimal("0.002"))
    assert "max_usd is used up: $0.099 of $0.10 spent" in str(refusal)
    cap.move(spent=Charge(calls=1))
    refusal = cap.refusal(Charge(calls=1))
    assert (refusal.unit, refusal.spent, refusal.limit) == ("calls", 2, 2)
    assert "2 calls of 2 calls" in str(refusal)


def test_a_bill_far_above_its_reservation_stops_the_cap_for_its_model() -> None:
    cap = Cap("limit", usd=1)
    assert not cap.overrun(Charge(micro_usd=5, tokens=5), Charge(micro_usd=5, tokens=9))
    assert not cap.overrun(Charge(micro_usd=10), Charge(micro_usd=11), "m"), "by a tenth is what counts differ by"
    assert cap.verdict(NOTHING, "m") == "grant"
    assert cap.overrun(Charge(micro_usd=10), Charge(micro_usd=12), "m")
    assert (cap.verdict(NOTHING, "m"), cap.verdict(NOTHING, "n")) == ("refuse", "grant")
    assert "limit is stopped for m" in str(cap.refusal(NOTHING, "m"))
    assert "resume()" in str(cap.refusal(NOTHING, "m"))


def test_budget_errors_are_ours_and_say_what_to_do() -> None:
    assert issubclass(BudgetExceeded, BudgetError)
    assert issubclass(BudgetError, RerankError)
    assert "prices={'my-model': Price(" in str(PricingUnknown("my-model"))
    assert BudgetExceeded(1, 2, "limit").ranking is None


def test_importing_budgets_imports_nothing_heavy() -> None:
    code = (
        "from judge_rerank import Budget; import sys; "
        "assert not {'jinja2', 'pydantic', 'yaml', 'litellm'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
