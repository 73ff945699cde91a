"""The requests of applications, as their sources send them, and what these do with the reply."""

from __future__ import annotations

from typing import Any

import httpx

from tests.server.running import DOCS, ORDER, QUERY, Running

BEST_FIRST = [DOCS[i] for i in ORDER]


def by_index(results: list[dict[str, Any]], score: str = "relevance_score") -> list[float]:
    """What clients do who want a score for each of their documents."""
    return [result[score] for result in sorted(results, key=lambda each: each["index"])]


def order_of(scores: list[float]) -> list[int]:
    return sorted(range(len(scores)), key=lambda index: -scores[index])


def test_open_webui(server: Running) -> None:
    """`ExternalReranker`: a score for each document, sorted back by index."""
    body = {"model": "reranker", "query": QUERY, "documents": DOCS, "top_n": len(DOCS)}
    reply = server.post("/v1/rerank", body, headers={"X-OpenWebUI-User-Name": "someone"}).json()
    assert order_of(by_index(reply["results"])) == ORDER


def test_dify_stretches_scores_and_divides_by_their_spread(server: Running) -> None:
    """`OAICompatRerankModel`: min-max normalisation, then a threshold."""
    body = {"model": "reranker", "query": QUERY, "documents": DOCS, "top_n": 4, "return_documents": True}
    results = server.post("/v1/rerank", body).json()["results"]
    scores = [result["relevance_score"] for result in results]
    low, high = min(scores), max(scores)
    stretched = [(score - low) / (high - low) for score in scores]
    assert stretched[0] == 1
    assert stretched[-1] == 0
    assert [result["document"]["text"] for result in results] == BEST_FIRST


def test_dify_where_the_judge_finds_all_alike() -> None:
    from tests.server.running import fake

    with Running(fake('{"score": 1}')) as alike:
        scores = [each["relevance_score"] for each in alike.ask(top_n=4).json()["results"]]
    assert len(set(scores)) == 4
    assert scores == sorted(scores, reverse=True)


def test_dify_with_parts_of_which_some_are_text(server: Running) -> None:
    """The OpenAI-compatible plugin in its multimodal mode."""
    image = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    documents = [{"content": [{"type": "text", "text": text}, image]} for text in DOCS]
    body = {"model": "reranker", "query": QUERY, "documents": documents, "top_n": 4}
    results = server.post("/rerank", body).json()["results"]
    assert [result["index"] for result in results] == ORDER


def test_ragflow_jina_and_xinference(server: Running) -> None:
    """`JinaRerank` reads `usage`; `XInferenceRerank` sends words for true and reads `tokens`."""
    body: dict[str, Any] = {"model": "jina-reranker-v2", "query": QUERY, "documents": DOCS, "top_n": 4}
    reply = server.post("/v1/rerank", body).json()
    assert [result["index"] for result in reply["results"]] == ORDER
    assert reply["usage"]["total_tokens"] > 0
    body = {"model": "bge", "query": QUERY, "return_documents": "true", "return_len": "true", "documents": DOCS}
    reply = server.post("/v1/rerank", body).json()
    assert order_of(by_index(reply["results"])) == ORDER
    assert reply["tokens"]["input_tokens"] + reply["tokens"]["output_tokens"] > 0
    assert [result["document"]["text"] for result in reply["results"]] == BEST_FIRST


def test_librechat(server: Running) -> None:
    """`JinaReranker` and `CohereReranker`: the model's name is fixed; the text is taken from the reply."""
    body = {
        "model": "jina-reranker-v2-base-multilingual",
        "query": QUERY,
        "top_n": 2,
        "documents": DOCS,
        "return_documents": True,
    }
    results = server.post("/v1/rerank", body).json()["results"]
    assert [result["document"]["text"] for result in results] == BEST_FIRST[:2]
    body = {"model": "rerank-v3.5", "query": QUERY, "top_n": 2, "documents": DOCS}
    results = server.post("/v2/rerank", body).json()["results"]
    assert [DOCS[result["index"]] for result in results] == BEST_FIRST[:2]


def test_continue(server: Running) -> None:
    """Its providers for Cohere, vLLM, Voyage and TEI; all sort by index."""
    body: dict[str, Any] = {"model": "any", "query": QUERY, "documents": DOCS}
    reply = server.post("/v1/rerank", body).json()
    assert order_of(by_index(reply["results"])) == ORDER
    assert order_of(by_index(reply["data"])) == ORDER
    body = {
        "query": QUERY,
        "return_text": False,
        "raw_scores": False,
        "texts": DOCS,
        "truncation_direction": "Right",
        "truncate": True,
    }
    assert order_of(by_index(server.post("/rerank", body).json(), "score")) == ORDER
    info = httpx.get(f"{server.url}/info").json()
    assert info["model_id"] == "default"
    assert info["max_client_batch_size"] == 1000


def test_continue_without_a_content_type(server: Running) -> None:
    """An older version of it sends JSON as text."""
    reply = httpx.post(f"{server.url}/rerank", content='{"query": "q", "texts": ["a"]}', timeout=30)
    assert reply.json()[0]["index"] == 0


def test_vllm_with_a_query_of_parts_and_documents_as_objects(server: Running) -> None:
    query = {"content": [{"type": "text", "text": QUERY}]}
    body = {"model": "any", "query": query, "documents": [{"content": text} for text in DOCS]}
    assert [each["index"] for each in server.post("/v1/rerank", body).json()["results"]] == ORDER


def test_one_document_and_none(server: Running) -> None:
    one = server.post("/v1/rerank", {"query": QUERY, "documents": ["one"]}).json()["results"]
    assert [result["index"] for result in one] == [0]
    none = server.post("/v1/rerank", {"query": QUERY, "documents": []})
    assert (none.status_code, none.json()["results"]) == (200, [])
