"""`judge-rerank plan`: which strategy to use for so many documents and so much money."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Literal

import typer
from rich.table import Table

from judge_rerank.cli import options
from judge_rerank.cli.judging import open_judge, unspent
from judge_rerank.cli.option_groups import ModelOptions, with_options
from judge_rerank.cli.output import dollars, emit, on_stdout
from judge_rerank.core import Recommendation


@with_options
def plan(
    judging: ModelOptions,
    n_docs: Annotated[int, typer.Argument(metavar="DOCUMENTS", help="How many documents a ranking has.", min=1)],
    tokens_per_doc: Annotated[int, typer.Option(min=1, metavar="N", help="How long they are.")] = 100,
    usd: Annotated[str | None, typer.Option(metavar="USD", help="The most that a ranking may cost.")] = None,
    latency: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="The most that a ranking may take.", show_default=False)
    ] = None,
    call_latency: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", help="How long a call lasts. (default: 2, or 1 for a local model)", show_default=False
        ),
    ] = None,
    prices: options.Prices = None,
    style: Annotated[Literal["table", "json"], typer.Option("--format", "-f")] = "table",
) -> None:
    """Recommend a strategy: the best that fits, with what it takes, and the alternatives. Nothing is sent.

    The expected nDCG@10 was measured with simulated judges on TREC DL 2019. It tells strategies apart for a model that
    can compare documents; it is no promise. Dollars are the most that a ranking can cost without retries.
    """
    with open_judge(judging, unspent(prices)) as judge:
        found = judge.plan(n_docs, tokens_per_doc, usd=usd, latency_s=latency, call_latency_s=call_latency)
    emit(_as_json(found) if style == "json" else _as_table(found))


def _as_json(found: Recommendation) -> str:
    return json.dumps(asdict(found), indent=2, default=str) + "\n"


def _as_table(found: Recommendation) -> str:
    table = Table(box=None, pad_edge=False)
    table.add_column("strategy", overflow="fold")
    for name in ("nDCG@10", "calls", "rounds", "tokens in", "seconds", "at most"):
        table.add_column(name, justify="right")
    for forecast in (found.best, *found.alternatives):
        table.add_row(
            forecast.strategy,
            f"{forecast.ndcg:.3f}",
            f"{forecast.calls:,}",
            f"{forecast.rounds:,}",
            f"{forecast.input_tokens:,}",
            f"{forecast.latency_s:.1f}",
            dollars(forecast.cost_usd),
        )
    return on_stdout(table)
