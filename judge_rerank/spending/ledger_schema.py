"""Opening a ledger: its tables, its durability, and what to say when it cannot be used."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from judge_rerank.core import LedgerError

SCHEMA_VERSION = 1
BUSY_TIMEOUT_S = 30.0

# A write-ahead log that has reached its size is overwritten in place, and syncing that takes a twentieth of the time
# that syncing a growing file does. So it is grown once, when the file is opened.
_LOG_BYTES = 1024 * 4096

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
        period TEXT PRIMARY KEY, spent INTEGER NOT NULL, held INTEGER NOT NULL, stopped INTEGER NOT NULL DEFAULT 0
        ) WITHOUT ROWID""",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)


def connect(path: Path | None) -> sqlite3.Connection:
    """A connection to a ledger that is there and can be written; each commit is on the disk when it returns."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(
        path or ":memory:", timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("BEGIN")  # so that the file cannot become a ledger while it is looked at
        _check(connection, path)
        connection.execute("COMMIT")
        if path is not None:
            _use_log(connection)
        # What is written here may be lost with the power and is then written again.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA if _check(connection, path) == 0 else ():
            connection.execute(statement)
        connection.execute("COMMIT")
        log = Path(f"{path}-wal")
        if path is not None and (not log.exists() or log.stat().st_size < _LOG_BYTES):
            connection.execute("CREATE TABLE IF NOT EXISTS padding AS SELECT zeroblob(?)", (_LOG_BYTES,))
            connection.execute("DROP TABLE IF EXISTS padding")
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def _use_log(connection: sqlite3.Connection) -> None:
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            # SQLite does not wait by itself when another process is opening the same new file.
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _check(connection: sqlite3.Connection, path: Path | None) -> int:
    """The format of the file, 0 for an empty one; a file that is not a ledger of ours is left as it is."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if version > SCHEMA_VERSION:
        raise LedgerError(
            f"This ledger was written by a newer version (format {version}, this one knows {SCHEMA_VERSION}). Upgrade "
            "judge-rerank, or name another file.",
            path=path,
        )
    if version == 0 and tables:
        raise LedgerError("This is an SQLite file of another program. Name another file for the ledger.", path=path)
    return version


@contextmanager
def translated(path: Path | None) -> Generator[None, None, None]:
    """Raise what SQLite and the file system raise as a `LedgerError` that says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise LedgerError(_advice(error), path=path) from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise LedgerError(
            f"The ledger cannot be opened: {reason}. Name a file that can be written.", path=path
        ) from error


def _advice(error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return f"The ledger is damaged ({error}). Nothing is spent until it is restored from a copy or moved away."
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return f"The ledger cannot be written ({error}). Give write permission to the file and its folder."
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"Another process kept the ledger locked for {BUSY_TIMEOUT_S:.0f} s. End it, or name another file."
    if code == sqlite3.SQLITE_FULL:
        return "The disk that holds the ledger is full. Nothing is spent until there is room."
    return f"The ledger cannot be used ({error}). Nothing is spent until it can."
