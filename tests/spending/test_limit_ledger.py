"""Limits that are the budget of another ledger: of a customer, a project, a client of the server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from judge_rerank import Budget, BudgetExceeded, InputError, Judge, Price
from judge_rerank.spending import Ledger, limit_cap
from judge_rerank.spending.ledger import Totals
from judge_rerank.testing import FakeBackend

PRICES = {"fake": Price(per_call_usd="0.01")}
CUSTOMER = Budget(usd="0.05", source="customer")


def judge() -> Judge:
    return Judge(FakeBackend('{"score": 5}', local=False), prices=PRICES, budget=Budget(usd="1.00"))


def test_a_limit_with_a_ledger_is_charged_there_as_well(tmp_path: Path) -> None:
    path = tmp_path / "customer.db"
    with judge() as first, judge() as second, Ledger(path, budget=CUSTOMER) as customer:
        with first.limit(ledger=customer):
            assert first.rerank("q", ["a", "b", "c"], "score").status == "complete"
        with Ledger(path, budget=CUSTOMER) as same, second.limit(ledger=same):
            ranking = second.rerank("q", ["a", "b", "c"], "score")
        assert second.rerank("q", ["a", "b", "c"], "score").status == "complete"  # its own budget has enough
        assert customer.totals() == Totals(spent=50_000)
    assert ranking.status == "partial"
    assert "customer is used up" in ranking.reasons[0]


def test_what_a_limit_cannot_be(tmp_path: Path) -> None:
    with judge() as one, Ledger(tmp_path / "a.db") as without:
        with pytest.raises(InputError, match="has no budget"), one.limit(ledger=without):
            pass
        with pytest.raises(InputError, match="nest two blocks"), one.limit(usd=1, ledger=Ledger(budget=CUSTOMER)):
            pass


def test_what_the_judges_own_budget_refuses_leaves_nothing_behind_in_the_other(tmp_path: Path) -> None:
    async def refused(own: Ledger, other: Ledger) -> None:
        with pytest.raises(BudgetExceeded):
            await own.reserve(1000, caps=[limit_cap(ledger=other)])

    with Ledger(tmp_path / "other.db", budget=CUSTOMER) as other, Ledger(budget=Budget(usd="0.0001")) as own:
        asyncio.run(refused(own, other))
        other.flush()
        assert other.totals() == Totals()


def test_an_attempt_that_never_left_is_given_back_to_both(tmp_path: Path) -> None:
    async def held(own: Ledger, other: Ledger) -> None:
        with await own.reserve(1000, caps=[limit_cap(ledger=other)]):
            assert (own.totals().held, other.totals().held) == (1000, 1000)

    with Ledger(tmp_path / "other.db", budget=CUSTOMER) as other, Ledger(budget=Budget(usd="1.00")) as own:
        asyncio.run(held(own, other))
        assert (own.totals(), other.totals()) == (Totals(), Totals())
