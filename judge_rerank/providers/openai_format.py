"""The shape that LiteLLM gives every provider's chat: OpenAI's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from judge_rerank.core import ChatRequest, FinishReason

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


def text(choice: Any) -> str:
    """The reply, or the words in which the model declines."""
    return choice.message.content or _refusal(choice.message)


def finish(choice: Any, model: str) -> FinishReason:
    """How the reply ended. Claude's refusals arrive as filtered content, and Claude has no other filter."""
    if _refusal(choice.message):
        return "refusal"
    reason = _FINISH.get(str(choice.finish_reason), "other")
    return "refusal" if reason == "filter" and "claude" in model.lower() else reason


def _refusal(message: Any) -> str:
    extra: Mapping[str, Any] = getattr(message, "provider_specific_fields", None) or {}
    told = getattr(message, "refusal", None) or extra.get("refusal")
    return told if isinstance(told, str) else ""


def usage(response: Any) -> dict[str, Any]:
    """The usage block in plain types; empty where the provider sent none, which LiteLLM fills with zeros."""
    block = getattr(response, "usage", None)
    told: dict[str, Any] = block.model_dump(exclude_none=True) if block is not None else {}
    return told if told.get("prompt_tokens") or told.get("completion_tokens") else {}


def cached_tokens(usage: Mapping[str, Any]) -> int | None:
    """Input tokens that the provider had cached; None where it does not say."""
    details: Mapping[str, Any] = usage.get("prompt_tokens_details") or {}
    return details.get("cached_tokens")


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
    content: list[Any] = getattr(getattr(choice, "logprobs", None), "content", None) or []
    found: dict[str, dict[str, float]] = {}
    before = ""
    for step in content[:_DEEPEST_BRANCH]:
        found[before] = {top.token: float(top.logprob) for top in step.top_logprobs or ()}
        found[before].setdefault(step.token, float(step.logprob))
        before += step.token
    return found
