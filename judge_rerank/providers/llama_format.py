"""What llama.cpp's server says, in this package's terms."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from judge_rerank.core import (
    ChatReply,
    ContextTooLong,
    FinishReason,
    ProviderError,
    ProviderUnavailable,
    RequestRejected,
)

_FINISH: Mapping[str, FinishReason] = {"stop": "stop", "length": "length"}
_NOTHING: dict[str, Any] = {}


def send(server: Any, body: dict[str, Any], model: str) -> dict[str, Any]:
    """The choice that comes back for a request body, with the usage block under "usage".

    Raises:
        ContextTooLong: it does not fit in the context.
        RequestRejected: llama.cpp does not take it.
        ProviderUnavailable: llama.cpp failed.
    """
    try:
        answer: dict[str, Any] = server.handle_chat_completions(body)
    except (ValueError, TypeError) as error:
        raise RequestRejected(f"{model} does not accept this request: {error}.", model=model, status=400) from error
    except RuntimeError as error:
        raise ProviderUnavailable(f"llama.cpp failed: {error}.", model=model) from error
    if "error" in answer:
        raise _error(answer["error"], model)
    return answer["choices"][0] | {"usage": answer.get("usage") or {}}


def text(choice: Mapping[str, Any]) -> str:
    """What was written."""
    return choice["message"].get("content") or ""


def reply(choice: Mapping[str, Any], model: str) -> ChatReply:
    """A choice as a reply, without its log-probabilities. It costs nothing."""
    usage: dict[str, Any] = choice["usage"]
    details: dict[str, Any] = usage.get("prompt_tokens_details") or _NOTHING
    return ChatReply(
        text=text(choice),
        finish_reason=_FINISH.get(choice.get("finish_reason") or "", "other"),
        input_tokens=usage.get("prompt_tokens"),
        output_tokens=usage.get("completion_tokens"),
        cached_input_tokens=details.get("cached_tokens"),
        cost_usd=Decimal(0),
        model=model,
        usage=usage,
    )


def branches(choice: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Log-probabilities of each next token by the text before it, along what was written."""
    logprobs: dict[str, Any] = choice.get("logprobs") or _NOTHING
    steps: list[dict[str, Any]] = logprobs.get("content") or []
    found: dict[str, dict[str, float]] = {}
    before = ""
    for step in steps:
        branch = found.setdefault(before, {})
        for one in step["top_logprobs"]:
            # Several tokens that are no text of their own share a name; the likeliest of them comes first.
            branch.setdefault(one["token"], float(one["logprob"]))
        before += step["token"]
    return found


def _error(told: Mapping[str, Any], model: str) -> ProviderError:
    message, code = str(told.get("message", told)).rstrip("."), told.get("code")
    if told.get("type") == "exceed_context_size_error":
        return ContextTooLong(
            f"The request is longer than the context of {model}: {told.get('n_prompt_tokens')} of {told.get('n_ctx')} "
            "tokens. Show fewer or shorter documents, or set params={'context_tokens': …}.",
            model=model,
            status=400,
        )
    if isinstance(code, int) and 400 <= code < 500:
        return RequestRejected(f"{model} does not accept this request: {message}.", model=model, status=code)
    return ProviderUnavailable(f"llama.cpp failed: {message}.", model=model)
