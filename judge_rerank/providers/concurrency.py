"""How many requests a provider gets at once: fewer after it complains, more again while it does not."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType

from judge_rerank.core import RateLimited


class ConcurrencyLimiter:
    """An async context manager that lets `limit` tasks in at once, in the order in which they came.

    A task that leaves with `RateLimited` halves the limit, to no less than 1; tasks that were let in before that
    halving do not halve it again, since their complaint is about the same burst. Each time as many tasks have left
    without an error as `recover_after` says, the limit grows by one, up to where it began. Other errors change
    nothing. One limiter serves one provider and one event loop; a task is inside it once.

    Args:
        limit: how many at once to begin with, and at most.
        recover_after: successes for each step back up; by default as many as `limit`.
    """

    def __init__(self, limit: int, *, recover_after: int | None = None) -> None:
        if limit < 1:
            raise ValueError(f"a limiter has to let at least one in, not {limit}")
        self._ceiling = self._limit = limit
        self._recover_after = recover_after or limit
        self._successes = 0
        self._halvings = 0
        self._inside: dict[asyncio.Task[object] | None, int] = {}
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._admitted = 0

    @property
    def limit(self) -> int:
        """How many it lets in at once now."""
        return self._limit

    @property
    def inside(self) -> int:
        """How many are inside."""
        return self._admitted

    async def __aenter__(self) -> ConcurrencyLimiter:
        if self._admitted < self._limit and not self._waiting:
            self._admitted += 1
        else:
            await self._queue()
        self._inside[asyncio.current_task()] = self._halvings
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        entered = self._inside.pop(asyncio.current_task(), self._halvings)
        self._admitted -= 1
        if error is None:
            self._succeeded()
        elif isinstance(error, RateLimited) and entered == self._halvings:
            self._halvings += 1
            self._successes = 0
            self._limit = max(1, self._limit // 2)
        self._admit()

    def _succeeded(self) -> None:
        self._successes += 1
        if self._successes >= self._recover_after:
            self._successes = 0
            self._limit = min(self._ceiling, self._limit + 1)

    async def _queue(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._admitted -= 1
                self._admit()
            elif turn in self._waiting:  # unless a task that left at the same time has passed over it
                self._waiting.remove(turn)
            raise

    def _admit(self) -> None:
        while self._waiting and self._admitted < self._limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self._admitted += 1
                turn.set_result(None)
