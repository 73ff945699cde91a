"""What ends a ranking early: a caller who cancels, a deadline, a provider that is down."""

from __future__ import annotations

import asyncio

from judge_rerank.core import CancelToken, FailureReason


class Stop:
    """The end of one ranking, inside the engine's loop: the first reason wins."""

    def __init__(self, *, deadline_s: float | None = None, cancel: CancelToken | None = None) -> None:
        self._loop = loop = asyncio.get_running_loop()
        self._event = asyncio.Event()
        self.reason: FailureReason | None = None
        self.message = ""
        self.deadline = loop.time() + deadline_s if deadline_s is not None else None
        self._timer = (
            loop.call_at(self.deadline, self.now, "deadline", f"The deadline of {deadline_s:g} s passed.")
            if self.deadline is not None
            else None
        )
        self._unlisten = cancel.listen(self._cancelled) if cancel is not None else None

    def now(self, reason: FailureReason, message: str) -> None:
        """End it for this reason, unless it has ended already."""
        if self.reason is None:
            self.reason, self.message = reason, message
            self._event.set()

    def _cancelled(self) -> None:
        self._loop.call_soon_threadsafe(self.now, "cancelled", "The caller cancelled.")

    async def wait(self) -> None:
        """Return when it has ended."""
        await self._event.wait()

    def check(self) -> None:
        """Raise `asyncio.CancelledError` if it has ended: for work that waited its turn while it did."""
        if self.reason is not None:
            raise asyncio.CancelledError

    def close(self) -> None:
        """Stop listening."""
        if self._timer is not None:
            self._timer.cancel()
        if self._unlisten is not None:
            self._unlisten()
