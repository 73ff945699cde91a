"""Rerankers of frameworks, unchanged but for the base URL. A framework that is not installed is left out."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from judge_rerank.providers.litellm_module import load
from tests.server.running import DOCS, ORDER, QUERY, Running

KEY = "a-key-of-sixteen-characters"
BEST_FIRST = [DOCS[i] for i in ORDER]

pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    yield
    gc.collect()


def test_langchain_cohere(server: Running) -> None:
    langchain: Any = pytest.importorskip("langchain_cohere")
    from langchain_core.documents import Document

    reranker = langchain.CohereRerank(cohere_api_key=KEY, base_url=server.url, model="rerank-v3.5", top_n=3)
    found = reranker.compress_documents([Document(page_content=text) for text in DOCS], QUERY)
    assert [document.page_content for document in found] == BEST_FIRST[:3]
    assert all(0 <= document.metadata["relevance_score"] <= 1 for document in found)


def nodes() -> list[Any]:
    from llama_index.core.schema import NodeWithScore, TextNode

    return [NodeWithScore(node=TextNode(text=text), score=0.5) for text in DOCS]


def test_llama_index_cohere(server: Running) -> None:
    module: Any = pytest.importorskip("llama_index.postprocessor.cohere_rerank")
    reranker = module.CohereRerank(api_key=KEY, base_url=server.url, top_n=3)
    found = reranker.postprocess_nodes(nodes(), query_str=QUERY)
    assert [each.node.text for each in found] == BEST_FIRST[:3]


def test_llama_index_jina(server: Running) -> None:
    module: Any = pytest.importorskip("llama_index.postprocessor.jinaai_rerank")
    reranker = module.JinaRerank(api_key=KEY, base_url=f"{server.url}/v1", top_n=3)
    found = reranker.postprocess_nodes(nodes(), query_str=QUERY)
    assert [each.node.text for each in found] == BEST_FIRST[:3]
    with pytest.raises(RuntimeError, match="query is empty"):
        reranker.postprocess_nodes(nodes(), query_str=" ")


def test_llama_index_tei(server: Running) -> None:
    module: Any = pytest.importorskip("llama_index.postprocessor.tei_rerank")
    reranker = module.TextEmbeddingInference(base_url=server.url, top_n=3)
    found = reranker.postprocess_nodes(nodes(), query_str=QUERY)
    assert [each.node.text for each in found] == BEST_FIRST[:3]


@pytest.mark.parametrize("vendor", ["cohere", "jina"])
def test_haystack(server: Running, vendor: str) -> None:
    pytest.importorskip("haystack")
    from haystack import Document, Pipeline
    from haystack.utils import Secret

    module: Any = pytest.importorskip(f"haystack_integrations.components.rankers.{vendor}")
    key = Secret.from_token(KEY)
    if vendor == "cohere":
        ranker = module.CohereRanker(api_key=key, api_base_url=server.url, top_k=3)
    else:
        ranker = module.JinaRanker(api_key=key, base_url=f"{server.url}/v1/rerank", top_k=3)
    pipeline = Pipeline()
    pipeline.add_component("ranker", ranker)
    documents = [Document(content=text) for text in DOCS]
    found = pipeline.run({"ranker": {"query": QUERY, "documents": documents}})["ranker"]["documents"]
    assert [document.content for document in found] == BEST_FIRST[:3]


@pytest.mark.parametrize(
    ("provider", "path"),
    [
        ("cohere", "/v1/rerank"),
        ("jina", "/v1/rerank"),
        ("voyage", "/v1/rerank"),
        ("text-embeddings-inference", "/rerank"),
    ],
)
def test_rerankers(server: Running, provider: str, path: str) -> None:
    load()  # it imports LiteLLM, which would look for prices on the network
    module: Any = pytest.importorskip("rerankers.models.api_rankers")
    ranker = module.APIRanker("any", KEY, provider, verbose=0, url=server.url + path)
    found = ranker.rank(QUERY, DOCS)
    assert [result.document.text for result in found.results] == BEST_FIRST
