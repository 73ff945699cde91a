"""LlamaIndex: a node postprocessor, and LLMs as judges."""

from __future__ import annotations

from typing import Any

from judge_rerank import Document, InputError, Ranking
from judge_rerank.integrations.pydantic_adapter import PydanticAdapter
from judge_rerank.integrations.reranking import installed, placed

with installed("LlamaIndex", "llama-index"):
    from llama_index.core.postprocessor.types import BaseNodePostprocessor
    from llama_index.core.schema import NodeWithScore, QueryBundle

    from judge_rerank.integrations.llama_index_llm import LLMBackend, as_backend

__all__ = ["JudgeReranker", "LLMBackend"]

Nodes = list[NodeWithScore]
_KEY = "judge_rerank"
_HIDDEN_FROM = ("excluded_llm_metadata_keys", "excluded_embed_metadata_keys")


class JudgeReranker(PydanticAdapter, BaseNodePostprocessor):
    """Reranks nodes: `index.as_query_engine(node_postprocessors=[JudgeReranker(model=...)])`.

    The nodes that come back are copies. Their score is None where the strategy gives only an order. Their metadata has
    the rank, the index in the nodes given and the status under "judge_rerank", kept from the LLM and from embeddings.
    The arguments are those of `judge_rerank.integrations.reranking`; `model` may be an LLM of LlamaIndex.
    """

    wrap = staticmethod(as_backend)

    @classmethod
    def class_name(cls) -> str:
        """Its name in what is written."""
        return "JudgeReranker"

    def _postprocess_nodes(self, nodes: Nodes, query_bundle: QueryBundle | None = None) -> Nodes:
        return _copies(nodes, self.reranking.rerank(*_asked(query_bundle, nodes)))

    async def _apostprocess_nodes(self, nodes: Nodes, query_bundle: QueryBundle | None = None) -> Nodes:
        return _copies(nodes, await self.reranking.arerank(*_asked(query_bundle, nodes)))


def _asked(query_bundle: QueryBundle | None, nodes: Nodes) -> tuple[str, list[Document]]:
    if query_bundle is None:
        raise InputError("There is no query: pass query_bundle or query_str.")
    docs = [Document(text=each.node.get_content(), id=each.node_id, score=each.score, source=each) for each in nodes]
    return query_bundle.query_str, docs


def _copies(nodes: Nodes, ranking: Ranking) -> Nodes:
    copies: Nodes = []
    for given, score, said in placed(ranking, nodes):
        update: dict[str, Any] = {"metadata": {**given.node.metadata, _KEY: said}}
        update |= {name: [*getattr(given.node, name), _KEY] for name in _HIDDEN_FROM}
        copies.append(NodeWithScore(node=given.node.model_copy(update=update), score=score))
    return copies
