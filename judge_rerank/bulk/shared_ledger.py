"""One budget for many machines without a database: a ledger that one process owns, and the others ask.

The contract is that of the ledger. Every attempt is reserved before it is sent; a worker that is not heard of any more
is taken for dead: what it never sent is given back, and what it sent stays charged. Workers ask in batches: whatever
comes while one request is under way is the next one.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from judge_rerank.core import BudgetExceeded, LedgerError, PricingUnknown, RerankError
from judge_rerank.spending import Budget, Label, Ledger, Reservation

LEASE_S = 30.0
BEAT_S = 5.0
_ANSWER_S = 0.05
"""How long the owner waits for room before it answers that there is none yet."""

Verb = Literal["reserve", "sent", "settle", "release", "forfeit", "beat"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """What a worker asks of the ledger, about one attempt.

    Attributes:
        verb: what it asks; "beat" only says that it lives, and is answered when all before it is done.
        attempt: the worker's name for the attempt.
        micro_usd, tokens: what is reserved, or was billed.
        input_tokens, output_tokens: what was used.
        label: what it is for.
    """

    verb: Verb
    attempt: str = ""
    micro_usd: int | None = None
    tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    label: Label = field(default_factory=Label)


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """An error of the ledger in words that go to another process.

    Attributes:
        message: what it says.
        exceeded: of a cap that is reached, what `BudgetExceeded` is made of.
        unpriced: the model whose price is not known.
    """

    message: str
    exceeded: Mapping[str, Any] | None = None
    unpriced: str | None = None

    @classmethod
    def of(cls, error: RerankError) -> Refusal:
        """The error in words."""
        if isinstance(error, BudgetExceeded):
            names = ("spent", "limit", "source", "unit", "needed", "stopped")
            return cls(message=str(error), exceeded={name: getattr(error, name) for name in names})
        return cls(message=str(error), unpriced=error.model if isinstance(error, PricingUnknown) else None)

    def error(self) -> RerankError:
        """The error again."""
        if self.exceeded is not None:
            return BudgetExceeded(**self.exceeded)
        return LedgerError(self.message) if self.unpriced is None else PricingUnknown(self.unpriced)


Answer = Refusal | Literal["done", "wait"]


class LedgerOwner:
    """The process that owns the ledger.

    Args:
        budget: with its file.
        clock: seconds.
    """

    def __init__(self, budget: Budget, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._ledger, self._clock = Ledger.of(budget), clock
        self._open: dict[str, dict[str, tuple[Reservation, bool]]] = {}
        self._heard: dict[str, float] = {}

    async def apply(self, worker: str, orders: Sequence[Order]) -> list[Answer]:
        """Do what a worker asks; the answers in the order of the questions.

        A worker that asks nothing says that it lives. One that was taken for dead is told so by an error: what it had
        reserved is not its own any more.
        """
        self._end_the_dead(worker)
        return list(await asyncio.gather(*(self._answer(worker, order) for order in orders)))

    def leave(self, worker: str) -> None:
        """The worker has ended."""
        self._end(worker)

    def close(self) -> None:
        """Take all workers for ended, and write what is pending."""
        for worker in {*self._heard, *self._open}:
            self._end(worker)
        self._ledger.close()

    async def _answer(self, worker: str, order: Order) -> Answer:
        if order.verb == "beat":
            return "done"
        mine = self._open.setdefault(worker, {})
        try:
            if order.verb == "reserve":
                return await self._reserve(mine, order)
            if order.attempt not in mine:
                return Refusal(message="The ledger took this worker for dead, since it was not heard of for too long.")
            reservation, _ = mine[order.attempt]
            if order.verb == "sent":
                await reservation.sent()
                mine[order.attempt] = (reservation, True)
                return "done"
            del mine[order.attempt]
            self._finish(reservation, order)
        except RerankError as error:
            return Refusal.of(error)
        return "done"

    async def _reserve(self, mine: dict[str, tuple[Reservation, bool]], order: Order) -> Answer:
        try:
            async with asyncio.timeout(_ANSWER_S):
                reservation = await self._ledger.reserve(order.micro_usd, tokens=order.tokens, label=order.label)
        except TimeoutError:
            return "wait"
        mine[order.attempt] = (reservation, False)
        return "done"

    def _finish(self, reservation: Reservation, order: Order) -> None:
        if order.verb == "settle":
            used = {"input_tokens": order.input_tokens, "output_tokens": order.output_tokens}
            reservation.settle(order.micro_usd or 0, **used)
        elif order.verb == "release":
            reservation.release()
        else:
            reservation.forfeit()

    def _end_the_dead(self, alive: str) -> None:
        now = self._clock()
        self._heard[alive] = now
        for worker in [worker for worker, at in self._heard.items() if now - at > LEASE_S]:
            self._end(worker)

    def _end(self, worker: str) -> None:
        self._heard.pop(worker, None)
        for reservation, sent in self._open.pop(worker, {}).values():
            if sent:
                reservation.forfeit()
            else:
                reservation.release()


class SharedLedger(Ledger):
    """The ledger as a worker sees it: `judge.limit(ledger=...)` charges rankings to it.

    Args:
        budget: the cap, for what a worker says of it; it is held where the ledger is.
        apply: asks the owner, with the worker's name and orders.
    """

    def __init__(self, budget: Budget, apply: Callable[[str, Sequence[Order]], Awaitable[list[Answer]]]) -> None:
        super().__init__(budget=budget)
        self._apply, self._worker = apply, secrets.token_hex(8)
        self._orders: list[tuple[Order, asyncio.Future[Answer]]] = []
        self._asking: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._under_way = 0
        self._news = asyncio.Event()

    async def _reserve(self, own: Any, others: Sequence[Reservation] = ()) -> Reservation:
        """As in `Ledger`, elsewhere: what is set aside is `own.charge`, and no cap of this process is in it."""
        assert not others
        attempt, wait_s = secrets.token_hex(8), 0.02
        micro_usd, tokens = own.charge.micro_usd, own.charge.tokens
        reserved = micro_usd if own.priced else None
        order = Order(verb="reserve", attempt=attempt, micro_usd=reserved, tokens=tokens, label=own.label)
        while True:
            asked = self._ask(order)
            try:
                answer = await asyncio.shield(asked)
            except asyncio.CancelledError:
                # It may be granted in this moment, and nobody will send it.
                asked.add_done_callback(lambda done: self._unwanted(attempt, done))
                raise
            if answer == "done":
                self._under_way += 1
                return cast("Reservation", _SharedReservation(self, attempt, micro_usd))
            if answer != "wait":
                raise answer.error()
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 1.5, 0.5)

    async def record(self, order: Order) -> None:
        """Have something written down, and wait until it is.

        Raises:
            LedgerError: it could not be.
        """
        answer = await self._ask(order)
        if isinstance(answer, Refusal):
            raise answer.error()

    def tell(self, order: Order) -> None:
        """Have something written down, when there is time; from any thread."""
        assert self._loop is not None
        self._under_way -= 1
        with suppress(RuntimeError):  # the loop has ended, and with it all that could be told
            self._loop.call_soon_threadsafe(self._ask, order)

    def written(self) -> Awaitable[object]:
        """Wait until the owner has done all that was asked so far."""
        return self._ask(Order(verb="beat"))

    def _unwanted(self, attempt: str, done: asyncio.Future[Answer]) -> None:
        if not done.cancelled() and done.exception() is None and done.result() == "done":
            self._ask(Order(verb="release", attempt=attempt))

    def _ask(self, order: Order) -> asyncio.Future[Answer]:
        self._loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = self._loop.create_future()
        self._orders.append((order, future))
        self._news.set()
        if self._asking is None or self._asking.done():
            self._asking = self._loop.create_task(self._keep_asking())
        return future

    async def _keep_asking(self) -> None:
        """Hand in what has come, one batch after another; while attempts are under way, say now and then that it lives.

        A batch is handed in once. One whose answer is lost is an error to all that wait for it.
        """
        await asyncio.sleep(0)
        while self._orders or self._under_way > 0:
            batch, self._orders = self._orders, []
            try:
                answers: Sequence[Any] = await self._apply(self._worker, [order for order, _ in batch])
            except Exception as error:
                lost = Refusal(message=f"The ledger of the run cannot be reached: {error}")
                answers = [lost] * len(batch)
            for (_, future), answer in zip(batch, answers, strict=True):
                if not future.done():
                    future.set_result(answer)
            self._news.clear()
            if not self._orders and self._under_way > 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), BEAT_S)


class _SharedReservation:
    """Money set aside for one attempt, elsewhere; what `Reservation` does, as far as other ledgers are asked it."""

    def __init__(self, ledger: SharedLedger, attempt: str, micro_usd: int) -> None:
        self._ledger, self._attempt, self.micro_usd = ledger, attempt, micro_usd
        self._done = False

    def beside(self, others: Iterable[Reservation]) -> _SharedReservation:
        """As in `Reservation`; a worker's ledger of its own stands for this one, and never the other way round."""
        assert not tuple(others)
        return self

    async def sent(self) -> None:
        """Record that the request is about to leave."""
        await self._ledger.record(Order(verb="sent", attempt=self._attempt))

    def settle(self, micro_usd: int, *, input_tokens: int = 0, output_tokens: int = 0) -> None:
        """Record what the attempt was billed."""
        self._finish(
            Order(
                verb="settle",
                attempt=self._attempt,
                micro_usd=micro_usd,
                input_tokens=input_tokens,
                output_tokens=output_tokens,
            )
        )

    def release(self) -> None:
        """Give the money back."""
        self._finish(Order(verb="release", attempt=self._attempt))

    def forfeit(self) -> None:
        """Keep it charged."""
        self._finish(Order(verb="forfeit", attempt=self._attempt))

    def _finish(self, order: Order) -> None:
        if not self._done:
            self._done = True
            self._ledger.tell(order)
