"""A ledger as tables in a PostgreSQL database, which machines share.

Whoever writes holds the row of the account, so that nobody else can write between what it reads and writes. What one
transaction changes is gathered in memory and written by one statement for each table: a transaction is two trips to
the database, however many calls it is about.

A session is a row with a lease, by the database's clock. While it has calls under way it renews the lease; one that is
not renewed is ended by the others, and what it had sent stays charged. A session that was ended although its process
lives on notices it in its next transaction, and goes on as a new one.

The id of a call is made here, and each transaction has a number that is written with it. So a connection that is lost
while a commit is under way leaves no doubt: whoever is next under the lock sees whether the number is there.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, cast

from judge_rerank.core import RerankError
from judge_rerank.spending.ledger_book import (
    UNDER_WAY,
    CallState,
    Label,
    LedgerBook,
    State,
    T,
    Totals,
    day_of,
    periods_of,
)
from judge_rerank.spending.ledger_schema import LEDGER_TABLES
from judge_rerank.spending.ledger_statements import Changes, write
from judge_rerank.storage import LEASE_S, PostgresSql, StoreUrl, as_ours_in, is_lost, is_passing, open_tables

if TYPE_CHECKING:
    import psycopg

_RETRY_S = 20.0
"""How long a lost connection is opened again before what was to be written fails."""
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.05, 1.0

_LOCK = """
SELECT changes, COALESCE(%s, (extract(epoch FROM clock_timestamp()) * 1e6)::bigint) AS now_us
FROM ledger_accounts WHERE name = %s FOR UPDATE
"""
_TOTALS = """
SELECT period, spent, held FROM ledger_totals,
    (SELECT COALESCE(to_timestamp(%s / 1e6), clock_timestamp()) AT TIME ZONE 'UTC' AS now) AS today
