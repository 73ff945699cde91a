"""An engine whose rounds are batch jobs, for as long as a run lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from judge_rerank.core import Estimate, Ranking, RerankError
from judge_rerank.engine.batch.batcher import Batcher
from judge_rerank.engine.batch.channel import in_batches, priced_in_batches
from judge_rerank.engine.call import ModelChannel
from judge_rerank.engine.channels import ModelChannels
from judge_rerank.engine.driver import Engine
from judge_rerank.engine.event_loop import in_thread, submit
from judge_rerank.engine.job import BatchFallback, Job, Mode, RankOptions
from judge_rerank.engine.many import OnError, run_many
from judge_rerank.engine.pace import Pace
from judge_rerank.providers import WINDOW_S, BatchJobs, BatchPauses, BatchState

BATCHED_AHEAD = 10_000
"""How many queries advance in step at most: what they ask has to be kept in memory until its job is done."""


class Ways:
    """How an engine's rankings are performed: request by request, or by batch jobs.

    Args:
        engine: performs single requests.
        channels: its ways to models.
        folder: where jobs are recorded, so that a later run goes on from there.
    """

    def __init__(self, engine: Engine, channels: ModelChannels, *, folder: Path) -> None:
        self._engine, self._channels, self._folder = engine, channels, folder

    async def run(self, job: Job) -> Ranking:
        """One ranking."""
        if job.options.mode == "direct":
            return await self._engine.run(job)
        await asyncio.to_thread(self._check, job)
        async with self._batched(job.options) as engine:
            return await engine.run(job)

    async def many(
        self,
        jobs: AsyncIterable[Job | RerankError],
        options: RankOptions,
        *,
        ahead: Callable[[Job], int],
        on_error: OnError,
    ) -> AsyncGenerator[Ranking | RerankError]:
        """As `run_many`; by batch jobs, all advance in step.

        Raises:
            InputError: something has no batch jobs. Nothing was sent.
        """
        if options.mode == "direct":
            async with aclosing(run_many(self._engine, jobs, ahead=ahead, on_error=on_error)) as made:
                async for ranking in made:
                    yield ranking
            return
        async with self._batched(options) as engine:
            checked = self._first_checked(jobs)
            many = run_many(engine, checked, ahead=lambda _job: BATCHED_AHEAD, on_error=on_error)
            async with aclosing(checked), aclosing(many):
                async for ranking in many:
                    yield ranking

    def estimate(self, job: Job) -> Estimate:
        """What a ranking would take.

        Raises:
            InputError: it is to be by batch jobs, and something that it asks has none.
        """
        if job.options.mode == "direct":
            return self._engine.estimate(job)
        found = self.counting("batch").estimate(job)
        return replace(found, longest_wait_s=found.rounds * WINDOW_S)

    def counting(self, mode: Mode, *, ready: bool = False) -> Engine:
        """An engine with the prices of a mode, for what only counts; `ready` where jobs are about to be made."""
        if mode == "direct":
            return self._engine
        priced = partial(priced_in_batches, pricing=self._channels.pricing, ready=ready)
        return self._engine.over(self._channels.adapted(priced), Pace())

    def _check(self, job: Job) -> None:
        """Try a ranking without a call.

        Raises:
            InputError: something that it asks has no batch jobs, or they need what is not set.
            MissingExtra: they need a package that is not installed.
        """
        self.counting("batch", ready=True).estimate(job)

    async def _first_checked(self, jobs: AsyncIterable[Job | RerankError]) -> AsyncGenerator[Job | RerankError]:
        """The jobs, of which the first is tried without a call: the others ask the same models."""
        first = True
        async for job in jobs:
            if first and isinstance(job, Job):
                first = False
                await in_thread(self._check, job)
            yield job

    def _batched(self, options: RankOptions) -> AbstractAsyncContextManager[Engine]:
        return batched(self._engine, self._channels, folder=self._folder, fallback=options.batch_fallback)


@asynccontextmanager
async def batched(
    engine: Engine, channels: ModelChannels, *, folder: Path, fallback: BatchFallback, pauses: BatchPauses | None = None
) -> AsyncGenerator[Engine]:
    """An engine whose rounds are batch jobs. Rankings that it runs at the same time advance in step.

    Args:
        engine: the one for single requests.
        channels: its ways.
        folder: where the jobs are recorded, so that a later run goes on from there.
        fallback: where what a job leaves unanswered is asked again.
        pauses: how long to wait between two looks at a job.
    """
    state, pace = BatchState(folder), Pace()

    async def begin() -> Batcher:
        return Batcher(BatchJobs(state=state, pauses=pauses or BatchPauses()), pace)

    batcher = await asyncio.wrap_future(submit(begin()))

    def adapt(channel: ModelChannel) -> ModelChannel:
        return in_batches(channel, batcher, pace, channels.pricing, direct=fallback == "direct")

    try:
        yield engine.over(channels.adapted(adapt), pace)
    finally:
        await asyncio.wrap_future(submit(batcher.close()))
        state.close()
