"""Which of many rankings may begin: as many as it takes to keep the models busy, and no more."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

_MOST_BEGINNING = 4
"""How many rankings may have begun of which nobody knows yet how many questions they ask."""


class Admission:
    """Lets rankings begin in the order in which they came, while fewer than `enough` questions are open.

    One that begins earlier only takes memory: its documents are inspected and its requests made ready, to wait for
    those of the rankings before it, and meanwhile the processor sends nothing.

    Args:
        enough: how many open questions keep the models busy, when asked; None to let everybody in at once.
    """

    def __init__(self, enough: Callable[[], int] | None) -> None:
        self._enough = enough
        self._open = 0
        self._beginning: set[int] = set()
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()

    async def turn(self, ranking: object) -> None:
        """Wait until a ranking may begin."""
        if not self._waiting and self._has_room:
            self._beginning.add(id(ranking))
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, id(ranking)))
        try:
            await turn
        except asyncio.CancelledError:
            self.begun(ranking)
            raise

    def begun(self, ranking: object) -> None:
        """Note that a ranking has asked its first questions, or has ended."""
        self._beginning.discard(id(ranking))
        self._admit()

    def asked(self, count: int) -> None:
        """Note so many open questions more; -1 for one that is answered."""
        self._open += count
        self._admit()

    @property
    def _has_room(self) -> bool:
        if self._enough is None:
            return True
        return len(self._beginning) < _MOST_BEGINNING and self._open < self._enough()

    def _admit(self) -> None:
        while self._waiting and self._has_room:
            turn, ranking = self._waiting.popleft()
            if not turn.done():
                self._beginning.add(ranking)
                turn.set_result(None)
