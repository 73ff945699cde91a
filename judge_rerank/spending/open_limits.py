"""Caps that hold inside a `with` block."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Unpack

from judge_rerank.spending.budget import Cap
from judge_rerank.spending.ledger import LimitKeywords, limit_cap


class OpenLimits:
    """The blocks that are open, and which of them a ranking begins in.

    A block counts for the thread or task that opened it and the tasks it starts. It also counts for threads without a
    block of their own, since a pool's threads cannot be told from others.
    """

    def __init__(self) -> None:
        self._here: ContextVar[tuple[Cap, ...]] = ContextVar("caps", default=())
        self._opened_by: dict[Cap, int] = {}

    @contextmanager
    def opened(self, **capped: Unpack[LimitKeywords]) -> Generator[Cap]:
        """Hold a cap inside the block.

        Raises:
            InputError: as in `limit_cap`.
        """
        cap = limit_cap(**capped)
        before = self._here.set((*self._here.get(), cap))
        self._opened_by[cap] = threading.get_ident()
        try:
            yield cap
        finally:
            del self._opened_by[cap]
            self._here.reset(before)

    def here(self) -> tuple[Cap, ...]:
        """The caps of a ranking that begins now; in a thread that is in no block, those of other threads."""
        here = threading.get_ident()
        return self._here.get() or tuple(cap for cap, opener in self._opened_by.copy().items() if opener != here)
