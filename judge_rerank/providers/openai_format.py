"""OpenAI's chat: the shape of JSON that many servers answer in, and of the objects that LiteLLM makes of any answer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, cast

from judge_rerank.core import ChatRequest, FinishReason
from judge_rerank.providers.answer import joined, without_thinking

_DEEPEST_BRANCH = 8
"""Tokens of a reply whose alternatives are kept; labels are shorter."""

_FINISH: Mapping[str, FinishReason] = {
    "stop": "stop",
    "tool_calls": "stop",  # how a forced tool ends, which is how some providers are held to a schema
    "function_call": "stop",
    "length": "length",
    "content_filter": "filter",
}


def response_format(kind: str, request: ChatRequest) -> dict[str, Any]:
    """The parameter that asks for JSON in this way ("json_schema", "json_object"); empty for any other."""
    if request.schema is None or kind == "none":
        return {}
    if kind == "json_object":
        return {"response_format": {"type": "json_object"}}
    schema = {"name": request.schema.name, "schema": dict(request.schema.schema), "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def choices(response: Any) -> Sequence[Any]:
    """The replies in a response; none where it is no chat's."""
    return _field(response, "choices") or ()


def model(response: Any) -> str | None:
    """Which model answered."""
    return _field(response, "model")


def text(choice: Any) -> str:
    """The reply, or the words in which the model declines."""
    message = _field(choice, "message")
    return joined(without_thinking(_field(message, "content"))) or _refusal(message)


def finish(choice: Any, model: str) -> FinishReason:
    """How the reply ended. Claude's refusals arrive as filtered content, and Claude has no other filter."""
    if _refusal(_field(choice, "message")):
        return "refusal"
    reason = _FINISH.get(str(_field(choice, "finish_reason")), "other")
    return "refusal" if reason == "filter" and "claude" in model.lower() else reason


def _refusal(message: Any) -> str:
    extra: Mapping[str, Any] = _field(message, "provider_specific_fields") or {}
    told = _field(message, "refusal") or extra.get("refusal")
    return told if isinstance(told, str) else ""


def usage(response: Any) -> dict[str, Any]:
    """The usage block in plain types; empty where the provider sent none, which LiteLLM fills with zeros."""
    block = _field(response, "usage")
    whole: Mapping[str, Any] = block.model_dump() if hasattr(block, "model_dump") else block or {}
    told = _without_none(whole)
    return told if told.get("prompt_tokens") or told.get("completion_tokens") else {}


def _without_none(block: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _without_none(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else value
        for name, value in block.items()
        if value is not None
    }


def cached_tokens(usage: Mapping[str, Any]) -> int | None:
    """Input tokens that the provider had cached; None where it does not say."""
    details = usage.get("prompt_tokens_details")
    return cast("Mapping[str, Any]", details).get("cached_tokens") if isinstance(details, Mapping) else None


def cost_usd(response: Any, *, priced: bool) -> Decimal | None:
    """The price that LiteLLM found; None where it has none, or says 0 for a model that is not in its price table."""
    hidden: Mapping[str, Any] = getattr(response, "_hidden_params", None) or {}
    cost = hidden.get("response_cost")
    if not isinstance(cost, (int, float)) or not math.isfinite(cost) or cost < 0:
        return None
    if cost == 0 and not priced:
        return None
    return Decimal(str(round(cost, 12)))


def branches(choice: Any) -> dict[str, dict[str, float]]:
    """Log-probabilities of each next token by the text before it, along the reply; empty where there are none."""
    content: Sequence[Any] = _field(_field(choice, "logprobs"), "content") or ()
    found: dict[str, dict[str, float]] = {}
    before = ""
    for step in content[:_DEEPEST_BRANCH]:
        alternatives: Sequence[Any] = _field(step, "top_logprobs") or ()
        found[before] = {_field(top, "token"): float(_field(top, "logprob")) for top in alternatives}
        token: str = _field(step, "token")
        found[before].setdefault(token, float(_field(step, "logprob")))
        before += token
    return found


def _field(holder: Any, name: str) -> Any:
    """A field of a JSON object, or of an object of LiteLLM's; None where there is none."""
    return cast("dict[str, Any]", holder).get(name) if isinstance(holder, dict) else getattr(holder, name, None)
