"""Embedding APIs through LiteLLM: OpenAI, Azure, Cohere, Voyage, Gemini, Bedrock, and servers of one's own.

Each message of a request is a text; the reply has a vector for each.
"""

from __future__ import annotations

import json
from collections.abc import Coroutine, Mapping
from typing import Any, cast

from judge_rerank.errors import ProviderUnavailable
from judge_rerank.llm import openai_format
from judge_rerank.llm.base import ChatReply, ChatRequest
from judge_rerank.llm.litellm_api import LiteLLMApi
from judge_rerank.parsing.embedding import packed

MOST_TOKENS_PER_TEXT = 1_024
"""As much as a judge is shown of a document, which keeps a batch within what the providers take in one request."""

UNKNOWN_TOKENS_PER_TEXT = 512
"""What most open models read, for those that LiteLLM's table does not have."""


class LiteLLMEmbedder(LiteLLMApi):
    """An embedding API. One request gives the vectors of all its texts.

    Args:
        model: LiteLLM's name ("openai/text-embedding-3-small", "cohere/embed-v4.0", "hosted_vllm/BAAI/bge-m3").
        api_base, api_key, params: as in `LiteLLMBackend`.
    """

    strategy = "embedding-api"
    own_client = frozenset({"azure"})
    session = frozenset({"openai", "together_ai", "nvidia_nim", "litellm_proxy"})

    @property
    def _max_tokens_per_doc(self) -> int:
        known = self._own.get("context_tokens") or self._route.table.get("max_input_tokens")
        return min(MOST_TOKENS_PER_TEXT, int(known or UNKNOWN_TOKENS_PER_TEXT))

    def _calling(self, litellm: Any, asked: Mapping[str, Any]) -> Coroutine[Any, Any, Any]:
        return litellm.aembedding(**asked)

    def _asked(self, request: ChatRequest) -> dict[str, Any]:
        return {"input": [message.content for message in request.messages], **self._common}

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
    fields: Mapping[str, Any] = cast("Mapping[str, Any]", item) if isinstance(item, Mapping) else vars(item)
    index = fields.get("index")
    return [index if isinstance(index, int) else None, packed(fields.get("embedding"))]
