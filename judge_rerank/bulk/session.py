"""One session of a run: check, copy the input, rank what is missing, and sum up. A resumed run has several."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Protocol

from judge_rerank.bulk.forecast import require_room
from judge_rerank.bulk.inputs import Input
from judge_rerank.bulk.places import Folder
from judge_rerank.bulk.record import BulkRun, RunStatus, Totals, now, versions
from judge_rerank.bulk.results import CANCELLED, PartResult, read_result
from judge_rerank.bulk.settings import JudgeSettings
from judge_rerank.bulk.staging import Part, Staged, part_name, stage, staged
from judge_rerank.bulk.worker import INPUT, Work
from judge_rerank.core import CancelToken
from judge_rerank.spending import Ledger
from judge_rerank.storage import cache_dir, private_folder

_READERS = 8


class Workers(Protocol):
    """What ranks parts, ready to begin."""

    def check(self) -> None:
        """Raise what keeps a worker from ranking, before anything is spent."""
        ...

    def results(self, parts: Sequence[Part], cancel: CancelToken | None = None) -> Generator[PartResult]:
        """Rank parts, each result as soon as it is written."""
        ...


class Engine(Protocol):
    """Where parts are ranked: on this machine (`Local`), or on a Ray cluster (`OnRay`)."""

    def opened(self, work: Work) -> AbstractContextManager[Workers]:
        """The workers; a context manager that ends them."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class BulkProgress:
    """Where a run stands; passed to `watch` after every part.

    Attributes:
        parts, queries: how much there is to do in all.
        done: what is done, with what earlier sessions did.
        began_with: what they did.
        seconds: since this session began to rank.
    """

    parts: int
    queries: int
    done: Totals
    began_with: Totals
    seconds: float

    @property
    def queries_per_s(self) -> float:
        """The rate of this session."""
        return (self.done.queries - self.began_with.queries) / max(self.seconds, 1e-9)

    @property
    def spent_usd(self) -> Decimal:
        """What the calls of all parts took."""
        return Decimal(self.done.cost_usd)


