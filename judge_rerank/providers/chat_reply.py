"""A chat reply as ours, from a response and the body behind it."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any, cast

from judge_rerank.core import ChatReply, ChatRequest
from judge_rerank.providers import answer, openai_format
from judge_rerank.providers.catalog import Route


def read(
    response: Any,
    request: ChatRequest,
    route: Route,
    model: str,
    *,
    cost_usd: Callable[[Any], Decimal | None] | None = None,
) -> ChatReply:
    """The reply as far as it was understood.

    Args:
        response: LiteLLM's, or JSON of OpenAI's shape.
        request: what was asked.
        route: what is known of the model.
        model: its name.
        cost_usd: what a response costs; None for what LiteLLM found.

    Raises:
        LookupError: there is no reply in the response.
    """
    choice = openai_format.choices(response)[0]
    usage = openai_format.usage(response)
    priced = cost_usd or partial(openai_format.cost_usd, priced=route.priced)
    return ChatReply(
        text=openai_format.text(choice),
        finish_reason=openai_format.finish(choice, model),
        branches=openai_format.branches(choice) if request.labels else {},
        input_tokens=usage.get("prompt_tokens"),
        output_tokens=usage.get("completion_tokens"),
        cached_input_tokens=openai_format.cached_tokens(usage),
        cost_usd=priced(response) if usage else None,
        model=openai_format.model(response) or model,
        usage=usage,
    )


def withheld(model: str) -> ChatReply:
    """The reply to a request that a content filter turned away: nothing was read, written or billed."""
    nothing = {"prompt_tokens": 0, "completion_tokens": 0}
    return ChatReply(
        text="",
        finish_reason="filter",
        input_tokens=0,
        output_tokens=0,
        cost_usd=Decimal(0),
        model=model,
        usage=nothing,
    )


def message(response: Any, body: object) -> dict[str, Any]:
    """The message of a reply: what LiteLLM took over of it, and what else the body has."""
    if isinstance(response, dict):
        return _raw_message(body)
    told = response.choices[0].message
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what a provider sent, nobody here can repair the types
        known: dict[str, Any] = told.model_dump() if hasattr(told, "model_dump") else {}
    return {**_raw_message(body), **{name: value for name, value in known.items() if value}}


def found_elsewhere(reply: ChatReply, message: Mapping[str, Any], request: ChatRequest) -> ChatReply:
    """The reply with the answer that stands beside its empty content, if exactly what was asked for stands there."""
    if reply.text.strip() or reply.finish_reason in {"refusal", "filter"}:
        return reply
    text = answer.text_of(message, request)
    return replace(reply, text=text) if text.strip() else reply


def thought_only(reply: ChatReply, message: Mapping[str, Any]) -> bool:
    """Whether thinking took all of the limit, so that no answer came."""
    if reply.finish_reason != "length" or reply.text.strip():
        return False
    details: Mapping[str, Any] = reply.usage.get("completion_tokens_details") or {}
    return answer.has_thoughts(message) or bool(details.get("reasoning_tokens"))


def repaired(litellm: Any, body: object, model: str) -> Any:
    """LiteLLM's response to a body that it could not read, its content made plain; None where the body is no reply."""
    if not isinstance(body, dict) or not isinstance(body.get("choices"), list) or not body["choices"]:
        return None
    choices: list[dict[str, Any]] = []
    for choice in cast("list[Any]", body["choices"]):
        if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
            return None
        said = cast("dict[str, Any]", choice["message"])
        plain = {"role": "assistant", "content": answer.joined(answer.without_thinking(said.get("content")))}
        choices.append({**choice, "message": plain})
    # LiteLLM has no common base for what it raises of a body that is not OpenAI's.
    with contextlib.suppress(Exception):
        response = litellm.ModelResponse(**{**body, "choices": choices})
        response.model = response.model or model
        return response
    return None


def _raw_message(body: object) -> dict[str, Any]:
    fields = cast("dict[str, Any]", body) if isinstance(body, dict) else {}
    choices = cast("list[Any]", fields.get("choices") or [{}])
    first = cast("dict[str, Any]", choices[0]) if isinstance(choices[0], dict) else {}
    told = first.get("message") or fields.get("message")
    return dict(cast("dict[str, Any]", told)) if isinstance(told, dict) else {}
