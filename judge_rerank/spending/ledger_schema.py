"""A ledger as a kind of file, and as tables of a shared database."""

from __future__ import annotations

from pathlib import Path

from judge_rerank.core import LedgerError
from judge_rerank.storage import Database, Tables

# The models that have billed far more than was reserved.
_STOPPED = "CREATE TABLE stopped (model TEXT PRIMARY KEY) WITHOUT ROWID"
_SCHEMA = (
    """CREATE TABLE sessions (
        id INTEGER PRIMARY KEY, lock_identity INTEGER NOT NULL, pid INTEGER NOT NULL, opened_us INTEGER NOT NULL,
        closed INTEGER NOT NULL DEFAULT 0)""",
    """CREATE TABLE calls (
        id INTEGER PRIMARY KEY, session INTEGER NOT NULL, time_us INTEGER NOT NULL, day TEXT NOT NULL,
        run TEXT NOT NULL, model TEXT NOT NULL, strategy TEXT NOT NULL, prompt TEXT NOT NULL, priced INTEGER NOT NULL,
        state TEXT NOT NULL, reserved INTEGER NOT NULL CHECK (reserved >= 0),
        charged INTEGER NOT NULL CHECK (charged >= 0),
        input_tokens INTEGER NOT NULL DEFAULT 0, output_tokens INTEGER NOT NULL DEFAULT 0)""",
    "CREATE INDEX calls_under_way ON calls (session) WHERE state IN ('reserved', 'sent')",
    """CREATE TABLE events (
        id INTEGER PRIMARY KEY, time_us INTEGER NOT NULL, call INTEGER, state TEXT NOT NULL,
        micro_usd INTEGER NOT NULL)""",
    "CREATE TRIGGER events_are_kept BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events are for good'); END",
    "CREATE TRIGGER events_are_fixed BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events are for good'); END",
    """CREATE TABLE totals (
        period TEXT PRIMARY KEY, spent INTEGER NOT NULL, held INTEGER NOT NULL) WITHOUT ROWID""",
    _STOPPED,
)


def _error(message: str, path: Path | None) -> LedgerError:
    return LedgerError(message, path=path)


LEDGER = Database(
    name="ledger",
    schema=_SCHEMA,
    tables=frozenset({"sessions", "calls", "events", "totals"}),
    upgrades={
        # In the first version such a bill stopped its periods, for every model.
        1: (
            _STOPPED,
            "INSERT OR IGNORE INTO stopped SELECT DISTINCT model FROM calls WHERE state = 'settled'"
            " AND 10 * charged > 11 * reserved AND EXISTS (SELECT 1 FROM totals WHERE stopped)",
        ),
    },
    error=_error,
    consequence="Nothing is spent until that is done.",
    durable="commit",
    busy_s=30.0,
)
"""Each commit is on the disk when it returns, since what was sent must not be forgotten."""


def _store_error(message: str, store: str) -> LedgerError:
    return LedgerError(message, path=store)


# The row of an account is the lock of its ledger: who writes holds it, so the order of locks is the same for all.
LEDGER_TABLES = Tables(
    name="ledger",
    schema=(
        """CREATE TABLE ledger_accounts (
            name TEXT PRIMARY KEY, changes BIGINT NOT NULL DEFAULT 0) WITH (fillfactor = 20)""",
        """CREATE TABLE ledger_writers (
            id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account TEXT NOT NULL, process TEXT NOT NULL,
            opened TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(), expires TIMESTAMPTZ NOT NULL,
            batch BIGINT NOT NULL DEFAULT 0, closed BOOLEAN NOT NULL DEFAULT FALSE) WITH (fillfactor = 20)""",
        "CREATE INDEX ledger_writers_open ON ledger_writers (account) WHERE NOT closed",
        """CREATE TABLE ledger_calls (
            id BIGINT PRIMARY KEY, account TEXT NOT NULL, writer BIGINT NOT NULL, time_us BIGINT NOT NULL,
            day TEXT NOT NULL, run TEXT NOT NULL, model TEXT NOT NULL, strategy TEXT NOT NULL, prompt TEXT NOT NULL,
            priced INTEGER NOT NULL, state TEXT NOT NULL, reserved BIGINT NOT NULL CHECK (reserved >= 0),
            charged BIGINT NOT NULL CHECK (charged >= 0),
            input_tokens BIGINT NOT NULL DEFAULT 0, output_tokens BIGINT NOT NULL DEFAULT 0) WITH (fillfactor = 60)""",
        "CREATE INDEX ledger_calls_under_way ON ledger_calls (writer) WHERE state IN ('reserved', 'sent')",
        """CREATE TABLE ledger_events (
            id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account TEXT NOT NULL, time_us BIGINT NOT NULL,
            call BIGINT, state TEXT NOT NULL, micro_usd BIGINT NOT NULL)""",
        """CREATE FUNCTION ledger_events_are_for_good() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'events are for good'; END $$""",
        """CREATE TRIGGER ledger_events_are_kept BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger_events
            FOR EACH STATEMENT EXECUTE FUNCTION ledger_events_are_for_good()""",
        """CREATE TABLE ledger_totals (
            account TEXT NOT NULL, period TEXT NOT NULL, spent BIGINT NOT NULL, held BIGINT NOT NULL,
            PRIMARY KEY (account, period)) WITH (fillfactor = 20)""",
        "CREATE TABLE ledger_stopped (account TEXT NOT NULL, model TEXT NOT NULL, PRIMARY KEY (account, model))",
    ),
    durable=True,
    error=_store_error,
    consequence="Nothing is spent until that is done.",
)
"""Each commit is on the disk when it returns, as in a file."""
