"""A trace as a kind of file: its tables, and how one of an earlier version is brought up to date."""

from __future__ import annotations

from pathlib import Path

from judge_rerank.core import DataError
from judge_rerank.storage import Database

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


def _error(message: str, path: Path | None) -> DataError:
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
