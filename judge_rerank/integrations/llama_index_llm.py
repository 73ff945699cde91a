"""An LLM of LlamaIndex as a judge's model."""

from __future__ import annotations

from typing import Any

from llama_index.core.llms import LLM, ChatMessage

from judge_rerank.core import ChatReply, ChatRequest
from judge_rerank.providers import ObjectBackend, limited


class LLMBackend(ObjectBackend):
    """An LLM as it was configured: `Judge(LLMBackend(OpenAI(model="gpt-4.1-mini")))`.

    Its name is "llama-index/" and the model's own; `Judge(prices={"llama-index/gpt-4.1-mini": ...})` says what it
    costs. Tokens are those of the reply. Its temperature and its own retries apply; each reply is limited in length.

    Args:
        llm: the model.
        context_tokens: prompt and reply together; None for what its metadata says.
        concurrency: how many requests at once.
        reasoning_tokens: head room for thinking before the answer.
    """

    def __init__(
        self, llm: LLM, *, context_tokens: int | None = None, concurrency: int = 8, reasoning_tokens: int = 0
    ) -> None:
        named = llm.metadata.model_name
        super().__init__(
            f"llama-index/{named if named != 'unknown' else type(llm).__name__}",
            context_tokens=context_tokens or llm.metadata.context_window,
            concurrency=concurrency,
            reasoning_tokens=reasoning_tokens,
        )
        self._llm = llm

    def ask(self, request: ChatRequest) -> ChatReply:
        """One request, in a thread of its own."""
        messages = [ChatMessage(role=each.role, content=each.content) for each in request.messages]
        response = limited(self._llm, request.max_output_tokens).chat(messages)
        told = {**response.message.additional_kwargs, **response.additional_kwargs}
        raw: Any = response.raw.model_dump() if hasattr(response.raw, "model_dump") else response.raw or {}
        choices: Any = raw.get("choices") or [{}]
        usage: dict[str, Any] = raw.get("usage") or {}
        return ChatReply(
            text=response.message.content or "",
            finish_reason=self.finish(choices[0].get("finish_reason") or raw.get("stop_reason")),
            input_tokens=told.get("prompt_tokens") or usage.get("prompt_tokens") or usage.get("input_tokens"),
            output_tokens=told.get("completion_tokens") or usage.get("completion_tokens") or usage.get("output_tokens"),
            cached_input_tokens=(usage.get("prompt_tokens_details") or {}).get("cached_tokens"),
            model=raw.get("model") or self.info.name,
            usage=usage,
        )


def as_backend(model: Any) -> Any:
    """A backend, if it is an LLM; else what it is."""
    return LLMBackend(model) if isinstance(model, LLM) else model
