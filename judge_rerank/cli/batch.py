"""`judge-rerank batch`: the batch jobs that were made here, how far they are, and what came of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from judge_rerank.cli import options
from judge_rerank.cli.exit_codes import INTERRUPTED
from judge_rerank.cli.output import counted, emit, note, on_stdout, warning_line
from judge_rerank.cli.terminal import head_table
from judge_rerank.core import InputError, ProviderError, UnknownName

if TYPE_CHECKING:
    from judge_rerank.providers import BatchApi, BatchJob, BatchState

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True, help="List, watch, fetch or cancel the batch jobs of mode='batch'.")

Folder = Annotated[
    Path | None,
    typer.Option(
        "--dir",
        metavar="FOLDER",
        help="The folder of the cache, in which the jobs are recorded (batches.db). "
        "(default: $JUDGE_RERANK_CACHE_DIR, else the system's folder for caches)",
        show_default=False,
    ),
]
Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="JOBS", help="Names or ids of jobs. (default: all that are open)", show_default=False),
]


@app.command("list")
def list_(folder: Folder = None, style: options.TableOrJson = "table") -> None:
    """List the recorded jobs, the latest first. Nothing is sent."""
    state = _state(folder)
    if state is not None:
        _show(state.jobs(), style)


@app.command("status")
def status(
    jobs: Names = None, folder: Folder = None, api_base: options.ApiBase = None, style: options.TableOrJson = "table"
) -> None:
    """Ask the providers how far the jobs are."""
    state = _state(folder)
    if state is None:
        return
    chosen = _chosen(state, jobs)
    for job in chosen:
        if job.open and job.id is not None:
            _run(_look(state, job, api_base))
    if not chosen:
        note("No job is open. All that are recorded: judge-rerank batch list")
    if chosen or style == "json":
        _show([found for job in chosen if (found := state.job(job.name)) is not None], style)


@app.command("resume")
def resume(jobs: Names = None, folder: Folder = None, api_base: options.ApiBase = None) -> None:
    """Wait until the jobs have ended, and keep their replies.

    Whoever asked for the rankings then runs the same again: it finds the replies here, sends what comes next, and pays
    for nothing twice. Ctrl-C ends the waiting and not the jobs.
    """
    state = _state(folder)
    if state is None:
        return
    waited = [job for job in _chosen(state, jobs) if job.open]
    if not waited:
        note("No job is open.")
        return
    try:
        ended = _run(_follow(state, waited, api_base))
    except KeyboardInterrupt:
        note("The jobs go on at the provider. To go on waiting: judge-rerank batch resume")
        raise typer.Exit(INTERRUPTED) from None
    _show(ended, "table")
    note("Run the same rankings again: they go on from these replies.")


@app.command("cancel")
def cancel(
    jobs: Annotated[list[str], typer.Argument(metavar="JOBS", help="Names or ids of jobs.")],
    folder: Folder = None,
    api_base: options.ApiBase = None,
) -> None:
    """Cancel jobs. What is done by then is billed, and its replies are kept for the next run."""
    state = _state(folder)
    if state is None:
        raise InputError("No batch jobs are recorded in this folder. Name another with --dir.")
    for job in _chosen(state, jobs):
        if not job.open:
            note(f"{job.id or job.name} is over already: {job.state}.")
            continue
        _run(_cancel(state, job, api_base))


def _state(folder: Path | None) -> BatchState | None:
    """The record; None, with a note, where there is none."""
    from judge_rerank.providers import FILE, BatchState
    from judge_rerank.storage import cache_dir

    path = (folder or cache_dir()).expanduser()
    if not (path / FILE).is_file():
        note(f"No batch jobs are recorded in {path}.")
        return None
    return BatchState(path)


def _chosen(state: BatchState, names: Sequence[str] | None) -> list[BatchJob]:
    """The jobs that are named, or those that are open.

    Raises:
        UnknownName: there is no such job.
    """
    recorded = state.jobs()
    if not names:
        return [job for job in recorded if job.open]
    by_name = {key: job for job in recorded for key in (job.name, job.id) if key}
    for name in names:
        if name not in by_name:
            raise UnknownName("batch job", name, by_name, "To see them: judge-rerank batch list")
    return [by_name[name] for name in dict.fromkeys(names)]


async def _reached(job: BatchJob, api_base: str | None) -> BatchApi:
    from judge_rerank.providers import open_backend, reached

    return await reached(job, lambda model: open_backend(model, api_base=api_base))


async def _look(state: BatchState, job: BatchJob, api_base: str | None) -> None:
    try:
        progress = await (await _reached(job, api_base)).progress(job.id or "")
    except ProviderError as error:
        warning_line(str(error))
        return
    if progress.phase == "running":
        state.seen(job.name, progress)
    else:
        note(f"{job.id}: it has {progress.phase}. To fetch its replies: judge-rerank batch resume")


async def _follow(state: BatchState, jobs: Iterable[BatchJob], api_base: str | None) -> list[BatchJob]:
    """Wait for jobs; what is recorded of them then."""
    from judge_rerank.providers import BatchJobs

    async def one(job: BatchJob) -> BatchJob:
        progress = await BatchJobs(state=state).follow(job.name, await _reached(job, api_base))
        if progress.phase == "failed":
            state.void(job.name, progress.detail)
        return state.job(job.name) or job

    return list(await asyncio.gather(*(one(job) for job in jobs)))


async def _cancel(state: BatchState, job: BatchJob, api_base: str | None) -> None:
    if job.id is None:
        if not state.orphaned(job.name):
            raise InputError(f"{job.name} is being made right now; end what makes it first.")
        note(f"{job.name}: whether it was made is not known. judge-rerank batch resume finds out.")
        return
    try:
        await (await _reached(job, api_base)).cancel(job.id)
    except ProviderError as error:
        if error.status != 404:
            raise
        state.void(job.name, "the provider does not know it")
        note(f"{job.id}: the provider does not know this job, so it is forgotten here too.")
        return
    note(f"{job.id}: cancelled. To fetch what was done: judge-rerank batch resume")


def _run(work: Coroutine[Any, Any, T]) -> T:
    from judge_rerank.engine import run

    return run(work)


def _show(jobs: Sequence[BatchJob], style: str) -> None:
    if style == "json":
        emit(json.dumps([asdict(job) for job in jobs], indent=2) + "\n")
        return
    table = head_table()
    for heading in ("job", "model"):
        table.add_column(heading, overflow="fold")
    table.add_column("state", no_wrap=True)
    for heading in ("requests", "done", "failed"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("made (UTC)", no_wrap=True)
    for job in jobs:
        made = datetime.fromtimestamp(job.made, UTC).strftime("%Y-%m-%d %H:%M")
        figures = (f"{figure:,}" for figure in (job.requests, job.succeeded, job.failed))
        table.add_row(job.id or job.name, job.model, job.state, *figures, made)
    emit(on_stdout(table))
    waiting = sum(job.open for job in jobs)
    if waiting:
        note(f"{counted(waiting, 'job')} open.")
