"""SQL that means the same in SQLite and in PostgreSQL: `?` for a value, rows by name."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol, cast

from judge_rerank.storage.postgres import Tables, open_tables
from judge_rerank.storage.sqlite import Database, open_database, open_for_reading
from judge_rerank.storage.store_url import StoreUrl


class Rows(Protocol):
    """What a statement gives."""

    @property
    def rowcount(self) -> int:
        """How many rows a statement has written."""
        ...

    def fetchone(self) -> Any:
        """The next row, by name; None after the last."""
        ...

    def fetchall(self) -> Sequence[Any]:
        """The rows that are left, by name."""
        ...

    def __iter__(self) -> Iterator[Any]:
        """The rows that are left, by name."""
        ...


class Sql(Protocol):
    """A connection to a database of either kind."""

    def execute(self, statement: str, values: Sequence[object] = ()) -> Rows:
        """Do one statement, with `?` where a value goes."""
        ...

    def executemany(self, statement: str, values: Iterable[Sequence[object]]) -> object:
        """Do one statement for each of the values, as one."""
        ...

    def table(self, name: str) -> str:
        """What a table is called where it is written to; statements that read call it by its name."""
        ...

    def day(self, seconds: str) -> str:
        """The expression for the day (UTC) of a column with seconds since 1970."""
        ...

    def transaction(self) -> AbstractContextManager[object]:
        """A block whose statements are done together or not at all."""
        ...

    def is_fatal(self, error: Exception) -> bool:
        """Whether an error of a statement means that the whole transaction is lost."""
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...


class SqliteSql:
    """A connection to an SQLite file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        connection.row_factory = sqlite3.Row
        self._connection = connection

    def execute(self, statement: str, values: Sequence[object] = ()) -> Rows:
        """Do one statement."""
        return self._connection.execute(statement, cast("Any", values))

    def executemany(self, statement: str, values: Iterable[Sequence[object]]) -> object:
        """Do one statement for each of the values."""
        return self._connection.executemany(statement, cast("Any", values))

    def table(self, name: str) -> str:
        """The name."""
        return name

    def day(self, seconds: str) -> str:
        """The expression for a day."""
        return f"strftime('%Y-%m-%d', {seconds}, 'unixepoch')"

    @contextmanager
    def transaction(self) -> Generator[None]:
        """A block in which nobody else writes to the file."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def is_fatal(self, error: Exception) -> bool:
        """Whether it speaks of the file, and not of one record."""
        return isinstance(error, (sqlite3.OperationalError, OSError)) or type(error) is sqlite3.DatabaseError

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def open_sql(place: Path | StoreUrl, *, file: Database, tables: Tables) -> Sql:
    """A connection to tables of one kind, in a file or in a shared database, which are made and brought up to date.

    Raises:
        Exception: of the kind's own `error`: the place cannot be used, or is of a later version.
        MissingExtra: the driver of the database is not installed.
    """
    if isinstance(place, StoreUrl):
        return open_tables(tables, place)
    return SqliteSql(open_database(file, place))


def open_sql_for_reading(place: Path | StoreUrl, *, file: Database, tables: Tables) -> Sql:
    """A connection that only reads; raises as `open_sql` does, and where there is nothing to read."""
    if isinstance(place, StoreUrl):
        return open_tables(tables, place, create=False)
    return SqliteSql(open_for_reading(file, place))


def database_errors() -> tuple[type[Exception], ...]:
    """What a statement may raise: in SQLite, and where its driver is installed in PostgreSQL."""
    try:
        import psycopg
    except ImportError:
        return (sqlite3.Error,)
    return (sqlite3.Error, psycopg.Error)
