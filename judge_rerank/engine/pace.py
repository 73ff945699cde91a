"""Whether rankings that advance in step have all come to where they wait for each other."""

from __future__ import annotations

import asyncio
import threading
import time
from types import TracebackType

_QUIET_S = 0.02
_STALLED_S = 5.0


class _Held:
    """A block during which a count is higher or lower."""

    __slots__ = ("_by", "_pace", "_what")

    def __init__(self, pace: Pace, what: str, by: int) -> None:
        self._pace, self._what, self._by = pace, what, by

    def __enter__(self) -> None:
        self._pace.count(self._what, self._by)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pace.count(self._what, -self._by)


class Pace:
    """Counts what is at work in rankings that advance in step. Safe to use from several threads and event loops.

    A ranking is `busy` from its begin to its end, but for while it rests until its calls are answered (`resting`). A
    call is `asking` until it waits for the answer (`waiting`). Nothing is at work when nobody is busy or asking: then
    every ranking has said what it asks in this round.

    Attributes:
        busy, resting, asking, waiting: blocks of code.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = {"busy": 0, "asking": 0}
        self._moves = 0
        self.busy, self.resting = _Held(self, "busy", 1), _Held(self, "busy", -1)
        self.asking, self.waiting = _Held(self, "asking", 1), _Held(self, "asking", -1)

    def count(self, what: str, by: int) -> None:
        """Count somebody in or out."""
        with self._lock:
            self._counts[what] += by
            self._moves += 1

    async def settled(self) -> None:
        """Wait until nothing is at work.

        A call that asks and comes no further counts as waiting after some seconds: it may wait for money that a call
        of this round holds, or for the same question in another process.
        """
        moves, since, quiet = -1, 0.0, 0
        while quiet < 2:
            await asyncio.sleep(_QUIET_S)
            if self._moves != moves:
                moves, since, quiet = self._moves, time.monotonic(), 0
            elif not self._counts["busy"]:
                quiet += not self._counts["asking"] or time.monotonic() - since > _STALLED_S
            else:
                quiet = 0