class Session:
    """One session of a run, of which a resumed one has several."""

    def __init__(
        self, folder: Folder, engine: Engine, settings: JudgeSettings, watch: Callable[[BulkProgress], None] | None
    ) -> None:
        self._folder, self._engine, self._watch = folder, engine, watch
        self._settings = _budgeted(settings, folder)
        self._work = Work(output=folder.name, settings=self._settings)

    def run(
        self, inputs: Sequence[Input], before: BulkRun | None, queries_per_part: int, cancel: CancelToken | None
    ) -> BulkRun:
        """Check, copy the input, rank, and sum up."""
        record = BulkRun(
            folder=self._folder.name,
            configuration=self._settings.configuration(),
            inputs=[source.fingerprint() for each in inputs for source in each.sources],
            queries_per_part=queries_per_part,
            versions=versions(),
            started=before.started if before else now(),
            seconds=before.seconds if before else 0.0,
        )
        if before is not None:
            before.require_same(record)
            if before.status == "complete":
                return before
        self._usable_ledger()
        record.write(self._folder)
        with self._engine.opened(self._work) as workers:
            workers.check()
            record, stopped = self._checked(workers, inputs, record, cancel)
        # Only now is nothing under way any more, and what those that were killed had sent is charged.
        return self._ended(record, stopped)

    def _checked(
        self, workers: Workers, inputs: Sequence[Input], record: BulkRun, cancel: CancelToken | None
    ) -> tuple[BulkRun, str]:
        ready = self._staged(inputs, record)
        require_room(self._settings, self._folder / INPUT, ready)
        record = replace(record, parts=len(ready.parts), queries=ready.queries, rows=ready.rows)
        record = replace(record, empty_texts=ready.empty_texts)
        return self._ranked(workers, record, ready, cancel)

    def _ranked(
        self, workers: Workers, record: BulkRun, ready: Staged, cancel: CancelToken | None
    ) -> tuple[BulkRun, str]:
        """Rank what is left; what is done by then, and why it ended before the end."""
        begun = time.monotonic()
        done = {each.number: each for each in _finished(self._folder, ready)}
        began_with = Totals.of(done.values())
        record = replace(record, totals=began_with)
        record.write(self._folder)
        stopped = ""
        left = [part for part in ready.parts if part.number not in done]
        total, prompts = began_with, {name: hash_ for each in done.values() for name, hash_ in each.prompts.items()}
        with closing(workers.results(left, cancel)) as results:
            for result in results:
                stopped = result.stopped
                if stopped != CANCELLED:
                    total = total.plus(result)
                    prompts.update(result.prompts)
                if self._watch is not None:
                    seconds = time.monotonic() - begun
                    self._watch(_progress(record, total, began_with, seconds))
                if stopped:
                    break
        if cancel is not None and cancel.cancelled:
            stopped = CANCELLED
        if stopped:
            # Those that were under way have been written meanwhile, or not: what is there counts.
            total = Totals.of(_written(self._folder, ready))
        seconds = round(record.seconds + time.monotonic() - begun, 3)
        return replace(record, totals=total, prompts=prompts, seconds=seconds), stopped

    def _ended(self, record: BulkRun, stopped: str) -> BulkRun:
        statuses = record.totals.statuses
        troubled = {name: count for name, count in statuses.items() if name != "complete"}
        reasons = [stopped] if stopped else []
        reasons += [f"{count} {'query is' if count == 1 else 'queries are'} {name}" for name, count in troubled.items()]
        status: RunStatus = (
            "stopped" if stopped or troubled.get("unfinished") else "partial" if troubled else "complete"
        )
        totals = replace(record.totals, ledger_usd=self._ledger_usd())
        record = replace(record, status=status, reasons=reasons, totals=totals, ended=now())
        record.write(self._folder)
        if status != "stopped":
            (self._folder / INPUT).empty()
        return record

    def _staged(self, inputs: Sequence[Input], record: BulkRun) -> Staged:
        folder = self._folder / INPUT
        return staged(folder) or stage(inputs, folder, queries_per_part=record.queries_per_part)

    def _usable_ledger(self) -> None:
        """Open the ledger once, since nothing is sent while it cannot be used.

        Raises:
            LedgerError: it cannot be used.
        """
        self._ledger_usd()

    def _ledger_usd(self) -> str:
        budget, store = self._settings.judge.get("budget"), self._settings.store
        if budget is None and store is None:
            return ""
        with Ledger.of(budget, store=store) as ledger:
            totals = ledger.totals()
        # In a database, what a worker that was killed had sent is held until its lease has ended.
        return str(Decimal(totals.spent + totals.held) / 1_000_000)


def _budgeted(settings: JudgeSettings, folder: Folder) -> JudgeSettings:
    """The settings with a ledger that all sessions and processes of the run share, if there is a cap."""
    budget, store = settings.judge.get("budget"), settings.store
    if budget is None or budget.path is not None:
        return settings
    if store is not None:
        return settings.changed(budget=replace(budget, store=store))
    if folder.local is not None:
        return settings.changed(budget=replace(budget, path=folder.local / "_spend.db"))
    ledgers = cache_dir() / "bulk"
    private_folder(ledgers)
    name = hashlib.sha256(folder.name.encode()).hexdigest()[:16]
    return settings.changed(budget=replace(budget, path=ledgers / f"{name}.db"))


def _finished(folder: Folder, ready: Staged) -> list[PartResult]:
    return [result for result in _written(folder, ready) if result.finished]


def _written(folder: Folder, ready: Staged) -> list[PartResult]:
    """What is there."""
    there = folder.names()
    numbers = [part.number for part in ready.parts if part_name(part.number) in there]
    with ThreadPoolExecutor(_READERS) as readers:
        return list(readers.map(partial(read_result, folder), numbers))


def _progress(record: BulkRun, total: Totals, began_with: Totals, seconds: float) -> BulkProgress:
    return BulkProgress(parts=record.parts, queries=record.queries, done=total, began_with=began_with, seconds=seconds)
