"""Rerank APIs through LiteLLM: Cohere, Jina, Voyage, Together, Bedrock, and servers of one's own (vLLM, TEI, Infinity).

To the engine a rerank API is a backend like any other, so that its calls are cached, paid for, retried and traced as
the others are. The first message of a request is the query, each of the others a document.
"""

from __future__ import annotations

import json
from collections.abc import Coroutine, Mapping
from typing import Any, cast

from judge_rerank.errors import ProviderUnavailable
from judge_rerank.llm.base import ChatReply, ChatRequest, ModelInfo
from judge_rerank.llm.litellm import LiteLLMBackend
from judge_rerank.llm.wire import Exchange

MOST_TOKENS_PER_DOC = 4_096
"""What Cohere reads of a document unless it is told otherwise; the others read less or as much."""

_MOST_TOKENS = 10_000_000  # no API says how much it takes in one request; its own error does
_TIMEOUT_S = 120.0

_OWN_CLIENT = frozenset({"together_ai"})
"""Providers whose code in LiteLLM takes no client, so that nobody can see whether a request was sent."""


class LiteLLMReranker(LiteLLMBackend):
    """A rerank API. One request scores all documents; it has no prompt, and no text comes back.

    Args:
        model: LiteLLM's name ("cohere/rerank-v3.5", "jina_ai/jina-reranker-v2-base-multilingual", "voyage/rerank-2.5",
            "hosted_vllm/BAAI/bge-reranker-v2-m3", "infinity/NAME", "huggingface/NAME" for TEI).
        api_base, api_key, params: as in `LiteLLMBackend`.
    """

    def __repr__(self) -> str:
        return f"LiteLLMReranker({self._model!r})"

    @property
    def info(self) -> ModelInfo:
        """What is known of the API, which is little."""
        return ModelInfo(
            name=self._model,
            context_tokens=_MOST_TOKENS,
            concurrency=int(self._own.get("concurrency", 8)),
            max_tokens_per_doc=MOST_TOKENS_PER_DOC,
            timeout_s=_TIMEOUT_S,
            strategy="api",
            endpoint=self._public_address,
            params=self._params,
        )

    @property
    def _takes_client(self) -> bool:
        return self._route.provider not in _OWN_CLIENT

    def _sending(
        self,
        litellm: Any,
        asked: Mapping[str, Any],
        session: Any,  # noqa: ARG002
        exchange: Exchange,
    ) -> Coroutine[Any, Any, Any]:
        if not self._takes_client:
            exchange.sent = True  # as far as anybody knows
        return litellm.arerank(**asked)

    def _asked(self, request: ChatRequest) -> dict[str, Any]:
        query, *documents = (message.content for message in request.messages)
        asked: dict[str, Any] = {
            "model": self._model,
            "query": query,
            "documents": documents,
            "top_n": len(documents),
            "return_documents": False,
            "max_retries": 0,
            "num_retries": 0,
            **self._address,
            **self._params,
            **self._authorized,
        }
        if "extra_headers" in asked:  # what LiteLLM calls them in a chat
            asked["headers"] = asked.pop("extra_headers")
        return asked

    def _reply(self, response: Any, request: ChatRequest) -> ChatReply:
        results: Any = response.results
        if not isinstance(results, list):
            raise ProviderUnavailable(
                f"{self._model} sent a reply without results; {len(request.messages) - 1} scores were expected.",
                model=self._model,
            )
        scores = [_score(result) for result in cast("list[Any]", results)]
        return ChatReply(text=json.dumps(scores), model=self._model, usage=_usage(response.meta))


def _score(result: Any) -> list[Any]:
    """Index and score as the API gave them, whatever they are: the task that reads them checks."""
    fields: Mapping[str, Any] = cast("Mapping[str, Any]", result) if isinstance(result, Mapping) else {}
    return [_plain(fields.get("index")), _plain(fields.get("relevance_score"))]


def _plain(value: Any) -> Any:
    return value if isinstance(value, (int, float)) else None


def _usage(meta: Any) -> dict[str, Any]:
    """What the reply says it is billed by; tokens count only where there are such."""
    said: dict[str, Any] = {}
    for part in ("billed_units", "tokens"):
        block = cast("Mapping[str, Any]", (meta or {}).get(part) or {})
        said |= {name: value for name, value in block.items() if value is not None}
    return said
