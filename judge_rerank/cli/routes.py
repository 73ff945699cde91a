"""`judge-rerank routes`: the table by which `auto` chooses, shown, and fitted to the user's own data."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from judge_rerank.cli import options
from judge_rerank.cli.decorator import with_options
from judge_rerank.cli.judged_data import JudgedData
from judge_rerank.cli.judging import judge_kind_of, open_judge
from judge_rerank.cli.option_groups import ModelOptions, SpendingOptions
from judge_rerank.cli.output import counted, dollars, emit, left_out, on_stdout, report, require_folder
from judge_rerank.cli.terminal import broken, slim_table, spec_table, width

if TYPE_CHECKING:
    from judge_rerank.evaluation import FittedClass, FittedRoutes

app = typer.Typer(invoke_without_command=True, help="Show or fit the table from which `auto` chooses.")

TableFile = Annotated[Path | None, typer.Option("--file", metavar="FILE", help="Your own table, in YAML.")]


@app.callback()
def show(
    context: typer.Context,
    file: TableFile = None,
    style: Annotated[
        Literal["table", "yaml"], typer.Option("--format", "-f", help="yaml is the format that --file reads.")
    ] = "table",
) -> None:
    """Print the table from which `auto` chooses a strategy for each query."""
    if context.invoked_subcommand is not None:
        return
    from judge_rerank.routing import Routes, prefilter

    found = Routes.load(file) if file is not None else Routes()
    if style == "yaml":
        emit(found.as_yaml())
        return
    table = slim_table()
    for column in ("query", "judge", "candidates", "strategy; the next one if the caps are too low", "why"):
        table.add_column(column, overflow="fold")
    room = max(16, (width() - 28) // 2)
    for row in found.rows:
        chain = "\n".join(broken(each.replace("{prefilter}", prefilter()), room) for each in row.strategies)
        table.add_row(row.label, row.judge, f"up to {row.most}" if row.most else "any", chain, row.why)
    emit(on_stdout(table))


@app.command("fit")
@with_options
def fit(
    data: JudgedData,
    judging: ModelOptions,
    spending: SpendingOptions,
    strategy: Annotated[
        list[str], typer.Option("--strategy", "-s", metavar="SPEC", help="A strategy to try. Repeatable.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write the table to.")],
    file: TableFile = None,
    style: options.TableOrJson = "table",
) -> None:
    """Fit the table to your data: for each class of query, the strategy that gains most for its price.

    judge-rerank routes fit --data my_collection -s bm25 -s "bm25 % 10 >> listwise" -o routes.yaml

    Then: judge-rerank rerank -s "auto('routes.yaml')"

    A class with fewer than ten queries keeps its route, and nothing is run for it. Partial rankings are left out. If
    they are more than a fifth of a class, nothing is fitted.

    Exit codes: 2 no class has enough queries, 3 too many rankings are partial, 4 the provider failed.
    """
    from judge_rerank.evaluation import fit_routes
    from judge_rerank.routing import Routes, TrainedClassifier

    require_folder(output)
    dataset, started = data.read(), time.perf_counter()
    with open_judge(judging, spending, strategy="none") as judge:
        fitted = fit_routes(
            judge,
            dataset,
            strategy,
            TrainedClassifier(),
            routes=Routes.load(file) if file is not None else Routes(),
            kind=judge_kind_of(judging),
            metric=data.measure,
            seed=data.seed,
        )
    report(fitted.rankings, time.perf_counter() - started)
    left_out(fitted.left_out)
    fitted.routes.save(output)
    emit(_as_json(fitted, data.measure) if style == "json" else _as_tables(fitted, data.measure, output))


def _as_json(fitted: FittedRoutes, metric: str) -> str:
    record: dict[str, Any] = {
        "metric": metric,
        "left_out": fitted.left_out,
        "classes": [asdict(each) for each in fitted.classes],
    }
    return json.dumps(record, indent=2) + "\n"


def _as_tables(fitted: FittedRoutes, metric: str, output: Path) -> str:
    parts = [_class_table(each, metric) for each in fitted.classes]
    return (
        "\n".join(parts)
        + f"\n→ chosen · gain: over the current route · $/1,000: dollars for 1,000 queries\nkept in {output}\n"
    )


def _class_table(found: FittedClass, metric: str) -> str:
    head = f"{found.label}: {counted(found.queries, 'query', 'queries')}"
    if not found.tried:
        return f"{head}, too few to tell strategies apart (at least 10), so the route stays\n"
    rows: list[tuple[str, Sequence[str]]] = []
    for row in found.tried:
        beside = row.comparison
        cells = (
            f"{row.metric:.4f}",
            f"{beside.difference:+.4f}",
            "" if beside.p_adjusted is None else f"{beside.p_adjusted:.3f}",
            "?" if row.usd is None else dollars(Decimal(str(round(row.usd * 1000, 6)))),
            f"{row.seconds:.2f}",
        )
        rows.append((f"{'→' if row.chosen else ' '} {row.strategy}", cells))
    table = spec_table("strategy", (metric, "gain", "p", "$/1,000", "s"), rows)
    return f"{head}\n{on_stdout(table)}"
