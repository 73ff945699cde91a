"""A bounded queue: so many rankings at once, so many that wait, and no more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from judge_rerank.server.problems import Problem


class Queue:
    """Places for rankings.

    Args:
        concurrent: how many are under way at once.
        waiting: how many wait for that.

    Attributes:
        under_way, in_line: how many there are of each now.
    """

    def __init__(self, concurrent: int, waiting: int) -> None:
        self._free = asyncio.Semaphore(concurrent)
        self._concurrent, self._waiting = concurrent, waiting
        self.under_way = self.in_line = 0

    @asynccontextmanager
    async def place(self, most_s: float) -> AsyncGenerator[float]:
        """A place in a `with` block; yields how long it took to get it.

        Args:
            most_s: the longest wait.

        Raises:
            Problem: too many wait already, or it took too long.
        """
        started = time.perf_counter()
        if self._free.locked() and self.in_line >= self._waiting:
            raise Problem(503, "The server is busy: too many requests are waiting.", retry_after_s=1)
        self.in_line += 1
        try:
            async with asyncio.timeout(most_s):
                await self._free.acquire()
        except TimeoutError:
            raise Problem(503, "The server is busy: the request waited too long.", retry_after_s=1) from None
        finally:
            self.in_line -= 1
        self.under_way += 1
        try:
            yield time.perf_counter() - started
        finally:
            self.under_way -= 1
            self._free.release()
