"""The way to a model by batch jobs: that by single requests, with another backend, price and cache."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace
from types import TracebackType
from typing import Any, cast

from judge_rerank.cache import ReplyCache
from judge_rerank.core import ChatReply, ChatRequest, InputError, JudgeCall, ProviderError, added
from judge_rerank.engine.batch.batcher import Batcher, asker
from judge_rerank.engine.call import ModelChannel
from judge_rerank.engine.context import RankingContext
from judge_rerank.engine.pace import Pace
from judge_rerank.engine.result import CallResult
from judge_rerank.prompting import ApiRenderer, Prepared
from judge_rerank.providers import (
    Answered,
    BatchApi,
    BatchBackend,
    ConcurrencyLimiter,
    JobTooSmall,
    Posted,
    batch_api_of,
    question_of,
)
from judge_rerank.spending import Pricing, Reservation

_UNLIMITED = 10**9

_used: ContextVar[list[str] | None] = ContextVar("judge_rerank_batch_used", default=None)
"""The requests whose answers the call under way has used."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchChannel(ModelChannel):
    """A model that is asked by batch jobs.

    Attributes:
        batcher: makes the jobs.
        pace: counts the calls under way.
        direct: what is asked where a job leaves a call unanswered that another try may answer; None to ask again in
            the next job.
    """

    batcher: Batcher
    pace: Pace
    direct: ModelChannel | None = None

    def worst_case(self, prepared: Prepared) -> int | None:
        """The most that the call can cost; by a single request, where that is what answers in the end."""
        own = ModelChannel.worst_case(self, prepared)
        other = self.direct.worst_case(prepared) if self.direct is not None else own
        return None if own is None or other is None else max(own, other)

    async def reserve(self, request: ChatRequest, reserve: Callable[..., Awaitable[Reservation]]) -> Reservation:
        """Room for one request; that of a run that ended before the answer came is taken over."""
        question = question_of(request, self.info)
        reservation = await reserve(instead_of=self.batcher.receipt(question))
        self.batcher.reserved(question, reservation)
        return reservation

    async def ask(self, call: JudgeCall, context: RankingContext, *, number: int, round_: int) -> CallResult:
        """The judgment of one call, once its job is done."""
        used: list[str] = []
        before = _used.set(used)
        try:
            with self.pace.asking:
                result = await ModelChannel.ask(self, call, context, number=number, round_=round_)
        finally:
            _used.reset(before)
        self.batcher.used(used)
        error = result.error
        if self.direct is None or not isinstance(error, ProviderError):
            return result
        if not (error.retryable or isinstance(error, JobTooSmall)):
            return result
        again = await self.direct.ask(call, context, number=number, round_=round_)
        return replace(again, usage=added(result.usage, again.usage))


def in_batches(channel: ModelChannel, batcher: Batcher, pace: Pace, pricing: Pricing, *, direct: bool) -> ModelChannel:
    """The way to a model by batch jobs.

    Raises:
        InputError: it has none, in the words of the caller who asked for them.
    """
    provider, api = checked(channel)
    who = asker(provider, channel.info.name, api)

    async def ask(question: str, posted: Posted, occurrence: int) -> tuple[str, Answered]:
        return await batcher.answer(who, question, posted, occurrence)

    def used(names: list[str], reply: ChatReply | None) -> None:
        collected = _used.get()
        if reply is not None and collected is not None:
            collected.extend(names)
        else:
            batcher.used(names)

    priced = priced_in_batches(channel, pricing=pricing)
    same = {each.name: getattr(priced, each.name) for each in fields(ModelChannel)}
    same |= {
        "backend": BatchBackend(channel.backend, api=api, ask=ask, used=used),
        "limiter": ConcurrencyLimiter(_UNLIMITED),
        "cache": None if channel.cache is None else cast("ReplyCache", _PacedCache(channel.cache, pace)),
    }
    if direct:
        same["retrier"] = channel.retrier.once()
    return BatchChannel(**same, batcher=batcher, pace=pace, direct=channel if direct else None)


def priced_in_batches(channel: ModelChannel, *, pricing: Pricing, ready: bool = False) -> ModelChannel:
    """The way to a model with the price of its batch jobs, for what only counts.

    Args:
        channel: the way by single requests.
        pricing: the prices.
        ready: whether all that jobs need has to be there.

    Raises:
        InputError: it has no batch jobs, or they need something that is not set.
        MissingExtra: they need a package that is not installed.
    """
    _, api = checked(channel)
    if ready:
        api.check_setup(channel.info.params)
    return replace(channel, price=pricing.price(channel.info.name, batch=True))


def checked(channel: ModelChannel) -> tuple[str, type[BatchApi]]:
    """The provider of a model, and its batch API.

    Raises:
        InputError: it has none.
    """
    if isinstance(channel.renderer, ApiRenderer):
        raise InputError(
            f"mode='batch' cannot be used with {channel.info.name}: rerank and embedding APIs have no batch jobs here. "
            "Use mode='direct', or leave that stage out: a scorer that runs here ('bm25') can be used with batch jobs."
        )
    return batch_api_of(channel.backend)


class _PacedCache:
    """A reply cache whose turns count as waiting: those who want the same answer wait for the one who asks."""

    def __init__(self, cache: ReplyCache, pace: Pace) -> None:
        self._cache, self._pace = cache, pace

    def single_flight(self, key: str) -> _PacedTurn:
        """One turn at a request."""
        return _PacedTurn(self._cache.single_flight(key), self._pace)


class _PacedTurn:
    def __init__(self, turn: Any, pace: Pace) -> None:
        self._turn, self._pace = turn, pace

    async def __aenter__(self) -> Any:
        with self._pace.waiting:
            return await self._turn.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._turn.__aexit__(kind, error, at)
