"""The ledger as rows in SQLite: what was reserved, sent, billed and given back, and the sums of it.

`events` is the record and is only ever appended to. `calls` is the latest state of each call and `totals` the sums by
period; both are kept in the same transaction and can be recomputed from the events (see `audit`).
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeVar

from judge_rerank.core import LedgerError
from judge_rerank.spending.budget import Period, far_above
from judge_rerank.spending.ledger_schema import LEDGER
from judge_rerank.storage import as_ours, claim_process_lock, open_database, our_error, owner_is_gone

T = TypeVar("T")

State = Literal["reserved", "sent", "settled", "released", "forfeited", "orphaned"]

UNDER_WAY = ("reserved", "sent")
UNCONFIRMED = ("forfeited", "orphaned")

# Longer than any call takes. A call that is still under way after it, of a process that cannot be proven alive or
# dead, is charged in full, so that nobody waits for it for ever.
STALE_S = 3600.0


_open_files: Counter[tuple[int, Path | None]] = Counter()


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """What a call is for; `spend` sums by these."""

    run: str = ""
    model: str = ""
    strategy: str = ""
    prompt: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Totals:
    """The sums of one period, in micro-dollars, and the models that a bill far above its reservation has stopped."""

    spent: int = 0
    held: int = 0
    stopped: frozenset[str] = frozenset()


class LedgerFile:
    """One connection to a ledger. Every method but `transact` is called inside a transaction; one thread uses it.

    Args:
        path: the file; None for a ledger in memory.
        clock: seconds since the epoch.
    """

    def __init__(self, path: Path | None, clock: Callable[[], float]) -> None:
        self.path, self._clock = path, clock
        self._lock_file = Path(f"{path}.lock") if path is not None else None
        self._session = secrets.randbits(48)
        _refuse_after_fork(path)
        with as_ours(LEDGER, path):
            self.connection = open_database(LEDGER, path)
            _open_files[os.getpid(), path] += 1
            try:
                self.transact(self._begin)
            except BaseException:
                self._disconnect()
                raise

    def transact(self, work: Callable[[], T]) -> T:
        """What `work` gives, which is alone with the file: nobody else can write between what it reads and writes."""
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                result = work()
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise
        except (sqlite3.Error, OSError) as error:
            raise our_error(error, LEDGER, self.path) from error
        return result

    def period(self, period: Period | None) -> str:
        """The key of the period that it is now."""
        day = _day(self._now_us())
        return {None: "ever", "month": day[:7], "day": day}[period]

    def totals(self, period: str) -> Totals:
        """The sums of a period; zero where it has none."""
        row = self.connection.execute("SELECT spent, held FROM totals WHERE period = ?", (period,)).fetchone()
        stopped = frozenset(model for (model,) in self.connection.execute("SELECT model FROM stopped"))
        spent, held = row or (0, 0)
        return Totals(spent=spent, held=held, stopped=stopped)

    def reserve(self, micro_usd: int, label: Label, *, priced: bool) -> int:
        """Set `micro_usd` aside for a call; returns the call's id."""
        now_us = self._now_us()
        day = _day(now_us)
        cursor = self.connection.execute(
            "INSERT INTO calls (session, time_us, day, run, model, strategy, prompt, priced, state, reserved, charged)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'reserved', ?, 0)",
            (self._session, now_us, day, label.run, label.model, label.strategy, label.prompt, priced, micro_usd),
        )
        call = cursor.lastrowid or 0
        self._record(now_us, call, "reserved", micro_usd)
        self._add(day, spent=0, held=micro_usd)
        return call

    def move(self, call: int, state: State, charged: int = 0, *, input_tokens: int = 0, output_tokens: int = 0) -> bool:
        """Bring a call into a state in which `charged` counts as spent; whether the bill stops its model."""
        day, model, old_state, reserved, old_charged = self.connection.execute(
            "SELECT day, model, state, reserved, charged FROM calls WHERE id = ?", (call,)
        ).fetchone()
        self.connection.execute(
            "UPDATE calls SET state = ?, charged = ?, input_tokens = ?, output_tokens = ? WHERE id = ?",
            (state, charged, input_tokens, output_tokens, call),
        )
        self._record(self._now_us(), call, state, charged)
        held = (reserved if state in UNDER_WAY else 0) - (reserved if old_state in UNDER_WAY else 0)
        self._add(day, spent=charged - old_charged, held=held)
        over = state == "settled" and charged > reserved and far_above(reserved, charged)
        if over:
            self.connection.execute("INSERT OR IGNORE INTO stopped VALUES (?)", (model,))
        return over

    def forfeit(self, call: int, state: State = "forfeited") -> None:
        """Charge all that was reserved for a call, since what it was billed is not known."""
        (reserved,) = self.connection.execute("SELECT reserved FROM calls WHERE id = ?", (call,)).fetchone()
        self.move(call, state, reserved)

    def resume(self) -> None:
        """Let stopped models go on."""
        self._record(self._now_us(), None, "resumed", 0)
        self.connection.execute("DELETE FROM stopped")

    def sweep(self) -> int:
        """End the calls of sessions that are gone: release what never left, keep the rest charged. Returns how many."""
        stale_us = self._now_us() - int(STALE_S * 1e6)
        rows = self.connection.execute(
            "SELECT calls.id, calls.state, calls.time_us, sessions.id, sessions.lock_identity"
            # From the few calls under way to their sessions, not the other way round.
            " FROM calls CROSS JOIN sessions ON sessions.id = calls.session"
            " WHERE calls.state IN ('reserved', 'sent') AND sessions.id != ?",
            (self._session,),
        ).fetchall()
        gone = {session: self._is_gone(session, identity) for *_, session, identity in rows}
        ended = 0
        for call, state, time_us, session, _ in rows:
            if gone[session] and state == "reserved":
                self.move(call, "released")
            elif gone[session] or time_us < stale_us:
                self.forfeit(call, "orphaned")
            else:
                continue
            ended += 1
        dead = [(session,) for session, is_gone in gone.items() if is_gone]
        self.connection.executemany("UPDATE sessions SET closed = 1 WHERE id = ?", dead)
        return ended

    def others_wrote(self) -> int:
        """A number that changes when another connection has written; outside a transaction, without a lock."""
        with as_ours(LEDGER, self.path):
            return self.connection.execute("PRAGMA data_version").fetchone()[0]

    def close(self) -> None:
        """End this session: what it never sent is given back, what it sent stays charged."""
        try:
            self.transact(self._end)
        finally:
            self._disconnect()

    def _begin(self) -> None:
        self._open_session()
        self.sweep()

    def _end(self) -> None:
        rows = "SELECT id, state FROM calls WHERE session = ? AND state IN ('reserved', 'sent')"
        for call, state in self.connection.execute(rows, (self._session,)).fetchall():
            if state == "reserved":
                self.move(call, "released")
            else:
                self.forfeit(call)
        self.connection.execute("UPDATE sessions SET closed = 1 WHERE id = ?", (self._session,))

    def _disconnect(self) -> None:
        self.connection.close()
        _open_files[os.getpid(), self.path] -= 1

    def _open_session(self) -> None:
        # The lock is taken before the row can be seen: whoever finds the row finds its lock held.
        identity = claim_process_lock(self._lock_file, self._session) if self._lock_file is not None else 0
        self.connection.execute(
            "INSERT INTO sessions (id, lock_identity, pid, opened_us) VALUES (?, ?, ?, ?)",
            (self._session, identity, os.getpid(), self._now_us()),
        )

    def _is_gone(self, session: int, identity: int) -> bool:
        return self._lock_file is not None and owner_is_gone(self._lock_file, session, identity)

    def _record(self, now_us: int, call: int | None, state: str, micro_usd: int) -> None:
        self.connection.execute(
            "INSERT INTO events (time_us, call, state, micro_usd) VALUES (?, ?, ?, ?)", (now_us, call, state, micro_usd)
        )

    def _add(self, day: str, *, spent: int, held: int) -> None:
        if not (spent or held):
            return
        self.connection.executemany(
            "INSERT INTO totals (period, spent, held) VALUES (?, ?, ?) ON CONFLICT (period) DO UPDATE SET"
            " spent = spent + excluded.spent, held = held + excluded.held",
            [(period, spent, held) for period in periods_of(day)],
        )

    def _now_us(self) -> int:
        return int(self._clock() * 1e6)


def _refuse_after_fork(path: Path | None) -> None:
    """SQLite believes that the locks of the process it was forked from are its own, and would write without any."""
    if path is not None and any(n > 0 and at == path and pid != os.getpid() for (pid, at), n in _open_files.items()):
        raise LedgerError(
            "This process was forked while the ledger was open, and cannot use it safely. Start processes with the "
            '"spawn" or "forkserver" method, or make the first call after the fork.',
            path=path,
        )


def periods_of(day: str) -> tuple[str, str, str]:
    """The keys of the periods that a day counts in."""
    return "ever", day[:7], day


def _day(time_us: int) -> str:
    return datetime.fromtimestamp(time_us / 1e6, UTC).strftime("%Y-%m-%d")
