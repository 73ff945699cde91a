"""`judge-rerank estimate`: what a ranking would take, without a call."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Literal

import typer
from rich.table import Table

from judge_rerank.cli import options
from judge_rerank.cli.inputs import Inputs
from judge_rerank.cli.judging import open_judge, unspent
from judge_rerank.cli.option_groups import JudgeOptions, with_options
from judge_rerank.cli.output import dollars, emit, on_stdout
from judge_rerank.core import Estimate


@with_options
def estimate(
    inputs: Inputs,
    judging: JudgeOptions,
    prices: options.Prices = None,
    style: Annotated[Literal["table", "json"], typer.Option("--format", "-f")] = "table",
) -> None:
    """Say what a ranking would take: calls, rounds, tokens and dollars. Nothing is sent.

    Takes the inputs of rerank. Tokens are those of the prompts as they would be sent, and the most that the replies
    may use; so the dollars are the most that it can cost without retries.
    """
    pairs = inputs.read()
    with open_judge(judging, unspent(prices)) as judge:
        total = _sum([judge.estimate(query, documents) for query, documents in pairs])
        model_name = judge.model
    documents = sum(len(documents) for _, documents in pairs)
    emit(
        _as_json(model_name, len(pairs), documents, total)
        if style == "json"
        else _as_table(model_name, len(pairs), documents, total)
    )


def _sum(estimates: Sequence[Estimate]) -> Estimate:
    """All of them together. Queries advance side by side, so the rounds are those of the longest."""
    costs = [e.cost_usd for e in estimates if e.cost_usd is not None]
    return Estimate(
        calls=sum(e.calls for e in estimates),
        rounds=max((e.rounds for e in estimates), default=0),
        input_tokens=sum(e.input_tokens for e in estimates),
        output_tokens=sum(e.output_tokens for e in estimates),
        cost_usd=sum(costs, Decimal(0)) if len(costs) == len(estimates) else None,
    )


def _as_json(model: str, queries: int, documents: int, total: Estimate) -> str:
    record = {
        "model": model,
        "queries": queries,
        "documents": documents,
        "calls": total.calls,
        "rounds": total.rounds,
        "input_tokens": total.input_tokens,
        "output_tokens": total.output_tokens,
        "cost_usd": None if total.cost_usd is None else str(total.cost_usd),
    }
    return json.dumps(record, indent=2) + "\n"


def _as_table(model: str, queries: int, documents: int, total: Estimate) -> str:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    rows = {
        "model": model,
        "queries": f"{queries:,}",
        "documents": f"{documents:,}",
        "calls": f"{total.calls:,}",
        "rounds (calls in sequence)": f"{total.rounds:,}",
        "tokens in": f"{total.input_tokens:,}",
        "tokens out, at most": f"{total.output_tokens:,}",
        "cost, at most": dollars(total.cost_usd),
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return on_stdout(table)
