"""A ledger as rows in an SQLite file, which processes of one machine share, or in memory."""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from judge_rerank.core import LedgerError
from judge_rerank.spending.ledger_book import CallState, Label, LedgerBook, State, T, Totals, periods_of
from judge_rerank.spending.ledger_schema import LEDGER
from judge_rerank.storage import as_ours, claim_process_lock, open_database, our_error, owner_is_gone

# Longer than any call takes. A call that is still under way after it, of a process that cannot be proven alive or
# dead, is charged in full, so that nobody waits for it for ever.
STALE_S = 3600.0


_open_files: Counter[tuple[int, Path | None]] = Counter()


_ADD_TOTALS = """
INSERT INTO totals (period, spent, held) VALUES (?, ?, ?)
ON CONFLICT (period) DO UPDATE SET spent = spent + excluded.spent, held = held + excluded.held
"""
_ADD_EVENTS = """
INSERT INTO events (time_us, call, state, micro_usd) SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'),
    json_extract(value, '$[2]'), json_extract(value, '$[3]') FROM json_each(?)
"""


@dataclass(kw_only=True, slots=True)
class _Moment:
    """What one transaction has read, and what it writes at its end, so that many calls take few statements.

    Attributes:
        totals: by period, the sums as they were.
        stopped: the models that are stopped; None where that was not read yet.
        added: by period, what is added to spent, and to held.
        events: what is appended: when, which call, which state, how much.
    """

    totals: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    stopped: frozenset[str] | None = None
    added: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    events: list[tuple[int, int | None, str, int]] = field(default_factory=list[Any])


