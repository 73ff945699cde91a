"""Every attempt at one call: paid for before it leaves, settled with what it was billed, written to the trace."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field, replace
from decimal import ROUND_CEILING, Decimal

from judge_rerank.core import (
    Backend,
    BudgetExceeded,
    ChatReply,
    ChatRequest,
    InputError,
    Outcome,
    ProviderError,
    Usage,
    Vectors,
    total_usd,
)
from judge_rerank.engine.stop import Stop
from judge_rerank.prompting import COUNT_MARGIN, Prepared
from judge_rerank.providers import ConcurrencyLimiter
from judge_rerank.spending import Cap, Label, Ledger, Metered, Price, Reservation, bill, read_usage, to_usd, worst_case
from judge_rerank.tracing import CallRecord, Trace, chat_attributes, chat_span_name, reply_attributes, span

# What a provider adds to each message that no tokenizer shows.
_TOKENS_PER_MESSAGE = 16
# What a gateway says when the model behind it did not answer in time, or not well: the model may have done its work.
_GATEWAY_STATUSES = frozenset({408, 502, 504, 524})


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelChannel:
    """The way to one model.

    Attributes:
        backend: the model.
        limiter: how many requests it gets at once.
        price: what it costs; None where nobody says.
    """

    backend: Backend
    limiter: ConcurrencyLimiter
    price: Price | None


@dataclass(slots=True)
class FirstCall:
    """Why the first call of a ranking cannot be afforded, if it cannot; the others are then not sent either."""

    refusal: BudgetExceeded | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RankingContext:
    """What holds for every call of one ranking.

    Attributes:
        stop: when it ends.
        ledger: where it is paid from; None where nothing caps it.
        caps: what caps it besides the ledger's budget.
        label: what the ledger sums by; the model and the prompt are filled in for each call.
        trace: where it is written down, if it is.
        ranking: its id in the trace.
        preparing: one call after the other, so that calls are sent in the order in which the strategy asks them and
            what a cap leaves room for goes to the first.
        opening: how the first call fared.
        held: by call, what is written down once vectors are compared, which is at the end of their round.
    """

    stop: Stop
    ledger: Ledger | None = None
    caps: tuple[Cap, ...] = ()
    label: Label = field(default_factory=Label)
    trace: Trace | None = None
    ranking: str = ""
    preparing: asyncio.Lock = field(default_factory=asyncio.Lock)
    opening: FirstCall = field(default_factory=FirstCall)
    held: dict[int, CallRecord] = field(default_factory=dict[int, CallRecord])

    @property
    def capped_in_usd(self) -> bool:
        """Whether a cap in dollars holds, so that every model needs a price."""
        budgeted = self.ledger is not None and self.ledger.budget is not None
        return budgeted or any("usd" in cap.limits for cap in self.caps)


class Attempts:
    """The attempts at one call, counted and written down.

    Args:
        channel: the way to the model.
        context: the ranking it is part of.
        call: the number of the call in its ranking, from 1.
        round_: the round it is asked in, from 1.
    """

    def __init__(self, channel: ModelChannel, context: RankingContext, *, call: int, round_: int) -> None:
        self._channel, self._context = channel, context
        self._call, self._round = call, round_
        self._number = 0
        self._bought: list[ChatReply] = []
        self._cached: list[ChatReply] = []
        self._micro_usd: int | None = 0
        self._sent_at = time.time()
        self._latency_s = 0.0
        self.retries = self.reasks = 0

    async def make(self, prepared: Prepared) -> ChatReply:
        """One attempt.

        Raises:
            ProviderError: the provider gave no answer.
            BudgetExceeded: there is no room for it; nothing was sent.
            PricingUnknown: a cap in dollars holds, and nobody says what the model costs; nothing was sent.
            asyncio.CancelledError: the ranking has ended.
        """
        async with self._channel.limiter:
            self._context.stop.check()
            self._number += 1
            reply = await self._observed(prepared)
            self._bought.append(reply)
            return reply

    def read(self, prepared: Prepared, reply: ChatReply, outcome: Outcome, *, cached: bool = False) -> None:
        """Write down what came of the last attempt, or of the cache."""
        if cached:
            self._cached.append(reply)
        self._trace(prepared, reply=reply, outcome=outcome, cached=cached)

    def usage(self, latency_s: float) -> Usage:
        """All attempts together. What was sent and never answered counts in full, as in the ledger."""
        return Usage(
            calls=len(self._bought),
            cached_calls=len(self._cached),
            retries=self.retries,
            reasks=self.reasks,
            input_tokens=sum(reply.input_tokens or 0 for reply in self._bought),
            output_tokens=sum(reply.output_tokens or 0 for reply in self._bought),
            cached_input_tokens=sum(reply.cached_input_tokens or 0 for reply in self._bought),
            cost_usd=None if self._micro_usd is None else to_usd(self._micro_usd),
            saved_input_tokens=sum(reply.input_tokens or 0 for reply in self._cached),
            saved_output_tokens=sum(reply.output_tokens or 0 for reply in self._cached),
            saved_usd=total_usd(reply.cost_usd for reply in self._cached),
            latency_s=latency_s,
        )

    async def _observed(self, prepared: Prepared) -> ChatReply:
        name = self._channel.backend.info.name
        attributes = chat_attributes(prepared.request, model=name, attempt=self._number)
        with span(chat_span_name(name), attributes, client=True) as open_span:
            reply = await self._paid(prepared)
            open_span.set(reply_attributes(reply))
            return reply

    async def _paid(self, prepared: Prepared) -> ChatReply:
        """The reply, priced. Where something caps the ranking, its worst case is set aside first."""
        request, context = self._bounded(prepared.request), self._context
        worst = None if self._channel.price is None else dearest(self._channel.price, prepared)
        if context.ledger is None:
            return await self._sent(prepared, request, worst)
        label = replace(context.label, model=self._channel.backend.info.name, prompt=prepared.prompt or "")
        total = most_input_tokens(prepared) + request.max_output_tokens
        reservation = await self._reserved(context.ledger, worst, tokens=total, label=label)
        with reservation:  # an attempt that is cut off after it was sent stays charged in full
            await reservation.sent()
            try:
                reply = await self._sent(prepared, request, worst)
            except (ProviderError, InputError) as error:
                _end(reservation, error)
                raise
            self._settle(reservation, prepared, reply)
            return reply

    async def _reserved(self, ledger: Ledger, worst: int | None, *, tokens: int, label: Label) -> Reservation:
        """Room for the attempt. Calls reserve in their order, so the first is decided before the others are."""
        context = self._context
        if context.opening.refusal is not None:
            raise context.opening.refusal
        try:
            reservation = await ledger.reserve(worst, tokens=tokens, caps=context.caps, label=label)
        except BudgetExceeded as refusal:
            if self._call == self._number == 1:
                context.opening.refusal = refusal
            raise
        if context.opening.refusal is not None:
            reservation.release()
            raise context.opening.refusal
        return reservation

    async def _sent(self, prepared: Prepared, request: ChatRequest, worst: int | None) -> ChatReply:
        """The reply, priced. What was sent and never answered is counted in full, and every failure is written down."""
        self._sent_at, started = time.time(), time.perf_counter()
        try:
            reply = await self._channel.backend.complete(request)
        except BaseException as error:
            self._latency_s = time.perf_counter() - started
            cost = worst if _may_be_billed(error) else 0
            self._count(cost)
            self._trace(prepared, error=self._described(error), cost_usd=None if cost is None else to_usd(cost))
            raise
        self._latency_s = time.perf_counter() - started
        return self._priced(prepared, reply, worst)

    def _described(self, error: BaseException) -> str:
        if isinstance(error, asyncio.CancelledError):
            return f"Cut off before the answer came. {self._context.stop.message}".rstrip()
        return f"{type(error).__name__}: {error}"

    def _bounded(self, request: ChatRequest) -> ChatRequest:
        """The request with no more time than the ranking has."""
        if self._context.stop.deadline is None:
            return request
        left_s = self._context.stop.deadline - asyncio.get_running_loop().time()
        return replace(request, timeout_s=max(0.001, min(request.timeout_s, left_s)))

    def _priced(self, prepared: Prepared, reply: ChatReply, worst: int | None) -> ChatReply:
        """The reply with its price: by our own reckoning where the price is known, else what the backend says."""
        price = self._channel.price
        used = _used(prepared, reply, price)
        cost_usd = reply.cost_usd
        if price is not None:
            cost_usd = to_usd(bill(price, used) if used is not None else worst or 0)
        self._count(None if cost_usd is None else _micro_usd(cost_usd))
        return replace(reply, cost_usd=cost_usd)

    def _settle(self, reservation: Reservation, prepared: Prepared, reply: ChatReply) -> None:
        used = _used(prepared, reply, self._channel.price)
        if used is None:
            reservation.forfeit()  # the provider did not say what it used
            return
        # What only the backend knows a price of had nothing set aside, and no cap in dollars.
        billed = 0 if self._channel.price is None else _micro_usd(reply.cost_usd or Decimal(0))
        reservation.settle(billed, input_tokens=used.input_tokens, output_tokens=used.output_tokens)

    def _count(self, micro_usd: int | None) -> None:
        known = self._micro_usd is not None and micro_usd is not None
        self._micro_usd = (self._micro_usd or 0) + (micro_usd or 0) if known else None

    def _trace(
        self,
        prepared: Prepared,
        *,
        reply: ChatReply | None = None,
        outcome: Outcome | None = None,
        cached: bool = False,
        error: str | None = None,
        cost_usd: Decimal | None = None,
    ) -> None:
        if self._context.trace is None:
            return
        call, info = prepared.call, self._channel.backend.info
        record = CallRecord(
            ranking=self._context.ranking,
            call=self._call,
            attempt=max(1, self._number),
            time=time.time() if cached else self._sent_at,
            task=call.task,
            stage=call.stage or call.task,
            round=self._round,
            candidates=call.candidates,
            prompt=prepared.prompt,
            prompt_hash=prepared.prompt_hash,
            messages=prepared.request.messages,
            params=info.params,
            model=reply.model if reply and reply.model else info.name,
            latency_s=0.0 if cached else self._latency_s,
            input_tokens=reply.input_tokens if reply else None,
            output_tokens=reply.output_tokens if reply else None,
            cached_input_tokens=reply.cached_input_tokens if reply else None,
            cost_usd=Decimal(0) if cached else reply.cost_usd if reply else cost_usd,
            cached=cached,
            reply=reply.text if reply else None,
            finish_reason=reply.finish_reason if reply else None,
            outcome=outcome,
            error=error,
        )
        if isinstance(outcome, Vectors):
            self._context.held[self._call] = record
        else:
            self._context.trace.record(record)


def _end(reservation: Reservation, error: ProviderError | InputError) -> None:
    if isinstance(error, InputError) or not error.sent:
        reservation.release()
    elif _may_be_billed(error):
        reservation.forfeit()
    else:
        reservation.settle(0)


def _may_be_billed(error: BaseException) -> bool:
    """No provider bills what it refused with a status, or was never sent. Anything else may have been answered."""
    if not isinstance(error, ProviderError):
        return not isinstance(error, InputError)
    return error.sent and (error.status is None or error.status < 400 or error.status in _GATEWAY_STATUSES)


def _used(prepared: Prepared, reply: ChatReply, price: Price | None) -> Metered | None:
    """What the provider says it used; None where it does not say, or bills by something that has no price here.

    No provider says how many documents it was sent.
    """
    used = read_usage(reply.usage)
    if used is None and reply.input_tokens is not None and reply.output_tokens is not None:
        cached = reply.cached_input_tokens or 0
        used = Metered(input_tokens=reply.input_tokens, output_tokens=reply.output_tokens, cached_input_tokens=cached)
    if used is None or (price is not None and prepared.documents and not price.covers(used)):
        return None
    return replace(used, documents=prepared.documents)


def _micro_usd(usd: Decimal) -> int:
    return int((usd * 1_000_000).to_integral_value(ROUND_CEILING))


def dearest(price: Price, prepared: Prepared) -> int:
    """The most that one attempt can cost, in micro-dollars."""
    return worst_case(
        price,
        most_input_tokens(prepared),
        prepared.request.max_output_tokens,
        search_units=prepared.search_units,
        documents=prepared.documents,
    )


def most_input_tokens(prepared: Prepared) -> int:
    """An upper bound on what the provider will count as input.

    No token is less than a byte, and no tokenizer in use counts twice what another counts. The schema goes along with
    the messages, and providers count it too. A rerank API may count the query with every document.
    """
    request = prepared.request
    schema = json.dumps(request.schema.schema) if request.schema is not None else ""
    sent = sum(len(message.content.encode("utf-8", "replace")) for message in request.messages)
    frame = _TOKENS_PER_MESSAGE * (len(request.messages) + 1) + len(schema.encode("utf-8", "replace"))
    counted = COUNT_MARGIN * prepared.input_tokens
    return (counted if prepared.documents else min(sent, counted)) + frame
