"""How a caller ends rankings early."""

from __future__ import annotations

import threading
from collections.abc import Callable


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
