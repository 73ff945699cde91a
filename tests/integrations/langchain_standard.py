"""The standard tests of LangChain for retrievers, over one that reranks."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_tests.integration_tests import RetrieversIntegrationTests

from judge_rerank import Judge
from judge_rerank.integrations.langchain import JudgeReranker
from judge_rerank.testing import FakeBackend


class FirstStage(BaseRetriever):
    """Finds ten documents."""

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return [Document(page_content=f"{query} {number}") for number in range(10)]


class Reranked(BaseRetriever):
    """The best `k` of them."""

    k: int = 5

    def _get_relevant_documents(self, query: str, *, run_manager: Any, **options: Any) -> list[Document]:
        return self._inner(options.get("k", self.k)).invoke(query)

    async def _aget_relevant_documents(self, query: str, *, run_manager: Any, **options: Any) -> list[Document]:
        return await self._inner(options.get("k", self.k)).ainvoke(query)

    def _inner(self, k: int) -> BaseRetriever:
        reranker = JudgeReranker(judge=Judge(FakeBackend('{"score": 5}')), strategy="score", top_n=k)
        return ContextualCompressionRetriever(base_compressor=reranker, base_retriever=FirstStage())


class Standard(RetrieversIntegrationTests):
    """What LangChain asks of a retriever."""

    retriever_constructor = Reranked
    retriever_query_example = "why do brakes squeal?"


def main() -> None:
    """Runs the four of them."""
    tests, retriever = Standard(), Reranked()
    tests.test_k_constructor_param()
    tests.test_invoke_with_k_kwarg(retriever)
    tests.test_invoke_returns_documents(retriever)
    asyncio.run(tests.test_ainvoke_returns_documents(retriever))
    sys.stdout.write("4 passed\n")


if __name__ == "__main__":
    main()
