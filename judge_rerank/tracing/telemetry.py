"""OpenTelemetry spans in the GenAI conventions. Where no SDK is set up, they go nowhere and cost next to nothing."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from judge_rerank.core import ChatReply, ChatRequest, Ranking

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

Value = str | bool | int | float | Sequence[str]


@contextmanager
def span(name: str, attributes: Mapping[str, Value], *, client: bool = False) -> Generator[Span]:
    """Time the block as a span of the current trace; an error that leaves it is noted by its type.

    Args:
        name: as the conventions want it: operation, then model.
        attributes: what is known beforehand.
        client: whether the block calls another system.
    """
    from opentelemetry.trace import INVALID_SPAN, ProxyTracerProvider, SpanKind, Status, StatusCode, get_tracer_provider

    if isinstance(get_tracer_provider(), ProxyTracerProvider):  # nobody listens
        yield INVALID_SPAN
        return
    # An error's text may quote the request, so only its type is recorded.
    with _tracer().start_as_current_span(
        name,
        kind=SpanKind.CLIENT if client else SpanKind.INTERNAL,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield current
        except BaseException as error:
            current.set_attribute("error.type", type(error).__qualname__)
            current.set_status(Status(StatusCode.ERROR, type(error).__qualname__))
            raise


def chat_span_name(model: str) -> str:
    """The name of the span of one attempt."""
    return f"chat {model}"


def chat_attributes(request: ChatRequest, *, model: str, attempt: int = 1) -> dict[str, Value]:
    """What is known before an attempt. Prompts and documents are never part of it."""
    provider, slash, _ = model.partition("/")
    attributes: dict[str, Value] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider if slash else "unknown",
        "gen_ai.request.model": model,
        "gen_ai.request.max_tokens": request.max_output_tokens,
        "gen_ai.request.temperature": request.temperature,
        "gen_ai.output.type": "json" if request.schema is not None else "text",
        "judge_rerank.attempt": attempt,
    }
    if request.seed is not None:
        attributes["gen_ai.request.seed"] = request.seed
    return attributes


def reply_attributes(reply: ChatReply, *, cached: bool = False) -> dict[str, Value]:
    """What a reply adds."""
    known: dict[str, Value | None] = {
        "gen_ai.response.model": reply.model,
        "gen_ai.response.finish_reasons": [reply.finish_reason],
        "gen_ai.usage.input_tokens": reply.input_tokens,
        "gen_ai.usage.output_tokens": reply.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": reply.cached_input_tokens,
        "judge_rerank.cost_usd": None if reply.cost_usd is None else float(reply.cost_usd),
        "judge_rerank.cached": cached,
    }
    return {name: value for name, value in known.items() if value is not None}


def ranking_attributes(ranking: Ranking, *, documents: int) -> dict[str, Value]:
    """What the span of a whole ranking of so many documents ("rerank MODEL") holds."""
    usage = ranking.usage
    return {
        "gen_ai.operation.name": "rerank",
        "gen_ai.request.model": ranking.model or "",
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "judge_rerank.strategy": ranking.strategy,
        "judge_rerank.documents": documents,
        "judge_rerank.status": ranking.status,
        "judge_rerank.calls": usage.calls,
        "judge_rerank.rounds": usage.rounds,
    }


@cache
def _tracer() -> Tracer:
    """The tracer, imported on first use; it finds whoever listens by then."""
    from opentelemetry.trace import get_tracer

    return get_tracer("judge_rerank")
