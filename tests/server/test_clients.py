"""Real clients, unchanged but for the base URL."""

from __future__ import annotations

import asyncio
import gc
import hashlib
from collections.abc import Iterator
from typing import Any

import cohere
import pytest
import voyageai

from judge_rerank import Judge, RerankAPI
from judge_rerank.providers.litellm_module import load
from tests.server.running import DOCS, ORDER, QUERY, Running

KEY = "a-key-of-sixteen-characters"

# They leave their connections to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*ReadOnly:UserWarning"),
]


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    yield
    gc.collect()


def test_cohere_v2(server: Running) -> None:
    client = cohere.ClientV2(api_key=KEY, base_url=server.url)
    reply = client.rerank(model="rerank-v3.5", query=QUERY, documents=DOCS, top_n=3, max_tokens_per_doc=100)
    assert [result.index for result in reply.results] == ORDER[:3]
    assert all(0 <= result.relevance_score <= 1 for result in reply.results)
    assert reply.meta is not None
    assert reply.meta.api_version is not None
    assert reply.meta.api_version.version == "2"
    assert reply.meta.model_extra is not None
    assert reply.meta.model_extra["judged"] == [0, 1, 2, 3]


def test_cohere_v1(server: Running) -> None:
    client = cohere.Client(api_key=KEY, base_url=server.url)
    reply = client.rerank(
        query=QUERY,
        documents=[{"text": text} for text in DOCS],
        model="rerank-english-v3.0",
        return_documents=True,
        max_chunks_per_doc=4,
        rank_fields=["text"],
    )
    assert [result.index for result in reply.results] == ORDER
    assert [result.document and result.document.text for result in reply.results] == [DOCS[i] for i in ORDER]


async def _cohere_async(url: str) -> list[int]:
    client = cohere.AsyncClientV2(api_key=KEY, base_url=url)
    reply = await client.rerank(model="any", query=QUERY, documents=DOCS)
    return [result.index for result in reply.results]


def test_cohere_async(server: Running) -> None:
    assert asyncio.run(_cohere_async(server.url)) == ORDER


def test_what_cohere_says_of_a_bad_request(server: Running) -> None:
    client = cohere.ClientV2(api_key=KEY, base_url=server.url)
    with pytest.raises(cohere.UnprocessableEntityError) as raised:
        client.rerank(model="any", query=" ", documents=DOCS)
    assert raised.value.body["message"].startswith("query is empty")


def test_what_cohere_says_of_an_unknown_key() -> None:
    digest = hashlib.sha256(b"another-key-of-some-length").hexdigest()
    with Running(keys={"app": {"key": f"sha256:{digest}"}}) as closed:
        client = cohere.ClientV2(api_key=KEY, base_url=closed.url)
        with pytest.raises(cohere.UnauthorizedError):
            client.rerank(model="any", query=QUERY, documents=DOCS)


def test_voyage(server: Running) -> None:
    client = voyageai.Client(api_key=KEY, base_url=f"{server.url}/v1")
    reply = client.rerank(QUERY, DOCS, model="rerank-2.5", top_k=2)
    assert [result.index for result in reply.results] == ORDER[:2]
    assert [result.document for result in reply.results] == [DOCS[i] for i in ORDER[:2]]
    assert reply.total_tokens > 0


def test_what_voyage_says_of_a_bad_request(server: Running) -> None:
    client = voyageai.Client(api_key=KEY, base_url=f"{server.url}/v1")
    with pytest.raises(voyageai.error.MalformedRequestError, match="query is empty"):
        client.rerank(" ", DOCS, model="rerank-2.5")


LITELLM = {
    "cohere": ("cohere/any", ""),
    "cohere, a base that ends in v1": ("cohere/any", "/v1"),
    "jina_ai": ("jina_ai/any", ""),
    "voyage": ("voyage/any", ""),
    "infinity": ("infinity/any", ""),
    "hosted_vllm": ("hosted_vllm/any", ""),
    "hosted_vllm, a base that ends in v1": ("hosted_vllm/any", "/v1"),
    "litellm_proxy": ("litellm_proxy/any", ""),
    "together_ai": ("together_ai/any", "/v1"),
    "huggingface (TEI)": ("huggingface/any", ""),
}


@pytest.mark.parametrize("client", LITELLM)
def test_litellm(server: Running, client: str) -> None:
    model, base = LITELLM[client]
    rerank: Any = load().rerank
    reply = rerank(model=model, query=QUERY, documents=DOCS, top_n=3, api_base=server.url + base, api_key=KEY)
    assert [result["index"] for result in reply.results] == ORDER[:3]
    scores = [result["relevance_score"] for result in reply.results]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 3


@pytest.mark.parametrize(
    ("model", "base"),
    [
        ("cohere/any", ""),
        ("jina_ai/any", ""),
        ("voyage/any", ""),
        ("hosted_vllm/any", ""),
        ("infinity/any", ""),
        ("huggingface/any", ""),
        ("together_ai/any", "/v1"),
    ],
)
def test_our_own_client(server: Running, model: str, base: str) -> None:
    with Judge(cache_dir=None) as judge:
        ranking = judge.rerank(QUERY, DOCS, RerankAPI(model, api_base=server.url + base, api_key=KEY))
    assert list(ranking.order) == ORDER
    assert ranking.status == "complete"


def test_our_own_client_asks_in_parts_when_there_are_too_many_documents() -> None:
    with Running(limits={"documents": 2}) as small, Judge(cache_dir=None) as judge:
        strategy = RerankAPI("cohere/default", api_base=small.url, api_key=KEY)
        ranking = judge.rerank(QUERY, DOCS, strategy)
    assert ranking.status == "complete"
    assert sorted(ranking.order) == [0, 1, 2, 3]
