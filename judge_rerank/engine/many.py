"""Many rankings side by side, given back in the order in which they were asked for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from concurrent.futures import Future
from typing import Literal, TypeAlias

from judge_rerank.core import InputError, Ranking, RerankError
from judge_rerank.engine.driver import Engine
from judge_rerank.engine.event_loop import submit
from judge_rerank.engine.job import Job

OnError = Literal["raise", "return"]
"""What happens when one of many rankings cannot be made: its error is raised, or stands in its place."""

_Waiting: TypeAlias = "Future[Ranking] | RerankError"


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
        ahead: how many are open at once with such a job under way.
        on_error: "raise" raises the error of a job, which then names its place (`pair`) and holds, by place, what was
            made before and beside it (`rankings_made`); "return" yields it in the place of the ranking. What a backend
            or a scorer raises without having to becomes a `RerankError`, since the other rankings are paid for.
    """
    waiting: deque[tuple[int, _Waiting]] = deque()
    made: dict[int, Ranking] = {}

    async def first() -> Ranking | RerankError:
        place, under_way = waiting.popleft()
        try:
            if isinstance(under_way, Future):
                made[place] = await asyncio.wrap_future(under_way)
                return made[place]
            cause: Exception = under_way
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
            waiting.append((place, job if isinstance(job, RerankError) else submit(engine.run(job))))
            place += 1
            if isinstance(job, Job) and len(waiting) > ahead(job):
                with engine.pace.resting:
                    yield await first()
        while waiting:
            with engine.pace.resting:
                yield await first()
    finally:
        engine.pace.count("busy", -1)
        for _, under_way in waiting:
            if isinstance(under_way, Future):
                under_way.cancel()


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
