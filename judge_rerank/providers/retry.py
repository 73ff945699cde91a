"""The one retrier.

What is retried and what is not:

| Error                 | Cause                                              | Retried                                |
|-----------------------|----------------------------------------------------|----------------------------------------|
| `RateLimited`         | HTTP 429                                           | yes, after the time the provider names |
| `ProviderTimeout`     | no complete answer in time, HTTP 408               | yes                                    |
| `ProviderUnavailable` | HTTP 409, 425, 5xx, lost connection, bad answer    | yes                                    |
| `QuotaExhausted`      | no credit left (HTTP 402, 429 `insufficient_quota`)| no                                     |
| `AuthenticationError` | HTTP 401, 403, no key                              | no                                     |
| `RequestRejected`     | HTTP 400, 404, 413, 422                            | no                                     |
| `ContextTooLong`      | the request is longer than the context             | no                                     |
| anything else         | an error of ours, cancellation                     | no                                     |
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from judge_rerank.core import ProviderError, require_above_zero

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")


class Retrier:
    """Makes an attempt again while its failure is one that waiting can repair.

    Waits `base_s`, then twice as long each time, up to `max_wait_s`; with jitter, between half of that and all of it.
    Where the provider names a time, it waits that long instead (with jitter, up to a tenth and a second longer, so
    that not all requests come back at once). A named time above `max_wait_s` ends the attempts at once.

    Args:
        max_attempts: attempts in all, at least 1.
        base_s: the first wait.
        max_wait_s: the longest wait.
        jitter: whether waits vary; off, they are as computed.
        sleep: waits that many seconds; for tests.
        rng: where jitter comes from; for tests.
    """

    def __init__(
        self,
        *,
        max_attempts: int = 5,
        base_s: float = 0.5,
        max_wait_s: float = 60.0,
        jitter: bool = True,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: random.Random | None = None,
    ) -> None:
        require_above_zero("max_attempts", max_attempts, whole=True)
        self._max_attempts, self._base_s, self._max_wait_s = max_attempts, base_s, max_wait_s
        self._jitter, self._sleep = jitter, sleep
        self._rng = rng or random.Random()  # noqa: S311 - spreads load, keeps no secret

    def once(self) -> Retrier:
        """One that makes no second attempt."""
        return Retrier(max_attempts=1)

    async def run(
        self,
        attempt: Callable[[int], Awaitable[T]],
        *,
        failed: ProviderError | None = None,
        deadline: float | None = None,
        on_retry: Callable[[int, ProviderError, float], None] | None = None,
    ) -> T:
        """The first result that `attempt` gives.

        Args:
            attempt: makes one attempt; it is given the attempt's number, from 1.
            failed: how the first attempt failed, where it was made already.
            deadline: no wait goes past this time of the event loop's clock; an attempt has to see to its own end.
            on_retry: told of every failure that is followed by another attempt: the number of the attempt that failed,
                its error, and the seconds until the next.

        Raises:
            ProviderError: what the last attempt raised.
        """
        if failed is None:
            try:
                return await attempt(1)  # most succeed, and setting up what follows takes a third of a millisecond
            except ProviderError as error:
                failed = error
        from tenacity import AsyncRetrying, retry_if_exception

        number = 0

        async def next_attempt() -> T:
            nonlocal number
            number += 1
            if number == 1:
                raise failed
            return await attempt(number)

        def before_sleep(state: RetryCallState) -> None:
            error = _error(state)
            if on_retry is not None and isinstance(error, ProviderError):
                on_retry(state.attempt_number, error, state.upcoming_sleep)

        retrying = AsyncRetrying(
            retry=retry_if_exception(self._worth_retrying),
            wait=self._wait_s,
            stop=lambda state: self._is_last(state, deadline),
            sleep=self._sleep,
            before_sleep=before_sleep,
            reraise=True,
        )
        try:
            return await retrying(next_attempt)
        except ProviderError as error:
            raise self._explained(error) from error.__cause__

    def _worth_retrying(self, error: BaseException) -> bool:
        return isinstance(error, ProviderError) and error.retryable and not self._asks_too_much(error)

    def _asks_too_much(self, error: ProviderError) -> bool:
        return error.retryable and error.retry_after_s is not None and error.retry_after_s > self._max_wait_s

    def _wait_s(self, state: RetryCallState) -> float:
        error = _error(state)
        asked_s = error.retry_after_s if isinstance(error, ProviderError) else None
        if asked_s is not None:
            return asked_s + (self._rng.uniform(0, min(1.0, asked_s / 10)) if self._jitter else 0.0)
        wait_s = min(self._max_wait_s, self._base_s * 2.0 ** (state.attempt_number - 1))
        return wait_s * self._rng.uniform(0.5, 1.0) if self._jitter else wait_s

    def _is_last(self, state: RetryCallState, deadline: float | None) -> bool:
        if state.attempt_number >= self._max_attempts:
            return True
        return deadline is not None and asyncio.get_running_loop().time() + state.upcoming_sleep >= deadline

    def _explained(self, error: ProviderError) -> ProviderError:
        """The error itself, or one that says why it was not tried again."""
        if not self._asks_too_much(error):
            return error
        return type(error)(
            f"{error} The provider asks for a wait of {error.retry_after_s:g} seconds, and this package waits no "
            f"longer than {self._max_wait_s:g} seconds. Try again later.",
            model=error.model,
            status=error.status,
            retry_after_s=error.retry_after_s,
            sent=error.sent,
        )


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None
