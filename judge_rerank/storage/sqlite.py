"""The one way to open an SQLite file: tables of a known version, a log for many processes, errors that say what to do.

A file is made for this user alone (0600). It is written with a write-ahead log, so that readers and writers do not wait
for each other. Its version stands in `PRAGMA user_version`: a file of an earlier version is brought up to date by
adding to it, one of a later version or of another program is refused and left as it is.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Statements = Sequence[str]

# A write-ahead log that has reached its size is overwritten in place, and syncing that takes a twentieth of the time
# that syncing a growing file does. So where every commit is synced, it is grown once, when the file is opened.
_LOG_BYTES = 1024 * 4096

_SYNCHRONOUS: Mapping[str, str] = {"commit": "FULL", "checkpoint": "NORMAL", "never": "OFF"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Database:
    """A kind of file.

    Attributes:
        name: what messages call it ("ledger").
        schema: what makes an empty file one of this version.
        tables: by which a file is known as one of this kind.
        upgrades: by the version that they start from, what brings a file to the next version. Only additions.
        durable: what a power failure cannot undo: every "commit", what was written at the last "checkpoint", or
            nothing. A killed process undoes no commit in any case.
        busy_s: how long to wait for another process.
        error: makes the error that is raised instead of SQLite's, from a message and the path.
        consequence: what the user has to know beside what is wrong, as a sentence.
    """

    name: str
    schema: Statements
    tables: frozenset[str]
    error: Callable[[str, Path | None], Exception]
    consequence: str = ""
    upgrades: Mapping[int, Statements] = field(default_factory=dict[int, Statements])
    durable: Literal["commit", "checkpoint", "never"] = "checkpoint"
    busy_s: float = 10.0

    @property
    def version(self) -> int:
        """What a file that is up to date has."""
        return max(self.upgrades, default=0) + 1


def open_database(kind: Database, path: Path | None) -> sqlite3.Connection:
    """A connection to a file that is there and up to date, without implicit transactions; any thread may use it.

    Args:
        kind: what the file is to hold.
        path: the file; None for one in memory.

    Raises:
        Exception: of `kind.error`: the file cannot be used, or is of another kind.
    """
    with as_ours(kind, path):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                path.touch(mode=0o600)
        connection = sqlite3.connect(
            path or ":memory:", timeout=kind.busy_s, isolation_level=None, check_same_thread=False
        )
        try:
            _prepare(connection, kind, path)
        except BaseException:
            connection.close()
            raise
        return connection


def open_for_reading(kind: Database, path: Path) -> sqlite3.Connection:
    """A connection that only reads; a file of an earlier version is read through an upgraded copy in memory."""
    with as_ours(kind, path):
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=kind.busy_s)
        try:
            if _version(connection, kind, path) == kind.version:
                return connection
            with closing(connection):
                copy = sqlite3.connect(":memory:")
                connection.backup(copy)
        except BaseException:
            connection.close()
            raise
        _upgrade(copy, kind, path)
        copy.commit()
        return copy


@contextmanager
def as_ours(kind: Database, path: Path | None) -> Generator[None]:
    """Raise what SQLite and the file system raise as the error of this kind, which says what to do."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise our_error(error, kind, path) from error


def our_error(error: sqlite3.Error | OSError, kind: Database, path: Path | None) -> Exception:
    """The error of this kind that says what to do about one of SQLite or of the file system."""
    if isinstance(error, sqlite3.Error):
        return kind.error(f"{_advice(error, kind)} {kind.consequence}".rstrip(), path)
    reason = error.strerror or type(error).__name__
    return kind.error(f"The {kind.name} cannot be opened: {reason}. Name a file that can be written.", path)


def _prepare(connection: sqlite3.Connection, kind: Database, path: Path | None) -> None:
    connection.execute("BEGIN")  # so that the file cannot become another while it is looked at
    _version(connection, kind, path)
    connection.execute("COMMIT")
    if path is not None:
        _use_log(connection, kind)
    # What is written here may be lost with the power and is then written again.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("BEGIN IMMEDIATE")
    _upgrade(connection, kind, path)
    connection.execute("COMMIT")
    if path is not None and kind.durable == "commit":
        _grow_log(connection, Path(f"{path}-wal"))
    connection.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[kind.durable]}")


def _upgrade(connection: sqlite3.Connection, kind: Database, path: Path | None) -> None:
    version = _version(connection, kind, path)
    if version == kind.version:
        return
    steps = [kind.schema] if version == 0 else [kind.upgrades[step] for step in range(version, kind.version)]
    for statement in (each for statements in steps for each in statements):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {kind.version}")


def _version(connection: sqlite3.Connection, kind: Database, path: Path | None) -> int:
    """The version of the file, 0 for an empty one. One with tables and no version is from before there were any."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if tables and not kind.tables <= tables:
        raise kind.error(f"This is an SQLite file of another program. Name another file for the {kind.name}.", path)
    if version > kind.version:
        raise kind.error(
            f"This {kind.name} was written by a newer version (format {version}, this one knows {kind.version}). "
            "Upgrade judge-rerank, or name another file.",
            path,
        )
    return version or int(bool(tables))


def _use_log(connection: sqlite3.Connection, kind: Database) -> None:
    deadline = time.monotonic() + kind.busy_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            # SQLite does not wait by itself when another process is opening the same new file.
            if not is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _grow_log(connection: sqlite3.Connection, log: Path) -> None:
    if not log.exists() or log.stat().st_size < _LOG_BYTES:
        connection.execute("CREATE TABLE IF NOT EXISTS padding AS SELECT zeroblob(?)", (_LOG_BYTES,))
        connection.execute("DROP TABLE IF EXISTS padding")


def is_busy(error: BaseException) -> bool:
    """Whether another process holds the file."""
    return _code(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def is_damaged(error: BaseException) -> bool:
    """Whether the file is no SQLite file, or no longer one."""
    return _code(error) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _code(error: BaseException) -> int:
    """SQLite's primary result code; 0 where it says none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _advice(error: sqlite3.Error, kind: Database) -> str:
    name = kind.name
    if is_damaged(error):
        return f"The {name} is damaged ({error}). Restore it from a backup, or move it away."
    if is_busy(error):
        return f"Another process kept the {name} locked for {kind.busy_s:.0f} seconds. End it, or name another file."
    if _code(error) in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}:
        return f"The {name} cannot be written ({error}). Give write permission to the file and its folder."
    if _code(error) == sqlite3.SQLITE_FULL:
        return f"The disk that holds the {name} is full. Free some space."
    return f"The {name} cannot be used ({error})."
