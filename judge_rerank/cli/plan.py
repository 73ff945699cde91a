"""`judge-rerank plan`: which strategy to use for so many documents and so much money."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from judge_rerank.cli import options
from judge_rerank.cli.decorator import with_options
from judge_rerank.cli.judging import open_judge, unspent
from judge_rerank.cli.option_groups import ModelOptions
from judge_rerank.cli.output import dollars, emit, note, on_stdout
from judge_rerank.cli.terminal import spec_table
from judge_rerank.core import InputError, Recommendation

if TYPE_CHECKING:
    from judge_rerank.evaluation import Measured

_WORTH = (
    "Ranks come from a table of simulated judges on TREC DL 2019. The places in brackets are those that a strategy "
    "reaches four times in five. With simulated judges the order holds on other collections (Kendall's tau .70 to .94 "
    "on three). With a real judge it agreed little with the measured order (.33). Calls, rounds and tokens are exact. "
    "To plan from your own data: judge-rerank plan --from RUN"
)


@with_options
def plan(
    judging: ModelOptions,
    n_docs: Annotated[
        int | None, typer.Argument(metavar="DOCUMENTS", help="The number of documents in a ranking.", min=1)
    ] = None,
    tokens_per_doc: Annotated[int, typer.Option(min=1, metavar="N", help="The length of a document.")] = 100,
    usd: Annotated[str | None, typer.Option(metavar="USD", help="The highest expected cost of a ranking.")] = None,
    latency: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="The longest time that a ranking may take.", show_default=False),
    ] = None,
    call_latency: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", help="The duration of a call. (default: 2, or 1 for a local model)", show_default=False
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option("--from", metavar="RUN", help="Plan from the measurements of this run of judge-rerank eval."),
    ] = None,
    prices: options.Prices = None,
    mode: options.Mode = "direct",
    style: options.TableOrJson = "table",
) -> None:
    """Recommend the best strategy within limits, with its cost and the alternatives. Nothing is sent.

    judge-rerank plan 100 --usd 0.01

    judge-rerank plan --from runs/strategies --usd 0.01

    Dollars are given twice: the probable cost of a ranking, and its highest cost without retries, which is what budgets
    reserve.
    """
    if run is not None:
        if n_docs is not None or call_latency is not None:
            raise InputError("--from has its own documents and times; leave out DOCUMENTS and --call-latency.")
        _from_run(run, usd, latency, style)
        return
    if n_docs is None:
        raise InputError("Give the number of documents (judge-rerank plan 100) or --from RUN.")
    with open_judge(judging, unspent(prices)) as judge:
        found = judge.plan(n_docs, tokens_per_doc, usd=usd, latency_s=latency, call_latency_s=call_latency, mode=mode)
    if style == "json":
        emit(json.dumps(asdict(found), indent=2, default=str) + "\n")
        return
    emit(_as_table(found))
    note(_WORTH)


def _as_table(found: Recommendation) -> str:
    heads = ("rank", "calls", "rounds", "tokens", "s", "cost", "at most")
    rows: list[tuple[str, Sequence[str]]] = []
    for forecast in (found.best, *found.alternatives):
        low, high = forecast.likely_ranks
        cells = (
            f"{forecast.rank} ({low}–{high})",
            f"{forecast.calls:,}",
            f"{forecast.rounds:,}",
            f"{forecast.input_tokens:,}",
            f"{forecast.latency_s:.1f}",
            _short(forecast.expected_cost_usd),
            _short(forecast.cost_usd),
        )
        rows.append((forecast.strategy, cells))
    return on_stdout(spec_table("strategy", heads, rows))


def _short(usd: Decimal | None) -> str:
    return "?" if usd is None else dollars(usd)


def _from_run(run: Path, usd: str | None, latency_s: float | None, style: str) -> None:
    """What a run has measured, within the limits."""
    from judge_rerank.evaluation import RunFolder, measured_plan

    folder = RunFolder(run)
    found = measured_plan(folder.info(), folder.results(), usd=usd, latency_s=latency_s)
    if style == "json":
        emit(json.dumps([asdict(each) for each in found], indent=2) + "\n")
        return
    emit(_measured_table(found))
    note("The first is the cheapest of those that are not significantly worse than the best that fits.")


def _measured_table(found: list[Measured]) -> str:
    heads = (found[0].metric, "beside the best", "calls", "seconds", "cost")
    rows: list[tuple[str, Sequence[str]]] = []
    for each in found:
        low, high = each.interval
        usd = None if each.usd is None else Decimal(str(round(each.usd, 9)))
        cells = (
            f"{each.mean:.3f}",
            "best" if each.is_best else f"{low:+.3f} to {high:+.3f}",
            f"{each.calls:.1f}",
            "?" if each.seconds is None else f"{each.seconds:.1f}",
            _short(usd),
        )
        rows.append((each.variant, cells))
    return on_stdout(spec_table("variant", heads, rows))
