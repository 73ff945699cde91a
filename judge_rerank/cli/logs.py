"""`judge-rerank logs`, `explain` and `spend`: what was asked, what was answered, and what it cost."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table
from rich.text import Text

from judge_rerank.cli import options
from judge_rerank.cli.judging import default_trace, store_address
from judge_rerank.cli.output import dollars, emit, on_stdout, printable
from judge_rerank.cli.terminal import broken, gap, json_text, shortened_columns, slim_table, taken, width
from judge_rerank.core import InputError

if TYPE_CHECKING:
    from judge_rerank.tracing import Trace, TracedCall

app = typer.Typer()

_DOCUMENT = "The document: its id, or its index (the place in the input, from 0), as in the table of rerank."

TraceFile = Annotated[
    Path | None,
    typer.Option(
        "--trace",
        metavar="FILE",
        envvar="JUDGE_RERANK_TRACE",
        help="The trace. (default: trace.db in the cache folder)",
        show_default=False,
    ),
]


@app.command("explain")
def explain(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run: its name, the beginning of its name, or 'last'.")],
    query: Annotated[str, typer.Option("--query", "-q", metavar="TEXT", help="The query: its id, or its whole text.")],
    doc: Annotated[str, typer.Option("--doc", "-d", metavar="ID", help=_DOCUMENT)],
    trace: TraceFile = None,
    store: options.Store = None,
    style: options.TableOrJson = "table",
) -> None:
    """Show the path of a document through the stages of a ranking, with the judgments that moved it."""
    explanation = _open(trace, store).path(run, query, doc)
    if style == "json":
        emit(_json(asdict(explanation) | {"path": explanation.path}))
    else:
        emit("".join(f"{_safe(line)}\n" for line in str(explanation).splitlines()))


@app.command("logs")
def logs(
    trace: TraceFile = None,
    run: Annotated[str | None, typer.Option(metavar="RUN", help="Only this run. 'last' is the newest.")] = None,
    query: Annotated[
        str | None, typer.Option("--query", "-q", help="Only this query, by its id or by a part of its text.")
    ] = None,
    doc: Annotated[
        str | None,
        typer.Option("--doc", "-d", metavar="ID", help="Only calls that showed this document, by its id or index."),
    ] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", metavar="NAME", help="Only this model.")] = None,
    stage: Annotated[str | None, typer.Option(metavar="NAME", help="Only this stage.")] = None,
    failed: Annotated[
        bool | None, typer.Option("--failed/--judged", help="Only calls without a judgment, or only calls with one.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Only the last N calls.")] = None,
    store: options.Store = None,
    runs: Annotated[bool, typer.Option("--runs", help="List the runs instead of the calls.")] = False,
    style: Annotated[
        Literal["table", "json", "jsonl"],
        typer.Option("--format", "-f", help="json and jsonl (one object per line) also contain prompts and replies."),
    ] = "table",
) -> None:
    """List the calls in a trace, in the order in which they were sent."""
    opened = _open(trace, store)
    if runs:
        found = opened.runs()
        emit(on_stdout(_runs_table(found)) if style == "table" else _records([asdict(item) for item in found], style))
        return
    calls = opened.calls(run=run, query=query, doc=doc, model=model, stage=stage, failed=failed, limit=limit)
    if style == "table":
        emit(on_stdout(_calls_table(calls)))
    else:
        emit(_records([_call_fields(call) for call in calls], style))


@app.command("spend")
def spend(
    by: Annotated[
        Literal["model", "day", "strategy", "prompt", "run"], typer.Option("--by", help="The key to group by.")
    ] = "model",
    form: Annotated[
        Literal["table", "csv", "json"], typer.Option("--format", "-f", help="The output format.")
    ] = "table",
    trace: TraceFile = None,
    ledger: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A budget's ledger, instead of a trace. It counts every attempt."),
    ] = None,
    store: options.Store = None,
    account: Annotated[
        str, typer.Option(metavar="NAME", help="Which of the ledgers in a store; by default that of no account.")
    ] = "",
) -> None:
    """Show what was spent, from a budget's ledger (a file, or in a store) or from a trace. Days are in UTC."""
    place = ledger or (None if trace is not None and store is None else store_address(store))
    rows = _trace_rows(_open(trace, None), by) if place is None else _ledger_rows(place, account, by)
    if form == "table":
        emit(on_stdout(_spend_table(rows, by)))
        return
    fields = [asdict(row) | {"cost_usd": f"{row.cost_usd:f}"} for row in rows]
    named = [{by: row.pop("key")} | row for row in fields]
    if form == "json":
        emit(_json(named, indent=2))
        return
    lines = io.StringIO()
    heads = [by, *(name for name in _Row.__dataclass_fields__ if name != "key")]
    writer = csv.DictWriter(lines, heads, lineterminator="\n")
    writer.writeheader()
    writer.writerows(named)
    emit(lines.getvalue())


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    key: str
    calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal
    unpriced_calls: int


def _trace_rows(trace: Trace, by: Literal["model", "day", "strategy", "prompt", "run"]) -> list[_Row]:
    return [_Row(**{name: getattr(item, name) for name in _Row.__dataclass_fields__}) for item in trace.spend(by)]


