"""One machine: parts are ranked in this process, or in several."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait as wait_for_any
from typing import Any, cast

from judge_rerank.bulk.results import PartResult
from judge_rerank.bulk.staging import Part
from judge_rerank.bulk.worker import PartWorker, Work
from judge_rerank.core import CancelToken, RerankError, SetupError, require_above_zero

AT_ONCE = 2
"""Parts under way in a worker: while the last calls of one are awaited, the next has begun."""

_MOST_DEATHS = 5
"""How often in a row processes may die without a part being finished, before the run ends."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Local:
    """Everything is done on this machine.

    Attributes:
        workers: how many processes. One does with a hosted model what its limits allow, mostly; each brings a core to
            what Python does for a call, and shares the concurrency limit, the cache and the ledger with the others.
    """

    workers: int = 1

    def __post_init__(self) -> None:
        require_above_zero("workers", self.workers, whole=True)

    @contextmanager
    def opened(self, work: Work) -> Generator[LocalWorkers]:
        """Nothing is started before there are parts to rank."""
        if self.workers > 1:
            work.settings.plain()
        yield LocalWorkers(work=work, workers=self.workers)


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalWorkers:
    """The workers of this machine.

    Attributes:
        work: what each does.
        workers: how many processes.
    """

    work: Work
    workers: int

    def check(self) -> None:
        """Raise what keeps a worker from ranking.

        Raises:
            RerankError: what is missing.
        """
        self.work.settings.check()

    def results(self, parts: Sequence[Part], cancel: CancelToken | None = None) -> Generator[PartResult]:
        """Rank parts; each result as soon as it is written.

        Raises:
            RerankError: a part cannot be read or written.
        """
        numbers = [part.number for part in parts]
        if self.workers == 1:
            yield from _in_threads(self.work, numbers, cancel)
        else:
            yield from _Processes(_shared(self.work, self.workers), numbers, cancel).results(self.workers)


def _in_threads(work: Work, parts: Iterable[int], cancel: CancelToken | None) -> Generator[PartResult]:
    left = iter(parts)
    waiting: set[Future[PartResult]] = set()
    with PartWorker(work, cancel=cancel) as worker, ThreadPoolExecutor(AT_ONCE, "judge-rerank-part") as threads:
        try:
            while True:
                for number in left:
                    waiting.add(threads.submit(worker.rank, number))
                    if len(waiting) == AT_ONCE:
                        break
                if not waiting:
                    return
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for each in done:
                    yield each.result()
        finally:
            for each in waiting:
                each.cancel()


def _shared(work: Work, workers: int) -> Work:
    """The work of one of several processes, which has its share of the concurrency limit."""
    settings = work.settings
    backends = settings.backends()
    limit = settings.judge.get("concurrency") or (backends[0].info.concurrency if backends else workers)
    return Work(output=work.output, settings=settings.changed(concurrency=max(1, limit // workers)))


@dataclass(slots=True)
class _Process:
    """A process that ranks, and the parts that it has."""

    connection: Any
    process: Any
    parts: set[int] = field(default_factory=set[int])


class _Processes:
    """Processes of which one that dies is replaced, and its parts are ranked again, from the cache as far as it goes.

    Args:
        work: what each does.
        parts: which parts there are.
        cancel: ends what is under way.
    """

    def __init__(self, work: Work, parts: Iterable[int], cancel: CancelToken | None) -> None:
        self._work, self._left, self._cancel = work, deque(parts), cancel
        self._context = multiprocessing.get_context("spawn")
        self._alive: list[_Process] = []
        self._deaths = 0

    def results(self, workers: int) -> Generator[PartResult]:
        """Rank them."""
        try:
            for _ in range(min(workers, len(self._left))):
                self._start()
            while self._left or any(each.parts for each in self._alive):
                if self._cancel is not None and self._cancel.cancelled:
                    return
                for ready in wait_for_any([each.connection for each in self._alive], timeout=0.2):
                    process = next(each for each in self._alive if each.connection is ready)
                    result = self._received(process)
                    if result is not None:
                        yield result
        finally:
            self._end()

    def _received(self, process: _Process) -> PartResult | None:
        try:
            number, answer = process.connection.recv()
        except (EOFError, OSError):
            self._replace(process)
            return None
        process.parts.discard(number)
        if isinstance(answer, str):
            raise SetupError(answer)
        self._deaths = 0
        self._give(process)
        return cast("PartResult", answer)

    def _start(self) -> None:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs, self._work), daemon=True)
        process.start()
        theirs.close()
        self._alive.append(_Process(ours, process))
        self._give(self._alive[-1])

    def _give(self, process: _Process) -> None:
        with suppress(OSError):  # its end is noticed where its answer is awaited
            while self._left and len(process.parts) < AT_ONCE:
                process.parts.add(self._left[0])
                process.connection.send(self._left.popleft())

    def _replace(self, process: _Process) -> None:
        self._deaths += 1
        process.process.join(10)
        self._alive.remove(process)
        process.connection.close()
        self._left.extendleft(sorted(process.parts, reverse=True))
        if self._deaths > _MOST_DEATHS * (1 + len(self._alive)):
            raise SetupError(
                f"Processes that rank end by themselves (the last with {process.process.exitcode}), and no part gets "
                "finished. Is there enough memory? Use fewer --workers, or none, to see why."
            )
        if self._left:
            self._start()

    def _end(self) -> None:
        for each in self._alive:
            each.connection.close()
            each.process.kill()
        for each in self._alive:
            each.process.join(10)


def _serve(connection: Any, work: Work) -> None:
    """Be a process that ranks: parts come in, results go out; ends when the other end does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process ends the others
    sending = threading.Lock()

    def rank(worker: PartWorker, number: int) -> None:
        try:
            answer: PartResult | str = worker.rank(number)
        except RerankError as error:
            answer = str(error)
        except Exception as error:
            answer = f"{type(error).__name__}: {error}"
        with sending, suppress(OSError):
            connection.send((number, answer))

    try:
        with PartWorker(work) as worker, ThreadPoolExecutor(AT_ONCE) as threads:
            with suppress(EOFError, OSError):
                while True:
                    threads.submit(rank, worker, connection.recv())
            threads.shutdown(wait=False, cancel_futures=True)
    except RerankError as error:
        with suppress(OSError):
            connection.send((-1, str(error)))
