"""`judge-rerank eval`: run an experiment, watch it, and say what each variant gains and takes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from judge_rerank.cli import options
from judge_rerank.cli.interrupting import interruptible
from judge_rerank.cli.output import dollars, emit, folder_name, further_table, note, on_stdout, warning_line
from judge_rerank.cli.terminal import head_box, head_table, json_text
from judge_rerank.core import InputError

if TYPE_CHECKING:
    from judge_rerank.evaluation import Evaluation, Experiment, Forecast, Row, Summary

MISSED, UNFINISHED, INTERRUPTED = 1, 3, 130

_Answerable = Annotated[
    bool,
    typer.Option(
        "--answerable",
        help="Ask of every query also without its relevant documents, to measure whether a variant knows that nothing "
        "answers. The same as answerable: true in the file.",
    ),
]

_Mode = Annotated[
    Literal["direct", "batch"] | None,
    typer.Option(
        help="batch asks by batch jobs, at about half the price and up to 24 hours a round. The same as mode: in the "
        "file. After an interruption, --resume goes on from there."
    ),
]
_Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="DIR", help="The folder for the results. (default: runs/NAME)")
]
_Resume = Annotated[bool, typer.Option("--resume", help="Continue the run in the folder.")]
_Race = Annotated[
    bool, typer.Option("--race", help="Stop variants that are certain to lose, which saves their remaining calls.")
]

_Only = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATTERN",
        help="Only variants whose name contains this text or matches a pattern such as 'score*'. Repeatable.",
    ),
]


def evaluate(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="The experiment, as YAML.")] = None,
    output: _Output = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only the first queries of each dataset.")
    ] = None,
    only: _Only = None,
    resume: _Resume = False,
    race: _Race = False,
    answerable: _Answerable = False,
    mode: _Mode = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Report the cost in calls, tokens and dollars. Nothing is sent.")
    ] = False,
    cache: options.Cache = True,
    cache_dir: options.CacheDir = None,
    style: Annotated[Literal["table", "json"], typer.Option("--format", "-f")] = "table",
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of experiment files, for editors.")
    ] = False,
) -> None:
    """Compare prompts, models and strategies on queries with known answers.

    judge-rerank eval eval/prompt_variants.yaml --dry-run

    judge-rerank eval eval/prompt_variants.yaml --output runs/prompts

    Each result is saved at once. After an interruption, --resume continues, and nothing is paid for twice.

    Exit codes: 1 the results miss a limit of the experiment (fail_under, max_parse_failures), 3 results are missing.
    """
    from judge_rerank.evaluation import Experiment, too_few
    from judge_rerank.evaluation import schema as schema_of

    if schema:
        emit(json.dumps(schema_of(), indent=2) + "\n")
        return
    if file is None:
        raise InputError("No experiment is named: judge-rerank eval FILE.")
    experiment = Experiment.load(file)
    if answerable:
        experiment = experiment.model_copy(update={"answerable": True})
    if mode is not None:
        experiment = experiment.model_copy(update={"mode": mode})
    if dry_run:
        _forecast(experiment, limit, only or (), style)
        return
    folder = output or Path("runs") / folder_name(experiment.name, "experiment")
    found = _run(experiment, folder, limit, only or (), resume=resume, race=race, kept=_cache(cache, cache_dir))
    emit(_as_json(found) if style == "json" else _as_table(found.summary) + _answers(found))
    note(f"The results are in {folder}.")
    for caution in too_few(found.info):
        note(caution)
    for stopped in found.stopped:
        note(stopped)
    for reason in found.unfinished:
        warning_line(reason)
    if found.unfinished:
        note(f"To continue: judge-rerank eval {file} --output {folder} --resume")
    for failure in found.failures:
        warning_line(failure)
    _end(found)


def _end(found: Evaluation) -> None:
    """Leave with the exit code of a run that is not whole, or misses a limit of the experiment."""
    if found.unfinished:
        raise typer.Exit(INTERRUPTED if any("interrupted" in reason for reason in found.unfinished) else UNFINISHED)
    if found.failures:
        raise typer.Exit(MISSED)


def _run(
    experiment: Experiment,
    folder: Path,
    limit: int | None,
    only: Sequence[str],
    *,
    resume: bool,
    race: bool,
    kept: Path | None,
) -> Evaluation:
    from judge_rerank.cli.live_table import Board
    from judge_rerank.evaluation import evaluate as run

    cap = None if experiment.budget_usd is None else Decimal(str(experiment.budget_usd))
    with interruptible() as cancel, Board(experiment.measured().names[0], cap) as board:
        return run(
            experiment,
            output=folder,
            limit=limit,
            only=only,
            resume=resume,
            race=race,
            cache_dir=kept,
            watch=board.update,
            cancel=cancel,
        )


def _cache(cache: bool, cache_dir: Path | None) -> Path | None:
    from judge_rerank.storage import cache_dir as usual

    return (cache_dir or usual()) if cache else None


def _forecast(experiment: Experiment, limit: int | None, only: Sequence[str], style: str) -> None:
    from judge_rerank.evaluation import Judges, forecast, prepare

    with Judges(experiment, cache_dir=None) as judges:
        cells = forecast(prepare(experiment, limit=limit, only=only), judges)
    if style == "json":
        rows = [asdict(cell) for cell in cells]
        emit(json.dumps(rows, indent=2, default=str) + "\n")
        return
    table = head_table()
    table.add_column("variant", overflow="fold", min_width=24)
    table.add_column("dataset", no_wrap=True)
    for heading in ("queries", "calls", "tokens in", "out, at most", "cost, at most"):
        table.add_column(heading, justify="right", no_wrap=True)
    for cell in cells:
        table.add_row(Text(cell.variant), Text(cell.dataset), *_figures(cell))
    costs = [cell.estimate.cost_usd for cell in cells if cell.estimate.cost_usd is not None]
    total = sum(costs, Decimal(0)) if len(costs) == len(cells) else None
    sums = (sum(values) for values in zip(*(_numbers(cell) for cell in cells), strict=True))
    table.add_section()
    table.add_row("together", "", *(f"{value:,}" for value in sums), dollars(total))
    emit(on_stdout(table))


def _numbers(cell: Forecast) -> tuple[int, int, int, int]:
    estimate = cell.estimate
    return cell.queries, estimate.calls, estimate.input_tokens, estimate.output_tokens


def _figures(cell: Forecast) -> list[str]:
    return [*(f"{value:,}" for value in _numbers(cell)), dollars(cell.estimate.cost_usd)]


def _as_json(found: Evaluation) -> str:
    from judge_rerank.evaluation import answers

    record = asdict(found.summary) | {"unfinished": found.unfinished, "failures": found.failures}
    if found.info.answerable:
        record["answers"] = [asdict(row) for row in answers(found.info, found.results)]
    return json_text(record, indent=2)


def _as_table(summary: Summary) -> str:
    table = Table(
        box=head_box(),
        show_edge=False,
        pad_edge=False,
        caption=(
            f"* no other variant gains as much for less {'money' if summary.axis == 'usd' else 'time'} · $/1,000: "
            "dollars for 1,000 queries · p50: seconds for a query · bad: questions without a judgment"
        ),
        caption_justify="left",
    )
    table.add_column("variant", overflow="fold", ratio=1, min_width=24)
    for heading in (summary.metric, "gain", "$/1,000", "p50", "calls", "bad"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in summary.rows:
        table.add_row(Text(row.variant.name + " *" * row.pareto), *_cells(row, summary.metric))
    return on_stdout(table) + _cuts(summary)


def _cuts(summary: Summary) -> str:
    """The table of what cascades cut; nothing where nothing is."""
    from judge_rerank.evaluation import CASCADE_NOTE, cascade_headings, cascade_lines

    headings = [h if h.startswith(summary.metric) else h.lower() for h in cascade_headings(summary)]
    return further_table(headings, list(cascade_lines(summary)), CASCADE_NOTE, names=2)


def _answers(found: Evaluation) -> str:
    """The table of what was known of queries that nothing answers; nothing where that was not asked."""
    from judge_rerank.evaluation import ANSWERS_NOTE, answer_headings, answer_lines, answers

    return further_table(
        answer_headings(), list(answer_lines(answers(found.info, found.results))), ANSWERS_NOTE, names=1
    )


def _cells(row: Row, metric: str) -> list[str]:
    value = row.metrics.get(metric)
    shown = ["" if value is None else f"{value:.4f}", "" if row.gain is None else f"{row.gain:+.4f}"]
    if row.variant.reference is not None or not row.results:
        return [*shown, "", "", "", ""]
    usd = row.usd_per_1000_queries
    return [
        *shown,
        "?" if usd is None else dollars(Decimal(str(round(usd, 6)))),
        "" if row.latency_p50_s is None else f"{row.latency_p50_s:.1f}s",
        f"{row.calls:.1f}",
        f"{row.parse_failure_rate:.1%}",
    ]
