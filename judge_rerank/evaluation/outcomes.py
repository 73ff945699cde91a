"""What users did under a test, in an SQLite file that several processes write to."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge_rerank.core import DataError, InputError
from judge_rerank.storage import Database, as_ours, open_database


def _error(message: str, path: Path | None) -> DataError:
    return DataError(f"The outcomes of the test cannot be kept here. {message}", path=path)


_OUTCOMES = Database(
    name="record of the test",
    schema=(
        "CREATE TABLE tests (salt TEXT PRIMARY KEY, settings TEXT NOT NULL, started REAL NOT NULL)",
        """CREATE TABLE exposures (
            id INTEGER PRIMARY KEY, salt TEXT NOT NULL, unit TEXT NOT NULL, treated INTEGER NOT NULL,
            time REAL NOT NULL, UNIQUE (salt, unit))""",
        """CREATE TABLE outcomes (
            id INTEGER PRIMARY KEY, exposure INTEGER NOT NULL REFERENCES exposures (id), outcome TEXT NOT NULL,
            value REAL NOT NULL, time REAL NOT NULL)""",
        "CREATE INDEX outcomes_exposure ON outcomes (outcome, exposure)",
    ),
    tables=frozenset({"tests", "exposures", "outcomes"}),
    error=_error,
    busy_s=30.0,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Exposed:
    """A unit that took part: whether it got the treatment, and the mean of an outcome of its, if it has one."""

    treated: bool
    value: float | None


class Outcomes:
    """The record of one test. Units are stored as hashes under the salt, never as the ids that they came as.

    Every write is a transaction of its own on a connection of its own, so threads, processes and forks may share it.

    Args:
        path: the file; made if it is not there. Several tests may share it.
        salt: the test's.
        settings: what may not change while the test runs.

    Raises:
        InputError: the file has a test of this salt with other settings.
        DataError: the file cannot be used.
    """

    def __init__(self, path: str | Path, salt: str, settings: Mapping[str, Any]) -> None:
        self.path, self._salt = Path(path).expanduser(), salt
        wanted = json.dumps(settings, sort_keys=True)
        with self._transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO tests VALUES (?, ?, ?)", (salt, wanted, time.time()))
            (stored,) = connection.execute("SELECT settings FROM tests WHERE salt = ?", (salt,)).fetchone()
        if stored != wanted:
            before = json.loads(stored)
            changed = ", ".join(
                f"{name} {before.get(name)!r} → {value!r}"
                for name, value in settings.items()
                if before.get(name) != value
            )
            raise InputError(
                f"{self.path} already has a test with the salt {salt!r} and other settings ({changed}). Its records "
                "do not fit the new settings; give the changed test another salt."
            )

    def expose(self, unit: str, *, treated: bool) -> None:
        """Note that a unit takes part; again changes nothing."""
        with self._transaction() as connection:
            self._exposure(connection, unit, treated=treated)

    def record(self, unit: str, outcome: str, value: float, *, treated: bool) -> None:
        """Note one outcome of a unit, which so takes part."""
        with self._transaction() as connection:
            exposure = self._exposure(connection, unit, treated=treated)
            connection.execute(
                "INSERT INTO outcomes (exposure, outcome, value, time) VALUES (?, ?, ?, ?)",
                (exposure, outcome, value, time.time()),
            )

    def units(self, outcome: str) -> list[Exposed]:
        """Every unit that takes part, in the order in which they came, with the mean of the outcome."""
        with self._transaction() as connection:
            rows = connection.execute(
                "SELECT e.treated, avg(o.value) FROM exposures e"
                " LEFT JOIN outcomes o ON o.exposure = e.id AND o.outcome = ?"
                " WHERE e.salt = ? GROUP BY e.id ORDER BY e.id",
                (outcome, self._salt),
            ).fetchall()
        return [Exposed(treated=bool(treated), value=value) for treated, value in rows]

    def names(self) -> list[str]:
        """Every kind of outcome that was recorded, sorted."""
        with self._transaction() as connection:
            rows = connection.execute(
                "SELECT DISTINCT outcome FROM outcomes JOIN exposures e ON e.id = exposure WHERE e.salt = ? ORDER BY 1",
                (self._salt,),
            ).fetchall()
        return [name for (name,) in rows]

    def _exposure(self, connection: sqlite3.Connection, unit: str, *, treated: bool) -> int:
        key = hashlib.sha256(f"{self._salt}\0{unit}".encode("utf-8", "surrogatepass")).hexdigest()
        connection.execute(
            "INSERT OR IGNORE INTO exposures (salt, unit, treated, time) VALUES (?, ?, ?, ?)",
            (self._salt, key, treated, time.time()),
        )
        row = connection.execute("SELECT id FROM exposures WHERE salt = ? AND unit = ?", (self._salt, key)).fetchone()
        return int(row[0])

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        with as_ours(_OUTCOMES, self.path), closing(open_database(_OUTCOMES, self.path)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
