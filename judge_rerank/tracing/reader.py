"""Questions to a trace: its runs, its calls, what was spent, and rankings put together again from their calls."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import Any, Literal, get_args

from judge_rerank.core import (
    Document,
    InputError,
    Judgment,
    RankedDocument,
    Ranking,
    UnknownName,
    judgments_of,
    to_usd,
    total_usd,
)
from judge_rerank.storage import Sql
from judge_rerank.tracing.records import TracedCall
from judge_rerank.tracing.rows import Texts, as_text, read_call, read_documents, read_query
from judge_rerank.tracing.store import storable
from judge_rerank.tracing.stored_ranking import rest_of, results_in

SpendKey = Literal["model", "day", "strategy", "prompt", "run"]

_KEYS: Mapping[str, str] = {
    "model": "COALESCE(calls.model, '')",
    "day": "{day}",
    "strategy": "rankings.strategy",
    "prompt": "COALESCE(calls.prompt, '')",
    "run": "rankings.run",
}
_UNFINISHED: Mapping[str, Any] = {"status": "partial", "reasons": ["the run ended before this ranking did"]}
_OF_CALLS = "calls.*, rankings.run, rankings.query, rankings.query_id, rankings.wishes, rankings.strategy"
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


def read_runs(connection: Sql) -> list[RunSummary]:
    """All runs, oldest first."""
    rows = connection.execute(
        "SELECT run, MIN(started) AS started, COUNT(DISTINCT rankings.id) AS rankings,"
        " COUNT(calls.id) - COALESCE(SUM(calls.cached), 0) AS calls, COALESCE(SUM(cost_micro_usd), 0) AS cost"
        " FROM rankings LEFT JOIN calls ON calls.ranking = rankings.id GROUP BY run ORDER BY started, run"
    ).fetchall()
    strategies = _by_run(connection, "SELECT DISTINCT run, strategy AS name FROM rankings")
    models = _by_run(connection, f"SELECT DISTINCT rankings.run AS run, calls.model AS name {_CALLS}")
    return [
        RunSummary(
            id=row["run"],
            started=row["started"],
            rankings=row["rankings"],
            calls=int(row["calls"]),
            cost_usd=to_usd(int(row["cost"])),
            strategies=tuple(sorted(strategies[row["run"]])),
            models=tuple(sorted(filter(None, models.get(row["run"], ())))),
        )
        for row in rows
    ]


def _by_run(connection: Sql, statement: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in connection.execute(statement):
        found.setdefault(row["run"], []).append(row["name"])
    return found


def read_spend(connection: Sql, by: SpendKey) -> list[TraceSpend]:
    """What was spent, dearest first; by day, the earliest first."""
    if by not in _KEYS:
        raise UnknownName("way to add up what was spent", by, get_args(SpendKey))
    order = "key" if by == "day" else "cost DESC, key"
    rows = connection.execute(
        f"SELECT {_KEYS[by].format(day=connection.day('calls.time'))} AS key,"
        " SUM(1 - cached) AS calls, SUM(cached) AS cached_calls,"
        " COALESCE(SUM(cost_micro_usd), 0) AS cost,"
        " SUM(CASE WHEN cached = 1 THEN 0 ELSE COALESCE(input_tokens, 0) END) AS input_tokens,"
        " SUM(CASE WHEN cached = 1 THEN 0 ELSE COALESCE(output_tokens, 0) END) AS output_tokens,"
        " SUM(CASE WHEN cached = 0 AND cost_micro_usd IS NULL THEN 1 ELSE 0 END) AS unpriced_calls"
        f" {_CALLS} GROUP BY 1 ORDER BY {order}"
    )
    return [
        TraceSpend(
            key=row["key"],
            calls=int(row["calls"]),
            cached_calls=int(row["cached_calls"]),
            cost_usd=to_usd(int(row["cost"])),
            input_tokens=int(row["input_tokens"]),
            output_tokens=int(row["output_tokens"]),
            unpriced_calls=int(row["unpriced_calls"]),
        )
        for row in rows
    ]


def read_calls(
    connection: Sql,
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
        ("(rankings.query_id = ? OR LOWER(rankings.query) LIKE LOWER(?) ESCAPE '\\')", query),
        ("calls.model = ?", model),
        ("calls.stage = ?", stage),
    ):
        if value is not None:
            wheres.append(clause)
            values += [value, f"%{_like(value)}%"] if clause.count("?") == 2 else [value]
    if failed is not None:
        fault = '(error IS NOT NULL OR outcome IS NULL OR outcome LIKE \'{"kind":"Failed"%\')'
        wheres.append(fault if failed else f"NOT {fault}")
    where = f" WHERE {' AND '.join(wheres)}" if wheres else ""
    columns = f"{_OF_CALLS}, rankings.documents"
    rows = connection.execute(f"SELECT {columns} {_CALLS}{where} ORDER BY calls.id", values).fetchall()
    texts = Texts(connection)
    if doc is not None:
        rows = [row for row in rows if _shows(row, doc)]
    return [read_call(row, texts) for row in rows[-limit if limit else None :]]


def read_ranking(connection: Sql, run: str, query: str) -> Ranking:
    """The last ranking for a query (its id or text) in a run, as it was returned.

    One that was cut short is in first-stage order, and partial, with the judgments that its calls made.
    """
    name = find_run(connection, run)
    row = connection.execute(
        "SELECT * FROM rankings WHERE run = ? AND (query_id = ? OR query = ?) ORDER BY started DESC, rowid DESC",
        (name, storable(query), storable(query)),
    ).fetchone()
    if row is None:
        known = connection.execute(
            "SELECT DISTINCT COALESCE(query_id, query) AS name FROM rankings WHERE run = ?", (name,)
        )
        raise UnknownName(f"query in run {name}", query, [as_text(item["name"]) for item in known])
    documents = read_documents(row, Texts(connection))
    if row["details"]:
        results, rest = results_in(row, documents), rest_of(row)
    else:
        results = _from_calls(row, documents, _judgments(connection, row["id"], len(documents)))
        rest = rest_of(row) if row["results"] else _UNFINISHED
    return Ranking(results, query=read_query(row), strategy=row["strategy"], model=row["model"], **rest)


def _from_calls(
    row: Mapping[str, Any], documents: Sequence[Document], said: Sequence[Sequence[Judgment]]
) -> list[RankedDocument]:
    """The results of a ranking that did not end, or of one in a file of the first version."""
    held = json.loads(row["results"]) if row["results"] else [(index, None) for index in range(len(documents))]
    return [
        RankedDocument(
            rank=rank,
            index=index,
            relevance_score=score,
            document=documents[index],
            judgments=tuple(said[index]),
        )
        for rank, (index, score) in enumerate(held, start=1)
    ]


def find_run(connection: Sql, run: str) -> str:
    """The full name of a run from its name, a beginning that only one run has, or "last"."""
    names = [
        row["run"] for row in connection.execute("SELECT run FROM rankings GROUP BY run ORDER BY MIN(started), run")
    ]
    if run == "last" and names:
        return names[-1]
    fitting = [name for name in names if name == run] or [name for name in names if name.startswith(run)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise InputError(
            f"{len(fitting)} runs begin with {run!r}: {', '.join(fitting)}. Give a longer part of the name."
        )
    raise UnknownName("run", run, names, "The newest one is also called 'last'.")


def doc_index(ranking: Ranking, doc: str | int) -> int:
    """The first-stage position of a document from its id or its position."""
    for result in ranking.results:
        if result.document.id == doc or (result.document.id is None and str(result.index) == str(doc)):
            return result.index
    if isinstance(doc, int) or doc.isdecimal():
        return int(doc)
    raise UnknownName("document", doc, [r.document.id or str(r.index) for r in ranking.results])


def _judgments(connection: Sql, ranking: str, n: int) -> list[list[Judgment]]:
    rows = connection.execute(
        f"SELECT {_OF_CALLS} {_CALLS} WHERE ranking = ? ORDER BY call, calls.id",
        (ranking,),
    )
    texts = Texts(connection)
    found: list[list[Judgment]] = [[] for _ in range(n)]
    calls = (read_call(row, texts) for row in rows)
    for _, attempts in groupby(calls, key=lambda call: call.call):
        made = list(attempts)
        judged = [call for call in made if call.outcome is not None]
        for index, judgment in zip(judged[-1].window, _said(judged[-1], made), strict=True) if judged else ():
            found[index].append(judgment)
    return found


def _said(call: TracedCall, attempts: Sequence[TracedCall]) -> Sequence[Judgment]:
    """What a call said of the documents it showed; tokens and price are of all its attempts."""
    if call.outcome is None:
        return ()
    costs = [attempt.cost_usd for attempt in attempts if attempt.cost_usd is not None or attempt.outcome is not None]
    shared = Judgment(
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
    )
    # Scorers, and vectors that are compared, are sent no message: they see one document at a time.
    one_by_one = call.prompt is None and not call.messages
    return judgments_of(call.outcome, shared, call.passages, one_by_one=one_by_one)


def _shows(row: Mapping[str, Any], doc: str | int) -> bool:
    documents: list[dict[str, Any]] = json.loads(row["documents"])
    window: list[int] = json.loads(row["window"])
    return any(documents[i]["id"] == doc or (documents[i]["id"] is None and str(i) == str(doc)) for i in window)


def _like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
