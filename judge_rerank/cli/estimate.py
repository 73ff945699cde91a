"""`judge-rerank estimate`: what a ranking would take, without a call."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer
from rich.table import Table

from judge_rerank.cli import options
from judge_rerank.cli.decorator import with_options
from judge_rerank.cli.inputs import Inputs
from judge_rerank.cli.judging import open_judge, unspent
from judge_rerank.cli.option_groups import JudgeOptions
from judge_rerank.cli.output import dollars, emit, on_stdout
from judge_rerank.core import Estimate


@with_options
def estimate(
    inputs: Inputs,
    judging: JudgeOptions,
    prices: options.Prices = None,
    answerable: options.Answerable = False,
    mode: options.Mode = "direct",
    style: Annotated[Literal["table", "json"], typer.Option("--format", "-f")] = "table",
) -> None:
    """Report what a ranking would cost in calls, rounds, tokens and dollars. Nothing is sent.

    The inputs are those of rerank. Input tokens are counted on the prompts as they would be sent. Output tokens are
    estimated twice. Replies of the usual length give the probable cost. Replies at their limit give the highest cost
    without retries, and this is what budgets reserve.
    """
    pairs = inputs.read()
    with open_judge(judging, unspent(prices)) as judge:
        total = Estimate.together(
            judge.estimate(query, documents, answerable=answerable, mode=mode) for query, documents in pairs
        )
        model_name = judge.model
    documents = sum(len(documents) for _, documents in pairs)
    emit(
        _as_json(model_name, len(pairs), documents, total)
        if style == "json"
        else _as_table(model_name, len(pairs), documents, total)
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
        "expected_output_tokens": total.expected_output_tokens,
        "cost_usd": None if total.cost_usd is None else str(total.cost_usd),
        "expected_cost_usd": None if total.expected_cost_usd is None else str(total.expected_cost_usd),
        "longest_wait_s": total.longest_wait_s,
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
        "rounds (sequential calls)": f"{total.rounds:,}",
        "tokens in": f"{total.input_tokens:,}",
        "tokens out, probably": f"{total.expected_output_tokens:,}",
        "tokens out, at most": f"{total.output_tokens:,}",
        "cost, probably": dollars(total.expected_cost_usd),
        "cost, at most": dollars(total.cost_usd),
    }
    if total.longest_wait_s:
        rows["hours of batch jobs, at most"] = f"{total.longest_wait_s / 3600:g}"
    for name, value in rows.items():
        table.add_row(name, value)
    return on_stdout(table)
