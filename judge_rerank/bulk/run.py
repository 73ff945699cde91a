"""Ranks files into files: the input is cut into parts, each part is ranked by some worker, and written as a whole."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

from filelock import FileLock, Timeout

from judge_rerank.bulk.forecast import SAMPLE, BulkForecast, Limits, forecast
from judge_rerank.bulk.inputs import Input, find_inputs
from judge_rerank.bulk.local import Local
from judge_rerank.bulk.places import Folder
from judge_rerank.bulk.record import BulkRun, read_record
from judge_rerank.bulk.session import BulkProgress, Engine, Session
from judge_rerank.bulk.settings import DEFAULTS, JudgeKeywords, JudgeSettings, RankingKeywords
from judge_rerank.bulk.staging import survey
from judge_rerank.core import Backend, CancelToken, InputError, Strategy, UnknownName, require
from judge_rerank.spending import Budget
from judge_rerank.storage import store_of_environment

QUERIES_PER_PART, QUERIES_PER_BATCH = 100, 5_000
"""Queries in a part; of those that become batch jobs, which are the cheaper to wait for the larger they are."""


class BulkKeywords(JudgeKeywords, RankingKeywords, total=False):
    """The options of `rerank_files`.

    Attributes:
        resume: go on with the run that is in the folder.
        queries_per_part: how many queries are ranked and written together; 100 where it is not said, 5,000 in batch
            jobs.
    """

    resume: bool
    queries_per_part: int


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

    Example:
        ```python
        from judge_rerank import Budget
        from judge_rerank.bulk import rerank_files

        budget = Budget(usd="2.00")
        run = rerank_files("docs/examples/collection", "ranked", model="openai/gpt-6-luna", budget=budget)
        print(run.status, run.totals.queries)  # complete 15
        ```

    Args:
        inputs: Parquet, JSONL, CSV or TSV files, folders of them, or folders with a TREC run; paths, s3:// or gs://.
            Columns: query_id, query, doc_id, text, perhaps title and score (one row a candidate, in first-stage
            order); or query_id, query and documents (one row a query).
        output: the folder for the results, a path or an address.
        model: as in `Judge`.
        strategy: as in `Judge`.
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
        session = Session(folder, engine, settings, watch)
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
        inputs: as in `rerank_files`.
        model: as in `Judge`.
        strategy: as in `Judge`.
        rpm: the requests that the provider allows a minute; None where that is not known.
        tpm: the tokens that it allows a minute; None where that is not known.
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
    usual = QUERIES_PER_BATCH if given.get("mode") == "batch" else QUERIES_PER_PART
    own = _Own(resume=given.pop("resume", False), queries_per_part=given.pop("queries_per_part", usual))
    require("queries_per_part", own.queries_per_part, at_least=1)
    ranking: Any = {name: given.pop(name) for name in RankingKeywords.__annotations__ if name in given}
    if unknown := sorted(given.keys() - JudgeKeywords.__annotations__.keys()):
        known = (*JudgeKeywords.__annotations__, *RankingKeywords.__annotations__, *BulkKeywords.__annotations__)
        raise UnknownName("option of rerank_files", unknown[0], known)
    judge: Any = {**DEFAULTS, **given}
    if judge.get("budget") is None:
        judge["budget"] = Budget.from_environment()
    judge["store"] = judge.get("store") or store_of_environment()
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
