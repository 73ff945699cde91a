"""A trace as a kind of file, and as tables of a shared database."""

from __future__ import annotations

from pathlib import Path

from judge_rerank.core import DataError
from judge_rerank.storage import Database, Tables

_RANKINGS = """CREATE TABLE rankings (
    id TEXT PRIMARY KEY, run TEXT NOT NULL, started REAL NOT NULL, query_id TEXT, query TEXT NOT NULL,
    strategy TEXT NOT NULL, model TEXT, documents TEXT NOT NULL,
    status TEXT, reasons TEXT, results TEXT, usage TEXT, details TEXT, wishes TEXT)"""
_CALLS = """CREATE TABLE calls (
    id INTEGER PRIMARY KEY, ranking TEXT NOT NULL, call INTEGER NOT NULL, attempt INTEGER NOT NULL, time REAL NOT NULL,
    task TEXT NOT NULL, stage TEXT NOT NULL, round INTEGER NOT NULL, window TEXT NOT NULL, passages TEXT,
    prompt TEXT, prompt_hash TEXT, model TEXT, params TEXT NOT NULL, messages TEXT NOT NULL,
    latency_s REAL NOT NULL, input_tokens INTEGER, output_tokens INTEGER, cached_input_tokens INTEGER,
    cost_micro_usd INTEGER, cached INTEGER NOT NULL, reply TEXT, finish_reason TEXT, outcome TEXT, error TEXT)"""


def _error(message: str, path: Path | str | None) -> DataError:
    return DataError(message, path=path)


TRACE = Database(
    name="trace",
    schema=(
        "CREATE TABLE texts (hash TEXT PRIMARY KEY, text TEXT NOT NULL)",
        _RANKINGS,
        _CALLS,
        "CREATE INDEX rankings_run ON rankings (run, started)",
        "CREATE INDEX calls_ranking ON calls (ranking)",
    ),
    tables=frozenset({"texts", "rankings", "calls"}),
    upgrades={
        1: ("ALTER TABLE rankings ADD COLUMN details TEXT", "ALTER TABLE calls ADD COLUMN passages TEXT"),
        2: ("ALTER TABLE rankings ADD COLUMN wishes TEXT",),
    },
    error=_error,
)
""""`results`, `usage` and `details` hold a ranking as it was returned. Version 1 had its order and scores alone.
`wishes` is what the query has beside its text: instruction, criteria, fields; NULL for none, as before version 3."""

TRACE_TABLES = Tables(
    name="trace",
    schema=(
        "CREATE TABLE trace_texts (hash TEXT PRIMARY KEY, text TEXT NOT NULL)",
        """CREATE TABLE trace_rankings (
            rowid BIGINT GENERATED ALWAYS AS IDENTITY, id TEXT PRIMARY KEY, run TEXT NOT NULL, started FLOAT8 NOT NULL,
            query_id TEXT, query TEXT NOT NULL, strategy TEXT NOT NULL, model TEXT, documents TEXT NOT NULL,
            status TEXT, reasons TEXT, results TEXT, usage TEXT, details TEXT, wishes TEXT)""",
        """CREATE TABLE trace_calls (
            id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, ranking TEXT NOT NULL, call BIGINT NOT NULL,
            attempt BIGINT NOT NULL, time FLOAT8 NOT NULL, task TEXT NOT NULL, stage TEXT NOT NULL,
            round BIGINT NOT NULL, "window" TEXT NOT NULL, passages TEXT, prompt TEXT, prompt_hash TEXT, model TEXT,
            params TEXT NOT NULL, messages TEXT NOT NULL, latency_s FLOAT8 NOT NULL, input_tokens BIGINT,
            output_tokens BIGINT, cached_input_tokens BIGINT, cost_micro_usd BIGINT, cached INTEGER NOT NULL,
            reply TEXT, finish_reason TEXT, outcome TEXT, error TEXT)""",
        "CREATE INDEX trace_rankings_run ON trace_rankings (run, started)",
        "CREATE INDEX trace_calls_ranking ON trace_calls (ranking)",
    ),
    aliases={"texts": "trace_texts", "rankings": "trace_rankings", "calls": "trace_calls"},
    error=_error,
)
