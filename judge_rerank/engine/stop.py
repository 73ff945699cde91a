"""What ends a ranking early: a caller who cancels, a deadline, a provider that is down."""

from __future__ import annotations

import asyncio

from judge_rerank.core import CancelToken, FailureReason


class Stop:
    """The end of one ranking, inside the engine's loop: the first reason wins.

    Attributes:
        ended: set when it has ended.
        reason, message: why; None and "" before.
        deadline: when it ends at the latest, by the loop's clock; None for never.
    """

    def __init__(self, *, deadline_s: float | None = None, cancel: CancelToken | None = None) -> None:
        self._loop = loop = asyncio.get_running_loop()
        self.ended = asyncio.Event()
        self.reason: FailureReason | None = None
        self.message = ""
        self.deadline = loop.time() + deadline_s if deadline_s is not None else None
        self._timer = (
            loop.call_at(self.deadline, self.now, "deadline", f"The deadline of {deadline_s:g} seconds passed.")
            if self.deadline is not None
            else None
        )
        self._unlisten = cancel.listen(self._cancelled) if cancel is not None else None

    def now(self, reason: FailureReason, message: str) -> None:
        """End it for this reason, unless it has ended already."""
        if self.reason is None:
            self.reason, self.message = reason, message
            self.ended.set()

    def _cancelled(self) -> None:
        self._loop.call_soon_threadsafe(self.now, "cancelled", "The caller cancelled.")

    def close(self) -> None:
        """Stop listening."""
        if self._timer is not None:
            self._timer.cancel()
        if self._unlisten is not None:
            self._unlisten()
