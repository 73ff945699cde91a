"""`judge-rerank tune` and `judge-rerank routes`: weights and routes, shown and fitted to the user's own data."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from judge_rerank.cli import options
from judge_rerank.cli.judging import Spending, default_trace
from judge_rerank.cli.output import emit, on_stdout
from judge_rerank.core import InputError, ModelUnavailable

routes = typer.Typer(invoke_without_command=True, help="Show or fit the table by which `auto` chooses.")

Data = Annotated[
    str,
    typer.Option(
        "--data",
        metavar="PATH",
        help="A folder with corpus.jsonl, queries.jsonl, qrels.tsv and candidates.trec, JSONL, or ir_datasets:ID.",
    ),
]
Seed = Annotated[int, typer.Option(metavar="N", help="Of the order in which candidates are given.")]
Metric = Annotated[str, typer.Option(metavar="NAME", help="What is maximised, by its ir-measures name.")]
Style = Annotated[Literal["table", "json"], typer.Option("--format", "-f")]


def tune(
    data: Data,
    signal: Annotated[
        list[str],
        typer.Option("--signal", metavar="NAME", help="A scorer, a strategy or first-stage; two to four of them."),
    ],
    norm: Annotated[
        Literal["zscore", "minmax", "rank", "rrf"], typer.Option(help="How they are put on one scale.")
    ] = "zscore",
    metric: Metric = "nDCG@10",
    seed: Seed = 1,
    limit: options.Limit = None,
    candidates: options.Depth = None,
    model: options.Model = None,
    style: Style = "table",
) -> None:
    """Fit the weights of a hybrid to relevance judgments, and say what they are worth on queries not seen.

    judge-rerank tune --data my_collection --signal bm25 --signal embedding
    """
    from judge_rerank.evaluation import load, selected, tune
    from judge_rerank.judge import Judge

    dataset, _ = selected(load(data), queries=limit, depth=candidates, no_relevant="skip")
    with Judge(model) as judge:
        found = tune(judge, dataset, signal, norm=norm, metric=metric, seed=seed)
    spec = f"hybrid({dict(found.weights)!r}, norm={norm!r})"
    if style == "json":
        emit(json.dumps(asdict(found) | {"strategy": spec}, indent=2) + "\n")
        return
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("signal")
    for column in (found.metric, "weight"):
        table.add_column(column, justify="right")
    for name, value in found.alone.items():
        table.add_row(name, f"{value:.4f}", f"{found.weights.get(name, 0):.1f}")
    table.add_row("hybrid, on queries not seen", f"{found.held_out:.4f}", "")
    table.add_row("hybrid, on those it was fitted to", f"{found.fitted:.4f}", "")
    row = found.comparison
    low, high = row.interval
    told = f"beside the best signal: {row.difference:+.4f} ({low:+.4f} to {high:+.4f}), p = {row.p:.3f}, "
    told += f"{row.queries} queries"
    emit(f'{on_stdout(table)}{told}\n-s "{spec}"\n')


@routes.callback()
def show(
    context: typer.Context,
    file: Annotated[Path | None, typer.Option("--file", metavar="FILE", help="A table of your own, in YAML.")] = None,
    style: Annotated[
        Literal["table", "yaml"], typer.Option("--format", "-f", help="yaml is what --file reads.")
    ] = "table",
) -> None:
    """Print the table by which `auto` chooses a strategy for each query."""
    if context.invoked_subcommand is not None:
        return
    from judge_rerank.routing import Routes, prefilter

    found = Routes.load(file) if file is not None else Routes()
    if style == "yaml":
        emit(found.as_yaml())
        return
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in ("query", "judge", "candidates", "strategy, the next where caps leave no room for it", "why"):
        table.add_column(column, overflow="fold")
    for row in found.rows:
        chain = "\n".join(row.strategies).replace("{prefilter}", prefilter())
        table.add_row(row.label, row.judge, f"up to {row.most}" if row.most else "any", chain, row.why)
    emit(on_stdout(table))


@routes.command("fit")
def fit(
    data: Data,
    strategy: Annotated[
        list[str], typer.Option("--strategy", "-s", metavar="SPEC", help="One to try; may be repeated.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where the table is kept.")],
    file: Annotated[Path | None, typer.Option("--file", metavar="FILE", help="The table to begin with.")] = None,
    metric: Metric = "nDCG@10",
    seed: Seed = 1,
    limit: options.Limit = None,
    candidates: options.Depth = None,
    model: options.Model = None,
    api_base: options.ApiBase = None,
    budget: options.Budget = None,
    prices: options.Prices = None,
    cache: options.Cache = True,
    style: Style = "table",
) -> None:
    """For each class of query, take the strategy that gives most for its price, where your data prove it.

    judge-rerank routes fit --data my_collection -s bm25 -s "bm25 % 10 >> listwise" -o routes.yaml

    Then: judge-rerank rerank -s "auto('routes.yaml')"
    """
    from judge_rerank.evaluation import fit_routes, load, selected
    from judge_rerank.judge import Judge
    from judge_rerank.providers import open_backend
    from judge_rerank.routing import Routes, TrainedClassifier, judge_kind
    from judge_rerank.storage import cache_dir

    if not output.expanduser().absolute().parent.is_dir():
        raise InputError(f"There is no folder to keep {output} in; make it first.")
    dataset, _ = selected(load(data), queries=limit, depth=candidates, no_relevant="skip")
    spending = Spending(budget=budget, prices=prices, cache=cache, trace=default_trace())
    try:
        backend = open_backend(model, api_base=api_base)
    except ModelUnavailable:
        backend = None
    with Judge(
        backend, budget=spending.opened_budget(), prices=prices, cache_dir=cache_dir() if cache else None
    ) as judge:
        fitted, found = fit_routes(
            judge,
            dataset,
            strategy,
            TrainedClassifier(),
            routes=Routes.load(file) if file is not None else Routes(),
            kind=judge_kind(backend.info if backend else None),
            metric=metric,
            seed=seed,
        )
    fitted.save(output)
    if style == "json":
        emit(json.dumps([asdict(row) for row in found], indent=2) + "\n")
        return
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in ("query", "strategy", metric, "difference", "p", "$ a query", "s a query", ""):
        table.add_column(column, justify="left" if column in {"query", "strategy", ""} else "right")
    for row in found:
        beside = row.comparison
        p = "" if beside.p_adjusted is None else f"{beside.p_adjusted:.3f}"
        usd = "unknown" if row.usd is None else f"{row.usd:.6f}"
        table.add_row(
            row.label,
            row.strategy,
            f"{row.metric:.4f}",
            f"{beside.difference:+.4f}",
            p,
            usd,
            f"{row.seconds:.2f}",
            "taken" if row.chosen else "",
        )
    emit(f"{on_stdout(table)}kept in {output}\n")
