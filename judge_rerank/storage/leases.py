"""Which process asks, when several want the same answer: rows that expire, and that end with the process they name.

A lease lasts `LEASE_S` unless it is renewed. Where the process that holds it is provably dead, it ends at once.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge_rerank.core import DataError
from judge_rerank.storage.process_locks import claim_process_lock, owner_is_gone
from judge_rerank.storage.sqlite import Database, is_busy, open_database

LEASE_S = 30.0
"""How long a row holds without being renewed."""


def _error(message: str, path: Path | None) -> DataError:
    return DataError(message, path=path)


_LEASES = Database(
    name="file of leases",
    schema=(
        "CREATE TABLE leases (key TEXT PRIMARY KEY, token TEXT, owner INTEGER, lock_identity INTEGER, expires REAL)"
        " WITHOUT ROWID",
        "CREATE TABLE counters (id INTEGER PRIMARY KEY, hits INTEGER, misses INTEGER)",
    ),
    tables=frozenset({"leases", "counters"}),
    error=_error,
    durable="never",  # rows mean nothing after a crash of the machine
    busy_s=2.0,
)


_INSERT_ALL = (
    "INSERT OR IGNORE INTO leases (key, token, owner, lock_identity, expires)"
    " SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), ?, ?, ? FROM json_each(?)"
)
_FIND_ALL = "SELECT key, token FROM leases WHERE key IN (SELECT value FROM json_each(?))"
_DELETE_ALL = (
    "DELETE FROM leases WHERE key IN (SELECT value FROM json_each(?)) AND token IN (SELECT value FROM json_each(?))"
)


class Leases:
    """One row for each request that some process is making, and the cache's counters; for use from one thread.

    Where the file cannot be kept, every caller gets its lease: a request may then be made twice, and nothing waits.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lock_file = path, Path(f"{path}.lock")
        self._owner, self._identity = secrets.randbits(48), 0
        self._connection: sqlite3.Connection | None = None
        self._broken = False

    def acquire(self, key: str, token: str) -> bool:
        """Whether the caller is the one to ask."""
        for _ in range(3):
            if self._insert(key, token):
                return True
            held = self._execute("SELECT token, owner, lock_identity, expires FROM leases WHERE key = ?", (key,)).rows
            if held and self._holds(held[0]):
                return False
            if held:
                self._execute("DELETE FROM leases WHERE key = ? AND token IS ?", (key, held[0][0]))
        return True

    def acquire_all(self, tokens: Mapping[str, str]) -> frozenset[str]:
        """Of these keys, those for which the caller is the one to ask, with its token."""
        self._execute("SELECT 1")  # opening the file claims the lock that the rows name
        rows = json.dumps(list(tokens.items()))
        added = self._execute(_INSERT_ALL, (self._owner, self._identity, time.time() + LEASE_S, rows)).changed
        if added == len(tokens):
            return frozenset(tokens)
        held: dict[Any, Any] = dict(self._execute(_FIND_ALL, (json.dumps(list(tokens)),)).rows)
        return frozenset(key for key, token in tokens.items() if held.get(key) == token or self.acquire(key, token))

    def release_all(self, tokens: Mapping[str, str]) -> None:
        """Let the others in, as `release` does for each of these keys."""
        if tokens:
            # No token is that of another key.
            self._execute(_DELETE_ALL, (json.dumps(list(tokens)), json.dumps(list(tokens.values()))))

    def renew(self, key: str, token: str) -> None:
        """Hold the row for another lease."""
        self._execute("UPDATE leases SET expires = ? WHERE key = ? AND token = ?", (time.time() + LEASE_S, key, token))

    def release(self, key: str, token: str) -> None:
        """Let the others in. Harmless where the row is held by somebody else, or by nobody."""
        self._execute("DELETE FROM leases WHERE key = ? AND token = ?", (key, token))

    def count(self, *, hits: int, misses: int) -> None:
        """Add to the counters."""
        statement = (
            "INSERT INTO counters VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE SET hits = hits + ?, misses = misses + ?"
        )
        self._execute(statement, (hits, misses, hits, misses))

    def counters(self) -> tuple[int, int]:
        """Hits and misses so far, of all processes."""
        rows = self._execute("SELECT hits, misses FROM counters", ()).rows
        return (int(rows[0][0]), int(rows[0][1])) if rows else (0, 0)

    def clear(self) -> None:
        """Set the counters to zero."""
        self._execute("DELETE FROM counters", ())

    def close(self) -> None:
        """Close the file."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def _insert(self, key: str, token: str) -> bool:
        self._execute("SELECT 1")  # opening the file claims the lock that the row names
        row = (key, token, self._owner, self._identity, time.time() + LEASE_S)
        return bool(self._execute("INSERT OR IGNORE INTO leases VALUES (?, ?, ?, ?, ?)", row).changed)

    def _holds(self, row: tuple[Any, ...]) -> bool:
        _, owner, identity, expires = row
        if not (isinstance(expires, float) and isinstance(owner, int)):
            return False
        # A row that lasts longer than any lease was written before the clock was set back.
        running = 0 <= expires - time.time() <= LEASE_S + 1
        return running and not owner_is_gone(self._lock_file, owner, identity)

    def _execute(self, statement: str, values: tuple[object, ...] = ()) -> _Result:
        for _ in range(2):
            if self._broken:
                break
            try:
                self._connection = self._connection or self._open()
                cursor = self._connection.execute(statement, values)
                return _Result(rows=cursor.fetchall(), changed=cursor.rowcount)
            except (sqlite3.Error, DataError, OSError) as error:
                self._recover(error)
        return _Result(rows=[], changed=0)

    def _open(self) -> sqlite3.Connection:
        connection = open_database(_LEASES, self._path)
        # The lock is taken before a row can name it: whoever finds the row finds its lock held.
        self._identity = claim_process_lock(self._lock_file, self._owner)
        return connection

    def _recover(self, error: Exception) -> None:
        self.close()
        cause = error.__cause__ or error
        if isinstance(cause, sqlite3.DatabaseError) and not isinstance(cause, sqlite3.OperationalError):
            for suffix in ("-wal", "-shm", ""):
                with suppress(OSError):
                    self._path.with_name(self._path.name + suffix).unlink()
        else:
            self._broken = not is_busy(cause)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Result:
    rows: list[tuple[Any, ...]]
    changed: int
