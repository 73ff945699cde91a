"""LangChain: a document compressor, and chat models as judges."""

from __future__ import annotations

from collections.abc import Sequence

from judge_rerank import Ranking
from judge_rerank.integrations.pydantic_adapter import PydanticAdapter
from judge_rerank.integrations.reranking import installed, placed

with installed("LangChain", "langchain"):
    from langchain_core.callbacks import Callbacks
    from langchain_core.documents import BaseDocumentCompressor, Document

    from judge_rerank.integrations.langchain_chat import ChatModelBackend, as_backend

__all__ = ["ChatModelBackend", "JudgeReranker"]


class JudgeReranker(PydanticAdapter, BaseDocumentCompressor):
    """Reranks documents: `ContextualCompressionRetriever(base_compressor=JudgeReranker(model=...), ...)`.

    The documents that come back are copies. `metadata["relevance_score"]` is the score, None where the strategy gives
    only an order; `metadata["judge_rerank"]` has the rank, the index in the documents given, and the status.

    Attributes:
        judge, model, strategy, top_n, options: as in `judge_rerank.integrations.reranking`; `model` may be a chat model
            of LangChain.
    """

    wrap = staticmethod(as_backend)

    def compress_documents(
        self,
        documents: Sequence[Document],
        query: str,
        callbacks: Callbacks | None = None,  # noqa: ARG002 -- LangChain passes it
    ) -> list[Document]:
        """The documents, best first."""
        return _copies(documents, self.reranking.rerank(query, documents))

    async def acompress_documents(
        self,
        documents: Sequence[Document],
        query: str,
        callbacks: Callbacks | None = None,  # noqa: ARG002 -- LangChain passes it
    ) -> list[Document]:
        """`compress_documents` for asynchronous code."""
        return _copies(documents, await self.reranking.arerank(query, documents))


def _copies(documents: Sequence[Document], ranking: Ranking) -> list[Document]:
    return [
        given.model_copy(update={"metadata": {**given.metadata, "relevance_score": score, "judge_rerank": said}})
        for given, score, said in placed(ranking, documents)
    ]
