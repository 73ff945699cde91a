"""How long many calls take at least."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge_rerank.core import InputError
from judge_rerank.engine import RateLimits, least_duration


def test_each_limit_alone_takes_its_own_time() -> None:
    limits = RateLimits(
        requests_per_minute=600, tokens_per_minute=1_000_000, concurrency=10, latency_s=2.0, cpu_s=0.01, processes=2
    )

    duration = least_duration(6_000, 12_000_000, limits, rounds=5)

    assert duration.by_bound == pytest.approx(
        {"requests": 600.0, "tokens": 720.0, "concurrency": 1200.0, "cpu": 30.0, "rounds": 10.0}
    )
    assert (duration.seconds, duration.bound_by) == (1200.0, "concurrency")
    assert duration.hours == pytest.approx(1 / 3)


def test_a_limit_that_nobody_names_takes_no_time() -> None:
    duration = least_duration(1_000_000, 0, RateLimits(latency_s=3.0), rounds=4)

    assert (duration.seconds, duration.bound_by) == (12.0, "rounds")


def test_nothing_to_do_takes_no_time() -> None:
    assert least_duration(0, 0, RateLimits(requests_per_minute=1, concurrency=1)).seconds == 0.0


@given(st.integers(1, 10**9), st.integers(1, 10**6), st.floats(0.01, 100), st.integers(1, 1000))
def test_more_calls_never_take_less(calls: int, rpm: int, latency_s: float, concurrency: int) -> None:
    limits = RateLimits(requests_per_minute=rpm, concurrency=concurrency, latency_s=latency_s)

    assert least_duration(calls, 0, limits).seconds <= least_duration(calls + 1, 0, limits).seconds


@pytest.mark.parametrize(
    "wrong",
    [{"requests_per_minute": 0}, {"tokens_per_minute": -1}, {"concurrency": 1.5}, {"latency_s": 0}, {"cpu_s": -1}],
)
def test_a_limit_that_is_no_limit_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        RateLimits(**wrong)  # pyright: ignore[reportArgumentType]
