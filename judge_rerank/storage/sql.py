"""SQL that means the same in SQLite and in PostgreSQL: `?` for a value, rows by name."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

Row = Mapping[str, Any]


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

    def close(self) -> None:
        """Let go of the database."""
        ...


class SqliteSql:
    """A connection to an SQLite file. Text that is not UTF-8 (lone surrogates) is stored as bytes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        connection.row_factory = sqlite3.Row
        self.connection = connection

    def execute(self, statement: str, values: Sequence[object] = ()) -> Rows:
        """Do one statement."""
        try:
            return self.connection.execute(statement, values)  # pyright: ignore[reportArgumentType]
        except UnicodeEncodeError:
            return self.connection.execute(statement, [_storable(each) for each in values])

    def executemany(self, statement: str, values: Iterable[Sequence[object]]) -> object:
        """Do one statement for each of the values."""
        return self.connection.executemany(statement, ([_storable(each) for each in row] for row in values))

    def table(self, name: str) -> str:
        """The name."""
        return name

    def close(self) -> None:
        """Close the file."""
        self.connection.close()


def _storable(value: Any) -> Any:
    if not isinstance(value, str) or value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogatepass")
    return value