class LedgerFile(LedgerBook):
    """One connection to a ledger in SQLite.

    Args:
        path: the file; None for a ledger in memory.
        clock: seconds since the epoch.
    """

    def __init__(self, path: Path | None, clock: Callable[[], float] | None = None) -> None:
        self.path, self._clock = path, clock or time.time
        self._lock_file = Path(f"{path}.lock") if path is not None else None
        self._session = secrets.randbits(48)
        self._at = _Moment()
        _refuse_after_fork(path)
        with as_ours(LEDGER, path):
            self.connection = open_database(LEDGER, path)
            _open_files[os.getpid(), path] += 1
            try:
                self.transact(self._begin)
            except BaseException:
                self.disconnect()
                raise

    def transact(self, work: Callable[[], T]) -> T:
        """What `work` gives, which is alone with the file."""
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            self._at = _Moment()
            try:
                result = work()
                self._write()
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise
        except (sqlite3.Error, OSError) as error:
            raise our_error(error, LEDGER, self.path) from error
        return result

    read = transact

    def totals(self, period: str) -> Totals:
        """The sums of a period; zero where it has none."""
        at = self._at
        if period not in at.totals:
            row = self.connection.execute("SELECT spent, held FROM totals WHERE period = ?", (period,)).fetchone()
            at.totals[period] = row or (0, 0)
        if at.stopped is None:
            at.stopped = frozenset(model for (model,) in self.connection.execute("SELECT model FROM stopped"))
        (spent, held), (more_spent, more_held) = at.totals[period], at.added.get(period, (0, 0))
        return Totals(spent=spent + more_spent, held=held + more_held, stopped=at.stopped)

    def others_wrote(self) -> int:
        """A number that changes when another connection has written; outside a transaction, without a lock."""
        with as_ours(LEDGER, self.path):
            return self.connection.execute("PRAGMA data_version").fetchone()[0]

    def rows(self, statement: str) -> Sequence[tuple[Any, ...]]:
        """What a statement reads."""
        self._write()
        return self.connection.execute(statement).fetchall()

    def damage(self) -> Iterator[str]:
        """What SQLite finds wrong with the file, and whether a power cut could lose what is written."""
        for (finding,) in self.connection.execute("PRAGMA quick_check"):
            if finding != "ok":
                yield f"The file is damaged: {finding}."
        (synchronous,) = self.connection.execute("PRAGMA synchronous").fetchone()
        if synchronous < 2:
            yield "Writes are not synced to the disk, so a power cut can lose them."

    def disconnect(self) -> None:
        """Close the file."""
        self.connection.close()
        _open_files[os.getpid(), self.path] -= 1

    def _begin(self) -> None:
        # The lock is taken before the row can be seen: whoever finds the row finds its lock held.
        identity = claim_process_lock(self._lock_file, self._session) if self._lock_file is not None else 0
        self.connection.execute(
            "INSERT INTO sessions (id, lock_identity, pid, opened_us) VALUES (?, ?, ?, ?)",
            (self._session, identity, os.getpid(), self._now_us()),
        )
        self.sweep()

    def _now_us(self) -> int:
        return int(self._clock() * 1e6)

    def _write(self) -> None:
        """Write what was noted so far."""
        at, self._at = self._at, _Moment()
        if at.events:
            self.connection.execute(_ADD_EVENTS, (json.dumps(at.events),))
        if at.added:
            self.connection.executemany(_ADD_TOTALS, [(period, *sums) for period, sums in at.added.items()])

    def _insert(self, now_us: int, day: str, micro_usd: int, label: Label, *, priced: bool, state: State) -> int:
        cursor = self.connection.execute(
            "INSERT INTO calls (session, time_us, day, run, model, strategy, prompt, priced, state, reserved, charged)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
            (
                self._session,
                now_us,
                day,
                label.run,
                label.model,
                label.strategy,
                label.prompt,
                priced,
                state,
                micro_usd,
            ),
        )
        return cursor.lastrowid or 0

    def _find(self, call: int) -> CallState:
        day, model, state, reserved, charged = self.connection.execute(
            "SELECT day, model, state, reserved, charged FROM calls WHERE id = ?", (call,)
        ).fetchone()
        return CallState(day=day, model=model, state=state, reserved=reserved, charged=charged)

    def _update(self, call: int, was: CallState, state: State, charged: int, *, tokens: tuple[int, int]) -> None:
        del was
        self.connection.execute(
            "UPDATE calls SET state = ?, charged = ?, input_tokens = ?, output_tokens = ? WHERE id = ?",
            (state, charged, *tokens, call),
        )

    def _record(self, now_us: int, call: int | None, state: str, micro_usd: int) -> None:
        self._at.events.append((now_us, call, state, micro_usd))

    def _add(self, day: str, *, spent: int, held: int) -> None:
        if not (spent or held):
            return
        for period in periods_of(day):
            more_spent, more_held = self._at.added.get(period, (0, 0))
            self._at.added[period] = (more_spent + spent, more_held + held)

    def _stop(self, model: str) -> None:
        self.connection.execute("INSERT OR IGNORE INTO stopped VALUES (?)", (model,))
        self._at.stopped = None

    def _unstop(self) -> None:
        self.connection.execute("DELETE FROM stopped")
        self._at.stopped = None

    def _abandoned(self) -> Iterable[tuple[int, Literal["released", "orphaned"]]]:
        stale_us = self._now_us() - int(STALE_S * 1e6)
        rows = self.connection.execute(
            "SELECT calls.id, calls.state, calls.time_us, sessions.id, sessions.lock_identity"
            # From the few calls under way to their sessions, not the other way round.
            " FROM calls CROSS JOIN sessions ON sessions.id = calls.session"
            " WHERE calls.state IN ('reserved', 'sent') AND sessions.id != ?",
            (self._session,),
        ).fetchall()
        gone = {session: self._is_gone(session, identity) for *_, session, identity in rows}
        dead = [(session,) for session, is_gone in gone.items() if is_gone]
        self.connection.executemany("UPDATE sessions SET closed = 1 WHERE id = ?", dead)
        return [
            (call, "released" if gone[session] and state == "reserved" else "orphaned")
            for call, state, time_us, session, _ in rows
            if gone[session] or time_us < stale_us
        ]

    def _own_under_way(self) -> Iterable[tuple[int, State]]:
        rows = "SELECT id, state FROM calls WHERE session = ? AND state IN ('reserved', 'sent')"
        return self.connection.execute(rows, (self._session,)).fetchall()

    def _close_session(self) -> None:
        self.connection.execute("UPDATE sessions SET closed = 1 WHERE id = ?", (self._session,))

    def _is_gone(self, session: int, identity: int) -> bool:
        return self._lock_file is not None and owner_is_gone(self._lock_file, session, identity)


def _refuse_after_fork(path: Path | None) -> None:
    """SQLite believes that the locks of the process it was forked from are its own, and would write without any."""
    if path is not None and any(n > 0 and at == path and pid != os.getpid() for (pid, at), n in _open_files.items()):
        raise LedgerError(
            "This process was forked while the ledger was open, and cannot use it safely. Start processes with the "
            '"spawn" or "forkserver" method, or make the first call after the fork.',
            path=path,
        )
