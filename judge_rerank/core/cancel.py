"""What ends a ranking early: a caller who cancels, a deadline, a provider that is down."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from judge_rerank.core.types import FailureReason


class CancelToken:
    """Ends rankings early, from any thread: `judge.rerank(..., cancel=token)`, then `token.cancel()`.

    The ranking comes back as it stands, with `status="partial"`. One token can serve many rankings. It cannot be
    reset.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancelled = False
        self._listeners: set[Callable[[], None]] = set()

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` has been called."""
        return self._cancelled

    def cancel(self) -> None:
        """End the rankings that this token was given to. Calls that are under way are abandoned."""
        with self._lock:
            self._cancelled = True
            listeners, self._listeners = self._listeners, set()
        for listener in listeners:
            listener()

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` on cancellation, at once if that has happened; returns what undoes it."""
        with self._lock:
            if not self._cancelled:
                self._listeners.add(listener)
                return lambda: self._listeners.discard(listener)
        listener()
        return lambda: None


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
