"""Embedding APIs through LiteLLM: OpenAI, Azure, Cohere, Voyage, Gemini, Bedrock, and servers of one's own.

Each message of a request is a text; the reply has a vector for each.
"""

from __future__ import annotations

import json
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, cast

from judge_rerank.core import ChatReply, ChatRequest, ProviderUnavailable
from judge_rerank.prompting import packed
from judge_rerank.providers import openai_format
from judge_rerank.providers.litellm_api import LiteLLMApi

MOST_TOKENS_PER_TEXT = 1_024
"""As much as a judge is shown of a document, which keeps a batch within what the providers take in one request."""

UNKNOWN_TOKENS_PER_TEXT = 512
"""What most open models read, for those that LiteLLM's table does not have."""

_ASKED_AS_OPENAI = frozenset({"fireworks_ai", "mistral", "nebius", "wandb"})
"""Providers that LiteLLM asks through a client of its own, which may send a request again and again. Their API is
OpenAI's, and as such it is asked once."""


class LiteLLMEmbedder(LiteLLMApi):
    """An embedding API. One request gives the vectors of all its texts.

    Args:
        model: LiteLLM's name ("openai/text-embedding-3-small", "cohere/embed-v4.0", "hosted_vllm/BAAI/bge-m3").
        api_base: as in `LiteLLMBackend`.
        api_key: as in `LiteLLMBackend`.
        params: as in `LiteLLMBackend`.
    """

    strategy = "embedding-api"
    own_client = frozenset({"azure", "azure_ai", "ollama", "oobabooga", "sagemaker", "xinference"})
    session = frozenset({"openai", "together_ai", "nvidia_nim", "litellm_proxy"}) | _ASKED_AS_OPENAI

    @property
    def _max_tokens_per_doc(self) -> int:
        known = self._own.get("context_tokens") or self._route.table.get("max_input_tokens")
        return min(MOST_TOKENS_PER_TEXT, int(known or UNKNOWN_TOKENS_PER_TEXT))

    def _calling(self, litellm: Any, asked: Mapping[str, Any]) -> Coroutine[Any, Any, Any]:
        if self._route.provider in _ASKED_AS_OPENAI:
            name, _, key, address = litellm.get_llm_provider(
                self._model, api_base=asked.get("api_base"), api_key=asked.get("api_key")
            )
            asked = {**asked, "model": name, "custom_llm_provider": "openai", "api_base": address}
            asked["api_key"] = key or "none"  # without one LiteLLM would send OpenAI's
        return litellm.aembedding(**asked)

    def _asked(self, request: ChatRequest) -> dict[str, Any]:
        texts = [message.content for message in request.messages]
        # LiteLLM knows only OpenAI's own models to have it; whether others do, they say themselves.
        allowed = {"allowed_openai_params": ["dimensions"]} if "dimensions" in self._params else {}
        return {"input": texts, **allowed, **self._common}

    def _inputs(self, request: ChatRequest) -> Sequence[str]:
        return [message.content for message in request.messages]

    def _reply(self, response: Any, request: ChatRequest) -> ChatReply:
        data: Any = response.data
        if not isinstance(data, list):
            raise ProviderUnavailable(
                f"{self._model} sent a reply without vectors; {len(request.messages)} were expected.",
                model=self._model,
            )
        usage = openai_format.usage(response)
        return ChatReply(
            text=json.dumps([_vector(item) for item in cast("list[Any]", data)]),
            input_tokens=usage.get("prompt_tokens"),
            output_tokens=0 if usage else None,
            cost_usd=openai_format.cost_usd(response, priced=self._route.priced) if usage else None,
            model=response.model or self._model,
            usage=usage,
        )


def _vector(item: Any) -> list[Any]:
    """Index and vector as the API gave them, whatever they are: the task that reads them checks."""
    fields = cast("Mapping[str, Any]", item if isinstance(item, Mapping) else vars(item))
    index = fields.get("index")
    return [index if isinstance(index, int) else None, packed(fields.get("embedding"))]
