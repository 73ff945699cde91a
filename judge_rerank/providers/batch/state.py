"""What is known of batch jobs after this process: which were made, what they hold, and what came of it.

A request has one row, from before its job is made until its reply has been used: a process that ends in between leaves
it to the next one, which asks the same and finds that it is asked already. No key and no document is kept here; a reply
is, until it is used.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
import time
import zlib
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from judge_rerank.core import InputError
from judge_rerank.providers.batch.api import BatchResult, JobProgress
from judge_rerank.providers.batch.http_exchange import Answered
from judge_rerank.spending import Receipt
from judge_rerank.storage import Database, as_ours, claim_process_lock, open_database, owner_is_gone, private_folder

FILE = "batches.db"

JobState = Literal["submitting", "running", "ended", "failed", "cancelled", "expired", "void"]
"""Before its id is known a job is "submitting"; "void" says that it never was made."""

OPEN_STATES: frozenset[str] = frozenset({"submitting", "running"})

_SCHEMA = (
    """CREATE TABLE jobs (
        name TEXT PRIMARY KEY, provider TEXT NOT NULL, model TEXT NOT NULL, url TEXT NOT NULL, state TEXT NOT NULL,
        id TEXT, upload TEXT NOT NULL DEFAULT '', requests INTEGER NOT NULL, succeeded INTEGER NOT NULL DEFAULT 0,
        failed INTEGER NOT NULL DEFAULT 0, made REAL NOT NULL, checked REAL, detail TEXT NOT NULL DEFAULT '',
        owner INTEGER NOT NULL, lock_identity INTEGER NOT NULL)""",
    """CREATE TABLE requests (
        custom_id TEXT PRIMARY KEY, job TEXT NOT NULL, place INTEGER NOT NULL, question TEXT NOT NULL,
        ledger TEXT NOT NULL, call INTEGER NOT NULL, state TEXT NOT NULL, status INTEGER, answer BLOB)""",
    "CREATE INDEX requests_by_job ON requests (job)",
    "CREATE INDEX requests_by_question ON requests (question)",
)


def _error(message: str, path: Path | None) -> InputError:
    return InputError(f"{path}: {message}")


BATCHES = Database(
    name="record of batch jobs",
    schema=_SCHEMA,
    tables=frozenset({"jobs", "requests"}),
    error=_error,
    consequence="Nothing is submitted until that is done.",
    durable="commit",
    busy_s=30.0,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchJob:
    """A job as it is recorded.

    Attributes:
        name: what this package calls it.
        provider, model: as LiteLLM calls them.
        url: where the requests of the job would have gone, without a query.
        state: how far it is, as it was last seen.
        id: what the provider calls it; None until that is known.
        upload: the file of its requests, where the provider wants one.
        requests, succeeded, failed: how many.
        made, checked: when, in seconds since 1970.
        detail: why it failed.
    """

    name: str
    provider: str
    model: str
    url: str
    state: JobState
    id: str | None
    upload: str
    requests: int
    succeeded: int
    failed: int
    made: float
    checked: float | None
    detail: str

    @property
    def open(self) -> bool:
        """Whether results are still to come."""
        return self.state in OPEN_STATES


_COLUMNS = "name, provider, model, url, state, id, upload, requests, succeeded, failed, made, checked, detail"


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedRequest:
    """One request of a job that is about to be made."""

    custom_id: str
    question: str
    receipt: Receipt


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A request that was asked already.

    Attributes:
        job: by which job.
        answered: the answer; None while there is none.
        done: whether there will be no other: without an answer, the request was not run.
    """

    job: str
    answered: Answered | None
    done: bool


