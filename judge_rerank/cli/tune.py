"""`judge-rerank tune`: weights of a hybrid, fitted to relevance judgments."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from judge_rerank.cli import options
from judge_rerank.cli.decorator import with_options
from judge_rerank.cli.judged_data import JudgedData
from judge_rerank.cli.judging import open_judge
from judge_rerank.cli.option_groups import ModelOptions, SpendingOptions
from judge_rerank.cli.output import counted, emit, left_out, on_stdout, report
from judge_rerank.cli.terminal import head_table
from judge_rerank.core import InputError

if TYPE_CHECKING:
    from judge_rerank.evaluation import Tuned


@with_options
def tune(
    data: JudgedData,
    judging: ModelOptions,
    spending: SpendingOptions,
    signal: Annotated[
        list[str],
        typer.Option(
            "--signal", metavar="NAME", help="A signal: a scorer, a strategy or first-stage. Give two to four."
        ),
    ],
    norm: Annotated[
        Literal["zscore", "minmax", "rank", "rrf"], typer.Option(help="How the signals are put on one scale.")
    ] = "zscore",
    style: options.TableOrJson = "table",
) -> None:
    """Fit the weights of a hybrid to relevance judgments, and report their value on queries that the fit has not seen.

    judge-rerank tune --data my_collection --signal bm25 --signal embedding

    Weights are printed only if the hybrid beats its best signal with significance on queries that the fit has not seen.
    Partial rankings are left out. If they are more than a fifth, nothing is fitted.

    Exit codes: 2 no such hybrid, 3 too many rankings are partial, 4 the provider failed.
    """
    from judge_rerank.evaluation import tune

    dataset, started = data.read(), time.perf_counter()
    with open_judge(judging, spending, strategy="none") as judge:
        found = tune(judge, dataset, signal, norm=norm, metric=data.measure, seed=data.seed)
    report(found.rankings, time.perf_counter() - started)
    left_out(found.left_out)
    if not found.better:
        raise InputError(
            f"The hybrid does not beat {found.strongest} with significance ({_figures(found)}), so there are no "
            f"weights to recommend. Use -s {found.strongest}; judgments of more queries may help."
        )
    spec = f"hybrid({dict(found.weights)!r}, norm={norm!r})"
    emit(_as_json(found, spec) if style == "json" else _as_table(found, spec))


def _figures(found: Tuned) -> str:
    row = found.comparison
    low, high = row.interval
    queries = counted(row.queries, "query", "queries")
    return (
        f"{found.metric} {found.alone[found.strongest]:.4f} → {found.held_out:.4f} on unseen queries, "
        f"{row.difference:+.4f} ({low:+.4f} to {high:+.4f}), p = {row.p:.3f}, {queries}"
    )


def _as_json(found: Tuned, spec: str) -> str:
    record: dict[str, Any] = {
        "strategy": spec,
        "weights": dict(found.weights),
        "metric": found.metric,
        "fitted": found.fitted,
        "held_out": found.held_out,
        "alone": dict(found.alone),
        "comparison": asdict(found.comparison),
        "left_out": found.left_out,
    }
    return json.dumps(record, indent=2) + "\n"


def _as_table(found: Tuned, spec: str) -> str:
    table = head_table()
    table.add_column("signal", overflow="fold")
    for column in (found.metric, "weight"):
        table.add_column(column, justify="right")
    for name, value in found.alone.items():
        table.add_row(name, f"{value:.4f}", f"{found.weights.get(name, 0):.1f}")
    table.add_row("hybrid, on unseen queries", f"{found.held_out:.4f}", "")
    table.add_row("hybrid, on the queries of the fit", f"{found.fitted:.4f}", "")
    return f'{on_stdout(table)}beside {found.strongest}: {_figures(found)}\n-s "{spec}"\n'
