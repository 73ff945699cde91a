"""Jobs from the first record of them to the last result: made once, however this process ends, and followed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from judge_rerank.core import ProviderError, ProviderUnavailable
from judge_rerank.providers.batch.api import BatchApi, BatchRequest, BatchResult, JobProgress, Sought
from judge_rerank.providers.batch.state import BatchJob, BatchState

logger = logging.getLogger("judge_rerank.batch")


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchPauses:
    """How long to wait between two looks.

    Attributes:
        first_s, longest_s, factor: between two looks at a job: at first, at most, and by how much each is longer.
        looks_s: before each look for a job that may have been made.
        full_s, longest_full_s: for room in the provider's queue.
    """

    first_s: float = 1.0
    longest_s: float = 60.0
    factor: float = 1.5
    looks_s: tuple[float, ...] = (0.0, 2.0, 4.0)
    full_s: float = 60.0
    longest_full_s: float = 900.0


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchJobs:
    """The jobs of a record.

    Attributes:
        state: the record.
        pauses: between two looks.
    """

    state: BatchState
    pauses: BatchPauses = field(default_factory=BatchPauses)

    async def make(
        self, name: str, api: BatchApi, items: Sequence[BatchRequest], leave: Callable[[], Awaitable[object]]
    ) -> None:
        """Make a job that was recorded.

        Where the provider does not say whether it made it, its list of jobs does.

        Args:
            name: of the job, as `BatchState.begin` gave it.
            api: the provider's.
            items: its requests.
            leave: records that the requests are about to leave.

        Raises:
            ProviderError: it was not made, and nothing is billed.
        """
        try:
            await leave()
            uploaded = await api.upload(name, items)
            self.state.uploaded(name, uploaded)
        except BaseException as error:
            self.state.void(name, str(error))
            if isinstance(error, ProviderError):
                raise _unbilled(error) from None
            raise
        try:
            job: str | None = await api.create(name, items, uploaded)
        except ProviderError as error:
            unknown = error.sent and (error.status is None or error.status in {408, 409} or error.status >= 500)
            job = await self._looked_for(name, api) if unknown else None
            if job is None:
                self.state.void(name, str(error))
                raise _unbilled(error) from None
        self.state.submitted(name, job)
        logger.info("%s: a batch job of %d requests is made: %s", items[0].custom_id[:8], len(items), job)

    async def follow(self, name: str, api: BatchApi) -> JobProgress:
        """Wait until a job has ended, and record its results.

        A job whose maker is gone before its id was known is looked for. If there is none, that is recorded too, and
        the job is "void".

        Raises:
            ProviderError: the provider does not let it be looked at.
        """
        pause_s = self.pauses.first_s
        shown = (-1, -1)
        while True:
            job = await self._known(name, api)
            if job is None or job.id is None:
                return JobProgress(phase="failed", detail="it was never made", full=True)
            progress = await self._looked_at(job, api)
            if progress is not None and progress.phase != "running":
                if progress.phase != "failed":
                    await self._record(job, api, progress)
                return progress
            if progress is not None and (progress.succeeded, progress.failed) != shown:
                shown = (progress.succeeded, progress.failed)
                logger.info("%s: %d of %d requests are done", job.id, sum(shown), job.requests)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * self.pauses.factor, self.pauses.longest_s)

    async def _looked_at(self, job: BatchJob, api: BatchApi) -> JobProgress | None:
        """How far a job is; None while the provider cannot be reached."""
        try:
            progress = await api.progress(job.id or "")
        except ProviderError as error:
            if not error.retryable:
                raise
            logger.warning("%s: the job cannot be looked at now; it goes on. %s", job.id, error)
            return None
        if progress.phase == "running":
            self.state.seen(job.name, progress)
        return progress

    async def _record(self, job: BatchJob, api: BatchApi, progress: JobProgress) -> None:
        results = [result async for result in api.results(job.id or "")]
        if api.by_order and any(result.custom_id.startswith("#") for result in results):
            names = self.state.custom_ids(job.name)
            results = [_named(result, names) for result in results]
        await asyncio.to_thread(self.state.ended, job.name, results, progress)
        logger.info("%s: the job %s, with %d results", job.id, progress.phase, len(results))

    async def _known(self, name: str, api: BatchApi) -> BatchJob | None:
        """The job once its id is known; None where it was never made."""
        while True:
            job = self.state.job(name)
            if job is None or job.state == "void":
                return None
            if job.id is not None:
                return job
            if self.state.orphaned(name):
                self.state.adopt(name)
                found = await self._looked_for(name, api)
                if found is None:
                    self.state.void(name, "it was never made")
                else:
                    self.state.submitted(name, found)
                continue
            await asyncio.sleep(self.pauses.first_s)

    async def _looked_for(self, name: str, api: BatchApi) -> str | None:
        """The id of a job that may have been made; a job appears in a list a moment after it is made."""
        job = self.state.job(name)
        if job is None:
            return None
        for wait_s in self.pauses.looks_s:
            if time.time() - job.made < 2 * sum(self.pauses.looks_s):
                await asyncio.sleep(wait_s)
            known = {each.id for each in self.state.jobs() if each.id is not None}
            found = await api.find(
                Sought(name=name, upload=job.upload, requests=job.requests, since=job.made, known=known)
            )
            if found is not None:
                return found
        return None


def _named(result: BatchResult, names: Sequence[str]) -> BatchResult:
    """A result with the name of its request, where it has only its place."""
    if not result.custom_id.startswith("#"):
        return result
    place = int(result.custom_id[1:])
    return BatchResult(custom_id=names[place] if place < len(names) else "", answered=result.answered)


def _unbilled(error: ProviderError) -> ProviderError:
    """The error of requests that no job was made of."""
    if type(error).__init__ is not ProviderError.__init__:
        return ProviderUnavailable(str(error), model=error.model, status=error.status, sent=False)
    return type(error)(
        str(error), model=error.model, status=error.status, retry_after_s=error.retry_after_s, sent=False
    )
