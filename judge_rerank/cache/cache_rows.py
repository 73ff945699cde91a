"""Rows of a diskcache, many in one statement, where diskcache itself takes several statements for each.

Every statement gives the interpreter to the other threads and has to wait until it gets it back, so their number is
what a busy program feels.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import diskcache

from judge_rerank.storage import is_busy

_FIND = """
SELECT key, mode, filename, value FROM Cache
WHERE raw = 1 AND key IN (SELECT value FROM json_each(?)) AND (expire_time IS NULL OR expire_time > ?)
"""
_KEEP = """
INSERT INTO Cache (key, raw, store_time, expire_time, access_time, size, mode, value) VALUES %s
ON CONFLICT (key, raw) DO UPDATE SET store_time = excluded.store_time, expire_time = excluded.expire_time,
    access_time = excluded.access_time, access_count = 0, tag = NULL, size = 0, mode = excluded.mode, filename = NULL,
    value = excluded.value
"""
# Few numbers of rows, so that the connection knows the statements already.
_KEEP_SO_MANY = {rows: _KEEP % ", ".join(["(?, 1, ?, ?, ?, 0, ?, ?)"] * rows) for rows in (64, 16, 4, 1)}


def find_rows(connection: sqlite3.Connection, keys: Iterable[str]) -> Sequence[tuple[str, Any, Any, Any]]:
    """The rows of these keys that have not expired: key, mode, file name and value.

    Raises:
        diskcache.Timeout: another process holds the file.
    """
    return _execute(connection, _FIND, (json.dumps(list(keys)), time.time())).fetchall()


def keep_rows(connection: sqlite3.Connection, mode: int, values: Mapping[str, bytes], expire_s: float | None) -> None:
    """Write a row for each key, over what is there.

    Raises:
        diskcache.Timeout: another process holds the file.
    """
    now = time.time()
    expire_time = None if expire_s is None else now + expire_s
    rows = [(key, now, expire_time, now, mode, value) for key, value in values.items()]
    while rows:
        count, statement = next(each for each in _KEEP_SO_MANY.items() if each[0] <= len(rows))
        _execute(connection, statement, tuple(chain.from_iterable(rows[:count])))
        del rows[:count]


def _execute(connection: sqlite3.Connection, statement: str, values: Sequence[Any]) -> sqlite3.Cursor:
    try:
        return connection.execute(statement, values)
    except sqlite3.OperationalError as error:
        if is_busy(error):
            raise diskcache.Timeout from error
        raise
