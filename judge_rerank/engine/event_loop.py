"""The event loop that everything runs in, in a thread of its own. The only one there is."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from judge_rerank.core import InputError

T = TypeVar("T")


class _LoopThread:
    """One event loop in a thread of its own, for the whole process.

    `rerank` works the same from a script, from any thread, and inside a running loop such as a notebook's; connections
    are kept open between calls, because they all live in this loop.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0
        self._ident: int | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` in the loop and wait for it; an interrupt from the keyboard ends the work as well as the wait.

        Raises:
            InputError: the loop itself would have to wait, as in a progress callback that reranks.
        """
        if threading.get_ident() == self._ident:
            work.close()
            msg = "A progress callback cannot wait for another ranking; start it in another thread."
            raise InputError(msg)
        future = self.submit(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run `work` in the loop without waiting for it."""
        with self._lock:
            if self._loop is None or self._pid != os.getpid():  # a forked child has no thread to run it
                self._loop, self._pid = asyncio.new_event_loop(), os.getpid()
                thread = threading.Thread(target=self._loop.run_forever, name="judge_rerank", daemon=True)
                thread.start()
                self._ident = thread.ident
            return asyncio.run_coroutine_threadsafe(work, self._loop)


_thread = _LoopThread()

run = _thread.run
submit = _thread.submit


async def in_thread(work: Callable[..., T], *args: object) -> T:
    """The result of `work`, which may take long, done in a thread that is no event loop's.

    It is one of this package's own, so that a pool of the caller's that is full does not hold it up.
    """
    return await asyncio.wrap_future(submit(asyncio.to_thread(work, *args)))
