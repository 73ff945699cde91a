"""One call from question to judgment: render, look up, pay, send, read, ask once more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial

from judge_rerank.cache import ReplyCache, SingleFlight, request_key
from judge_rerank.core import (
    ApiCall,
    Backend,
    BudgetExceeded,
    ChatReply,
    ChatRequest,
    Failed,
    InputError,
    JudgeCall,
    LedgerError,
    ModelInfo,
    Outcome,
    ProviderError,
    Usage,
    to_usd,
    total_usd,
)
from judge_rerank.engine.asking_again import asked_again
from judge_rerank.engine.billing import billed, may_be_billed, settle_failure, worst_case_of
from judge_rerank.engine.context import RankingContext
from judge_rerank.engine.preparing import Preparer
from judge_rerank.engine.refusals import without_refused
from judge_rerank.engine.result import CallResult, reason_of
from judge_rerank.prompting import PARSER_VERSION, ApiRenderer, Prepared, Renderer, Vectors
from judge_rerank.providers import ConcurrencyLimiter, Retrier
from judge_rerank.spending import Price, Reservation
from judge_rerank.tracing import CallRecord, chat_attributes, chat_span_name, reply_attributes, span

_INPUT_CUT = "The model's context is shorter than the prompt, so it was shown a part of what was asked."


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelChannel:
    """The way to one model.

    Attributes:
        backend: the model.
        preparer: makes requests that fit it.
        limiter: how many requests it gets at once.
        price: what it costs; None where it is unknown.
        retrier: when an attempt is made again.
        cache: replies to earlier requests; None to ask every time.
    """

    backend: Backend
    preparer: Preparer
    limiter: ConcurrencyLimiter
    price: Price | None
    retrier: Retrier
    cache: ReplyCache | None = None

    @property
    def info(self) -> ModelInfo:
        """What is known of the model."""
        return self.backend.info

    @property
    def renderer(self) -> Renderer | ApiRenderer:
        """What makes requests that fit it."""
        return self.preparer.renderer

    @property
    def backends(self) -> tuple[Backend, ...]:
        """The model."""
        return (self.backend,)

    async def reserve(self, request: ChatRequest, reserve: Callable[..., Awaitable[Reservation]]) -> Reservation:  # noqa: ARG002
        """Room for one attempt at a request, which leaves at once: what `reserve` gives."""
        return await reserve(leaves=True)

    def worst_case(self, prepared: Prepared) -> int | None:
        """The most that the call can cost in micro-dollars, without a retry; None where the price is not known."""
        return worst_case_of(self.price, prepared, self.info)[0]

    async def ask(self, call: JudgeCall, context: RankingContext, *, number: int, round_: int) -> CallResult:
        """The judgment of one call. What the provider or a budget denies comes back in the result.

        One call costs one request; one more if the reply cannot be read, and one for each retried attempt; none if the
        cache has it. Where one of several candidates is refused, about 2 log2 n more find it (see `without_refused`).
        """

        def ask(asked: JudgeCall) -> Awaitable[CallResult]:
            return _CallUnderWay(self, context, asked, number=number, round_=round_).perform()

        several = len(call.candidates) > 1 and not (call.content_free or isinstance(call, ApiCall))
        refused: CallResult | None = None
        if not (several and context.filtered):
            refused = await ask(call)
            if not several or refused.outcome.failure != "refused":
                return refused
        return await without_refused(ask, call, context, number=number, round_=round_, refused=refused)


@dataclass(frozen=True, slots=True)
class _Read:
    """A reply as it was read."""

    reply: ChatReply
    outcome: Outcome
    cached: bool = False


class _CallUnderWay:
    """One call while it is performed: its attempts are counted, paid for, and written down."""

    def __init__(
        self, channel: ModelChannel, context: RankingContext, call: JudgeCall, *, number: int, round_: int
    ) -> None:
        self._channel, self._context, self._call = channel, context, call
        self._info = channel.info
        self._number, self._round = number, round_
        self._attempt = self._retries = self._reasks = 0
        self._turn: SingleFlight | None = None
        self._kept: _Read | None = None
        self._replies: list[ChatReply] = []
        self._cached: list[ChatReply] = []
        self._micro_usd: int | None = 0
        self._sent_at, self._latency_s = time.time(), 0.0

    @property
    def _in_words(self) -> bool:
        """Whether the model is talked to, so that it can be told what is wrong with its reply."""
        return self._info.most_questions is None and not isinstance(self._call, ApiCall)

    async def perform(self) -> CallResult:
        started = time.perf_counter()
        prepared: Prepared | None = None
        read: _Read | None = None
        error: ProviderError | BudgetExceeded | LedgerError | None = None
        stop = self._context.stop
        try:
            async with self._context.preparing:
                prepared = await self._channel.preparer.prepare(self._call)
            read = await self._obtained(prepared)
            outcome: Outcome = read.outcome
        except (ProviderError, BudgetExceeded, LedgerError) as failure:
            outcome = Failed(reason=reason_of(failure, divisible=not self._in_words), message=str(failure))
            error = failure if outcome.failure in {"provider", "budget", "ledger"} else None
        except asyncio.CancelledError:
            if stop.reason is None:
                raise
            outcome = Failed(reason=stop.reason, message=stop.message)
        return CallResult(
            call=self._call,
            outcome=outcome,
            prepared=prepared,
            reply=read.reply if read else None,
            cached=read.cached if read else False,
            usage=self._usage(time.perf_counter() - started),
            error=error,
            model=self._call.model,
        )

    async def _obtained(self, prepared: Prepared) -> _Read:
        """A reply, read: from the cache, from a twin that is under way, or from the model.

        The cache keeps what the call ended with: where the first reply could not be read, that is the second one.
        """
        cache = self._channel.cache
        if cache is None:
            return await self._judged(prepared)
        read: _Read | None = None
        name, endpoint, params = self._info.name, self._info.endpoint, self._info.params
        key = request_key(prepared.request, model=name, endpoint=endpoint, params=params, parser_version=PARSER_VERSION)
        try:
            async with cache.single_flight(key) as turn:
                if turn.reply is not None:
                    self._cached.append(turn.reply)
                    outcome = self._outcome(prepared, turn.reply)
                    self._trace(prepared, reply=turn.reply, outcome=outcome, cached=True)
                    return _Read(turn.reply, outcome, cached=True)
                self._turn = turn
                read = await self._judged(prepared)
                if self._kept is None:
                    turn.complete(read.reply, store=False)
        except asyncio.CancelledError:
            # The ranking ended while the reply was being stored: it was paid for and read, so it counts.
            read = read or self._kept
            if read is None or self._context.stop.reason is None:
                raise
        return read

    async def _judged(self, prepared: Prepared) -> _Read:
        """The model's reply, or, where that cannot be read, its second one."""
        read = await self._bought(prepared)
        backend = self._channel.backend
        again = asked_again(prepared, read.reply, read.outcome, backend) if self._in_words else None
        if again is None:
            return read
        self._reasks += 1
        return await self._bought(again)

    async def _bought(self, prepared: Prepared) -> _Read:
        """A reply from the model, after as many attempts as it takes."""

        def count(_number: int, _error: ProviderError, _wait_s: float) -> None:
            self._retries += 1

        try:
            return await self._attempted(prepared)
        except ProviderError as error:
            return await self._channel.retrier.run(
                lambda _number: self._attempted(prepared),
                failed=error,
                deadline=self._context.stop.deadline,
                on_retry=count,
            )

    async def _attempted(self, prepared: Prepared) -> _Read:
        """One attempt.

        Raises:
            ProviderError: the provider gave no answer.
            BudgetExceeded: there is no room for it; nothing was sent.
            PricingUnknown: a cap in dollars holds, and the price of the model is unknown; nothing was sent.
            asyncio.CancelledError: the ranking has ended.
        """
        name = self._info.name
        async with self._channel.limiter:
            if self._context.stop.reason is not None:  # it ended while this waited for its turn
                raise asyncio.CancelledError
            self._attempt += 1
            attributes = chat_attributes(prepared.request, model=name, attempt=self._attempt)
            with span(chat_span_name(name), attributes, client=True) as open_span:
                reply = await self._paid(prepared)
                open_span.set_attributes(reply_attributes(reply))
            self._replies.append(reply)
            read = _Read(reply, self._outcome(prepared, reply))
            self._trace(prepared, reply=reply, outcome=read.outcome)
            await self._stored(read)
        return read

    async def _stored(self, read: _Read) -> None:
        """Keep a reply before its slot is free: who is killed then loses no more than what was under way."""
        if self._turn is not None and read.outcome.failure is None:
            self._kept = read
            await self._turn.keep(read.reply)

    async def _paid(self, prepared: Prepared) -> ChatReply:
        """The reply, priced. Where something caps the ranking, its worst case is set aside first."""
        worst, tokens = worst_case_of(self._channel.price, prepared, self._info)
        if self._context.ledger is None:
            return await self._sent(prepared, worst, None)
        with await self._reserved(prepared, worst, tokens) as reservation:
            await reservation.sent()
            # An attempt that is cut off after it was sent stays charged in full.
            return await self._sent(prepared, worst, reservation)

    async def _reserved(self, prepared: Prepared, worst: int | None, tokens: int) -> Reservation:
        """Room for the attempt. Calls reserve in their order, so the first is decided before the others are."""
        context, ledger = self._context, self._context.ledger
        assert ledger is not None
        if context.refusal is not None:
            raise context.refusal
        try:
            label = replace(context.label, model=self._info.name, prompt=prepared.prompt or "")
            reserve = partial(ledger.reserve, worst, tokens=tokens, caps=context.caps, label=label)
            reservation = await self._channel.reserve(prepared.request, reserve)
        except BudgetExceeded as refusal:
            if self._number == self._attempt == 1:
                context.refusal = refusal
            raise
        if context.refusal is not None:
            reservation.release()
            raise context.refusal
        return reservation

    async def _sent(self, prepared: Prepared, worst: int | None, reservation: Reservation | None) -> ChatReply:
        """The reply, priced and settled. A failure is written down with what it may have cost."""
        self._sent_at, started = time.time(), time.perf_counter()
        try:
            reply = await self._channel.backend.complete(self._bounded(prepared.request))
        except BaseException as error:
            self._latency_s = time.perf_counter() - started
            cost = worst if may_be_billed(error) else 0
            self._count(cost)
            if reservation is not None and isinstance(error, (ProviderError, InputError)):
                settle_failure(reservation, error)
            self._trace(prepared, error=self._described(error), cost_usd=None if cost is None else to_usd(cost))
            raise
        self._latency_s = time.perf_counter() - started
        return self._settled(prepared, reply, worst, reservation)

    def _settled(
        self, prepared: Prepared, reply: ChatReply, worst: int | None, reservation: Reservation | None
    ) -> ChatReply:
        """The reply with its price, which is what the ledger gets for it."""
        bill = billed(self._channel.price, prepared, reply, worst=worst)
        self._count(bill.micro_usd)
        if reservation is not None and bill.used is None:
            reservation.forfeit()  # the provider did not say what it used
        elif reservation is not None and bill.used is not None:
            # What only the backend knows a price of had nothing set aside, and no cap in dollars.
            cost = 0 if self._channel.price is None else bill.micro_usd or 0
            reservation.settle(cost, input_tokens=bill.used.input_tokens, output_tokens=bill.used.output_tokens)
        return bill.priced

    def _bounded(self, request: ChatRequest) -> ChatRequest:
        """The request with no more time than the ranking has."""
        if self._context.stop.deadline is None:
            return request
        left_s = self._context.stop.deadline - asyncio.get_running_loop().time()
        return replace(request, timeout_s=max(0.001, min(request.timeout_s, left_s)))

    def _outcome(self, prepared: Prepared, reply: ChatReply) -> Outcome:
        call = self._call
        if reply.input_cut:
            return Failed(reason="truncated", message=_INPUT_CUT)
        return prepared.task.read(reply, len(call.candidates), options=call.options, explain=call.explain)

    def _count(self, cost: int | None) -> None:
        """Add to the bill, which is unknown once any part of it is."""
        self._micro_usd = None if self._micro_usd is None or cost is None else self._micro_usd + cost

    def _usage(self, latency_s: float) -> Usage:
        """All attempts together. What was sent and never answered counts in full, as in the ledger."""
        bought, cached = self._replies, self._cached
        return Usage(
            calls=len(bought),
            cached_calls=len(cached),
            retries=self._retries,
            reasks=self._reasks,
            input_tokens=sum([reply.input_tokens or 0 for reply in bought]),
            output_tokens=sum([reply.output_tokens or 0 for reply in bought]),
            cached_input_tokens=sum([reply.cached_input_tokens or 0 for reply in bought]),
            saved_input_tokens=sum([reply.input_tokens or 0 for reply in cached]),
            saved_output_tokens=sum([reply.output_tokens or 0 for reply in cached]),
            cost_usd=None if self._micro_usd is None else to_usd(self._micro_usd),
            saved_usd=total_usd([reply.cost_usd for reply in cached]),
            latency_s=latency_s,
        )

    def _described(self, error: BaseException) -> str:
        if isinstance(error, asyncio.CancelledError):
            return f"Cut off before the answer came. {self._context.stop.message}".rstrip()
        return f"{type(error).__name__}: {error}"

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
        """Write an attempt down, or what the cache held."""
        if self._context.trace is None:
            return
        call, info = self._call, self._info
        self._context.trace.record(
            CallRecord(
                ranking=self._context.ranking,
                call=self._number,
                attempt=max(1, self._attempt),
                time=time.time() if cached else self._sent_at,
                task=call.task,
                stage=call.stage or call.task,
                round=self._round,
                candidates=() if call.content_free else call.candidates,
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
                # Vectors are no judgment yet: what they say is written down once they are compared.
                outcome=None if isinstance(outcome, Vectors) else outcome,
                error=error,
            )
        )
