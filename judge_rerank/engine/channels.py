"""The ways to the judge's models and APIs: each is opened once, and answers the calls that are for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

from judge_rerank.cache import ReplyCache
from judge_rerank.core import (
    ApiCall,
    Backend,
    Endpoint,
    JudgeCall,
    ModelInfo,
    PricingUnknown,
    ProviderError,
    RerankError,
    SetupError,
    added,
    require_above_zero,
)
from judge_rerank.engine.call import ModelChannel
from judge_rerank.engine.context import RankingContext
from judge_rerank.engine.preparing import Preparer
from judge_rerank.engine.result import CallResult
from judge_rerank.prompting import ApiRenderer, DecisionRenderer, Library, Prepared, Renderer
from judge_rerank.providers import ConcurrencyLimiter, Retrier, open_api
from judge_rerank.spending import Price, Pricing


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelSettings:
    """What holds for every model of a judge.

    Attributes:
        library: the prompts there are.
        retrier: when an attempt is made again.
        pricing: what models cost.
        cache: where replies are kept; None keeps none.
        concurrency: the most requests at once to one provider; None for the backend's own limit.
        max_tokens_per_doc: where a document is cut; None for the backend's own limit.
        timeout_s: the most one attempt may take; None for the backend's own.
    """

    library: Library
    retrier: Retrier
    pricing: Pricing
    cache: ReplyCache | None = None
    concurrency: int | None = None
    max_tokens_per_doc: int | None = None
    timeout_s: float | None = None

    def __post_init__(self) -> None:
        require_above_zero("concurrency", self.concurrency, whole=True)
        require_above_zero("max_tokens_per_doc", self.max_tokens_per_doc, whole=True)
        require_above_zero("timeout_s", self.timeout_s)


class FallbackChannel:
    """Several models, of which each answers what those before it cannot, because their provider fails."""

    def __init__(self, channels: Sequence[ModelChannel]) -> None:
        self._channels = tuple(channels)
        self.renderer = _TightestRenderer([channel.renderer for channel in channels])

    @property
    def info(self) -> ModelInfo:
        """What is known of the first model."""
        return self._channels[0].info

    @property
    def price(self) -> Price | None:
        """What the first model costs."""
        return self._channels[0].price

    @property
    def backends(self) -> tuple[Backend, ...]:
        """All models, first choice first."""
        return tuple(channel.backend for channel in self._channels)

    def worst_case(self, prepared: Prepared) -> int | None:
        """The most that the call can cost with the dearest of the models; None where a price is not known."""
        costs = [channel.worst_case(prepared) for channel in self._channels]
        return None if None in costs else max(cost or 0 for cost in costs)

    async def ask(self, call: JudgeCall, context: RankingContext, *, number: int, round_: int) -> CallResult:
        """The first result that a provider gives; its usage holds that of the attempts before it."""
        unpriced = [channel.info.name for channel in self._channels if channel.price is None]
        if unpriced and context.capped_in_usd:
            raise PricingUnknown(unpriced[0])
        result = await self._channels[0].ask(call, context, number=number, round_=round_)
        for channel in self._channels[1:]:
            if not isinstance(result.error, ProviderError):
                break
            earlier = result.usage
            result = await channel.ask(call, context, number=number, round_=round_)
            result = replace(result, usage=added(earlier, result.usage))
        return result


class _TightestRenderer:
    """What fits every one of several models."""

    def __init__(self, renderers: Sequence[Renderer | ApiRenderer]) -> None:
        self._renderers = renderers

    def largest(self, call: JudgeCall, at_most: int) -> int:
        return min(renderer.largest(call, at_most) for renderer in self._renderers)

    def group(self, call: JudgeCall) -> int:
        return min(renderer.group(call) for renderer in self._renderers)

    @property
    def per_document(self) -> int:
        return min(renderer.per_document for renderer in self._renderers)

    def tokens(self, text: str) -> int:
        return max(renderer.tokens(text) for renderer in self._renderers)

    def prepare(self, call: JudgeCall) -> Prepared:
        """The request as the first model would get it."""
        return self._renderers[0].prepare(call)


Channel: TypeAlias = ModelChannel | FallbackChannel


class ModelChannels:
    """All the ways that one judge has, by the model or the API that a call names.

    Args:
        own: the judge's own models, first choice first; none where it has none.
        unavailable: why it has none, raised where one is needed.
        open_model: opens the backend of another model by its name.
        settings: what holds for every one.
        adapt: makes another way of each; None leaves it as it is.
    """

    def __init__(
        self,
        own: Sequence[Backend],
        *,
        unavailable: SetupError | None,
        open_model: Callable[[str], Backend],
        settings: ChannelSettings,
        adapt: Callable[[ModelChannel], ModelChannel] | None = None,
    ) -> None:
        self._own, self._unavailable, self._open_model = tuple(own), unavailable, open_model
        self._settings, self._adapt = settings, adapt
        self._channels: dict[str | Endpoint | None, Channel] = {}
        self._opening = threading.RLock()
        self._limiters: dict[tuple[str, str | None, int], ConcurrencyLimiter] = {}

    def adapted(self, adapt: Callable[[ModelChannel], ModelChannel]) -> ModelChannels:
        """Ways to the same models and APIs, each made another."""
        return ModelChannels(
            self._own,
            unavailable=self._unavailable,
            open_model=self._open_model,
            settings=self._settings,
            adapt=adapt,
        )

    @property
    def own(self) -> tuple[Backend, ...]:
        """The judge's own models.

        Raises:
            SetupError: it has none.
        """
        if self._unavailable is not None:
            raise self._unavailable
        return self._own

    @property
    def pricing(self) -> Pricing:
        """What models cost."""
        return self._settings.pricing

    @property
    def info(self) -> ModelInfo | None:
        """What is known of the judge's first model; None where it has none."""
        return self._own[0].info if self._own else None

    @property
    def concurrency(self) -> int:
        """How many requests at once the judge's own model gets."""
        return self._settings.concurrency or (self._own[0].info.concurrency if self._own else 8)

    def of(self, call: JudgeCall) -> Channel:
        """The way that a call takes."""
        return self.to(call.api if isinstance(call, ApiCall) else call.model)

    def to(self, model: str | Endpoint | None) -> Channel:
        """The way to a model or an API; None is the judge's own model."""
        if model not in self._channels:
            with self._opening:
                if model not in self._channels:
                    self._channels[model] = self._opened(model)
        return self._channels[model]

    def largest(self, call: JudgeCall, at_most: int) -> int:
        """As in `ContextLimits`: how many of the call's candidates fit in one request."""
        return self.of(call).renderer.largest(call, at_most)

    def group(self, call: JudgeCall) -> int:
        """As in `ContextLimits`: how many documents a call shows where nobody says."""
        return self.of(call).renderer.group(call)

    def per_document(self, model: str | None = None) -> int:
        """As in `ContextLimits`: the most tokens of a document that a request shows."""
        return self.to(model).renderer.per_document

    def tokens(self, text: str, model: str | None = None) -> int:
        """As in `ContextLimits`: how many tokens a text takes."""
        return self.to(model).renderer.tokens(text)

    def open(self, calls: Iterable[JudgeCall]) -> None:
        """Open the ways that calls will take, which may load LiteLLM. Why one cannot be opened, its call says."""
        for call in calls:
            with suppress(RerankError):
                self.of(call)

    def warm_up(self, call: JudgeCall) -> None:
        """Load what such a call needs, whichever model answers it; a backend may say what that is (`warm_up`)."""
        channel = self.of(call)
        channel.renderer.prepare(call)
        for backend in channel.backends:
            getattr(backend, "warm_up", lambda: None)()

    async def close(self) -> None:
        """Close every backend. They open again when they are needed."""
        channels, self._channels = self._channels, {}
        opened = [backend for channel in channels.values() for backend in channel.backends]
        for backend in {id(backend): backend for backend in (*self._own, *opened)}.values():
            await backend.aclose()

    def _opened(self, model: str | Endpoint | None) -> Channel:
        if isinstance(model, Endpoint):
            return self._channel(open_api(model), api=True)
        channels = [self._channel(each) for each in (self.own if model is None else (self._open_model(model),))]
        return channels[0] if len(channels) == 1 else FallbackChannel(channels)

    def _channel(self, backend: Backend, *, api: bool = False) -> ModelChannel:
        settings, info = self._settings, backend.info
        decides = info.most_questions is not None
        make = ApiRenderer if api else partial(DecisionRenderer if decides else Renderer, library=settings.library)
        channel = ModelChannel(
            backend=backend,
            preparer=Preparer(
                renderer=make(backend, max_tokens_per_doc=settings.max_tokens_per_doc, timeout_s=settings.timeout_s),
                slow=info.local,
            ),
            limiter=self._limiter(info),
            price=Price.free() if info.local else settings.pricing.price(info.name, decides=decides),
            retrier=settings.retrier,
            cache=settings.cache,
        )
        return channel if self._adapt is None else self._adapt(channel)

    def _limiter(self, info: ModelInfo) -> ConcurrencyLimiter:
        """One limiter for all models of a provider: they share its limits."""
        limit = self._settings.concurrency or info.concurrency
        key = (info.name.partition("/")[0], info.endpoint, limit)
        return self._limiters.setdefault(key, ConcurrencyLimiter(limit))
