"""Which process asks, when several want the same answer: rows that name their owner and expire, in a SQLite file."""

from __future__ import annotations

import os
import platform
import sqlite3
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LEASE_S = 30.0
"""How long a row holds without being renewed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Owner:
    """A process, named so that a later one with the same number is not taken for it."""

    host: str
    pid: int
    started: str

    @classmethod
    def this(cls) -> Owner:
        """The running process."""
        return cls(host=_host(), pid=os.getpid(), started=_started(os.getpid()))

    def is_gone(self) -> bool:
        """Whether the process is known to have ended; False for one that cannot be looked at from here."""
        if self.host != _host() or os.name == "nt":
            return False
        try:
            os.kill(self.pid, 0)
        except (ProcessLookupError, OverflowError):
            return True
        except OSError:
            return False
        return _started(self.pid) != self.started


class LockRows:
    """One row for each request that some process is making, and the cache's counters; for use from one thread.

    Where the file cannot be kept, every caller gets its lock: a request may then be made twice, and nothing waits.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._owner = Owner.this()
        self._connection: sqlite3.Connection | None = None
        self._broken = False

    def acquire(self, key: str, token: str) -> bool:
        """Whether the caller is the one to ask."""
        me = self._owner
        for _ in range(3):
            row = (key, token, me.host, me.pid, me.started, time.time() + LEASE_S)
            if self._execute("INSERT OR IGNORE INTO flights VALUES (?, ?, ?, ?, ?, ?)", row).changed:
                return True
            held = self._execute("SELECT token, host, pid, started, expires FROM flights WHERE key = ?", (key,)).rows
            if held and _holds(held[0]):
                return False
            if held:
                self._execute("DELETE FROM flights WHERE key = ? AND token IS ?", (key, held[0][0]))
        return True

    def renew(self, key: str, token: str) -> None:
        """Hold the row for another lease."""
        self._execute("UPDATE flights SET expires = ? WHERE key = ? AND token = ?", (time.time() + LEASE_S, key, token))

    def release(self, key: str, token: str) -> None:
        """Let the others in. Harmless where the row is held by somebody else, or by nobody."""
        self._execute("DELETE FROM flights WHERE key = ? AND token = ?", (key, token))

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

    def _execute(self, statement: str, values: tuple[object, ...]) -> _Result:
        for _ in range(2):
            if self._broken:
                break
            try:
                self._connection = self._connection or self._open()
                cursor = self._connection.execute(statement, values)
                return _Result(rows=cursor.fetchall(), changed=cursor.rowcount)
            except (sqlite3.Error, OSError) as error:
                self._recover(error)
        return _Result(rows=[], changed=0)

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=2.0, isolation_level=None)
        # Rows mean nothing after a crash of the machine, so they need not survive one.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS flights"
            " (key TEXT PRIMARY KEY, token TEXT, host TEXT, pid INTEGER, started TEXT, expires REAL) WITHOUT ROWID"
        )
        connection.execute("CREATE TABLE IF NOT EXISTS counters (id INTEGER PRIMARY KEY, hits INTEGER, misses INTEGER)")
        return connection

    def _recover(self, error: Exception) -> None:
        self.close()
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            for suffix in ("-wal", "-shm", ""):
                with suppress(OSError):
                    self._path.with_name(self._path.name + suffix).unlink()
        else:
            self._broken = not _is_busy(error)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Result:
    rows: list[tuple[Any, ...]]
    changed: int


def _holds(row: tuple[Any, ...]) -> bool:
    _, host, pid, started, expires = row
    if not (isinstance(expires, float) and isinstance(pid, int)):
        return False
    # A row that lasts longer than any lease was written before the clock was set back.
    running = 0 <= expires - time.time() <= LEASE_S + 1
    return running and not Owner(host=host, pid=pid, started=started).is_gone()


def _is_busy(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def _host() -> str:
    """This machine, and where processes are numbered apart (containers), this numbering."""
    try:
        return f"{platform.node()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return platform.node()


def _started(pid: int) -> str:
    """When the process began, in the system's own count; "" where the system does not say."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (OSError, ValueError):
        return ""
    return "ended" if state in {b"Z", b"X"} else fields[18].decode()