class BatchState:
    """The record, in a file that processes share. Any thread may use it.

    Args:
        folder: where the file is.

    Raises:
        InputError: the file cannot be used, or is another program's.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder.expanduser().absolute() / FILE
        with as_ours(BATCHES, self.path):
            private_folder(self.path.parent)
        self._connection = open_database(BATCHES, self.path)
        self._lock = threading.RLock()
        self._lock_file = Path(f"{self.path}.lock")
        self._owner = secrets.randbits(48)
        self._identity = claim_process_lock(self._lock_file, self._owner)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        with self._lock, as_ours(BATCHES, self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise

    def _rows(self, statement: str, values: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        with self._lock, as_ours(BATCHES, self.path):
            return self._connection.execute(statement, values).fetchall()

    def begin(self, provider: str, model: str, url: str, asked: Sequence[RecordedRequest]) -> str:
        """Record a job that is about to be made; its name."""
        name = f"judge-rerank-{secrets.token_hex(8)}"
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO jobs (name, provider, model, url, state, requests, made, owner, lock_identity)"
                " VALUES (?, ?, ?, ?, 'submitting', ?, ?, ?, ?)",
                (name, provider, model, url, len(asked), time.time(), self._owner, self._identity),
            )
            connection.executemany(
                "INSERT OR REPLACE INTO requests (custom_id, job, place, question, ledger, call, state)"
                " VALUES (?, ?, ?, ?, ?, ?, 'asked')",
                [
                    (each.custom_id, name, place, each.question, each.receipt.ledger, each.receipt.call)
                    for place, each in enumerate(asked)
                ],
            )
        return name

    def uploaded(self, name: str, upload: str) -> None:
        """Record the file of a job's requests."""
        with self._transaction() as connection:
            connection.execute("UPDATE jobs SET upload = ? WHERE name = ?", (upload, name))

    def submitted(self, name: str, job: str) -> None:
        """Record that a job is made, and what the provider calls it."""
        with self._transaction() as connection:
            connection.execute("UPDATE jobs SET state = 'running', id = ? WHERE name = ?", (job, name))

    def void(self, name: str, detail: str = "") -> None:
        """Record that a job never was made: its requests are asked by none."""
        with self._transaction() as connection:
            connection.execute("UPDATE jobs SET state = 'void', detail = ? WHERE name = ?", (detail, name))
            connection.execute("DELETE FROM requests WHERE job = ?", (name,))

    def seen(self, name: str, progress: JobProgress) -> None:
        """Record how far a job is."""
        with self._transaction() as connection:
            _seen(connection, name, progress)

    def ended(self, name: str, results: Iterable[BatchResult], progress: JobProgress) -> None:
        """Record what came of a job; a request without a result was not run. Of two results, the first counts."""
        rows = [
            (result.answered.status, zlib.compress(result.answered.body), result.custom_id, name)
            for result in results
            if result.answered is not None
        ]
        with self._transaction() as connection:
            connection.executemany(
                "UPDATE requests SET state = 'answered', status = ?, answer = ?"
                " WHERE custom_id = ? AND job = ? AND state = 'asked'",
                rows,
            )
            connection.execute("UPDATE requests SET state = 'not run' WHERE job = ? AND state = 'asked'", (name,))
            _seen(connection, name, progress)

    def used(self, custom_ids: Iterable[str]) -> None:
        """Forget requests whose replies have been used."""
        with self._transaction() as connection:
            connection.executemany("DELETE FROM requests WHERE custom_id = ?", [(each,) for each in custom_ids])

    def find(self, custom_id: str) -> Found | None:
        """A request that was asked already and has not been used; None where there is none."""
        rows = self._rows("SELECT job, state, status, answer FROM requests WHERE custom_id = ?", (custom_id,))
        if not rows:
            return None
        job, state, status, answer = rows[0]
        answered = None
        if isinstance(answer, bytes) and isinstance(status, int):
            answered = Answered(status=status, body=zlib.decompress(answer))
        return Found(job=str(job), answered=answered, done=state != "asked")

    def receipt(self, question: str) -> Receipt | None:
        """Where a question is charged that was asked already; None where it was not, or nowhere."""
        rows = self._rows("SELECT ledger, call FROM requests WHERE question = ? AND call > 0", (question,))
        return Receipt(ledger=str(rows[0][0]), call=int(str(rows[0][1]))) if rows else None

    def charged(self, custom_id: str, receipt: Receipt) -> None:
        """Record where a request is charged now."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE requests SET ledger = ?, call = ? WHERE custom_id = ?",
                (receipt.ledger, receipt.call, custom_id),
            )

    def custom_ids(self, name: str) -> list[str]:
        """The requests of a job that have not been used, in its order; "" for one that has."""
        rows = self._rows("SELECT place, custom_id FROM requests WHERE job = ?", (name,))
        by_place = {int(str(place)): str(custom_id) for place, custom_id in rows}
        return [by_place.get(place, "") for place in range(max(by_place, default=-1) + 1)]

    def job(self, name: str) -> BatchJob | None:
        """The job of this name, or with this id."""
        rows = self._rows(f"SELECT {_COLUMNS} FROM jobs WHERE name = ? OR id = ?", (name, name))  # noqa: S608
        return _job(rows[0]) if rows else None

    def jobs(self) -> list[BatchJob]:
        """All jobs, the latest first."""
        return [_job(row) for row in self._rows(f"SELECT {_COLUMNS} FROM jobs ORDER BY made DESC, name")]  # noqa: S608

    def orphaned(self, name: str) -> bool:
        """Whether nobody is making a job any more whose id is not known."""
        rows = self._rows("SELECT owner, lock_identity FROM jobs WHERE name = ? AND state = 'submitting'", (name,))
        return bool(rows) and owner_is_gone(self._lock_file, int(str(rows[0][0])), int(str(rows[0][1])))

    def adopt(self, name: str) -> None:
        """Become the one that is making a job."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE jobs SET owner = ?, lock_identity = ? WHERE name = ?", (self._owner, self._identity, name)
            )


def _seen(connection: sqlite3.Connection, name: str, progress: JobProgress) -> None:
    connection.execute(
        "UPDATE jobs SET state = ?, succeeded = ?, failed = ?, detail = ?, checked = ? WHERE name = ?",
        (progress.phase, progress.succeeded, progress.failed, progress.detail, time.time(), name),
    )


def _job(row: tuple[object, ...]) -> BatchJob:
    return BatchJob(**dict(zip(_COLUMNS.split(", "), row, strict=True)))  # pyright: ignore[reportArgumentType]
