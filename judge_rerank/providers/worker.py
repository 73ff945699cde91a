"""A thread that does one piece of work at a time, for models in this process that use every core by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from judge_rerank.core import ProviderTimeout

Model = TypeVar("Model")
T = TypeVar("T")


class Worker:
    """One thread.

    Args:
        name: what the thread is called.
    """

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"judge-rerank-{name}")

    def now(self, work: Callable[[], T]) -> T:
        """The result of `work`, waited for."""
        return self._pool.submit(work).result()

    async def run(self, load: Callable[[], Model], work: Callable[[Model], T], timeout_s: float, *, model: str) -> T:
        """The result of `work` on what `load` gives.

        The time limit counts from when the thread has loaded the model for this work. Work that is given up, by a time
        limit or a cancelled task, is finished in the background before the next begins, so that it cannot disturb it.

        Args:
            load: gives the model, loading it first where it is not in memory.
            work: what is done with it.
            timeout_s: how long that may take.
            model: the model's name, for the message.

        Raises:
            ProviderTimeout: it took longer.
        """
        loop = asyncio.get_running_loop()
        begun: asyncio.Future[None] = loop.create_future()

        def job() -> T:
            model = load()
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_finish, begun)
            return work(model)

        result = asyncio.wrap_future(self._pool.submit(job))
        try:
            await asyncio.wait({begun, result}, return_when=asyncio.FIRST_COMPLETED)
            return await asyncio.wait_for(result, timeout_s)
        except TimeoutError as error:
            raise ProviderTimeout(
                f"{model} did not finish within {timeout_s:g} seconds. Allow more time (timeout_s=), or show fewer or "
                "shorter documents.",
                model=model,
            ) from error
        finally:
            result.cancel()  # work that has not begun never will


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
