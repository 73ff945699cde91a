"""`judge-rerank bias`: how far a model's answers depend on the order in which documents are shown."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Literal

import typer

from judge_rerank.cli import options
from judge_rerank.cli.decorator import with_options
from judge_rerank.cli.inputs import Inputs
from judge_rerank.cli.judging import open_judge
from judge_rerank.cli.option_groups import ModelOptions, SpendingOptions
from judge_rerank.cli.output import counted, emit, note, on_stdout
from judge_rerank.cli.terminal import head_table
from judge_rerank.core import InputError, ProviderError
from judge_rerank.evaluation import BiasProbe, PositionBias, Task, position_bias


@with_options
def bias(
    inputs: Inputs,
    judging: ModelOptions,
    spending: SpendingOptions,
    prompt: options.Prompt = None,
    task: Annotated[Task, typer.Option(help="How documents are compared.")] = "listwise",
    window_size: Annotated[int, typer.Option(min=2, metavar="N", help="Documents per call.")] = 10,
    shuffles: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="How many shuffled orders to show, beside the given one. Each order is also shown in reverse.",
        ),
    ] = 2,
    seed: Annotated[int, typer.Option(metavar="N", help="The seed of the shuffled orders.")] = 0,
    style: Annotated[Literal["table", "json"], typer.Option("--format", "-f")] = "table",
) -> None:
    """Measure how far a model's answers depend on the position of a document.

    judge-rerank bias -m openai/gpt-6-luna -q "how long do fleas live" passages.jsonl

    The inputs are those of rerank. The same documents are shown in several orders and in their reverses. An answer that
    changes with the order is a flip. Each window of documents costs 2 + 2 · shuffles calls.
    """
    pairs = inputs.read()
    if not any(len(documents) > 1 for _, documents in pairs):
        raise InputError("A comparison needs at least two documents for a query.")
    probe = BiasProbe(task=task, window_size=window_size, shuffles=shuffles, prompt=prompt, seed=seed)
    with open_judge(judging, spending, strategy="none") as judge:
        found = position_bias(judge, pairs, probe=probe)
        name = judge.model
    if not found.answers:
        raise ProviderError(f"{counted(found.failed, 'call')} gave no readable answer, so nothing was measured.")
    if found.failed:
        note(f"{counted(found.failed, 'call')} gave no readable answer and {_count_as(found.failed)}.")
    emit(_as_json(name, probe, found) if style == "json" else _as_table(name, probe, found))


def _count_as(failed: int) -> str:
    return "is not counted" if failed == 1 else "are not counted"


def _as_json(model: str, probe: BiasProbe, found: PositionBias) -> str:
    asked = {"model": model, "task": probe.task, "prompt": probe.prompt, "window_size": probe.window_size}
    return json.dumps(asked | {"shuffles": probe.shuffles, "seed": probe.seed} | asdict(found), indent=2) + "\n"


def _as_table(model: str, probe: BiasProbe, found: PositionBias) -> str:
    head = (
        f"{model}, {probe.task}" + (f" with {probe.prompt}" if probe.prompt else "") + ": "
        f"{found.flip_rate:.1%} of {counted(found.pairs, 'pair')} flip with the order; the first shown of two is "
        f"preferred in {found.first_rate:.1%} (fair: 50%)\n"
    )
    table = head_table()
    for column in ("position", "shown", "put first", "mean rank", "flip rate"):
        table.add_column(column, justify="right", no_wrap=True)
    for rate in found.by_position:
        mean = "" if rate.mean_rank is None else f"{rate.mean_rank:.2f}"
        flips = f"{rate.flip_rate:.1%}" if rate.pairs else ""
        table.add_row(str(rate.position), f"{rate.shown:,}", f"{rate.chosen:.1%}", mean, flips)
    return head + on_stdout(table)
