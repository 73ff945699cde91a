"""The trace: every attempt of every call, in a file or in a database that machines share.

Each number can be followed back to its source.

    trace = Trace("trace.db")
    ranking = trace.begin(query, documents, strategy="listwise", model="openai/gpt-6-luna")
    trace.record(CallRecord(ranking=ranking, call=1, ...))
    trace.finish(ranking, result)
    trace.flush()

Records are written by a thread of their own, many in one transaction. A process that is killed loses at most those
that were not written yet; `flush`, at the end of each ranking, waits for them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import secrets as tokens
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from judge_rerank.core import DataError, Document, Explanation, InputError, Query, Ranking, Step, explain
from judge_rerank.storage import (
    Sql,
    StoreUrl,
    database_errors,
    is_lost,
    open_sql,
    open_sql_for_reading,
    place_of,
    require_driver,
)
from judge_rerank.tracing.reader import (
    RunSummary,
    SpendKey,
    TraceSpend,
    doc_index,
    read_calls,
    read_ranking,
    read_runs,
    read_spend,
)
from judge_rerank.tracing.records import CallRecord, TracedCall
from judge_rerank.tracing.schema import TRACE, TRACE_TABLES
from judge_rerank.tracing.store import Writer

__all__ = ["CallRecord", "Explanation", "RunSummary", "Step", "Trace", "TraceSpend", "TracedCall", "explain"]

T = TypeVar("T")

_log = logging.getLogger("judge_rerank.tracing")

_BATCH = 200
_BUSY_S = 10.0
_TRIES = 3

_Job = Callable[[Writer], None]


class Trace:
    """A log of calls; safe to use from several threads, and several processes may write to one file.

    Writing never raises: what cannot be written is lost, with one warning. Reading raises `DataError` where there is no
    trace or it cannot be read, and `UnknownName` for a run, a query or a document that is not in it.

    Example:
        ```python
        from judge_rerank import Judge, Trace

        with Judge("openai/gpt-6-luna", trace="trace.db") as judge:
            judge.rerank("why do my brakes squeal?", ["A bell is loud."], "score")
        for call in Trace("trace.db").calls(run="last"):
            print(call.stage, call.model)  # score openai/gpt-6-luna
        ```

    Args:
        file: the file to write to, or the address of a database (postgresql://...); it is created if needed. None
            writes nothing.
        secrets: keys and the like, which are taken out of everything that is written. What looks like a provider's key
            is taken out of errors and parameters in any case.
        run: what to call this run; named by time unless it is given.
    """

    def __init__(self, file: Path | str | None, *, secrets: Iterable[str] = (), run: str | None = None) -> None:
        self.file = None if file is None else place_of(file, "trace")
        if isinstance(self.file, StoreUrl):
            require_driver()
        self.run = run or f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{tokens.token_hex(2)}"
        self._secrets = list(secrets)
        self._starting = threading.Lock()
        self._thread: _WriterThread | None = None

    def hide(self, secrets: Iterable[str]) -> None:
        """Take these out of everything that is written from now on as well."""
        self._secrets.extend(secrets)

    def begin(self, query: Query, documents: Sequence[Document], *, strategy: str, model: str | None = None) -> str:
        """Note that a ranking begins, its documents in first-stage order; returns its id."""
        ranking, run, started = tokens.token_hex(8), self.run, time.time()
        self._write(
            lambda writer: writer.begin(
                ranking, query, documents, run=run, started=started, strategy=strategy, model=model
            )
        )
        return ranking

    def record(self, record: CallRecord) -> None:
        """Note an attempt. Returns at once."""
        self._write(lambda writer: writer.call(record))

    def finish(self, ranking: str, result: Ranking) -> None:
        """Note how a ranking came out."""
        self._write(lambda writer: writer.finish(ranking, result))

    def flush(self, timeout_s: float = 30.0) -> None:
        """Wait until everything noted so far is in the file, or cannot be."""
        thread = self._thread
        if thread is not None and thread.pid == os.getpid():
            thread.wait(timeout_s)

    def aflush(self, timeout_s: float = 30.0) -> Awaitable[None]:
        """`flush` without holding up the event loop."""
        return asyncio.to_thread(self.flush, timeout_s)

    def close(self) -> None:
        """Write what is left and close the file, which opens again when it is used again."""
        with self._starting:
            thread, self._thread = self._thread, None
        if thread is not None and thread.pid == os.getpid():
            thread.stop()

    def __enter__(self) -> Trace:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def runs(self) -> list[RunSummary]:
        """All runs in the file, oldest first."""
        return self._read(read_runs)

    def calls(
        self,
        *,
        run: str | None = None,
        query: str | None = None,
        doc: str | int | None = None,
        model: str | None = None,
        stage: str | None = None,
        failed: bool | None = None,
        limit: int | None = None,
    ) -> list[TracedCall]:
        """The calls that fit all that is given, in the order in which they were written.

        Args:
            run: a run's name, a beginning that only one run has, or "last".
            query: a query's id, or a part of its text.
            doc: a document's id, or its first-stage position where it has no id; calls that showed it.
            model: the name of the model that was asked.
            stage: the name of the strategy that asked, as in `Judgment.stage`.
            failed: only calls that gave no judgment (True), or only those that did (False).
            limit: only the last so many.
        """
        return self._read(
            lambda connection: read_calls(
                connection, run=run, query=query, doc=doc, model=model, stage=stage, failed=failed, limit=limit
            )
        )

    def ranking(self, run: str, query: str) -> Ranking:
        """The last ranking for a query (its id or whole text) in a run, as it was returned.

        Metadata that JSON does not know come back as text.
        """
        return self._read(lambda connection: read_ranking(connection, run, query))

    def path(self, run: str, query: str, doc: str | int) -> Explanation:
        """A document's path through the stages, with the judgments that moved it; `doc` is its id or position."""
        ranking = self.ranking(run, query)
        return explain(ranking, index=doc_index(ranking, doc))

    def spend(self, by: SpendKey = "model") -> list[TraceSpend]:
        """What was spent by model, day, strategy, prompt or run: dearest first, days in order."""
        return self._read(lambda connection: read_spend(connection, by))

    def _write(self, job: _Job) -> None:
        if self.file is None:
            return
        with self._starting:
            if self._thread is None or self._thread.pid != os.getpid():  # a forked child needs its own
                self._thread = _WriterThread(self.file, self._secrets)
            self._thread.jobs.put(job)

    def _read(self, question: Callable[[Sql], T]) -> T:
        self.flush()
        if self.file is None or (isinstance(self.file, Path) and not self.file.is_file()):
            raise DataError(
                "There is no trace here. Write one first: Judge(..., trace=PATH) or judge-rerank rerank --trace PATH.",
                path=None if self.file is None else str(self.file),
            )
        try:
            with closing(open_sql_for_reading(self.file, file=TRACE, tables=TRACE_TABLES)) as connection:
                return question(connection)
        except InputError:
            raise
        except (*database_errors(), ValueError, KeyError, TypeError, IndexError) as error:
            raise DataError(f"It cannot be read as a trace ({error}).", path=str(self.file)) from error


class _WriterThread(threading.Thread):
    """Takes jobs and writes them, as many at once as are waiting."""

    def __init__(self, place: Path | StoreUrl, secrets: Collection[str]) -> None:
        super().__init__(name="judge-rerank-trace", daemon=True)
        self.jobs: queue.SimpleQueue[_Job | threading.Event | None] = queue.SimpleQueue()
        self.pid = os.getpid()
        self._place, self._secrets = place, secrets
        self._connection: Sql | None = None
        self._writer: Writer | None = None
        self._failures = 0
        self._warned = False
        self.start()

    def wait(self, timeout_s: float) -> None:
        done = threading.Event()
        self.jobs.put(done)
        done.wait(timeout_s)

    def stop(self) -> None:
        self.jobs.put(None)
        self.join(_BUSY_S)

    def run(self) -> None:
        stopping = False
        while not stopping:
            batch = self._next_batch()
            stopping = None in batch
            jobs = [job for job in batch if callable(job)]
            if jobs and self._failures < _TRIES:
                self._commit(jobs)
            for item in batch:
                if isinstance(item, threading.Event):
                    item.set()
        self._close()

    def _commit(self, jobs: Sequence[_Job]) -> None:
        for attempt in range(2):
            try:
                self._write(jobs)
            except Exception as error:  # a trace must not end what it is the trace of
                self._close()
                if is_lost(error) and not attempt:  # a connection that was idle for long is opened again
                    continue
                self._failures += 1
                self._warn("cannot be written", error)
            return

    def _write(self, jobs: Sequence[_Job]) -> None:
        connection = self._connection = self._connection or open_sql(self._place, file=TRACE, tables=TRACE_TABLES)
        writer = self._writer = self._writer or Writer(connection, self._secrets)
        with connection.transaction():
            for job in jobs:
                self._do(job, writer, connection)
            writer.flush()

    def _do(self, job: _Job, writer: Writer, connection: Sql) -> None:
        try:
            job(writer)
        except Exception as error:  # one record that cannot be stored must not take the batch with it
            if connection.is_fatal(error):
                raise
            self._warn("lacks a record", error)

    def _next_batch(self) -> list[_Job | threading.Event | None]:
        batch = [self.jobs.get()]
        while len(batch) < _BATCH and batch[-1] is not None:
            try:
                batch.append(self.jobs.get_nowait())
            except queue.Empty:
                break
        return batch

    def _close(self) -> None:
        connection, self._connection, self._writer = self._connection, None, None
        if connection is not None:
            connection.close()

    def _warn(self, what: str, error: Exception) -> None:
        level = logging.DEBUG if self._warned else logging.WARNING
        self._warned = True
        _log.log(level, "The trace in %s %s (%s: %s).", self._place, what, type(error).__name__, error)


def opened_trace(trace: str | Path | Trace | None, secrets: Iterable[str], *, store: str | None = None) -> Trace | None:
    """The trace that was given, or named, or is in the store, and which keeps no secret; None for none."""
    if not isinstance(trace, Trace):
        place = trace or os.environ.get("JUDGE_RERANK_TRACE", "").strip() or store
        trace = Trace(place) if place else None
    if trace is not None:
        trace.hide(secrets)
    return trace
