"""A diskcache folder made safe: nothing in it is ever executed, and nothing wrong with it ever stops a ranking.

diskcache unpickles what it finds (CVE-2025-69872) and opens and deletes the files that its rows name. `SafeDisk` keeps
every value as checksummed JSON inside the database, so a row that is pickled, or that names a file, is not ours and is
refused. `Store` turns whatever can go wrong with the folder into a miss.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, TypeVar

import diskcache

from judge_rerank.cache.cache_rows import find_rows, keep_rows
from judge_rerank.storage import claimed_folder

T = TypeVar("T")

_log = logging.getLogger("judge_rerank.cache")

DATABASE = "cache.db"
_RAW = 1  # diskcache's mode for a value that stands in its row as it is
_METADATA = ("count", "size", "hits", "misses")
_ATTEMPTS = 3
_FAILURES_ALLOWED = 3
_BUSY_S = 5
_CULL_EVERY = 64

# Every setting is given at every open: diskcache otherwise takes it from the file. Memory-mapping is off because a file
# that another process truncates while it is mapped kills this process.
_SETTINGS: dict[str, int | str] = {
    "statistics": 0,
    "tag_index": 0,
    "eviction_policy": "least-recently-stored",
    "cull_limit": 10,
    "sqlite_auto_vacuum": 1,
    "sqlite_cache_size": 2**11,
    "sqlite_journal_mode": "wal",
    "sqlite_mmap_size": 0,
    "sqlite_synchronous": 1,
    "disk_min_file_size": 2**15,
    "disk_pickle_protocol": 4,
}

# SQLite's primary result codes that speak of the surroundings (locks, rights, space) and not of the file's content.
_SURROUNDINGS = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)

_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class BadRow(Exception):
    """A row that `SafeDisk` did not write, or that was changed since."""


class SafeDisk(diskcache.Disk):
    """String keys and checksummed JSON values, all inside the database; everything else is refused."""

    def put(self, key: object) -> Any:
        """The database form of a key, which must be a string: the key, and that it stands there as it is."""
        if type(key) is not str:
            raise TypeError(f"A cache key must be a string, not {type(key).__name__}.")
        return key, True

    def get(self, key: object, raw: object) -> str:
        """A key from its database form; a pickled one is refused."""
        if not raw or type(key) is not str:
            raise BadRow("the key is not plain text")
        return key

    def store(self, value: object, read: object, key: object = None) -> Any:  # noqa: ARG002
        """The database form of a value: its checksum, then its JSON."""
        if read:
            raise TypeError("The cache holds JSON values, not files.")
        body = json.dumps(value, ensure_ascii=True, separators=(",", ":"), sort_keys=True).encode("ascii")
        return 0, _RAW, None, hashlib.sha256(body).digest() + body

    def fetch(self, mode: object, filename: object, value: object, read: object) -> Any:
        """A value from its database form; a pickled, damaged or file-backed one is refused."""
        if mode != _RAW or filename is not None or read or type(value) is not bytes:
            raise BadRow("the value is not stored as JSON in its row")
        checksum, body = value[:32], value[32:]
        if hashlib.sha256(body).digest() != checksum:
            raise BadRow("the value does not match its checksum")
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise BadRow("the value is not JSON") from error

    def remove(self, file_path: object) -> None:
        """Nothing: no row of ours owns a file, so a row that names one must not get it deleted."""


class Store:
    """Values by key in a diskcache folder, for use from one thread.

    Whatever goes wrong is a miss and one warning. A damaged file is set aside and a new one begun; a folder that keeps
    failing is left alone until the program ends.
    """

    def __init__(self, folder: Path, *, size_limit_bytes: int) -> None:
        self.folder = folder
        self._settings = _SETTINGS | {"size_limit": size_limit_bytes}
        self._disk = SafeDisk(str(folder))
        self._cache: diskcache.Cache | None = None
        self._rows: sqlite3.Connection | None = None
        # Whether there is too much is looked up for many values at once, and for the first: most programs are short.
        self._cull_at, self._uncounted = size_limit_bytes // _CULL_EVERY, size_limit_bytes
        self._inode: int | None = None
        self._failures = 0
        self._warned = False

    @property
    def database(self) -> Path:
        """The file that holds the values."""
        return self.folder / DATABASE

    @property
    def usable(self) -> bool:
        """Whether the folder is still being tried."""
        return self._failures < _FAILURES_ALLOWED

    def get(self, key: str) -> Any | None:
        """The value, or None. A bad row is removed."""
        return self.get_all([key]).get(key)

    def get_all(self, keys: Iterable[str]) -> dict[str, Any]:
        """The values that are there, by key. Bad rows are removed."""
        found: dict[str, Any] = {}
        for key, mode, filename, value in self._run(lambda _, rows: find_rows(rows, keys), []):
            try:
                found[key] = self._disk.fetch(mode, filename, value, read=False)
            except BadRow as error:
                self.warn(f"An entry of the cache was deleted: {error}.")
                self.delete(key)
        return found

    def set_all(self, values: Mapping[str, object], *, expire_s: float | None = None) -> bool:
        """Keep values, by key; False if they could not be kept."""
        stored = {key: self._disk.store(value, read=False)[-1] for key, value in values.items()}

        def write(cache: diskcache.Cache, rows: sqlite3.Connection) -> bool:
            keep_rows(rows, _RAW, stored, expire_s)
            self._uncounted += sum(max(len(value), self._cull_at // _CULL_EVERY) for value in stored.values())
            if self._uncounted >= self._cull_at:
                cache.cull()
                self._uncounted = 0
            return True

        return self._run(write, default=False)

    def delete(self, key: str) -> bool:
        """Forget a value; False if there was none."""
        return self._run(lambda cache, _: bool(cache.delete(key)), default=False)

    def clear(self) -> int:
        """Forget every value and every damaged file that was set aside; returns how many values there were."""
        removed = self._run(lambda cache, _: int(cache.clear()), 0)
        for path in self.set_aside():
            with suppress(OSError):
                path.unlink()
        return removed

    def size(self) -> tuple[int, int]:
        """Entries, and bytes on disk."""
        entries = self._run(lambda _, rows: rows.execute("SELECT COUNT(*) FROM Cache").fetchone()[0], 0)
        return entries, sum(path.stat().st_size for path in self.folder.glob(f"{DATABASE}*") if path.is_file())

    def set_aside(self) -> list[Path]:
        """Damaged files that were moved out of the way, oldest first."""
        return sorted(self.folder.glob(f"{DATABASE}.corrupt-*"))

    def entries(self) -> Iterator[tuple[int, str | None, Any]]:
        """Every row as `(row id, key, value)`; key and value are None where the row is bad."""
        statement = "SELECT rowid, key, raw, mode, filename, value FROM Cache"
        for rowid, key, raw, mode, filename, value in self._run(lambda _, rows: rows.execute(statement).fetchall(), []):
            try:
                yield rowid, self._disk.get(key, raw), self._disk.fetch(mode, filename, value, read=False)
            except BadRow:
                yield rowid, None, None

    def drop_rows(self, rowids: list[int]) -> None:
        """Delete rows by number, whatever is in them."""

        def delete(_: diskcache.Cache, rows: sqlite3.Connection) -> None:
            with rows:
                rows.execute("BEGIN IMMEDIATE")
                rows.executemany("DELETE FROM Cache WHERE rowid = ?", [(rowid,) for rowid in rowids])

        self._run(delete, None)

    def close(self) -> None:
        """Close the file."""
        cache, self._cache = self._cache, None
        rows, self._rows = self._rows, None
        for opened in (cache, rows):
            if opened is not None:
                with suppress(Exception):  # closing is the answer to every failure, so it must not add one
                    opened.close()

    def warn(self, message: str) -> None:
        """Log at warning level the first time, at debug level after that."""
        _log.log(logging.DEBUG if self._warned else logging.WARNING, "%s", message)
        self._warned = True

    def _run(self, operation: Callable[[diskcache.Cache, sqlite3.Connection], T], default: T) -> T:
        for attempt in range(_ATTEMPTS):
            if not self.usable:
                break
            try:
                return operation(*self._opened())
            except diskcache.Timeout:  # locked for too long, or no longer writable: opening it again tells which
                self.close()
                _log.debug("The cache in %s was busy.", self.folder)
                break
            except Exception as error:  # diskcache meets damaged content with errors of every type
                self._recover(error, certain=attempt > 0)
        return default

    def _opened(self) -> tuple[diskcache.Cache, sqlite3.Connection]:
        if self._cache is None or self._rows is None:
            self._cache = self._open()
            self._rows = self._connect()
            self._rows.isolation_level = None
            self._rows.execute("PRAGMA mmap_size = 0")
            self._rows.execute("PRAGMA synchronous = NORMAL")
        return self._cache, self._rows

    def _open(self) -> diskcache.Cache:
        claimed_folder(self.folder)
        if self.database.exists():
            self._distrust_settings()
        cache = diskcache.Cache(str(self.folder), timeout=_BUSY_S, disk=SafeDisk, **self._settings)
        self._inode = self.database.stat().st_ino
        return cache

    def _distrust_settings(self) -> None:
        """Delete settings that are not ours from the file: diskcache would run them as pragmas before it sees ours."""
        self._inode = self.database.stat().st_ino
        with closing(self._connect()) as connection:
            # diskcache waits for minutes where the file is locked; this gives up sooner.
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'Settings'").fetchone():
                return
            found: dict[object, object] = dict(connection.execute("SELECT key, value FROM Settings"))
            known = {name: found.get(name) for name in (*_METADATA, "size_limit")} | _SETTINGS
            strange = [key for key, value in found.items() if key not in known or known[str(key)] != value]
            if strange or found.get("size"):  # our rows own no files, so their size is 0
                with connection:
                    connection.executemany("DELETE FROM Settings WHERE key = ?", [(key,) for key in strange])
                    connection.execute("UPDATE Settings SET value = 0 WHERE key = 'size'")

    def _recover(self, error: Exception, *, certain: bool) -> None:
        self.close()
        if self._is_damage(error):
            if not certain and getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DAMAGE:
                return  # it may be another process that is just making the file: open it once more
            self._move_aside()
            self.warn(f"The cache file {self.database} was damaged ({_reason(error)}); it was set aside.")
        else:
            self.warn(f"The cache in {self.folder} cannot be used ({_reason(error)}); continuing without it.")
        self._failures += 1

    def _is_damage(self, error: Exception) -> bool:
        if isinstance(error, OSError):
            return False
        code = getattr(error, "sqlite_errorcode", None)
        if code is None or code & 0xFF not in _SURROUNDINGS:
            return True
        # A flipped bit in the header makes a file look read-only to SQLite; ask the operating system.
        writable = os.access(self.database, os.W_OK) and os.access(self.folder, os.W_OK)
        return code & 0xFF == sqlite3.SQLITE_READONLY and writable

    def _move_aside(self) -> None:
        with suppress(OSError):
            if self.database.stat().st_ino != self._inode:
                return  # another process has done it already, and this is the new file
            when = time.time_ns()
            # The log goes first: beside a new database it would be replayed into it.
            for suffix in ("-wal", "-shm", ""):
                path = self.folder / f"{DATABASE}{suffix}"
                with suppress(FileNotFoundError):
                    path.rename(self.folder / f"{DATABASE}.corrupt-{when}{suffix}")

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.database, timeout=_BUSY_S, check_same_thread=False)
        connection.text_factory = _lenient
        return connection


def _lenient(text: bytes) -> str:
    return text.decode("utf-8", "replace")  # a damaged text is no reason to stop


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
