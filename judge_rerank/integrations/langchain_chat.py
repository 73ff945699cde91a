"""A chat model of LangChain as a judge's model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.language_models import BaseChatModel

from judge_rerank.core import ChatReply, ChatRequest
from judge_rerank.providers import ObjectBackend


class ChatModelBackend(ObjectBackend):
    """A chat model as it was configured: `Judge(ChatModelBackend(ChatOpenAI(...)))`.

    Its name is "langchain/" and the model's own; `Judge(prices={"langchain/gpt-6-luna": ...})` says what it costs.
    Tokens are those of `usage_metadata`. Its temperature and its own retries apply; each reply is limited in length.

    Args:
        chat_model: the model.
        context_tokens: prompt and reply together; None for what its profile says, else 32,768.
        settings: `concurrency` (8), how many requests at once, and `reasoning_tokens`, head room for thinking.
    """

    def __init__(self, chat_model: BaseChatModel, *, context_tokens: int | None = None, **settings: int) -> None:
        named = (getattr(chat_model, field, None) for field in ("model_name", "model", "model_id"))
        name = next((each for each in named if isinstance(each, str)), type(chat_model).__name__)
        profile: Mapping[str, Any] = getattr(chat_model, "profile", None) or {}  # newer than langchain-core 1.0
        context: int = context_tokens or profile.get("max_input_tokens") or 32_768
        super().__init__(chat_model, f"langchain/{name}", context_tokens=context, **settings)

    def ask(self, request: ChatRequest) -> ChatReply:
        """One request, in a thread of its own."""
        message = self.limited(request).invoke(
            [{"role": each.role, "content": each.content} for each in request.messages]
        )
        used: Mapping[str, Any] = message.usage_metadata or {}
        told: Mapping[str, Any] = message.response_metadata
        ended = told.get("finish_reason") or told.get("stop_reason") or told.get("done_reason")
        return ChatReply(
            text=str(message.text),
            finish_reason="refusal" if message.additional_kwargs.get("refusal") else self.finish(ended),
            input_tokens=used.get("input_tokens"),
            output_tokens=used.get("output_tokens"),
            cached_input_tokens=used.get("input_token_details", {}).get("cache_read"),
            model=told.get("model_name") or self.info.name,
            usage=used,
            thought_only=bool(used.get("output_token_details", {}).get("reasoning")) and not str(message.text).strip(),
        )


def as_backend(model: Any) -> Any:
    """A backend, if it is a chat model; else what it is."""
    return ChatModelBackend(model) if isinstance(model, BaseChatModel) else model