WHERE account = %s AND period IN ('ever', to_char(now, 'YYYY-MM'), to_char(now, 'YYYY-MM-DD'))
"""
_EXPIRED = """
UPDATE ledger_writers SET closed = TRUE
WHERE account = %s AND NOT closed AND id <> %s AND expires < clock_timestamp() RETURNING id
"""
_OPEN = """
INSERT INTO ledger_writers (account, process, expires)
VALUES (%s, %s, clock_timestamp() + make_interval(secs => %s)) RETURNING id
"""
_RENEW = """
UPDATE ledger_writers SET expires = clock_timestamp() + make_interval(secs => %s) WHERE id = %s AND NOT closed
"""
_STATES = "SELECT id, day, model, state, reserved, charged FROM ledger_calls WHERE"
_REPORTED = ("calls", "events", "totals")


@dataclass(kw_only=True, slots=True)
class _Pending:
    """A transaction of which it is not known whether it was committed."""

    number: int
    result: Any
    changes: Changes


@dataclass(kw_only=True, slots=True)
class _Moment:
    """What holds for the length of one transaction."""

    now_us: int = 0
    totals: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    stopped: set[str] = field(default_factory=set[str])
    changes: Changes = field(default_factory=Changes)


class LedgerStore(LedgerBook):
    """One session with a ledger in a shared database.

    Args:
        store: the database.
        account: which of its ledgers.
        clock: seconds since the epoch; None for the database's own clock.
        lease_s: how long this session holds without being renewed.
    """

    sweep_s = 2.0

    def __init__(
        self, store: StoreUrl, account: str, clock: Callable[[], float] | None = None, *, lease_s: float = LEASE_S
    ) -> None:
        self._store, self._account, self._clock = store, account, clock
        self._lease_s, self.beat_s = lease_s, lease_s / 3
        self._sql: PostgresSql | None = None
        self._writer = self._number = self._calls_made = self._own_commits = 0
        self._beaten_at = 0.0
        self._calls: dict[int, CallState] = {}
        """The calls of this process that are under way, as they were last committed."""
        self._at = _Moment()
        self._opened = False
        self.transact(self.sweep)

    def transact(self, work: Callable[[], T]) -> T:
        """What `work` gives, which holds the account's lock. A lost connection is opened again, for a while."""
        import psycopg

        pending: _Pending | None = None
        deadline, wait_s = time.monotonic() + _RETRY_S, _FIRST_WAIT_S
        while True:
            try:
                if self._begin(pending):
                    self._finish_quietly()
                    return cast("_Pending", pending).result
                pending = None
                result = work()
                pending = _Pending(number=self._number + 1, result=result, changes=self._at.changes)
                self._commit()
            except psycopg.Error as error:
                self._undo()
                again = is_passing(error) or (is_lost(error) and self._opened)
                if not again or time.monotonic() + wait_s > deadline:
                    with as_ours_in(LEDGER_TABLES, self._store):
                        raise
                time.sleep(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
            except BaseException:
                self._undo()
                raise
            else:
                return result

    def read(self, work: Callable[[], T]) -> T:
        """What `work` gives, which reads without a lock."""
        import psycopg

        with as_ours_in(LEDGER_TABLES, self._store):
            try:
                return self._read(work)
            except psycopg.Error as error:
                if not is_lost(error):
                    raise
            return self._read(work)

    def totals(self, period: str) -> Totals:
        """The sums of a period; zero where it has none."""
        if period not in self._at.totals:
            found = self._execute(
                "SELECT spent, held FROM ledger_totals WHERE account = %s AND period = %s", self._account, period
            )
            self._at.totals[period] = (found[0]["spent"], found[0]["held"]) if found else (0, 0)
        spent, held = self._at.totals[period]
        more_spent, more_held = self._at.changes.totals.get(period, (0, 0))
        return Totals(spent=spent + more_spent, held=held + more_held, stopped=frozenset(self._at.stopped))

    def others_wrote(self) -> int:
        """A number that changes when another session has written."""
        with as_ours_in(LEDGER_TABLES, self._store):
            try:
                found = self._execute("SELECT changes FROM ledger_accounts WHERE name = %s", self._account)
            except BaseException:
                self._undo()
                raise
        return found[0]["changes"] - self._own_commits if found else -1

    def rows(self, statement: str) -> Sequence[tuple[Any, ...]]:
        """What a statement reads of this account."""
        from psycopg.rows import tuple_row

        account = "WHERE account = %(account)s"
        meant = ", ".join(f"{name} AS (SELECT * FROM ledger_{name} {account})" for name in _REPORTED)  # noqa: S608
        with self._connected().raw.cursor(row_factory=tuple_row) as cursor:
            return cursor.execute(f"WITH {meant} {statement}".encode(), {"account": self._account}).fetchall()

    def damage(self) -> Iterator[str]:
        """Whether a crash of the database could lose what is written."""
        rows = self._execute("SELECT current_setting('fsync') AS fsync, current_setting('full_page_writes') AS pages")
        if set(rows[0].values()) != {"on"}:
            yield "The database does not sync its writes to the disk (fsync is off), so a power cut can lose them."

    def beat(self) -> None:
        """Renew the lease, if there are open calls and it is time to."""
        if not self._calls or time.monotonic() - self._beaten_at < self._lease_s / 3:
            return
        self._beaten_at = time.monotonic()
        try:
            self._connected().raw.execute(_RENEW, (self._lease_s, self._writer))
        except (RerankError, _driver_error()):  # the next transaction says what is wrong
            self._undo()

    def disconnect(self) -> None:
        """End the connection."""
        sql, self._sql = self._sql, None
        if sql is not None:
            with suppress(Exception):
                sql.close()

    def _read(self, work: Callable[[], T]) -> T:
        try:
            self._connected().raw.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            return work()
        finally:
            self._undo()

    def _connected(self) -> PostgresSql:
        if self._sql is None:
            self._sql = open_tables(LEDGER_TABLES, self._store)
        return self._sql

    def _begin(self, pending: _Pending | None) -> bool:
        """Take the lock, and read what holds; whether the transaction that was pending turns out to be committed."""
        fresh = self._sql is None
        raw = self._connected_again().raw
        now_us = None if self._clock is None else int(self._clock() * 1e6)
        if fresh:
            statement = "INSERT INTO ledger_accounts (name) VALUES (%s) ON CONFLICT DO NOTHING"
            raw.execute(statement, (self._account,))
        with raw.pipeline():
            raw.execute("BEGIN")
            account = raw.execute(_LOCK, (now_us, self._account))
            session = raw.execute("SELECT batch, closed FROM ledger_writers WHERE id = %s", (self._writer,))
            totals = raw.execute(_TOTALS, (now_us, self._account))
            stopped = raw.execute("SELECT model FROM ledger_stopped WHERE account = %s", (self._account,))
        self._at = _Moment(
            now_us=_one(account)["now_us"],
            totals={row["period"]: (row["spent"], row["held"]) for row in totals},
            stopped={row["model"] for row in stopped},
        )
        for period in periods_of(day_of(self._at.now_us)):
            self._at.totals.setdefault(period, (0, 0))
        found = session.fetchone()
        self._number = found["batch"] if found else 0
        committed = pending is not None and pending.number == self._number
        if pending is not None and committed:
            self._committed(pending.changes)
        if found is None or found["closed"]:
            self._open_session(raw)
        elif fresh:
            self._give_back_unknown()
        self._opened = True
        return committed

    def _finish_quietly(self) -> None:
        """Commit what `_begin` has found to do; what is not committed is found again."""
        try:
            self._commit()
        except _driver_error():
            self._undo()

    def _connected_again(self) -> PostgresSql:
        """A connection; one that cannot be had is told by the driver's own error, so that it is tried again."""
        try:
            return self._connected()
        except RerankError as error:
            if self._opened and isinstance(error.__cause__, _driver_error()):
                raise error.__cause__ from None
            raise

    def _open_session(self, raw: psycopg.Connection[Any]) -> None:
        process = f"{socket.gethostname()}:{os.getpid()}"
        self._writer = _one(raw.execute(_OPEN, (self._account, process, self._lease_s)))["id"]
        self._number = self._calls_made = 0
        if self._calls:  # the session was ended, and with it what it had under way
            rows = self._execute(f"{_STATES} id = ANY(%s)", list(self._calls))
            self._calls = {row.pop("id"): CallState(**row) for row in rows}

    def _give_back_unknown(self) -> None:
        """Release what a transaction reserved of which nobody was told that it was committed."""
        for call, state in list(self._own_under_way()):
            if call not in self._calls and state == "reserved":
                self.move(call, "released")

    def _commit(self) -> None:
        raw, changes = self._connected().raw, self._at.changes
        if not changes:
            raw.execute("COMMIT")
            return
        with raw.pipeline():
            write(raw, changes, self._account, self._writer)
            raw.execute("UPDATE ledger_accounts SET changes = changes + 1 WHERE name = %s", (self._account,))
            raw.execute(
                "UPDATE ledger_writers SET batch = %s, expires = clock_timestamp() + make_interval(secs => %s),"
                " closed = %s WHERE id = %s",
                (self._number + 1, self._lease_s, changes.ended, self._writer),
            )
            raw.execute("COMMIT")
        self._committed(changes)

    def _committed(self, changes: Changes) -> None:
        self._own_commits, self._beaten_at = self._own_commits + 1, time.monotonic()
        for call, state in changes.states.items():
            if state.state in UNDER_WAY and call not in changes.foreign:
                self._calls[call] = state
            else:
                self._calls.pop(call, None)

    def _undo(self) -> None:
        """Forget the transaction that is open; a connection that is in an unknown state is closed."""
        self._at = _Moment()
        sql = self._sql
        if sql is None:
            return
        try:
            if sql.raw.closed or sql.raw.broken:
                self.disconnect()
            elif sql.raw.info.transaction_status.value != 0:
                sql.raw.execute("ROLLBACK")
        except _driver_error():
            self.disconnect()

    def _execute(self, statement: str, *values: object) -> list[dict[str, Any]]:
        return cast("list[dict[str, Any]]", self._connected().raw.execute(statement.encode(), values).fetchall())

    def _now_us(self) -> int:
        return self._at.now_us

    def _insert(self, now_us: int, day: str, micro_usd: int, label: Label, *, priced: bool, state: State) -> int:
        self._calls_made += 1
        call = (self._writer << 32) + self._calls_made
        self._at.changes.made[call] = (now_us, day, label, int(priced), micro_usd)
        self._at.changes.states[call] = CallState(day=day, model=label.model, state=state, reserved=micro_usd)
        return call

    def _find(self, call: int) -> CallState:
        known = self._at.changes.states.get(call) or self._calls.get(call)
        if known is None:
            row = self._execute(f"{_STATES} id = %s", call)[0]
            known = CallState(**{name: value for name, value in row.items() if name != "id"})
        return known

    def _update(self, call: int, was: CallState, state: State, charged: int, *, tokens: tuple[int, int]) -> None:
        self._at.changes.states[call] = replace(was, state=state, charged=charged)
        self._at.changes.tokens[call] = tokens

    def _record(self, now_us: int, call: int | None, state: str, micro_usd: int) -> None:
        self._at.changes.events.append((now_us, call, state, micro_usd))

    def _add(self, day: str, *, spent: int, held: int) -> None:
        if not (spent or held):
            return
        for period in periods_of(day):
            more_spent, more_held = self._at.changes.totals.get(period, (0, 0))
            self._at.changes.totals[period] = (more_spent + spent, more_held + held)

    def _stop(self, model: str) -> None:
        self._at.stopped.add(model)
        self._at.changes.stopped.add(model)

    def _unstop(self) -> None:
        self._at.stopped.clear()
        self._at.changes.stopped.clear()
        self._at.changes.resumed = True

    def _abandoned(self) -> Iterable[tuple[int, Literal["released", "orphaned"]]]:
        gone = [row["id"] for row in self._execute(_EXPIRED, self._account, self._writer)]
        if not gone:
            return
        rows = self._execute(f"{_STATES} writer = ANY(%s) AND state IN ('reserved', 'sent')", gone)
        for row in rows:
            call = row.pop("id")
            self._at.changes.states[call] = CallState(**row)
            self._at.changes.foreign.add(call)
        for call in list(self._at.changes.foreign):
            yield call, "released" if self._at.changes.states[call].state == "reserved" else "orphaned"

    def _own_under_way(self) -> Iterable[tuple[int, State]]:
        found = {
            row.pop("id"): CallState(**row)
            for row in self._execute(f"{_STATES} writer = %s AND state IN ('reserved', 'sent')", self._writer)
        }
        for call, state in found.items():
            yield call, (self._at.changes.states.get(call) or state).state

    def _close_session(self) -> None:
        self._at.changes.ended = True


def _one(cursor: Any) -> Mapping[str, Any]:
    return cursor.fetchone()


def _driver_error() -> type[Exception]:
    import psycopg

    return psycopg.Error
