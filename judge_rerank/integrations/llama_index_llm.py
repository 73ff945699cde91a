"""An LLM of LlamaIndex as a judge's model."""

from __future__ import annotations

from typing import Any

from llama_index.core.llms import LLM, ChatMessage

from judge_rerank.core import ChatReply, ChatRequest
from judge_rerank.providers import ObjectBackend


class LLMBackend(ObjectBackend):
    """An LLM as it was configured: `Judge(LLMBackend(OpenAI(model="gpt-6-luna")))`.

    Its name is "llama-index/" and the model's own; `Judge(prices={"llama-index/gpt-6-luna": ...})` says what it
    costs. Tokens are those of the reply. Its temperature and its own retries apply; each reply is limited in length.

    Args:
        llm: the model.
        context_tokens: prompt and reply together; None for what its metadata says.
        settings: `concurrency` (8), how many requests at once, and `reasoning_tokens`, head room for thinking.
    """

    def __init__(self, llm: LLM, *, context_tokens: int | None = None, **settings: int) -> None:
        known = llm.metadata
        name = known.model_name if known.model_name != "unknown" else type(llm).__name__
        super().__init__(llm, f"llama-index/{name}", context_tokens=context_tokens or known.context_window, **settings)

    def ask(self, request: ChatRequest) -> ChatReply:
        """One request, in a thread of its own."""
        messages = [ChatMessage(role=each.role, content=each.content) for each in request.messages]
        response = self.limited(request).chat(messages)
        told = {**response.message.additional_kwargs, **response.additional_kwargs}
        raw: Any = response.raw.model_dump() if hasattr(response.raw, "model_dump") else response.raw or {}
        choices: list[dict[str, Any]] = raw.get("choices") or [{}]
        choice = choices[0]
        usage: dict[str, Any] = raw.get("usage") or {}
        read: dict[str, Any] = usage.get("prompt_tokens_details") or {}
        details: dict[str, Any] = usage.get("completion_tokens_details") or {}
        text = response.message.content or ""
        return ChatReply(
            text=text,
            finish_reason=self.finish(choice.get("finish_reason") or raw.get("stop_reason")),
            input_tokens=told.get("prompt_tokens") or usage.get("prompt_tokens") or usage.get("input_tokens"),
            output_tokens=told.get("completion_tokens") or usage.get("completion_tokens") or usage.get("output_tokens"),
            cached_input_tokens=read.get("cached_tokens"),
            model=raw.get("model") or self.info.name,
            usage=usage,
            thought_only=bool(details.get("reasoning_tokens")) and not text.strip(),
        )


def as_backend(model: Any) -> Any:
    """A backend, if it is an LLM; else what it is."""
    return LLMBackend(model) if isinstance(model, LLM) else model
