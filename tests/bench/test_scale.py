"""The simulation of many queries: its clock, its provider, and what it says of a small run."""

from __future__ import annotations

import asyncio
import importlib
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from judge_rerank.core import RateLimited
from judge_rerank.spending import Budget, Ledger

BENCH = Path(__file__).parents[2] / "eval" / "bench"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module("scale")


@pytest.fixture
def provider(bench: ModuleType) -> ModuleType:
    return importlib.import_module("scale_provider")


@pytest.fixture
def loop(bench: ModuleType) -> Iterator[Any]:
    made = importlib.import_module("scale_clock").SimulatedClockLoop()
    yield made
    made.close()


def test_an_hour_passes_at_once(loop: Any) -> None:
    started = time.monotonic()

    async def waits() -> list[str]:
        order: list[str] = []

        async def one(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            order.append(name)

        await asyncio.gather(one("late", 3_600), one("early", 1_800))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await asyncio.Event().wait()
        return order

    assert loop.run_until_complete(waits()) == ["early", "late"]
    assert loop.time() == pytest.approx(3_660)
    assert time.monotonic() - started < 30


def test_work_of_other_threads_is_done_in_the_loop_and_takes_no_time(loop: Any) -> None:
    async def works() -> tuple[int, float]:
        ident = await asyncio.to_thread(threading.get_ident)
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 / 0)
        return ident, asyncio.get_running_loop().time()

    assert loop.run_until_complete(works()) == (threading.get_ident(), 0.0)


def test_the_clock_waits_for_the_ledger(loop: Any) -> None:
    """Its thread answers in real time, so a clock that jumped meanwhile would charge the wait to the provider."""
    with Ledger(budget=Budget(usd=1)) as ledger:
        loop.settled = [ledger.flush] * 2

        async def reserves() -> float:
            asyncio.get_running_loop().call_later(1_000, lambda: None)
            for _ in range(20):
                with await ledger.reserve(1) as reservation:
                    await reservation.sent()
            return asyncio.get_running_loop().time()

        assert loop.run_until_complete(reserves()) == 0.0


def test_limits_fill_up_evenly(provider: ModuleType) -> None:
    gate = provider.Gatekeeper(provider.Rules(requests_per_minute=60, tokens_per_minute=6_000, burst_s=5))

    assert [gate.retry_after_s(10, 0.0) for _ in range(6)] == [None] * 5 + [1]
    assert gate.retry_after_s(10, 1.0) is None
    assert gate.retry_after_s(450, 60.0) is None
    assert gate.retry_after_s(350, 60.0) == 3
    assert gate.retry_after_s(10_000, 62.0) == 3  # more than there ever is: it is taken when the bucket is full
    assert gate.retry_after_s(10_000, 65.0) is None
    assert (gate.taken, gate.refused) == (8, 3)


def test_answers_take_their_time(provider: ModuleType) -> None:
    rules, rng = provider.Rules(), random.Random(1)

    taken = [rules.latency_s(rng) for _ in range(20_000)]

    assert sum(taken) / len(taken) == pytest.approx(rules.mean_s, rel=0.05)
    assert sorted(taken)[10_000] == pytest.approx(rules.median_s, rel=0.05)


def test_a_refused_request_is_told_when_to_come_again(provider: ModuleType, loop: Any) -> None:
    simulated = provider.SimulatedProvider(provider.Rules(requests_per_minute=12, failures=0))

    async def asks() -> bool:
        assert await simulated.answer("one", 10)
        assert not await simulated.answer("one", 10)  # it was stored
        with pytest.raises(RateLimited) as raised:
            await asyncio.gather(*(simulated.answer(name, 10) for name in "abc"))
        assert raised.value.retry_after_s is not None
        await asyncio.sleep(raised.value.retry_after_s)
        return await simulated.answer("d", 10)

    assert loop.run_until_complete(asks())


def test_the_whole_engine_and_its_calls_alone_take_as_long(bench: ModuleType) -> None:
    rules = importlib.import_module("scale_provider").Rules(requests_per_minute=600)
    setup = bench.Setup(strategy="score(batch_size=3)", documents=6, tokens=40, rules=rules, concurrency=16)

    whole, alone = bench.simulated(setup, 100), bench.simulated(bench.replace(setup, thin=True), 100)

    assert (whole.queries, whole.partial, whole.calls) == (100, 0, 200)
    assert whole.cost_usd > 0
    assert alone.seconds == pytest.approx(whole.seconds, rel=0.2)
    assert whole.seconds > 0.7 * bench.bound(setup, 100).seconds  # what may come at once is for nothing


def test_a_lost_node_costs_time_and_no_query(bench: ModuleType) -> None:
    rules = importlib.import_module("scale_provider").Rules()
    setup = bench.Setup(strategy="score", documents=2, tokens=20, rules=rules, nodes=2, concurrency=4, thin=True)
    whole = bench.simulated(setup, 200)

    made = bench.simulated(bench.replace(setup, lost_at_s=whole.seconds / 2), 200)

    assert made.queries == 200
    assert made.paid_again <= setup.concurrency
    assert made.seconds > whole.seconds


def test_a_run_is_extrapolated_at_the_rate_of_its_steady_part(bench: ModuleType) -> None:
    made = bench.Outcome(seconds=110.0, queries=100, ended=[10.0 + second for second in range(100)])

    assert made.per_second == pytest.approx(1.0)
    assert made.unsteady == pytest.approx(0.0)
    assert made.seconds_for(1_000) == pytest.approx(1_010.0)


def test_the_report_has_every_part(bench: ModuleType) -> None:
    headings = [part.heading for part in bench.parts(100, real=True)]
    assert headings[:3] == ["The provider", "A million queries", "Real runs"]
    assert len(bench.parts(100, real=False)) == len(headings) - 1
    assert bench.table(("a", "b"), [(1, 2)]) == "| a | b |\n| --- | --- |\n| 1 | 2 |\n"
