"""Rerank APIs through LiteLLM: Cohere, Jina, Voyage, Together, Bedrock, and servers of one's own (vLLM, TEI, Infinity).

The first message of a request is the query, each of the others a document. A system message before them is an
instruction.
"""

from __future__ import annotations

import json
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, cast

from judge_rerank.core import ChatReply, ChatRequest, ProviderUnavailable
from judge_rerank.providers.litellm_api import LiteLLMApi

MOST_TOKENS_PER_DOC = 4_096
"""What Cohere reads of a document unless it is told otherwise; the others read less or as much."""


class LiteLLMReranker(LiteLLMApi):
    """A rerank API. One request scores all documents; it has no prompt, and no text comes back.

    Args:
        model: LiteLLM's name ("cohere/rerank-v3.5", "jina_ai/jina-reranker-v2-base-multilingual", "voyage/rerank-2.5",
            "hosted_vllm/BAAI/bge-reranker-v2-m3", "infinity/NAME", "huggingface/NAME" for TEI).
        api_base: as in `LiteLLMBackend`.
        api_key: as in `LiteLLMBackend`.
        params: as in `LiteLLMBackend`.
    """

    strategy = "api"
    own_client = frozenset({"together_ai"})

    @property
    def _max_tokens_per_doc(self) -> int:
        return MOST_TOKENS_PER_DOC

    def _calling(self, litellm: Any, asked: Mapping[str, Any]) -> Coroutine[Any, Any, Any]:
        return litellm.arerank(**asked)

    def _asked(self, request: ChatRequest) -> dict[str, Any]:
        instruction, query, documents = _parts(request)
        return {
            **({"instruction": instruction} if instruction else {}),
            "query": query,
            "documents": documents,
            "top_n": len(documents),
            "return_documents": False,
            **self._common,
        }

    def _inputs(self, request: ChatRequest) -> Sequence[str]:
        instruction, query, documents = _parts(request)
        beside = f"{instruction} {query}" if instruction else query
        return [f"{beside} {document}" for document in documents]

    def _reply(self, response: Any, request: ChatRequest) -> ChatReply:
        results: Any = response.results
        if not isinstance(results, list):
            raise ProviderUnavailable(
                f"{self._model} sent a reply without results; {len(_parts(request)[2])} scores were expected.",
                model=self._model,
            )
        scores = [_score(result) for result in cast("list[Any]", results)]
        return ChatReply(text=json.dumps(scores), model=self._model, usage=_usage(response.meta))


def _parts(request: ChatRequest) -> tuple[str, str, list[str]]:
    """The instruction, "" for none, the query and the documents."""
    instruction = "".join(message.content for message in request.messages if message.role == "system")
    query, *documents = (message.content for message in request.messages if message.role == "user")
    return instruction, query, documents


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
