"""An event loop whose clock stands still while there is work, and jumps to the next timer when there is none."""

from __future__ import annotations

import asyncio
import selectors
from asyncio import AbstractEventLoop, DefaultEventLoopPolicy
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any


class SimulatedClockLoop(asyncio.SelectorEventLoop):
    """Hours of waiting in as long as the work takes; all that waits by `asyncio` waits by its clock.

    Work for other threads (`asyncio.to_thread`) is done at once, in the loop, and takes no time of the clock. A thread
    that is not the loop's, such as that of a ledger, is waited for before the clock jumps: `settled` says how.

    Attributes:
        settled: functions that return when such a thread has done what it was asked for.
    """

    def __init__(self) -> None:
        super().__init__(_JumpingSelector(self))
        self._now = 0.0
        self.settled: list[Callable[[], object]] = []

    def time(self) -> float:
        """Seconds since the loop was made, by its own clock."""
        return self._now

    def jump(self, seconds: float) -> None:
        """Let that much time pass."""
        self._now += seconds

    def run_in_executor(self, executor: Executor | None, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # noqa: ARG002
        """The result of `func`, which is run here and now."""
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:
            done.set_exception(error)
        return done


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for nothing but what other threads hand in where no timer is set."""

    def __init__(self, loop: SimulatedClockLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if found or timeout == 0:
            return found
        for wait in self._loop.settled:
            wait()
        if timeout is None:
            return super().select(None)
        found = super().select(0)
        if not found:
            self._loop.jump(max(0.0, timeout))
        return found


class SimulatedClockPolicy(DefaultEventLoopPolicy):
    """Makes every new event loop of the process one with a simulated clock, that of the package's own thread too."""

    def new_event_loop(self) -> AbstractEventLoop:
        """A loop with a simulated clock."""
        return SimulatedClockLoop()
