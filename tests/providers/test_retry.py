"""The retrier: what it retries, how long it waits, when it gives up."""

from __future__ import annotations

import asyncio
import random

import pytest

from judge_rerank.core import errors
from judge_rerank.core.errors import ProviderError, ProviderUnavailable, QuotaExhausted, RateLimited
from judge_rerank.providers.retry import Retrier


class Clock:
    """Waits that take no time and are written down."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(0)


def failing(*failures: BaseException, then: str = "done"):
    left = list(failures)
    numbers: list[int] = []

    async def attempt(number: int) -> str:
        numbers.append(number)
        if left:
            raise left.pop(0)
        return then

    return attempt, numbers


def test_a_first_success_waits_for_nothing():
    clock = Clock()
    attempt, numbers = failing()
    assert asyncio.run(Retrier(sleep=clock.sleep).run(attempt)) == "done"
    assert (numbers, clock.waits) == ([1], [])


def test_waits_double_up_to_the_longest():
    clock = Clock()
    attempt, numbers = failing(*[ProviderUnavailable("down")] * 5)
    retrier = Retrier(max_attempts=6, base_s=1, max_wait_s=5, jitter=False, sleep=clock.sleep)
    assert asyncio.run(retrier.run(attempt)) == "done"
    assert clock.waits == [1, 2, 4, 5, 5]
    assert numbers == [1, 2, 3, 4, 5, 6]


def test_jitter_stays_between_half_and_all_of_the_wait():
    clock = Clock()
    attempt, _ = failing(*[ProviderUnavailable("down")] * 20)
    retrier = Retrier(max_attempts=21, base_s=1, max_wait_s=1, sleep=clock.sleep, rng=random.Random(1))
    asyncio.run(retrier.run(attempt))
    assert all(0.5 <= wait <= 1 for wait in clock.waits)
    assert len(set(clock.waits)) == 20


def test_a_named_time_is_waited_out():
    clock = Clock()
    attempt, _ = failing(RateLimited("slow down", retry_after_s=7))
    asyncio.run(Retrier(sleep=clock.sleep).run(attempt))
    assert 7 <= clock.waits[0] <= 7.7


def test_a_named_time_beyond_the_longest_wait_ends_at_once():
    clock = Clock()
    attempt, numbers = failing(RateLimited("slow down", model="m", status=429, retry_after_s=120))
    with pytest.raises(RateLimited, match=r"slow down The provider asks for a wait of 120 s.*60 s") as caught:
        asyncio.run(Retrier(sleep=clock.sleep).run(attempt))
    assert (numbers, clock.waits) == ([1], [])
    assert (caught.value.model, caught.value.status, caught.value.retry_after_s) == ("m", 429, 120)


def test_the_last_error_is_raised_as_it_is():
    last = ProviderUnavailable("third")
    attempt, numbers = failing(ProviderUnavailable("first"), RateLimited("second"), last)
    with pytest.raises(ProviderUnavailable) as caught:
        asyncio.run(Retrier(max_attempts=3, sleep=Clock().sleep).run(attempt))
    assert caught.value is last
    assert numbers == [1, 2, 3]


@pytest.mark.parametrize(
    "kind", [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, ProviderError)]
)
def test_only_what_waiting_can_mend_is_retried(kind: type[ProviderError]):
    attempt, numbers = failing(kind("failed"))
    retrier = Retrier(sleep=Clock().sleep)
    if kind.retryable:
        assert asyncio.run(retrier.run(attempt)) == "done"
    else:
        with pytest.raises(kind, match="failed"):
            asyncio.run(retrier.run(attempt))
    assert len(numbers) == (2 if kind.retryable else 1)


def test_an_error_that_is_not_the_providers_passes_through():
    attempt, numbers = failing(KeyError("ours"))
    with pytest.raises(KeyError, match="ours"):
        asyncio.run(Retrier(sleep=Clock().sleep).run(attempt))
    assert numbers == [1]


def test_no_wait_goes_past_the_deadline():
    clock = Clock()
    attempt, numbers = failing(*[ProviderUnavailable("down")] * 9)
    retrier = Retrier(base_s=10, jitter=False, sleep=clock.sleep)

    async def run() -> None:
        await retrier.run(attempt, deadline=asyncio.get_running_loop().time() + 15)

    with pytest.raises(ProviderUnavailable):
        asyncio.run(run())
    assert (numbers, clock.waits) == ([1, 2], [10])


def test_retries_are_reported():
    seen: list[tuple[int, str, float]] = []
    attempt, _ = failing(ProviderUnavailable("one"), RateLimited("two", retry_after_s=3))
    retrier = Retrier(base_s=1, jitter=False, sleep=Clock().sleep)
    asyncio.run(retrier.run(attempt, on_retry=lambda n, error, wait_s: seen.append((n, str(error), wait_s))))
    assert seen == [(1, "one", 1), (2, "two", 3)]


def test_a_failure_that_ends_it_is_not_reported_as_a_retry():
    seen: list[int] = []
    attempt, _ = failing(ProviderUnavailable("one"), QuotaExhausted("two"))
    with pytest.raises(QuotaExhausted):
        asyncio.run(Retrier(sleep=Clock().sleep).run(attempt, on_retry=lambda n, error, wait_s: seen.append(n)))
    assert seen == [1]


def test_cancellation_ends_a_wait():
    attempt, numbers = failing(*[ProviderUnavailable("down")] * 9)

    async def run() -> None:
        task = asyncio.create_task(Retrier(base_s=60).run(attempt))
        await asyncio.sleep(0.02)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run())
    assert numbers == [1]


def test_at_least_one_attempt_is_asked_for():
    with pytest.raises(ValueError, match="greater than 0"):
        Retrier(max_attempts=0)