def _ledger_rows(
    place: Path | str, account: str, by: Literal["model", "day", "strategy", "prompt", "run"]
) -> list[_Row]:
    from judge_rerank.spending import Ledger

    with Ledger(place, account=account) as ledger:
        if not ledger.is_there():
            raise InputError(
                f"There is no ledger at {ledger.place}. A ledger is written with --budget USD --ledger FILE."
            )
        found = ledger.spend(by)
    return [_Row(**{name: getattr(item, name) for name in _Row.__dataclass_fields__}) for item in found]


def _spend_table(rows: Sequence[_Row], by: str) -> Table:
    unpriced = any(row.unpriced_calls for row in rows)
    table = _table(by, right=("calls", "tokens in", "tokens out", "cost", *(["price unknown"] if unpriced else [])))
    total = _Row(
        key="total",
        calls=sum(row.calls for row in rows),
        input_tokens=sum(row.input_tokens for row in rows),
        output_tokens=sum(row.output_tokens for row in rows),
        cost_usd=sum((row.cost_usd for row in rows), Decimal(0)),
        unpriced_calls=sum(row.unpriced_calls for row in rows),
    )
    for row in [*rows, total]:
        # Exact to the micro-dollar: this is where one looks when a bill is disputed.
        known = f"${row.cost_usd:.6f}" if row.calls > row.unpriced_calls or not row.calls else "unknown"
        cells = [row.key or "(none)", f"{row.calls:,}", f"{row.input_tokens:,}", f"{row.output_tokens:,}", known]
        table.add_row(*(Text(printable(cell)) for cell in [*cells, *([f"{row.unpriced_calls:,}"] if unpriced else [])]))
    return table


def _runs_table(runs: Sequence[Any]) -> Table:
    left, right = ("run", "started (UTC)"), ("rankings", "calls", "cost")
    table = slim_table()
    rows = [
        (printable(r.id), _when(r.started)[:-3], f"{r.rankings:,}", f"{r.calls:,}", dollars(r.cost_usd)) for r in runs
    ]
    room = max(16, width() - taken(zip((*left, *right), *rows, strict=True)))
    for heading in left:
        table.add_column(heading, no_wrap=True)
    table.add_column("strategies, models", overflow="fold")
    for heading in right:
        table.add_column(heading, justify="right", no_wrap=True)
    for run, (*about, rankings, calls, cost) in zip(runs, rows, strict=True):
        asked = "\n".join(broken(printable(strategy), room) for strategy in run.strategies)
        by = ", ".join(map(printable, run.models))
        table.add_row(*map(Text, (*about, f"{asked}\nby {by}" if by else asked, rankings, calls, cost)))
    return table


_CALL_MOST, _CALL_LEAST = (8, 12, 14, 14), (8, 6, 7, 8)
"""Columns of time, query, stage and model: at most, and where there is little room."""
_REPLY_LEAST = 18


def _calls_table(calls: Sequence[TracedCall]) -> Table:
    heads = ("time", "query", "stage", "model", "reply", "tokens", "cost", "s")
    rows = [_call_cells(call) for call in calls]
    # What is long is cut, so that a call is one line.
    columns = list(zip(heads, *rows, strict=True))
    numbers = [max(map(len, cells)) for cells in columns[5:]]
    room = width() - taken(columns[5:])
    names = [cells[:4] for cells in (heads, *rows)]
    widths = shortened_columns(names, _CALL_MOST, _CALL_LEAST, room - _REPLY_LEAST)
    reply = max(_REPLY_LEAST, room - sum(widths) - gap() * len(widths))
    table = slim_table()
    for heading, wide in zip(heads, (*widths, reply, *numbers), strict=True):
        right = heading in heads[5:]
        table.add_column(heading, width=wide, no_wrap=True, overflow="ellipsis", justify="right" if right else "left")
    for call, cells in zip(calls, rows, strict=True):
        table.add_row(*(Text(cell, "yellow" if call.error else "") for cell in cells))
    return table


def _call_cells(call: TracedCall) -> tuple[str, ...]:
    tokens = f"{call.input_tokens or 0:,}+{call.output_tokens or 0:,}"
    cost = "cached" if call.cached else "?" if call.cost_usd is None else dollars(call.cost_usd)
    cells = (
        _when(call.time)[-8:],
        call.query.id or call.query.text,
        f"{call.stage} {call.round}" + (f" #{call.attempt}" if call.attempt > 1 else ""),
        (call.model or "").rpartition("/")[2],
        call.error or call.reply or "",
        tokens,
        cost,
        f"{call.latency_s:.2f}",
    )
    return tuple(map(printable, cells))


def _table(*left: str, right: Sequence[str]) -> Table:
    table = slim_table()
    for heading in left:
        table.add_column(heading, overflow="fold")
    for heading in right:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _open(file: Path | None, store: str | None) -> Trace:
    from judge_rerank.tracing import Trace

    named = store_address(store) if store is not None or file is None else None
    return Trace(named or file or default_trace())


def _call_fields(call: TracedCall) -> dict[str, Any]:
    fields = asdict(call)
    if call.outcome is not None:
        fields["outcome"] = {"kind": type(call.outcome).__name__} | fields["outcome"]
    return fields


def _records(records: Sequence[dict[str, Any]], style: str) -> str:
    return _json(records, indent=2) if style == "json" else "".join(map(_json, records))


def _json(value: Any, indent: int | None = None) -> str:
    return json_text(value, indent=indent, default=_plain)


def _plain(value: Any) -> Any:
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _safe(line: str) -> str:
    indent = len(line) - len(line.lstrip(" "))
    return " " * indent + "".join(character for character in line[indent:] if character.isprintable())


def _when(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%m-%d %H:%M:%S}"
