"""One call from question to judgment: render, send, read, ask once more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from judge_rerank.cache import ReplyCache, storable
from judge_rerank.core import (
    ApiCall,
    Backend,
    BudgetExceeded,
    ChatReply,
    Failed,
    JudgeCall,
    Message,
    ModelInfo,
    Outcome,
    PricingUnknown,
    ProviderError,
    ScorerError,
    Usage,
    added,
)
from judge_rerank.engine.attempt import Attempts, ModelChannel, RankingContext, dearest
from judge_rerank.prompting import MARGIN_TOKENS, PARSER_VERSION, ApiRenderer, Prepared, Renderer
from judge_rerank.providers import Retrier

# Replies that a second try can turn into a judgment. A refusal would be refused again.
_INPUT_CUT = "The model's context is shorter than the prompt, so it was shown a part of what was asked."
_WORTH_ASKING_AGAIN = frozenset({"unreadable", "truncated"})


@dataclass(frozen=True, kw_only=True, slots=True)
class CallResult:
    """What came of a call.

    Attributes:
        call: what was asked.
        outcome: the judgment, or why there is none.
        prepared: what was sent; None when nothing was.
        reply: the last reply, if there was any.
        usage: tokens, attempts and cost of all attempts together.
        cached: whether the reply came from the cache, or from the same question asked at the same time.
        error: the provider's, the budget's or the scorer's error, where that is why there is no judgment.
        model: what was asked, where the reply does not say.
    """

    call: JudgeCall
    outcome: Outcome
    prepared: Prepared | None = None
    reply: ChatReply | None = None
    usage: Usage = field(default_factory=Usage)
    cached: bool = False
    error: ProviderError | BudgetExceeded | ScorerError | None = None
    model: str | None = None


class CallExecutor:
    """Where calls to one model are answered.

    One call costs one request; one more if the reply cannot be read, and one for each retried attempt; none if the
    cache has it.

    Args:
        channel: the way to the model.
        renderer: makes requests that fit it.
        retrier: makes attempts until one succeeds.
        cache: replies to earlier requests; None to ask every time.
    """

    def __init__(
        self, channel: ModelChannel, renderer: Renderer | ApiRenderer, retrier: Retrier, cache: ReplyCache | None = None
    ) -> None:
        self.channel = channel
        self.renderer = renderer
        self._retrier = retrier
        self._cache = cache

    @property
    def info(self) -> ModelInfo:
        """What is known of the model."""
        return self.channel.backend.info

    def worst_case(self, prepared: Prepared) -> int | None:
        """The most that the call can cost in micro-dollars, without a retry; None where the price is not known."""
        return None if self.channel.price is None else dearest(self.channel.price, prepared)

    @property
    def backends(self) -> tuple[Backend, ...]:
        """The model."""
        return (self.channel.backend,)

    async def answer(self, call: JudgeCall, context: RankingContext, *, number: int, round_: int) -> CallResult:
        """The judgment of one call. What the provider or a budget denies comes back in the answer."""
        started = time.perf_counter()
        attempts = Attempts(self.channel, context, call=number, round_=round_)
        prepared: Prepared | None = None
        got: _Got | None = None
        error: ProviderError | BudgetExceeded | None = None
        try:
            async with context.preparing:
                prepared = await asyncio.to_thread(self.renderer.prepare, call)
            got = await self._obtained(prepared, attempts, context)
            again = self._asked_again(prepared, got.reply, got.outcome) if isinstance(got.outcome, Failed) else None
            if again is not None:
                attempts.reasks += 1
                got = await self._obtained(again, attempts, context)
            outcome = got.outcome
        except (ProviderError, BudgetExceeded) as failure:
            error = failure
            reason = "budget" if isinstance(failure, BudgetExceeded) else "provider"
            outcome = Failed(reason=reason, message=str(failure))
        except asyncio.CancelledError:
            if context.stop.reason is None:
                raise
            outcome = Failed(reason=context.stop.reason, message=context.stop.message)
        return CallResult(
            call=call,
            outcome=outcome,
            prepared=prepared,
            reply=got.reply if got else None,
            cached=got.cached if got else False,
            usage=attempts.usage(time.perf_counter() - started),
            error=error,
            model=call.model,
        )

    async def _obtained(self, prepared: Prepared, attempts: Attempts, context: RankingContext) -> _Got:
        """A reply, read: from the cache, from a twin that is under way, or from the model."""
        if self._cache is None:
            return await self._bought(prepared, attempts, context)
        got: _Got | None = None
        try:
            async with self._cache.flight(self._key(prepared)) as flight:
                if flight.reply is not None:
                    outcome = self._read(prepared, flight.reply)
                    attempts.read(prepared, flight.reply, outcome, cached=True)
                    return _Got(flight.reply, outcome, cached=True)
                got = await self._bought(prepared, attempts, context)
                flight.land(got.reply, store=_storable(prepared, got))
        except asyncio.CancelledError:
            # The ranking ended while the reply was being stored: it was paid for and read, so it counts.
            if got is None or context.stop.reason is None:
                raise
        return got

    async def _bought(self, prepared: Prepared, attempts: Attempts, context: RankingContext) -> _Got:
        def count(_number: int, _error: ProviderError, _wait_s: float) -> None:
            attempts.retries += 1

        reply = await self._retrier.run(
            lambda _number: attempts.make(prepared), deadline=context.stop.deadline, on_retry=count
        )
        outcome = self._read(prepared, reply)
        attempts.read(prepared, reply, outcome)
        return _Got(reply, outcome)

    def _key(self, prepared: Prepared) -> str:
        return ReplyCache.key(
            prepared.request,
            model=self.info.name,
            endpoint=self.info.endpoint,
            params=self.info.params,
            parser_version=PARSER_VERSION,
        )

    def _asked_again(self, prepared: Prepared, reply: ChatReply, failed: Failed) -> Prepared | None:
        """The same conversation with the reply and what is wrong with it added; None where that cannot help."""
        if failed.reason not in _WORTH_ASKING_AGAIN or isinstance(prepared.call, ApiCall) or reply.input_cut:
            return None
        request = prepared.request
        limit = request.max_output_tokens * (2 if failed.reason == "truncated" else 1)
        limit += self.info.reasoning_tokens if reply.thought_only else 0
        shown = reply.text.strip()[: 4 * request.max_output_tokens]
        complaint = f"{failed.message} CallResult again, in exactly the format that was asked for."
        added = self.channel.backend.count_tokens(shown) + self.channel.backend.count_tokens(complaint) + MARGIN_TOKENS
        if prepared.input_tokens + added + limit > self.info.context_tokens:
            return None
        messages = (
            *request.messages,
            Message(role="assistant", content=shown or "(empty)"),
            Message(role="user", content=complaint),
        )
        return replace(prepared, request=replace(request, messages=messages, max_output_tokens=limit))

    def _read(self, prepared: Prepared, reply: ChatReply) -> Outcome:
        call = prepared.call
        if reply.input_cut:
            return Failed(reason="truncated", message=_INPUT_CUT)
        return prepared.task.read(reply, len(call.candidates), options=call.options, explain=call.explain)


class FallbackExecutor:
    """Several executors of which each answers what those before it cannot, because their provider fails."""

    def __init__(self, executors: Sequence[CallExecutor]) -> None:
        self._executors = tuple(executors)
        self.renderer = _Tightest([executor.renderer for executor in executors])

    @property
    def info(self) -> ModelInfo:
        """What is known of the first model."""
        return self._executors[0].info

    @property
    def backends(self) -> tuple[Backend, ...]:
        """All models, first choice first."""
        return tuple(executor.channel.backend for executor in self._executors)

    def worst_case(self, prepared: Prepared) -> int | None:
        """The most that the call can cost with the dearest of the models; None where a price is not known."""
        costs = [executor.worst_case(prepared) for executor in self._executors]
        return None if None in costs else max(cost or 0 for cost in costs)

    async def answer(self, call: JudgeCall, context: RankingContext, *, number: int, round_: int) -> CallResult:
        """The first answer that a provider gives; its usage holds that of the attempts before it."""
        unpriced = [executor.info.name for executor in self._executors if executor.channel.price is None]
        if unpriced and context.capped_in_usd:
            raise PricingUnknown(unpriced[0])
        answer = await self._executors[0].answer(call, context, number=number, round_=round_)
        for executor in self._executors[1:]:
            if not isinstance(answer.error, ProviderError):
                break
            earlier = answer.usage
            answer = await executor.answer(call, context, number=number, round_=round_)
            answer = replace(answer, usage=added(earlier, answer.usage))
        return answer


class _Tightest:
    """What fits every one of several models."""

    def __init__(self, renderers: Sequence[Renderer | ApiRenderer]) -> None:
        self._renderers = renderers

    def largest(self, call: JudgeCall, at_most: int) -> int:
        """As in `Renderer`, for the model with the least room."""
        return min(renderer.largest(call, at_most) for renderer in self._renderers)

    @property
    def per_document(self) -> int:
        """As in `Renderer`, for the model that is shown the least."""
        return min(renderer.per_document for renderer in self._renderers)

    def tokens(self, text: str) -> int:
        """As in `Renderer`, for the model that counts the most."""
        return max(renderer.tokens(text) for renderer in self._renderers)

    def prepare(self, call: JudgeCall) -> Prepared:
        """The request as the first model would get it."""
        return self._renderers[0].prepare(call)


@dataclass(frozen=True, slots=True)
class _Got:
    reply: ChatReply
    outcome: Outcome
    cached: bool = False


def _storable(prepared: Prepared, got: _Got) -> bool:
    """A one-word answer is complete where the limit cut it off, if its log-probabilities could be read."""
    worded = bool(prepared.request.labels and got.reply.branches)
    reply = replace(got.reply, finish_reason="stop") if worded and got.reply.finish_reason == "length" else got.reply
    return storable(reply, got.outcome)
