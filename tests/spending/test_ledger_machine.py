"""The promise of the ledger under any order of events: what is spent and held never exceeds a cap."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from judge_rerank.core.errors import BudgetExceeded
from judge_rerank.spending.budget import Budget, Cap
from judge_rerank.spending.ledger import Ledger, Reservation

BUDGET = 100
LIMIT = 60
DAY_S = 86_400


@dataclass(eq=False)
class Call:
    most: int
    limited: bool
    task: asyncio.Task[Reservation]
    day: int = 0
    state: str = "waiting"
    charged: int = 0

    @property
    def held(self) -> int:
        return self.most if self.state in ("reserved", "sent") else 0


class LedgerMachine(RuleBasedStateMachine):
    """Compares a ledger in memory, with a budget by the day and a nested limit, with a model of a few lines."""

    calls = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_769_904_000.0
        self.runner = asyncio.Runner()
        self.ledger = Ledger(budget=Budget(usd="0.000100", period="day"), clock=lambda: self.now)
        self.limit = Cap("limit", usd="0.000060")
        self.known: list[Call] = []
        self.overrun = False

    def teardown(self) -> None:
        for call in self.known:
            if call.state == "waiting":
                call.task.cancel()
        self.settle_down()
        for call in self.known:
            if call.state == "reserved":
                call.task.result().release()
            elif call.state == "sent":
                call.task.result().forfeit()
        self.ledger.close()
        self.runner.close()

    @property
    def today(self) -> int:
        return int(self.now // DAY_S)

    def settle_down(self) -> None:
        """Let the ledger and the event loop do all that they can do now, and bring the model up to it."""

        async def idle() -> None:
            for _ in range(2):
                await asyncio.to_thread(self.ledger.flush)
                await asyncio.sleep(0)
            await asyncio.sleep(0)

        self.runner.run(idle())
        for call in self.known:
            if call.state == "waiting" and call.task.done():
                failed = call.task.cancelled() or call.task.exception() is not None
                call.state, call.day = "refused" if failed else "reserved", self.today
                if failed and not call.task.cancelled():
                    assert isinstance(call.task.exception(), BudgetExceeded)
                    assert self.can_never_go(call)

    def sums(self, *, limited: bool) -> tuple[int, int]:
        counted = [c for c in self.known if (c.limited if limited else c.day == self.today)]
        return sum(c.charged for c in counted), sum(c.held for c in counted)

    def can_never_go(self, call: Call) -> bool:
        over_budget = self.sums(limited=False)[0] + call.most > BUDGET or self.overrun
        over_limit = self.sums(limited=True)[0] + call.most > LIMIT or self.limit.stopped
        return over_budget or (call.limited and over_limit)

    @rule(target=calls, most=st.integers(0, 70), limited=st.booleans())
    def ask(self, most: int, limited: bool) -> Call:
        async def start() -> asyncio.Task[Any]:
            return asyncio.create_task(self.ledger.reserve(most, caps=[self.limit] if limited else []))

        call = Call(most=most, limited=limited, task=self.runner.run(start()))
        self.known.append(call)
        self.settle_down()
        return call

    @rule(call=calls)
    def send(self, call: Call) -> None:
        if call.state == "reserved":
            self.runner.run(call.task.result().sent())
            call.state = "sent"

    @rule(call=calls, share=st.floats(0, 1))
    def settle(self, call: Call, share: float) -> None:
        if call.state in ("sent", "forfeited"):
            call.charged, call.state = int(call.most * share), "settled"
            call.task.result().settle(call.charged)
            self.settle_down()

    @rule(call=consumes(calls))
    def release(self, call: Call) -> None:
        if call.state == "reserved":
            call.task.result().release()
            call.state = "released"
            self.settle_down()

    @rule(call=calls)
    def leave_the_block(self, call: Call) -> None:
        if call.state in ("reserved", "sent"):
            call.charged, call.state = (0, "released") if call.state == "reserved" else (call.most, "forfeited")
            with call.task.result():
                pass
            self.settle_down()

    @rule(call=calls)
    def cancel(self, call: Call) -> None:
        if call.state == "waiting":
            call.task.cancel()
            self.settle_down()

    @precondition(lambda self: len(self.known) > 3)
    @rule(call=calls)
    def bill_more_than_was_reserved(self, call: Call) -> None:
        if call.state == "sent":
            call.charged, call.state = 2 * call.most + 1, "settled"
            call.task.result().settle(call.charged)
            self.overrun = True
            self.settle_down()

    @rule()
    def next_day(self) -> None:
        self.now += DAY_S
        self.settle_down()

    @invariant()
    def the_sums_are_those_of_the_model(self) -> None:
        totals = self.ledger.totals()
        assert (totals.spent, totals.held) == self.sums(limited=False)
        assert (self.limit.spent.micro_usd, self.limit.held.micro_usd) == self.sums(limited=True)

    @invariant()
    def no_cap_is_exceeded(self) -> None:
        if not self.overrun:
            assert sum(self.sums(limited=False)) <= BUDGET
        if not self.limit.stopped:
            assert sum(self.sums(limited=True)) <= LIMIT

    @invariant()
    def whoever_waits_could_not_go_and_may_yet(self) -> None:
        for call in self.known:
            if call.state == "waiting":
                room = [(BUDGET, *self.sums(limited=False))]
                room += [(LIMIT, *self.sums(limited=True))] if call.limited else []
                assert all(spent + call.most <= cap for cap, spent, _ in room)
                assert any(spent + held + call.most > cap for cap, spent, held in room)

    @invariant()
    def the_record_is_sound(self) -> None:
        assert self.ledger.verify() == []


LedgerMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestLedger = LedgerMachine.TestCase
