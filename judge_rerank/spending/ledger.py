"""The spend ledger: every attempt is reserved before it is sent, and settled with what it was billed.

    # Sets room aside, or raises.
    reservation = await ledger.reserve(micro_usd, tokens=tokens, caps=caps, label=label)
    with reservation:
        await reservation.sent()                       # recorded before anything leaves
        reply = await backend.complete(request)
        reservation.settle(billed_micro_usd, input_tokens=..., output_tokens=...)

What leaves the `with` block unsettled is given back if it was never sent, and stays charged in full if it was.

A call may count in several ledgers: in that of the judge, and in those of the `LedgerCap`s that apply to it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypedDict, Unpack, cast

from judge_rerank.core import InputError, LedgerError
from judge_rerank.spending.budget import Amount, Budget, Cap, Charge
from judge_rerank.spending.ledger_book import Label, LedgerBook, Totals
from judge_rerank.spending.ledger_file import LedgerFile
from judge_rerank.spending.ledger_report import Spend, SpendKey, audit, spend
from judge_rerank.spending.ledger_schema import LEDGER_TABLES
from judge_rerank.spending.ledger_store import LedgerStore
from judge_rerank.spending.ledger_writer import LedgerWriter, ReservedCharge, Work
from judge_rerank.storage import LEASE_S, StoreUrl, open_tables, place_of, require_driver

__all__ = ["Label", "Ledger", "LedgerCap", "Receipt", "Reservation", "Spend", "SpendKey", "Totals"]

_LOG = logging.getLogger(__name__)

NO_LABEL = Label()


class Ledger:
    """What was spent, on a file that threads and processes share, in a database that machines share, or in memory.

    Args:
        path: the file, or the address of the database (postgresql://...); it is made if there is none. None for a
            ledger in memory.
        budget: the cap on everything the ledger holds, or on its day or month. Where it is kept is not read from it.
        account: which of the ledgers in a database; a file holds one.
        clock: seconds since the epoch; decides the day and month a call counts in. None for the machine's clock, or
            the database's.
        lease_s: in a database, how long what a process holds is kept for it when it is not heard of.

    A file belongs on a disk of this machine: SQLite cannot share it over a network file system. A process that is
    forked while such a ledger is open gets a `LedgerError` from it.

    Attributes:
        name: by which receipts name it; a ledger in memory has another in each process.

    Raises:
        InputError: the address cannot be read.
        MissingExtra: the driver of the database is not installed.
    """

    def __init__(
        self,
        path: Path | str | None = None,
        *,
        budget: Budget | None = None,
        account: str = "",
        clock: Callable[[], float] | None = None,
        lease_s: float = LEASE_S,
    ) -> None:
        place = None if path is None else place_of(path, "ledger")
        self.place = place.resolve() if isinstance(place, Path) else place
        self.account, self.budget = account, budget
        self._clock, self._lease_s = clock, lease_s
        self.name = f"memory-{secrets.token_hex(8)}" if self.place is None else f"{self.place} {account}".rstrip()
        self._starting = threading.Lock()
        self._started: LedgerWriter | None = None
        if isinstance(place, StoreUrl):
            require_driver()

    @classmethod
    def of(cls, budget: Budget | None, *, store: str | None = None, clock: Callable[[], float] | None = None) -> Ledger:
        """The ledger that a budget names, else the one in `store`, else one in memory; without a cap for None.

        Raises:
            InputError: it is no budget.
        """
        if budget is None:
            return cls(store, clock=clock)
        if not isinstance(budget, Budget):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"budget is {budget!r}; expected a Budget: Budget(usd='2.00').")
        return cls(budget.store or budget.path or store, budget=budget, account=budget.account, clock=clock)

    @property
    def is_shared(self) -> bool:
        """Whether it is in a database, where everything that is spent is written down, with a budget or without."""
        return isinstance(self.place, StoreUrl)

    async def reserve(
        self,
        micro_usd: int | None,
        *,
        tokens: int = 0,
        caps: Sequence[Cap] = (),
        label: Label = NO_LABEL,
        instead_of: Receipt | None = None,
        leaves: bool = False,
    ) -> Reservation:
        """Set aside the most that one attempt can take.

        Waits while calls under way may still leave room; cancelling the wait is safe and leaves nothing behind.

        Args:
            micro_usd: the most it can cost; None when the price is not known.
            tokens: the most tokens it can take, input and output together.
            caps: what applies besides the budget.
            label: what the call is for.
            instead_of: the same call, which was charged in full because nobody waited for its bill: it is charged here
                from now on, and no more there.
            leaves: whether the request is sent as soon as there is room. Where one ledger pays, that is recorded with
                the reservation, in one write, and `Reservation.sent` has nothing left to do.

        Raises:
            BudgetExceeded: the call does not fit, even if everything under way cost nothing.
            PricingUnknown: the price is not known, and a cap in dollars applies.
            LedgerError: the ledger cannot be used.
        """
        charge = Charge(micro_usd=micro_usd or 0, calls=1, tokens=tokens)
        here = tuple(cap for cap in caps if not isinstance(cap, LedgerCap))
        ledgers = {self, *(cap.ledger for cap in caps if isinstance(cap, LedgerCap))}
        leaves = leaves and len(ledgers) == 1  # with others it may have to wait for them
        held: dict[Ledger, Reservation] = {}
        try:
            # Everybody takes them in one order, so that no two calls wait for what the other holds.
            for ledger in sorted(ledgers, key=Ledger._order):
                own = ReservedCharge(
                    charge=charge,
                    caps=here if ledger is self else (),
                    label=label,
                    priced=micro_usd is not None,
                    leaves=leaves,
                    instead_of=instead_of.call if instead_of is not None and instead_of.ledger == ledger.name else 0,
                )
                held[ledger] = await ledger._reserve(own)
        except BaseException:
            for reservation in held.values():
                reservation.release()
            raise
        return held.pop(self).beside(held.values())

    def _order(self) -> tuple[str, str, int]:
        """Where it stands among ledgers that one call is paid from, the same in every process."""
        return ("", "", id(self)) if self.place is None else (str(self.place), self.account, id(self))

    async def _reserve(self, own: ReservedCharge) -> Reservation:
        writer = self._writer()
        future = writer.reserve(own)
        try:
            return Reservation(writer, await future, ledger=self.name)
        except asyncio.CancelledError:
            # It may have been granted in the same moment, and nobody will send it.
            if not future.cancelled() and future.done() and future.exception() is None:
                writer.release(future.result())
            raise

    def spend(self, by: SpendKey = "model") -> list[Spend]:
        """What was spent on each model, day (UTC), strategy, prompt or run, dearest first."""
        return self._read(lambda book: spend(book, by))

    def is_there(self) -> bool:
        """Whether something has written it; never makes it.

        Raises:
            LedgerError: the database cannot be reached, or has no ledger.
        """
        if isinstance(self.place, StoreUrl):
            open_tables(LEDGER_TABLES, self.place, create=False).close()
            return True
        return self.place is None or self.place.is_file()

    def totals(self) -> Totals:
        """The sums that the budget is held against: of its day or month, or of everything."""
        period = self.budget.period if self.budget is not None else None
        return self._do(lambda book: book.totals(book.period(period)))

    def verify(self) -> list[str]:
        """Recompute every sum from the events; returns what does not agree, one sentence each."""
        return self._read(audit)

    def resume(self) -> None:
        """Let the models go on that were stopped by a bill far above its reservation."""
        self._do(lambda book: book.resume())

    def flush(self) -> None:
        """Wait until everything handed in so far is on the disk."""
        self._do(None)

    def written(self) -> Awaitable[object]:
        """`flush` without holding up the event loop; returns as well when the ledger cannot be written any more."""
        writers = [] if self._started is None or not self._started.usable else [self._started]
        return asyncio.gather(*(asyncio.wrap_future(w.submit(None)) for w in writers), return_exceptions=True)

    def close(self) -> None:
        """Write what is pending and let go of the ledger, which opens again when it is used again.

        A budget that is kept in memory does not.
        """
        if self._started is not None:
            self._started.stop()
            if self.budget is None:
                self._started = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _writer(self) -> LedgerWriter:
        writer = self._started
        if writer is not None and writer.usable:
            return writer
        with self._starting:
            if self._started is not None and self.place is None and not self._started.usable:
                raise LedgerError(
                    "The record of the spending was in memory, which close() and a fork discard. Give the budget a "
                    "file, Budget(usd=..., path=...), or make a new judge."
                )
            if self._started is None or not self._started.usable:
                self._started = LedgerWriter(self._opening(), self.budget)
                weakref.finalize(self, self._started.stop)
            return self._started

    def _opening(self) -> Callable[[], LedgerBook]:
        """What opens it, without a reference to this object."""
        place, account, clock, lease_s = self.place, self.account, self._clock, self._lease_s
        if isinstance(place, StoreUrl):
            return lambda: LedgerStore(place, account, clock, lease_s=lease_s)
        return lambda: LedgerFile(place, clock)

    def _read(self, work: Work) -> Any:
        return self._writer().read(work).result()

    def _do(self, work: Work | None) -> Any:
        return self._writer().submit(work).result()


class LedgerCap(Cap):
    """A cap that is the budget of another ledger: what it applies to is paid from there as well.

    A ledger with a file holds it over all processes that name the file, one in a database over all machines.

    Args:
        ledger: with a budget.

    Raises:
        InputError: the ledger has no budget.
    """

    __slots__ = ("ledger",)

    def __init__(self, ledger: Ledger) -> None:
        if ledger.budget is None:
            raise InputError("The ledger of a limit has no budget: Ledger(path, budget=Budget(usd=...)).")
        super().__init__(ledger.budget.source, usd=ledger.budget.usd)
        self.ledger = ledger


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """Where a call stands: in the ledger of this name, under this number."""

    ledger: str = ""
    call: int = 0


class LimitKeywords(TypedDict, total=False):
    """What `Judge.limit` takes; what it means is said there."""

    usd: Amount | None
    calls: int | None
    tokens: int | None
    ledger: Ledger | None


def limit_cap(**capped: Unpack[LimitKeywords]) -> Cap:
    """The cap of a `with judge.limit(...)` block.

    Raises:
        InputError: nothing is capped, or a cap is not a positive number, or there is an amount beside a ledger.
    """
    ledger, amounts = capped.get("ledger"), {name: value for name, value in capped.items() if name != "ledger"}
    if ledger is None:
        return Cap("limit", **cast("Any", amounts))
    if any(value is not None for value in amounts.values()):
        raise InputError("A limit is an amount or a ledger; nest two blocks to have both.")
    return LedgerCap(ledger)


class Reservation:
    """Money set aside for one attempt, in one ledger or in several. Use it in a `with` block.

    Attributes:
        micro_usd: how much.
        receipt: where it stands in the ledger.
    """

    __slots__ = ("_deferred", "_others", "_reservation", "_state", "_writer", "micro_usd", "receipt")

    def __init__(self, writer: LedgerWriter, reservation: ReservedCharge, *, ledger: str = "") -> None:
        self._writer, self._reservation = writer, reservation
        self._others: tuple[Reservation, ...] = ()
        self._state: Literal["reserved", "sent", "done"] = "sent" if reservation.leaves else "reserved"
        self._deferred = False
        self.receipt = Receipt(ledger=ledger, call=reservation.call)
        self.micro_usd = reservation.charge.micro_usd

    def beside(self, others: Iterable[Reservation]) -> Self:
        """This reservation, which from now on stands for those in other ledgers as well."""
        self._others = tuple(others)
        return self

    def defer(self) -> None:
        """Have `sent` record nothing, for a request that waits for others and leaves with them; `left` does."""
        self._deferred = True

    async def left(self) -> None:
        """Record that a deferred request is about to leave."""
        if self._deferred:
            self._deferred = False
            await self.sent()

    async def sent(self) -> None:
        """Record that the request is about to leave; send it only after this has returned."""
        if self._deferred or self._state == "sent":
            return
        for other in self._others:
            await other.sent()
        move = partial(_sent, call=self._reservation.call)
        await asyncio.wrap_future(self._writer.submit(move))
        self._state = "sent"

    def settle(self, micro_usd: int, *, input_tokens: int = 0, output_tokens: int = 0) -> None:
        """Record what the attempt was billed; 0 where the provider refused it. May follow a `forfeit`."""
        for other in self._others:
            other.settle(micro_usd, input_tokens=input_tokens, output_tokens=output_tokens)
        actual = Charge(micro_usd=micro_usd, calls=1, tokens=input_tokens + output_tokens)
        self._writer.settle(self._reservation, actual, input_tokens=input_tokens, output_tokens=output_tokens)
        self._state = "done"

    def release(self) -> None:
        """Give everything back. Only for an attempt that provably never left this machine."""
        for other in self._others:
            other.release()
        self._writer.release(self._reservation)
        self._state = "done"

    def forfeit(self) -> None:
        """Charge everything, because the attempt was sent and its bill is not known."""
        for other in self._others:
            other.forfeit()
        self._writer.forfeit(self._reservation)
        self._state = "done"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end()

    def __del__(self) -> None:
        if self._state != "done":
            _LOG.warning(
                "A reservation of %d micro-dollars was discarded before its bill was recorded.", self.micro_usd
            )
            self._end()

    def _end(self) -> None:
        if self._state == "reserved":
            self.release()
        elif self._state == "sent":
            self.forfeit()


def _sent(book: LedgerBook, *, call: int) -> None:
    book.move(call, "sent")
