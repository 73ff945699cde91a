"""Ranks files into files: the input is cut into parts, each part is ranked by some worker, and written as a whole."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Protocol, Unpack

from filelock import FileLock, Timeout

from judge_rerank.bulk.forecast import SAMPLE, BulkForecast, Limits, forecast, require_room
from judge_rerank.bulk.inputs import Input, find_inputs
from judge_rerank.bulk.local import Local
from judge_rerank.bulk.places import Folder
from judge_rerank.bulk.record import BulkRun, RunStatus, Totals, now, read_record, versions
from judge_rerank.bulk.results import CANCELLED, PartResult, read_result
from judge_rerank.bulk.settings import DEFAULTS, JudgeKeywords, JudgeSettings, RankingKeywords
from judge_rerank.bulk.staging import Part, Staged, part_name, stage, staged, survey
from judge_rerank.bulk.worker import INPUT, Work
from judge_rerank.core import Backend, CancelToken, InputError, Strategy, UnknownName, require
from judge_rerank.spending import Budget, Ledger
from judge_rerank.storage import cache_dir, private_folder

QUERIES_PER_PART = 100
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


class BulkKeywords(JudgeKeywords, RankingKeywords, total=False):
    """The options of `rerank_files`.

    Attributes:
        resume: go on with the run that is in the folder.
        queries_per_part: how many queries are ranked and written together; 100 where it is not said.
    """

    resume: bool
    queries_per_part: int


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


def rerank_files(
    inputs: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    model: str | Backend | Sequence[str | Backend] | None = None,
    strategy: str | Strategy | None = None,
    engine: Engine | None = None,
    watch: Callable[[BulkProgress], None] | None = None,
    cancel: CancelToken | None = None,
    **options: Unpack[BulkKeywords],
) -> BulkRun:
    """Rank the queries of files, each with its candidates, into Parquet files.

    Every candidate of the input stands in the results once. The input is read once before anything is spent, and
    copied into OUTPUT/_input, in parts of whole queries. A part is ranked by one worker and written at once; a run
    that was killed goes on with the parts that are not there. What the cache holds is not paid for again.

    Args:
        inputs: Parquet, JSONL, CSV or TSV files, folders of them, or folders with a TREC run; paths, s3:// or gs://.
            Columns: query_id, query, doc_id, text, perhaps title and score (one row a candidate, in first-stage
            order); or query_id, query and documents (one row a query).
        output: the folder for the results, a path or an address.
        model, strategy: as in `Judge`.
        engine: where it is done: `Local()` on this machine, `OnRay()` on a cluster.
        watch: called after every part.
        cancel: ends the run when its `cancel()` is called; parts under way are not written.
        **options: `resume=True` to go on with the run in the folder; `queries_per_part`; those of `Judge` and of its
            rankings.

    Returns:
        The record of the run. A cap that is reached, a provider that is down and a cancellation end it early, with
        the reason in `reasons`.

    Raises:
        InputError: the input, an option or the folder cannot be used, or a cap is too small for one query. Nothing
            was sent.
        SetupError: a model, its key or an extra is missing, here or on a worker. Nothing was sent.
        LedgerError: the ledger cannot be used. Nothing was sent.
    """
    judge, ranking, own = _split(options)
    settings = JudgeSettings.of(model, strategy, judge, ranking)
    found = _inputs(inputs)
    folder, engine = Folder(output), engine or Local()
    before = _begun(folder, resume=own.resume)
    folder.create()
    with _alone(folder):
        session = _Session(folder, engine, settings, watch)
        return session.run(found, before, own.queries_per_part, cancel)


def estimate_files(
    inputs: str | Path | Sequence[str | Path],
    *,
    model: str | Backend | Sequence[str | Backend] | None = None,
    strategy: str | Strategy | None = None,
    rpm: float | None = None,
    tpm: float | None = None,
    **options: Unpack[BulkKeywords],
) -> BulkForecast:
    """What `rerank_files` would take. The input is read and checked as a whole; nothing is sent and nothing written.

    Args:
        inputs, model, strategy: as in `rerank_files`.
        rpm, tpm: the requests and the tokens that the provider allows a minute; None where that is not known.
        **options: as in `rerank_files`.

    Returns:
        Calls, tokens, dollars and hours. Of an input of more than 200 queries, 200 stand for all.

    Raises:
        InputError: the input or an option cannot be used.
        SetupError: there is no model, or an extra is missing.
    """
    judge, ranking, _ = _split(options)
    limits = Limits(requests_per_minute=rpm, tokens_per_minute=tpm)
    settings = JudgeSettings.of(model, strategy, judge, ranking)
    return forecast(settings, survey(_inputs(inputs), most=SAMPLE), limits)


class _Session:
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
            return self._checked(workers, inputs, record, cancel)

    def _checked(
        self, workers: Workers, inputs: Sequence[Input], record: BulkRun, cancel: CancelToken | None
    ) -> BulkRun:
        ready = self._staged(inputs, record)
        require_room(self._settings, self._folder / INPUT, ready)
        record = replace(record, parts=len(ready.parts), queries=ready.queries, rows=ready.rows)
        record = replace(record, empty_texts=ready.empty_texts)
        return self._ranked(workers, record, ready, cancel)

    def _ranked(self, workers: Workers, record: BulkRun, ready: Staged, cancel: CancelToken | None) -> BulkRun:
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
        return self._ended(replace(record, totals=total, prompts=prompts), stopped, time.monotonic() - begun)

    def _ended(self, record: BulkRun, stopped: str, seconds: float) -> BulkRun:
        statuses = record.totals.statuses
        troubled = {name: count for name, count in statuses.items() if name != "complete"}
        reasons = [stopped] if stopped else []
        reasons += [f"{count} {'query is' if count == 1 else 'queries are'} {name}" for name, count in troubled.items()]
        status: RunStatus = (
            "stopped" if stopped or troubled.get("unfinished") else "partial" if troubled else "complete"
        )
        totals = replace(record.totals, ledger_usd=self._ledger_usd())
        seconds = round(record.seconds + seconds, 3)
        record = replace(record, status=status, reasons=reasons, totals=totals, ended=now(), seconds=seconds)
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
        budget = self._settings.judge.get("budget")
        if budget is None:
            return ""
        with Ledger.of(budget) as ledger:
            return str(Decimal(ledger.totals().spent) / 1_000_000)


def _inputs(named: str | Path | Sequence[str | Path]) -> list[Input]:
    return find_inputs([named] if isinstance(named, (str, Path)) else named)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Own:
    """The options that are neither the judge's nor its rankings'."""

    resume: bool
    queries_per_part: int


def _split(options: BulkKeywords) -> tuple[JudgeKeywords, RankingKeywords, _Own]:
    """The options of the judge, those of its rankings, and our own.

    Raises:
        InputError: one is not known, or out of range.
    """
    given: dict[str, Any] = dict(options)
    own = _Own(resume=given.pop("resume", False), queries_per_part=given.pop("queries_per_part", QUERIES_PER_PART))
    require("queries_per_part", own.queries_per_part, at_least=1)
    ranking: Any = {name: given.pop(name) for name in RankingKeywords.__annotations__ if name in given}
    if unknown := sorted(given.keys() - JudgeKeywords.__annotations__.keys()):
        known = (*JudgeKeywords.__annotations__, *RankingKeywords.__annotations__, *BulkKeywords.__annotations__)
        raise UnknownName("option of rerank_files", unknown[0], known)
    judge: Any = {**DEFAULTS, **given}
    if judge.get("budget") is None:
        judge["budget"] = Budget.from_environment()
    return judge, ranking, own


def _begun(folder: Folder, *, resume: bool) -> BulkRun | None:
    """The run that is in the folder, if it is gone on with.

    Raises:
        InputError: there is something in it that is not.
    """
    before = read_record(folder)
    if before is not None and not resume:
        raise InputError(
            f"{folder.name} has a run in it ({before.status}). Go on with it by resume=True (--resume), or write to "
            "another folder."
        )
    if before is None and (others := sorted(name for name in folder.names() if not name.startswith(("_", ".")))):
        raise InputError(f"{folder.name} is not empty ({others[0]}), and has no run in it. Write to another folder.")
    return before


def _budgeted(settings: JudgeSettings, folder: Folder) -> JudgeSettings:
    """The settings with a ledger that all sessions and processes of the run share, if there is a cap."""
    budget, store = settings.judge.get("budget"), settings.store
    if budget is None or budget.path is not None:
        return settings
    if store is not None:
        kept: dict[str, Any] = {"store": store}
        return settings.changed(budget=replace(budget, **kept))
    if folder.local is not None:
        return settings.changed(budget=replace(budget, path=folder.local / "_spend.db"))
    ledgers = cache_dir() / "bulk"
    private_folder(ledgers)
    name = hashlib.sha256(folder.name.encode()).hexdigest()[:16]
    return settings.changed(budget=replace(budget, path=ledgers / f"{name}.db"))


@contextmanager
def _alone(folder: Folder) -> Generator[None]:
    """Keep others from running in the folder, where it is on this machine.

    Raises:
        InputError: somebody does.
    """
    if folder.local is None:
        yield
        return
    lock = FileLock(folder.local / "_lock", mode=0o600, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(f"Another process is running in {folder.name}. Wait for it.") from None
    try:
        yield
    finally:
        lock.release()


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
