"""Collects what rankings ask in a round, makes jobs of it, and hands the answers to those who wait."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from judge_rerank.core import ProviderError, RateLimited
from judge_rerank.engine.pace import Pace
from judge_rerank.providers import (
    Answered,
    BatchApi,
    BatchJobs,
    BatchRequest,
    JobControl,
    Posted,
    RecordedRequest,
    job_failed,
    not_run,
    reply_lost,
    too_few,
)
from judge_rerank.spending import Receipt, Reservation

logger = logging.getLogger("judge_rerank.batch")


@dataclass(kw_only=True, slots=True, eq=False)
class _Waiting:
    """A request that waits: first for the round to be whole, then for its job."""

    item: BatchRequest
    question: str
    reservation: Reservation | None
    future: asyncio.Future[Answered] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def asked(self) -> RecordedRequest:
        receipt = self.reservation.receipt if self.reservation is not None else Receipt()
        return RecordedRequest(custom_id=self.item.custom_id, question=self.question, receipt=receipt)


@dataclass(kw_only=True, slots=True, eq=False)
class _Group:
    """Requests that may share a job."""

    provider: str
    model: str
    api: BatchApi
    waiting: list[_Waiting] = field(default_factory=list[_Waiting])


class Batcher:
    """The jobs of one run.

    Args:
        jobs: what makes and follows them.
        pace: says when a round is whole.
    """

    def __init__(self, jobs: BatchJobs, pace: Pace) -> None:
        self._jobs, self._state, self._pace = jobs, jobs.state, pace
        self._groups: dict[tuple[str, str], _Group] = {}
        self._by_job: dict[str, list[_Waiting]] = {}
        self._following: dict[str, asyncio.Task[None]] = {}
        self._making: set[asyncio.Task[None]] = set()
        self._collected = asyncio.Event()
        self._ended = asyncio.Event()
        self._reservations: dict[str, list[Reservation]] = {}
        self._flushing = asyncio.create_task(self._flush())

    async def close(self) -> None:
        """Stop waiting. Jobs that are under way go on at the provider."""
        tasks = [self._flushing, *self._following.values(), *self._making]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        left = [name for name, waiting in self._by_job.items() if waiting]
        ids = [str(job.id or job.name) for name in left if (job := self._state.job(name)) is not None and job.open]
        if ids:
            logger.warning(
                "%d of the batch jobs go on at the provider: %s. Run the same again to go on from there, or wait for "
                "them with judge-rerank batch resume.",
                len(ids),
                ", ".join(ids),
            )

    def reserved(self, question: str, reservation: Reservation) -> None:
        """Money is set aside for the next request of a question. It counts as sent when the job is made."""
        reservation.defer()
        self._reservations.setdefault(question, []).append(reservation)

    def receipt(self, question: str) -> Receipt | None:
        """Where a question was charged by a run that ended before its answer came."""
        return self._state.receipt(question)

    def used(self, names: Iterable[str]) -> None:
        """Forget requests whose answers have been used."""
        self._state.used(names)

    async def answer(self, backend: _Asker, question: str, posted: Posted, occurrence: int) -> tuple[str, Answered]:
        """The answer to a request: of a job that was made for it, now or by a run before this one.

        Raises:
            ProviderError: the job was not accepted, or did not run the request.
        """
        name = posted.custom_id(occurrence)
        reservations = self._reservations.get(question)
        reservation = reservations.pop() if reservations else None
        if reservations == []:
            del self._reservations[question]
        waiting = _Waiting(item=BatchRequest(custom_id=name, posted=posted), question=question, reservation=reservation)
        api = backend.api(posted)
        found = self._state.find(name)
        if found is not None and found.answered is not None:
            await _left([waiting])
            return name, found.answered
        if found is not None and found.done:
            self._state.used([name])
            raise self._undone(found.job, backend.model)
        if found is not None:
            await _left([waiting])
            self._state.charged(name, waiting.asked.receipt)
            self._by_job.setdefault(found.job, []).append(waiting)
            self._follow(found.job, api, backend)
        else:
            self._collect(waiting, api, backend)
        return name, await self._waited(waiting)

    def _collect(self, waiting: _Waiting, api: BatchApi, backend: _Asker) -> None:
        """Have a request asked by the next job."""
        key = (api.address, backend.model)
        group = self._groups.setdefault(key, _Group(provider=backend.provider, model=backend.model, api=api))
        group.waiting.append(waiting)
        self._collected.set()

    async def _waited(self, waiting: _Waiting) -> Answered:
        """The answer. Whoever gives it counts the one who waits as asking again."""
        self._pace.count("asking", -1)
        try:
            return await waiting.future
        finally:
            if waiting.future.cancelled():
                self._pace.count("asking", 1)

    def _settle(self, waiting: _Waiting, outcome: Answered | Exception) -> None:
        if waiting.future.done():
            return
        self._pace.count("asking", 1)
        if isinstance(outcome, Exception):
            waiting.future.set_exception(outcome)
        else:
            waiting.future.set_result(outcome)

    async def _flush(self) -> None:
        """Make a job of what is collected, each time that nothing more can come."""
        while True:
            await self._collected.wait()
            await self._pace.settled()
            self._collected.clear()
            groups, self._groups = self._groups, {}
            for group in groups.values():
                for part in self._large_enough(group):
                    task = asyncio.create_task(self._made(group, part))
                    self._making.add(task)
                    task.add_done_callback(self._making.discard)

    def _large_enough(self, group: _Group) -> list[list[_Waiting]]:
        """What is collected, as jobs; those who are too few for one are told so."""
        parts, fewest = _parts(group), group.api.fewest_requests
        for part in parts:
            if len(part) < fewest:
                for waiting in part:
                    self._settle(waiting, too_few(group.model, len(part), fewest))
        return [part for part in parts if len(part) >= fewest]

    async def _made(self, group: _Group, part: Sequence[_Waiting]) -> None:
        """Make a job and wait for it, until the provider has room for it."""
        part = [each for each in part if not each.future.done()]
        wait_s = self._jobs.pauses.full_s
        while part:
            try:
                full = await self._once(group, part)
            except RateLimited as error:
                logger.info("%s", error)
                full = True
            except Exception as error:
                for waiting in part:
                    self._settle(waiting, _again(error))
                return
            if not full:
                return
            logger.info(
                "%s: the provider's queue is full; a job of %d requests waits for room.", group.model, len(part)
            )
            self._ended.clear()
            await asyncio.wait([asyncio.create_task(self._ended.wait())], timeout=wait_s)
            wait_s = min(2 * wait_s, self._jobs.pauses.longest_full_s)

    async def _once(self, group: _Group, part: Sequence[_Waiting]) -> bool:
        """Make a job, and wait for it; whether the provider had no room for it."""
        name = self._state.begin(
            group.provider, group.model, part[0].item.posted.address, [each.asked for each in part]
        )
        await self._jobs.make(name, group.api, [each.item for each in part], partial(_left, part))
        self._by_job[name] = list(part)
        again = await self._waited_for(name, group.api, group.model)
        if again:
            del self._by_job[name]
        return again

    def _follow(self, name: str, api: BatchApi, backend: _Asker) -> None:
        """Wait for a job that another run made, once."""
        if name not in self._following:
            self._following[name] = asyncio.create_task(self._followed(name, api, backend))

    async def _followed(self, name: str, api: BatchApi, backend: _Asker) -> None:
        try:
            if await self._waited_for(name, api, backend.model):
                for waiting in self._by_job.pop(name, ()):  # that job never was: they are asked by the next one
                    self._collect(waiting, api, backend)
        except Exception as error:
            for waiting in self._by_job.pop(name, ()):
                self._settle(waiting, _again(error))
        finally:
            self._following.pop(name, None)

    async def _waited_for(self, name: str, api: BatchApi, model: str) -> bool:
        """Wait for a job and hand out its answers; whether its requests are to be asked by another one."""
        progress = await self._jobs.follow(name, api)
        self._ended.set()
        if progress.phase == "failed":
            self._state.void(name, progress.detail)
            if progress.full:
                return True
            for each in self._by_job.pop(name, []):
                self._settle(each, job_failed(model, progress))
            return False
        for each in self._by_job.pop(name, []):
            found = self._state.find(each.item.custom_id)
            answered = found.answered if found is not None else None
            self._settle(each, answered or self._undone(name, model))
            if answered is None:
                self._state.used([each.item.custom_id])
        return False

    def _undone(self, name: str, model: str) -> ProviderError:
        """Why a request has no answer although its job has ended."""
        job = self._state.job(name)
        if job is not None and job.state in {"expired", "cancelled"}:
            return not_run(model, job.state)
        return reply_lost(model)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asker:
    """Who asks: which model of which provider."""

    provider: str
    model: str
    make: type[BatchApi]

    def api(self, posted: Posted) -> BatchApi:
        """The batch API where a request was to go, for whoever was to send it."""
        return self.make(posted, JobControl(self.model, posted.headers))


def asker(provider: str, model: str, make: type[BatchApi]) -> _Asker:
    """Who asks a model."""
    return _Asker(provider=provider, model=model, make=make)


async def _left(part: Sequence[_Waiting]) -> None:
    """Record that requests leave now."""
    await asyncio.gather(*(each.reservation.left() for each in part if each.reservation is not None))


def _parts(group: _Group) -> list[list[_Waiting]]:
    """What is collected, in parts that are no larger than a job may be."""
    parts: list[list[_Waiting]] = []
    size = 0
    for waiting in group.waiting:
        bytes_ = group.api.size(waiting.item)
        if not parts or len(parts[-1]) >= group.api.most_requests or size + bytes_ > group.api.most_bytes:
            parts.append([])
            size = 0
        parts[-1].append(waiting)
        size += bytes_
    missing = group.api.fewest_requests - len(parts[-1])
    if missing > 0 and len(parts) > 1:  # the last one has what the others left, which may be too few for a job
        parts[-1] = parts[-2][-missing:] + parts[-1]
        del parts[-2][-missing:]
    return parts


def _again(error: Exception) -> Exception:
    """The error for each of those who wait: an exception that several raise would collect all their tracebacks."""
    if type(error).__init__ is ProviderError.__init__ and isinstance(error, ProviderError):
        return type(error)(
            str(error), model=error.model, status=error.status, retry_after_s=error.retry_after_s, sent=error.sent
        )
    return error
