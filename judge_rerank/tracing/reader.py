"""Questions to a trace: its runs, its calls, what was spent, and rankings put together again from their calls."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from itertools import groupby
from typing import Any, Literal, get_args

from judge_rerank.core import (
    InputError,
    Judgment,
    Query,
    RankedDocument,
    Ranking,
    UnknownName,
    Usage,
    total_usd,
)
from judge_rerank.tracing.store import Texts, TracedCall, read_call, read_documents

SpendKey = Literal["model", "day", "strategy", "prompt", "run"]

_KEYS: Mapping[str, str] = {
    "model": "COALESCE(calls.model, '')",
    "day": "strftime('%Y-%m-%d', calls.time, 'unixepoch')",
    "strategy": "rankings.strategy",
    "prompt": "COALESCE(calls.prompt, '')",
    "run": "rankings.run",
}
_CALLS = "FROM calls JOIN rankings ON rankings.id = calls.ranking"


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSummary:
    """A run: everything that one `Trace` object wrote.

    Attributes:
        id: its name.
        started: when its first ranking began, in seconds since 1970.
        rankings: how many.
        calls: attempts that were sent; replies from the cache are not in it.
        cost_usd: what they cost, as far as it is known.
        strategies, models: what was used.
    """

    id: str
    started: float
    rankings: int
    calls: int
    cost_usd: Decimal
    strategies: tuple[str, ...]
    models: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class TraceSpend:
    """What was spent on one model, day (UTC), strategy, prompt or run.

    Attributes:
        key: which one.
        calls: attempts that were sent.
        cached_calls: replies that came from the cache, for nothing.
        cost_usd: what the calls cost, as far as it is known.
        input_tokens, output_tokens: of the calls that were sent.
        unpriced_calls: calls whose price is not known, and which are not in `cost_usd`.
    """

    key: str
    calls: int
    cached_calls: int
    cost_usd: Decimal
    input_tokens: int
    output_tokens: int
    unpriced_calls: int


def read_runs(connection: sqlite3.Connection) -> list[RunSummary]:
    """All runs, oldest first."""
    rows = connection.execute(
        "SELECT run, MIN(started) AS started, COUNT(DISTINCT rankings.id) AS rankings,"
        " COUNT(calls.id) - COALESCE(SUM(calls.cached), 0) AS calls, COALESCE(SUM(cost_micro_usd), 0) AS cost,"
        " GROUP_CONCAT(DISTINCT strategy) AS strategies, GROUP_CONCAT(DISTINCT calls.model) AS models"
        " FROM rankings LEFT JOIN calls ON calls.ranking = rankings.id GROUP BY run ORDER BY started, run"
    )
    return [
        RunSummary(
            id=row["run"],
            started=row["started"],
            rankings=row["rankings"],
            calls=row["calls"],
            cost_usd=Decimal(row["cost"]).scaleb(-6),
            strategies=tuple(sorted((row["strategies"] or "").split(","))),
            models=tuple(sorted(filter(None, (row["models"] or "").split(",")))),
        )
        for row in rows
    ]


def read_spend(connection: sqlite3.Connection, by: SpendKey) -> list[TraceSpend]:
    """What was spent, dearest first; by day, the earliest first."""
    if by not in _KEYS:
        raise UnknownName("way to add up what was spent", by, get_args(SpendKey))
    order = "key" if by == "day" else "cost DESC, key"
    rows = connection.execute(
        f"SELECT {_KEYS[by]} AS key, SUM(NOT cached) AS calls, SUM(cached) AS cached_calls,"
        " COALESCE(SUM(cost_micro_usd), 0) AS cost,"
        " SUM(CASE WHEN cached THEN 0 ELSE COALESCE(input_tokens, 0) END) AS input_tokens,"
        " SUM(CASE WHEN cached THEN 0 ELSE COALESCE(output_tokens, 0) END) AS output_tokens,"
        f" SUM(NOT cached AND cost_micro_usd IS NULL) AS unpriced_calls {_CALLS} GROUP BY 1 ORDER BY {order}"
    )
    return [
        TraceSpend(
            key=row["key"],
            calls=row["calls"],
            cached_calls=row["cached_calls"],
            cost_usd=Decimal(row["cost"]).scaleb(-6),
            input_tokens=row["input_tokens"],
            output_tokens=row["output_tokens"],
            unpriced_calls=row["unpriced_calls"],
        )
        for row in rows
    ]


def read_calls(
    connection: sqlite3.Connection,
    *,
    run: str | None,
    query: str | None,
    doc: str | int | None,
    model: str | None,
    stage: str | None,
    failed: bool | None,
    limit: int | None,
) -> list[TracedCall]:
    """The calls that fit, in the order in which they were sent; the last `limit` of them."""
    wheres: list[str] = []
    values: list[Any] = []
    for clause, value in (
        ("rankings.run = ?", run and find_run(connection, run)),
        ("(rankings.query_id = ? OR rankings.query LIKE ? ESCAPE '\\')", query),
        ("calls.model = ?", model),
        ("calls.stage = ?", stage),
    ):
        if value is not None:
            wheres.append(clause)
            values += [value, f"%{_like(value)}%"] if clause.count("?") == 2 else [value]
    if failed is not None:
        fault = "(error IS NOT NULL OR outcome IS NULL OR json_extract(outcome, '$.kind') = 'Failed')"
        wheres.append(fault if failed else f"NOT {fault}")
    where = f" WHERE {' AND '.join(wheres)}" if wheres else ""
    columns = "calls.*, rankings.run, rankings.query, rankings.query_id, rankings.strategy, rankings.documents"
    rows = connection.execute(f"SELECT {columns} {_CALLS}{where} ORDER BY calls.id", values).fetchall()
    texts = Texts(connection)
    if doc is not None:
        rows = [row for row in rows if _shows(row, doc)]
    return [read_call(row, texts) for row in rows[-limit if limit else None :]]


def read_ranking(connection: sqlite3.Connection, run: str, query: str) -> Ranking:
    """The last ranking for a query (its id or text) in a run, with the judgments that its calls made.

    One that was cut short is in first-stage order, and partial.
    """
    name = find_run(connection, run)
    row = connection.execute(
        "SELECT * FROM rankings WHERE run = ? AND (query_id = ? OR query = ?) ORDER BY started DESC, rowid DESC",
        (name, query, query),
    ).fetchone()
    if row is None:
        known = connection.execute("SELECT DISTINCT COALESCE(query_id, query) FROM rankings WHERE run = ?", (name,))
        raise UnknownName(f"query in run {name}", query, [item[0] for item in known])
    documents = read_documents(row, Texts(connection))
    judgments = _judgments(connection, row["id"], len(documents))
    held = json.loads(row["results"]) if row["results"] else [(index, None) for index in range(len(documents))]
    return Ranking(
        [
            RankedDocument(
                rank=rank,
                index=index,
                relevance_score=score,
                document=documents[index],
                judgments=tuple(judgments[index]),
            )
            for rank, (index, score) in enumerate(held, start=1)
        ],
        query=Query(text=row["query"], id=row["query_id"]),
        strategy=row["strategy"],
        model=row["model"],
        status="complete" if row["status"] == "complete" else "partial",
        reasons=json.loads(row["reasons"]) if row["reasons"] else ["the run ended before this ranking did"],
        usage=_usage(row["usage"]),
    )


def find_run(connection: sqlite3.Connection, run: str) -> str:
    """The full name of a run from its name, a beginning that only one run has, or "last"."""
    names = [row[0] for row in connection.execute("SELECT run FROM rankings GROUP BY run ORDER BY MIN(started), run")]
    if run == "last" and names:
        return names[-1]
    fitting = [name for name in names if name == run] or [name for name in names if name.startswith(run)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise InputError(f"{len(fitting)} runs begin with {run!r}: {', '.join(fitting)}. Give more of the name.")
    raise UnknownName("run", run, names, "The newest one is also called 'last'.")


def doc_index(ranking: Ranking, doc: str | int) -> int:
    """The first-stage position of a document from its id or its position."""
    for result in ranking.results:
        if result.document.id == doc or (result.document.id is None and str(result.index) == str(doc)):
            return result.index
    if isinstance(doc, int) or doc.isdecimal():
        return int(doc)
    raise UnknownName("document", doc, [r.document.id or str(r.index) for r in ranking.results])


def _judgments(connection: sqlite3.Connection, ranking: str, n: int) -> list[list[Judgment]]:
    rows = connection.execute(
        "SELECT calls.*, rankings.run, rankings.query, rankings.query_id, rankings.strategy"
        f" {_CALLS} WHERE ranking = ? ORDER BY call, calls.id",
        (ranking,),
    )
    texts = Texts(connection)
    judgments: list[list[Judgment]] = [[] for _ in range(n)]
    calls = (read_call(row, texts) for row in rows)
    for _, attempts in groupby(calls, key=lambda call: call.call):
        made = list(attempts)
        judged = [call for call in made if call.outcome is not None]
        for shown, index in enumerate(judged[-1].window if judged else ()):
            judgments[index].append(_judgment(judged[-1], shown, made))
    return judgments


def _judgment(call: TracedCall, shown: int, attempts: Sequence[TracedCall]) -> Judgment:
    """What a call said of the document at place `shown`; tokens and price are of all its attempts."""
    costs = [attempt.cost_usd for attempt in attempts if attempt.cost_usd is not None or attempt.outcome is not None]
    return Judgment(
        stage=call.stage,
        round=call.round,
        window=call.window,
        prompt=call.prompt,
        prompt_hash=call.prompt_hash,
        model=call.model,
        reply=call.reply,
        input_tokens=sum(attempt.input_tokens or 0 for attempt in attempts),
        output_tokens=sum(attempt.output_tokens or 0 for attempt in attempts),
        cost_usd=total_usd(costs),
        latency_s=sum(attempt.latency_s for attempt in attempts),
        cached=call.cached,
        repairs=call.outcome.repairs if call.outcome is not None else (),
        **(asdict(call.outcome.statements(len(call.window))[shown]) if call.outcome is not None else {}),
    )


def _usage(stored: str | None) -> Usage:
    if not stored:
        return Usage()
    values = json.loads(stored)
    dollars = {name: None if values[name] is None else Decimal(values[name]) for name in ("cost_usd", "saved_usd")}
    return Usage(**values | dollars)


def _shows(row: Mapping[str, Any], doc: str | int) -> bool:
    documents: list[dict[str, Any]] = json.loads(row["documents"])
    window: list[int] = json.loads(row["window"])
    return any(documents[i]["id"] == doc or (documents[i]["id"] is None and str(i) == str(doc)) for i in window)


def _like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
