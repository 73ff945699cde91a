"""How long many calls take at least, by the limits of their provider and of this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from judge_rerank.core import InputError, check_number, require_above_zero

Bound = Literal["requests", "tokens", "concurrency", "cpu", "rounds"]
"""What a run waits for: the provider's requests or tokens a minute, the requests that may be under way at once, the
work of this package's own processes, or the rounds of the longest query, which follow each other."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RateLimits:
    """What limits how many calls go through in a second; None where nothing does.

    Attributes:
        requests_per_minute: of the provider.
        tokens_per_minute: of the provider. Which tokens count is the provider's rule: OpenAI counts the input and the
            most that the reply may use, Anthropic has one limit for the input and one for the output that came.
        concurrency: requests under way at once, over all processes together.
        latency_s: how long one call takes, in the mean.
        cpu_s: how long a process of this package works for one call, in the mean; 0 to leave it out.
        processes: how many there are.

    Raises:
        InputError: a limit is not above 0.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    concurrency: int | None = None
    latency_s: float = 2.0
    cpu_s: float = 0.0
    processes: int = 1

    def __post_init__(self) -> None:
        require_above_zero("requests_per_minute", self.requests_per_minute)
        require_above_zero("tokens_per_minute", self.tokens_per_minute)
        require_above_zero("concurrency", self.concurrency, whole=True)
        require_above_zero("latency_s", self.latency_s)
        require_above_zero("processes", self.processes, whole=True)
        check_number("cpu_s", self.cpu_s)
        if self.cpu_s < 0:
            raise InputError(f"cpu_s is {self.cpu_s}; it must be at least 0.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Duration:
    """The least time that calls take.

    Attributes:
        seconds: that time.
        bound_by: what takes it; of two that take as long, the one that stands first in `Bound`.
        by_bound: what each limit alone would take, in seconds, without those that do not apply.
    """

    seconds: float
    bound_by: Bound
    by_bound: dict[Bound, float]

    @property
    def hours(self) -> float:
        """The same in hours."""
        return self.seconds / 3600


def least_duration(calls: float, tokens: float, limits: RateLimits, *, rounds: float = 1.0) -> Duration:
    """The least time of a run that keeps busy whatever limits it: the greatest of what each limit alone would take.

    With c calls, t tokens and r rounds that is max(c / requests a minute, t / tokens a minute, c * latency /
    concurrency, c * own work / processes, r * latency). Failed attempts that the provider counts are calls as well.
    It is a bound from below: what starting, running out of work, waiting after a refusal and a lost machine add is
    measured by `eval/bench/scale.py`.

    Args:
        calls: of all queries together.
        tokens: of all calls together, counted as the provider's limit counts them.
        limits: what holds.
        rounds: of one query, one after another.
    """
    taken: dict[Bound, float] = {}
    if limits.requests_per_minute is not None:
        taken["requests"] = 60 * calls / limits.requests_per_minute
    if limits.tokens_per_minute is not None:
        taken["tokens"] = 60 * tokens / limits.tokens_per_minute
    if limits.concurrency is not None:
        taken["concurrency"] = calls * limits.latency_s / limits.concurrency
    if limits.cpu_s > 0:
        taken["cpu"] = calls * limits.cpu_s / limits.processes
    taken["rounds"] = rounds * limits.latency_s if calls else 0.0
    bound_by = max(taken, key=lambda bound: taken[bound])
    return Duration(seconds=taken[bound_by], bound_by=bound_by, by_bound=taken)
