"""The limiter: order, limit, backing off, recovery, cancellation."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge_rerank.core.errors import ProviderError, ProviderUnavailable, RateLimited
from judge_rerank.providers.concurrency import ConcurrencyLimiter


async def visit(limiter: ConcurrencyLimiter, error: Exception | None = None) -> None:
    with contextlib.suppress(ProviderError):
        async with limiter:
            await asyncio.sleep(0)
            if error is not None:
                raise error


def test_no_more_than_the_limit_are_inside_and_first_come_first_served():
    order: list[int] = []
    most = 0

    async def one(limiter: ConcurrencyLimiter, number: int) -> None:
        nonlocal most
        async with limiter:
            order.append(number)
            most = max(most, limiter.inside)
            await asyncio.sleep(0.001)

    async def run() -> None:
        limiter = ConcurrencyLimiter(3)
        await asyncio.gather(*(one(limiter, number) for number in range(20)))
        assert limiter.inside == 0

    asyncio.run(run())
    assert order == list(range(20))
    assert most == 3


def test_one_burst_of_complaints_halves_the_limit_once():
    async def run() -> None:
        limiter = ConcurrencyLimiter(16)
        await asyncio.gather(*(visit(limiter, RateLimited("slow down")) for _ in range(16)))
        assert limiter.limit == 8
        await visit(limiter, RateLimited("slow down"))
        assert limiter.limit == 4

    asyncio.run(run())


def test_it_never_closes():
    async def run() -> None:
        limiter = ConcurrencyLimiter(5)
        for _ in range(10):
            await visit(limiter, RateLimited("slow down"))
        assert limiter.limit == 1
        await visit(limiter)

    asyncio.run(run())


def test_it_recovers_by_one_after_enough_successes_and_no_further_than_it_began():
    async def run() -> None:
        limiter = ConcurrencyLimiter(4, recover_after=3)
        await visit(limiter, RateLimited("slow down"))
        limits: list[int] = []
        for _ in range(12):
            await visit(limiter)
            limits.append(limiter.limit)
        assert limits == [2, 2, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4]

    asyncio.run(run())


def test_other_failures_change_nothing():
    async def run() -> None:
        limiter = ConcurrencyLimiter(4)
        await visit(limiter, ProviderUnavailable("down"))
        assert limiter.limit == 4

    asyncio.run(run())


def test_a_cancelled_wait_gives_its_place_up():
    async def run() -> None:
        limiter = ConcurrencyLimiter(1)
        async with limiter:
            waiting = [asyncio.create_task(visit(limiter)) for _ in range(3)]
            await asyncio.sleep(0)
            waiting[0].cancel()
            await asyncio.sleep(0)
        await asyncio.gather(*waiting[1:])
        assert waiting[0].cancelled()
        assert limiter.inside == 0

    asyncio.run(run())


@settings(max_examples=60, deadline=None)
@given(
    limit=st.integers(1, 6),
    visits=st.lists(st.sampled_from(["ok", "429", "cancel", "500"]), max_size=40),
    seed=st.integers(0, 99),
)
def test_whatever_happens_everybody_gets_in_and_nobody_stays(limit: int, visits: list[str], seed: int):
    async def one(limiter: ConcurrencyLimiter, what: str) -> None:
        errors = {"429": RateLimited("slow down"), "500": ProviderUnavailable("down")}
        await visit(limiter, errors.get(what))

    async def run() -> None:
        rng = random.Random(seed)
        limiter = ConcurrencyLimiter(limit)
        tasks: list[asyncio.Task[None]] = []
        for what in visits:
            task = asyncio.create_task(one(limiter, what))
            tasks.append(task)
            for _ in range(rng.randrange(3)):
                await asyncio.sleep(0)
            assert limiter.inside <= limit
            if what == "cancel":
                task.cancel()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 300)
        assert limiter.inside == 0
        assert 1 <= limiter.limit <= limit

    asyncio.run(run())


def test_a_gate_that_lets_nobody_in_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        ConcurrencyLimiter(0)
