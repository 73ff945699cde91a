"""The one thread of a process that writes a ledger, and decides which calls may be made.

Whatever is asked of it while it writes is done together in the next transaction, so that many reservations cost one
sync of the disk. Requests for which there is no room yet wait here, in the order in which they came, and are looked
at again whenever something has settled, in this process or in another.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from judge_rerank.core import LedgerError, PricingUnknown, RerankError, dollars, to_usd
from judge_rerank.spending.budget import NOTHING, Budget, Cap, Charge
from judge_rerank.spending.ledger_book import Label, LeaseLost, LedgerBook

_LOG = logging.getLogger(__name__)

_BATCH = 512
_FIRST_POLL_S = 0.002
_LAST_POLL_S = 0.1

Work: TypeAlias = Callable[[LedgerBook], Any]


@dataclass(kw_only=True, slots=True, eq=False)
class ReservedCharge:
    """What was set aside for one call, and what of it counts in the caps that live in this process."""

    charge: Charge
    caps: tuple[Cap, ...]
    label: Label
    priced: bool
    instead_of: int = 0
    leaves: bool = False
    """Whether it is recorded as sent in the same moment."""
    call: int = 0
    counted: Charge | None = None

    def count(self, actual: Charge) -> list[Cap]:
        """Replace what the caps hold for the call by what it took; returns the caps that this stops."""
        for cap in self.caps:
            if self.counted is None:
                cap.move(held=NOTHING - self.charge, spent=actual)
            else:
                cap.move(spent=actual - self.counted)
        self.counted = actual
        return [cap for cap in self.caps if cap.overrun(self.charge, actual, self.label.model)]


@dataclass(kw_only=True, slots=True, eq=False)
class _Task:
    work: Work | None
    """None only waits for what was handed in before."""
    must: bool = False
    """Whether it is tried again when it could not be written."""
    reads: bool = False
    """Whether it changes nothing, and needs no lock."""
    future: Future[Any] | None = field(default_factory=Future[Any])
    """None where nobody waits for it."""


@dataclass(kw_only=True, slots=True, eq=False)
class _Request:
    reservation: ReservedCharge
    future: asyncio.Future[ReservedCharge] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


_Answer: TypeAlias = tuple["_Task | _Request", "Any | BaseException"]


class LedgerWriter:
    """The thread, its queue, and the requests that wait for room.

    Args:
        connect: opens the ledger; called in the thread.
        budget: the cap on what the ledger holds, if there is one.
    """

    def __init__(self, connect: Callable[[], LedgerBook], budget: Budget | None) -> None:
        self._connect, self._budget = connect, budget
        self._cap = budget.cap() if budget is not None else None
        self._pid = os.getpid()
        # Reentrant, because a reservation that is garbage-collected is handed in from wherever that happens.
        self._lock = threading.RLock()
        self._queue: queue.SimpleQueue[_Task | _Request | None] = queue.SimpleQueue()
        self._open = True
        self._closed_by: BaseException = LedgerError("The ledger is closed, or was opened before this process forked.")
        self._waiting: list[_Request] = []
        self._owed: list[_Task] = []
        self._polls, self._seen, self._swept_at = 0, -1, 0.0
        self._thread = threading.Thread(target=self._run, name="judge-rerank-ledger", daemon=True)
        self._thread.start()

    @property
    def usable(self) -> bool:
        """Whether the thread runs in this process; after a fork it does not."""
        return self._pid == os.getpid() and self._open

    def submit(self, work: Work | None) -> Future[Any]:
        """Do `work` in a transaction; the future is done when that is on the disk, and all that was asked before."""
        return self._put(_Task(work=work))

    def read(self, work: Work) -> Future[Any]:
        """What `work` reads, after all that was asked before."""
        return self._put(_Task(work=work, reads=True))

    def reserve(self, reservation: ReservedCharge) -> asyncio.Future[ReservedCharge]:
        """Grant the reservation as soon as every cap has room for it; cancelling the future withdraws it.

        The future is one of the running event loop.
        """
        return self._put(_Request(reservation=reservation))

    def settle(self, reservation: ReservedCharge, actual: Charge, *, input_tokens: int, output_tokens: int) -> None:
        """Record what a call was billed, when there is time."""
        tokens = {"input_tokens": input_tokens, "output_tokens": output_tokens}

        def work(book: LedgerBook) -> None:
            over = book.move(reservation.call, "settled", actual.micro_usd, **tokens)
            stopped = [cap.source for cap in reservation.count(actual)]
            if over or stopped or actual.micro_usd > reservation.charge.micro_usd:
                _report(reservation, actual, [self._budget.source, *stopped] if over and self._budget else stopped)

        self._put(_Task(work=work, must=True, future=None))

    def release(self, reservation: ReservedCharge) -> None:
        """Give back what was set aside for a call that never left."""

        def work(book: LedgerBook) -> None:
            book.move(reservation.call, "released")
            reservation.count(NOTHING)

        self._put(_Task(work=work, must=True, future=None))

    def forfeit(self, reservation: ReservedCharge) -> None:
        """Charge a call in full, since its bill is not known."""

        def work(book: LedgerBook) -> None:
            book.forfeit(reservation.call)
            reservation.count(reservation.charge)

        self._put(_Task(work=work, must=True, future=None))

    def stop(self) -> None:
        """Write what is pending, end the session and the thread."""
        if self._pid != os.getpid():
            return
        with self._lock:
            if self._open:
                self._open = False
                self._queue.put(None)
        self._thread.join()

    def _put(self, item: _Task | _Request) -> Any:
        if self.usable:
            with self._lock:
                if self._open:
                    self._queue.put(item)
                    return item.future
        if item.future is not None:
            item.future.set_exception(self._closed_by)
        return item.future

    def _run(self) -> None:
        try:
            book = self._connect()
        except BaseException as error:
            self._give_up(error)
            return
        stopping = False
        while not stopping:
            items = self._take(book.beat_s)
            stopping = None in items
            book.beat()
            if items or (self._waiting and self._look_again(book)):
                self._write(book, [item for item in items if item is not None])
        self._answer((request, LedgerError("The ledger was closed.")) for request in self._waiting)
        self._waiting = []
        self._write(book, [])
        try:
            book.close()
        except LedgerError as error:
            _LOG.error("The ledger could not be closed cleanly, so open reservations stay charged: %s", error)

    def _give_up(self, error: BaseException) -> None:
        with self._lock:
            self._open, self._closed_by = False, error
        while not self._queue.empty():
            item = self._queue.get()
            if item is not None:
                self._answer([(item, error)])

    def _take(self, beat_s: float | None) -> list[_Task | _Request | None]:
        """What is to be done next; nothing when it is time to look at the requests that wait, or to say so."""
        pause_s = min(_FIRST_POLL_S * 1.5**self._polls, _LAST_POLL_S) if self._waiting else beat_s
        items: list[_Task | _Request | None] = []
        with suppress(queue.Empty):
            items.append(self._queue.get(timeout=pause_s))
            while len(items) < _BATCH:
                items.append(self._queue.get_nowait())
        self._polls = 0 if items else self._polls + 1
        return items

    def _look_again(self, book: LedgerBook) -> bool:
        try:
            seen, self._seen = self._seen, book.others_wrote()
        except LedgerError:
            return True
        return self._seen != seen or time.monotonic() - self._swept_at > book.sweep_s

    def _write(self, book: LedgerBook, items: list[_Task | _Request]) -> None:
        tasks = [item for item in items if isinstance(item, _Task) and not item.reads]
        requests = [*self._waiting, *(item for item in items if isinstance(item, _Request))]
        owed, self._owed, self._waiting = self._owed, [], []
        for task in owed:
            self._transact(book, [task], [])
        if tasks or requests:
            self._transact(book, tasks, requests)
        for item in items:
            if isinstance(item, _Task) and item.reads:
                self._answer([(item, _read(book, item))])

    def _transact(self, book: LedgerBook, tasks: list[_Task], requests: list[_Request]) -> None:
        answers: list[_Answer] = []

        def perform() -> None:
            _take_back(answers)  # what an earlier call of this has granted was not committed
            answers.clear()
            self._waiting = []
            answers.extend((task, _done(book, task)) for task in tasks)
            if requests and time.monotonic() - self._swept_at > book.sweep_s:
                book.sweep()
                self._swept_at = time.monotonic()
            answers.extend(self._decide_all(book, requests))

        try:
            if requests or self._owed or any(task.work for task in tasks):
                book.transact(perform)
            else:
                perform()
        except BaseException as error:
            _LOG.error("The ledger could not be written, so calls stay charged in full for now: %s", error)
            _take_back(answers)
            self._waiting = []
            # One that fails by itself, and not for the file's sake, would fail for ever; it stays charged in full.
            hopeless = len(tasks) == 1 and not isinstance(error, LedgerError)
            self._owed.extend(task for task in tasks if task.must and not hopeless)
            answers = [(item, error) for item in (*requests, *(task for task in tasks if not task.must))]
        self._answer(answers)

    def _answer(self, answers: Iterable[_Answer]) -> None:
        """Complete the futures; those of one event loop all at once, since waking it takes time."""
        told: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[ReservedCharge], Any]]] = {}
        for item, outcome in answers:
            if isinstance(item, _Request) and item.future.cancelled():
                self._give_back([outcome])
            elif isinstance(item, _Request):
                told.setdefault(item.future.get_loop(), []).append((item.future, outcome))
            elif item.future is not None and item.future.set_running_or_notify_cancel():
                if isinstance(outcome, BaseException):
                    item.future.set_exception(outcome)
                else:
                    item.future.set_result(outcome)
        for loop, outcomes in told.items():
            try:
                loop.call_soon_threadsafe(self._tell, outcomes)
            except RuntimeError:  # the loop is closed: nobody waits any more
                self._give_back(outcome for _, outcome in outcomes)

    def _tell(self, outcomes: Iterable[tuple[asyncio.Future[ReservedCharge], Any]]) -> None:
        for future, outcome in outcomes:
            if future.done():  # who asked was cancelled
                self._give_back([outcome])
            elif isinstance(outcome, BaseException):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

    def _give_back(self, outcomes: Iterable[Any]) -> None:
        for outcome in outcomes:
            if isinstance(outcome, ReservedCharge):
                self.release(outcome)

    def _decide_all(self, book: LedgerBook, requests: list[_Request]) -> Iterator[_Answer]:
        for request in requests:
            if request.future.cancelled():
                continue
            outcome = self._decide(book, request.reservation)
            if outcome is None:
                self._waiting.append(request)
            else:
                yield request, outcome

    def _decide(self, book: LedgerBook, reservation: ReservedCharge) -> ReservedCharge | RerankError | None:
        """The reservation when there is room, an error when there will be none, None when there may be later."""
        given_back = book.give_back(reservation.instead_of) if reservation.instead_of else False
        outcome = self._granted(book, reservation)
        if given_back and outcome is not reservation:
            book.forfeit(reservation.instead_of)
        return outcome

    def _granted(self, book: LedgerBook, reservation: ReservedCharge) -> ReservedCharge | RerankError | None:
        caps = [*self._budget_cap(book), *reservation.caps]
        if not reservation.priced and any("usd" in cap.limits for cap in caps):
            return PricingUnknown(reservation.label.model)
        model = reservation.label.model
        verdicts = [cap.verdict(reservation.charge, model) for cap in caps]
        if "refuse" in verdicts:
            return caps[verdicts.index("refuse")].refusal(reservation.charge, model)
        if "wait" in verdicts:
            return None
        reservation.call = book.reserve(
            reservation.charge.micro_usd, reservation.label, priced=reservation.priced, sent=reservation.leaves
        )
        for cap in reservation.caps:
            cap.move(held=reservation.charge)
        return reservation

    def _budget_cap(self, book: LedgerBook) -> list[Cap]:
        if self._budget is None or self._cap is None:
            return []
        totals = book.totals(book.period(self._budget.period))
        self._cap.spent, self._cap.held = Charge(micro_usd=totals.spent), Charge(micro_usd=totals.held)
        self._cap.stopped = totals.stopped
        return [self._cap]


def _done(book: LedgerBook, task: _Task) -> Any:
    """What a task gives; what it was too late for is its own error, and not that of those beside it."""
    try:
        return task.work and task.work(book)
    except LeaseLost as error:
        return error


def _read(book: LedgerBook, task: _Task) -> Any:
    work = task.work
    assert work is not None
    try:
        return book.read(lambda: work(book))
    except BaseException as error:
        return error


def _take_back(answers: Iterable[_Answer]) -> None:
    """Undo in the caps what a failed transaction had granted."""
    for _, outcome in answers:
        if isinstance(outcome, ReservedCharge):
            outcome.count(NOTHING)
            outcome.counted = None


def _report(reservation: ReservedCharge, actual: Charge, stopped: list[str]) -> None:
    _LOG.log(
        logging.ERROR if stopped else logging.WARNING,
        "A call to %s was billed %s and %d tokens; the estimated worst case was %s and %d tokens. It is "
        "recorded in full%s. Check the price of the model and its output limit.",
        reservation.label.model or "the model",
        dollars(to_usd(actual.micro_usd)),
        actual.tokens,
        dollars(to_usd(reservation.charge.micro_usd)),
        reservation.charge.tokens,
        f", and this model is stopped under: {', '.join(stopped)}" if stopped else "",
    )
