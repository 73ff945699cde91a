"""`judge-rerank diff`: two runs or two variants, query by query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from judge_rerank.cli.output import counted, emit, note, on_stdout
from judge_rerank.cli.terminal import head_box, head_table, json_text

if TYPE_CHECKING:
    from judge_rerank.evaluation import Pair, Side


def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A run, or RUN:VARIANT.")],
    after: Annotated[str, typer.Argument(metavar="B", help="The same. :VARIANT is another variant of A's run.")],
    metric: Annotated[
        str | None, typer.Option(metavar="NAME", help="The metric to compare. (default: the run's first)")
    ] = None,
    moved: Annotated[
        int, typer.Option(min=0, metavar="N", help="How many queries to list for each pair, those that moved most.")
    ] = 10,
    style: Annotated[Literal["table", "json"], typer.Option("--format", "-f")] = "table",
) -> None:
    """Compare two variants or two runs: wins, losses, ties, and the queries that moved most.

    judge-rerank diff runs/prompts:terse :rubric

    judge-rerank diff runs/monday runs/tuesday

    For two runs, each variant that both runs have is compared. Only queries that both sides have count.
    """
    from judge_rerank.evaluation import pairs, side

    a = side(before)
    b = side(after, a)
    name = metric or a.info.metrics[0]
    found = pairs(a, b, metric=name, most_moved=moved)
    if style == "json":
        record = {"metric": name, "a": before, "b": after, "pairs": [asdict(pair) for pair in found]}
        emit(json_text(record, indent=2))
        return
    emit(_overview(name, found))
    for pair in found:
        if pair.versus.moved:
            emit("\n" + _moves(pair, _texts(a, b)))
    left_out = sum(pair.versus.only_a + pair.versus.only_b for pair in found)
    if left_out:
        note(f"{counted(left_out, 'query', 'queries')} that only one side has {_count_as(left_out)}.")


def _count_as(left_out: int) -> str:
    return "is left out" if left_out == 1 else "are left out"


def _texts(*sides: Side) -> dict[str, str]:
    return {f"{result.dataset}/{result.query_id}": result.query for side in sides for result in side.results}


def _overview(metric: str, found: Sequence[Pair]) -> str:
    from judge_rerank.evaluation import shown_change, shown_probability, shown_quality

    table = Table(
        box=head_box(),
        show_edge=False,
        pad_edge=False,
        caption=f"{metric} · W/T/L: queries on which B is better, equal, worse · p and interval: for each pair alone",
        caption_justify="left",
    )
    table.add_column("A → B", overflow="fold", ratio=1, min_width=18)
    for heading, width in (("A", 5), ("B", 5), ("B − A", 6), ("95 % interval", 14), ("p", 7), ("W/T/L", 5)):
        table.add_column(heading, justify="right", no_wrap=True, min_width=width)
    for pair in found:
        beside = pair.versus
        table.add_row(
            Text(pair.a if pair.a == pair.b else f"{pair.a} → {pair.b}"),
            shown_quality(beside.mean_a),
            shown_quality(beside.mean_b),
            shown_change(beside.difference),
            ", ".join(map(shown_change, beside.interval)),
            shown_probability(beside.p),
            f"{beside.wins}/{beside.ties}/{beside.losses}",
        )
    return on_stdout(table)


def _moves(pair: Pair, texts: dict[str, str]) -> str:
    from judge_rerank.evaluation import shown_change, shown_quality

    table = head_table()
    title = pair.a if pair.a == pair.b else f"{pair.a} → {pair.b}"
    table.add_column(Text(f"moved most, {title}"), overflow="fold", ratio=1, min_width=12)
    for heading, width in (("query", 12), ("A", 5), ("B", 5), ("B − A", 6)):
        table.add_column(heading, justify="right", no_wrap=True, min_width=width)
    for move in pair.versus.moved:
        table.add_row(
            Text(" ".join(texts.get(move.query_id, "").split())),
            Text(move.query_id),
            shown_quality(move.a),
            shown_quality(move.b),
            shown_change(move.difference),
        )
    return on_stdout(table)
