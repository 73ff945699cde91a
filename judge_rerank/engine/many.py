"""Many rankings side by side, given back in the order in which they were asked for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine, Iterable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Literal, TypeAlias

from judge_rerank.core import InputError, Ranking, RerankError
from judge_rerank.engine.driver import Engine
from judge_rerank.engine.event_loop import submit
from judge_rerank.engine.job import Job

OnError = Literal["raise", "return"]
"""What happens when one of many rankings cannot be made: its error is raised, or stands in its place."""

_Waiting: TypeAlias = "Future[Ranking] | RerankError"

_HELD = 8
"""How many times `ahead` rankings may be open or wait for their turn: one slow answer at the head of the line is passed
by others, and the memory for these is bounded."""


def known_on_error(on_error: OnError) -> OnError:
    """The choice, checked.

    Raises:
        InputError: it is neither "raise" nor "return".
    """
    if on_error not in ("raise", "return"):
        raise InputError(f"on_error is {on_error!r}; expected 'raise' or 'return'.")
    return on_error


async def run_many(
    engine: Engine, jobs: AsyncIterable[Job | RerankError], *, ahead: Callable[[Job], int], on_error: OnError
) -> AsyncGenerator[Ranking | RerankError]:
    """Rankings in the order of the jobs, each as soon as it and those before it are made.

    Args:
        engine: what makes them.
        jobs: what is asked for; an error stands for a job that could not be one.
        ahead: how many are under way at once with such a job among them, as far as the models have something to do
            for them. Rankings that are made and wait for one before them do not count.
        on_error: "raise" raises the error of a job, which then names its place (`pair`) and holds, by place, what was
            made before and beside it (`rankings_made`); "return" yields it in the place of the ranking. What a backend
            or a scorer raises without having to becomes a `RerankError`, since the other rankings are paid for.
    """
    waiting: deque[tuple[int, _Waiting]] = deque()
    made: dict[int, Ranking] = {}
    under_way = _UnderWay()

    async def first() -> Ranking | RerankError:
        place, head = waiting.popleft()
        try:
            if isinstance(head, Future):
                ranking = await asyncio.wrap_future(head)
                if on_error == "raise":
                    made[place] = ranking
                return ranking
            cause: Exception = head
        except Exception as error:
            cause = error
        known = cause if isinstance(cause, RerankError) else RerankError(f"{type(cause).__name__}: {cause}")
        known.at_pair(place, made | _finished(waiting))
        if on_error == "return":
            return known
        raise known from None if known is cause else cause

    engine.pace.count("busy", 1)  # while it takes jobs in, more may come that ask in the round under way
    try:
        place = 0
        async for job in jobs:
            begun = job if isinstance(job, RerankError) else under_way.begun(engine.run(job, in_turn=True))
            waiting.append((place, begun))
            place += 1
            most = ahead(job) if isinstance(job, Job) else under_way.count
            while waiting and (_ready(waiting[0][1]) or len(waiting) > _HELD * most or under_way.count > most):
                with engine.pace.resting:
                    if _ready(waiting[0][1]) or len(waiting) > _HELD * most:
                        yield await first()
                    else:
                        await under_way.fewer()
        while waiting:
            with engine.pace.resting:
                yield await first()
    finally:
        engine.pace.count("busy", -1)
        for _, each in waiting:
            if isinstance(each, Future):
                each.cancel()


class _UnderWay:
    """Counts the rankings that are being made, for a coroutine that waits until there are fewer.

    They are made in the package's own loop, which need not be that of the coroutine.
    """

    def __init__(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        self.count = 0

    def begun(self, work: Coroutine[Any, Any, Ranking]) -> Future[Ranking]:
        """Begin to make one."""
        self.count += 1
        future = submit(work)
        future.add_done_callback(self._note)
        return future

    async def fewer(self) -> None:
        """Return when one has ended since the last time."""
        await self._ended.wait()
        self._ended.clear()

    def _note(self, _future: Future[Ranking]) -> None:
        with suppress(RuntimeError):  # the loop is closed, and nobody waits any more
            self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        self.count -= 1
        self._ended.set()


def _ready(waiting: _Waiting) -> bool:
    return not isinstance(waiting, Future) or waiting.done()


async def one_by_one(jobs: Iterable[Job | RerankError]) -> AsyncGenerator[Job | RerankError]:
    """Jobs that are made already, as `run_many` takes them."""
    for job in jobs:
        yield job


def _finished(waiting: Iterable[tuple[int, _Waiting]]) -> dict[int, Ranking]:
    """The rankings that are made although their turn has not come: they are paid for."""
    return {
        place: under_way.result()
        for place, under_way in waiting
        if isinstance(under_way, Future)
        and under_way.done()
        and not under_way.cancelled()
        and under_way.exception() is None
    }
