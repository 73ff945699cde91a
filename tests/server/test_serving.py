"""Limits before spend, the queue, deadlines, clients that leave, health and figures."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.testclient import TestClient

from judge_rerank import Judge, ProviderUnavailable
from judge_rerank.server import ServerConfig, create_app
from judge_rerank.testing import FakeBackend
from tests.provider import Provider, ScriptedJudge
from tests.server.running import DOCS, ORDER, QUERY, Running, fake, simulated


def test_too_much_is_refused_before_a_call() -> None:
    backend = FakeBackend('{"score": 5}')
    limits = {"body_bytes": 2000, "documents": 3, "tokens": 100}
    with Running(Judge(backend), limits=limits) as server:
        assert server.ask(documents=["x" * 3000]).status_code == 413
        chunked = httpx.post(f"{server.url}/rerank", content=iter([b"x" * 1500, b"x" * 1500]), timeout=30)
        assert chunked.status_code == 413
        many = server.ask()
        assert (many.status_code, many.json()["message"]) == (
            422,
            "There are too many documents: 4. At most 3 are allowed.",
        )
        assert server.ask(documents=["x" * 500]).status_code == 422
        assert server.ask(documents=["short"]).status_code == 200
    assert len(backend.requests) == 1


def test_a_large_body_is_taken(server: Running) -> None:
    reply = server.post("/v1/rerank", {"query": QUERY, "documents": ["a word " * 100_000 for _ in range(4)]})
    assert reply.status_code == 200
    assert len(reply.json()["results"]) == 4


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"nonsense", b'{"query": NaN}', b"[" * 100_000, b'{"query": "q", "n": ' + b"9" * 9999 + b"}", b"\xff"],
)
def test_what_is_not_json(server: Running, body: bytes) -> None:
    assert httpx.post(f"{server.url}/v1/rerank", content=body, timeout=30).status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        [],
        "text",
        {},
        {"query": QUERY},
        {"documents": DOCS},
        {"query": None, "documents": DOCS},
        {"query": {"content": []}, "documents": DOCS},
        {"query": QUERY, "documents": "one text"},
        {"query": QUERY, "documents": [1]},
        {"query": QUERY, "documents": [None]},
        {"query": QUERY, "documents": DOCS, "top_n": 0},
        {"query": QUERY, "documents": DOCS, "top_n": "2"},
        {"query": QUERY, "documents": DOCS, "top_n": True},
        {"query": QUERY, "documents": DOCS, "return_documents": "perhaps"},
        {"query": QUERY, "documents": DOCS, "model": 7},
    ],
)
def test_what_cannot_be_ranked(server: Running, body: object) -> None:
    reply = server.post("/v1/rerank", body)
    assert reply.status_code == 422
    assert reply.json()["message"]
    assert not any(text in reply.text for text in DOCS)


def test_halves_of_surrogates_and_other_odd_texts(server: Running) -> None:
    body = json.dumps({"query": "q \ud800", "documents": ["\udfff", "\x00", "", {"image": "data:"}, {}, {"a": 1}]})
    reply = httpx.post(f"{server.url}/v1/rerank", content=body, timeout=30)
    assert reply.status_code == 200
    assert sorted(each["index"] for each in reply.json()["results"]) == list(range(6))


def test_a_strategy_that_gives_only_an_order_has_scores_all_the_same() -> None:
    with Running(simulated(strategy="listwise")) as server:
        reply = server.ask().json()
    assert [each["index"] for each in reply["results"]] == ORDER
    assert [each["relevance_score"] for each in reply["results"]] == [1, 0.75, 0.5, 0.25]


def test_strategies_by_name_where_that_is_allowed() -> None:
    with Running(specs=True) as server:
        reply = server.ask(model="bm25 % 3 >> listwise")
        assert reply.json()["meta"]["strategy"] == "bm25 % 3 >> listwise"
        for model in ("nope", "score(prompt='/etc/passwd')", 'api("cohere/x", api_base="http://evil")', "score(x=1)"):
            assert server.ask(model=model).status_code == 404
    with Running() as server:
        assert server.ask(model="listwise").status_code == 404


def test_a_request_names_no_address_and_no_key() -> None:
    backend = FakeBackend('{"score": 5}')
    with Running(Judge(backend)) as server:
        odd = {"api_base": "http://evil.example", "api_key": "sk-x", "prompt": "/etc/passwd", "params": {"x": 1}}
        assert server.ask(**odd).status_code == 200
    assert "evil" not in str(backend.requests)


def test_passages_that_decided_are_relevant_spans() -> None:
    long = " ".join(["Nothing of interest stands here at all."] * 200)
    judge = fake('{"score": 5}', strategy="passages(strategy=score)")
    with Running(judge) as server:
        reply = server.ask("/v2/rerank", documents=[long, "short"], relevant_spans={"threshold": 0.1})
        spans = {each["index"]: each.get("relevant_spans") for each in reply.json()["results"]}
        assert spans[0][0]["start"] < spans[0][0]["end"] <= len(long)
        assert "relevant_spans" not in str(server.ask("/v2/rerank", documents=[long]).json()["results"])


def test_the_queue_is_bounded() -> None:
    with (
        Running(fake(latency_s=0.5), limits={"concurrent": 1, "queue": 1}) as server,
        ThreadPoolExecutor(5) as pool,
    ):
        replies = list(pool.map(lambda n: server.ask(query=f"q {n}"), range(5)))
    codes = sorted(reply.status_code for reply in replies)
    assert codes == [200, 200, 503, 503, 503]
    assert all(reply.headers["retry-after"] == "1" for reply in replies if reply.status_code == 503)


def test_a_deadline_gives_what_there_is() -> None:
    with Running(fake(latency_s=5), rerankers={"default": {"deadline_s": 0.3}}) as server:
        started = time.monotonic()
        reply = server.ask()
        assert time.monotonic() - started < 3
    meta = reply.json()["meta"]
    assert (reply.status_code, meta["status"], meta["unjudged"]) == (200, "partial", [0, 1, 2, 3])
    assert meta["reasons"] == ["deadline: the last judgment of 4 documents did not come in time"]


def test_a_provider_that_fails_is_no_ranking() -> None:
    with Running(Judge(FakeBackend(ProviderUnavailable("sk-secret-of-the-operator")), max_attempts=1)) as server:
        reply = server.ask()
    assert (reply.status_code, reply.json()["message"]) == (
        502,
        "The model's provider failed, and nothing was judged.",
    )


def test_a_client_that_leaves_stops_its_spending() -> None:
    backend = FakeBackend('{"score": 5}', latency_s=0.2, concurrency=1)
    with Running(Judge(backend, strategy="score")) as server:
        body = json.dumps({"query": QUERY, "documents": [f"document {n}" for n in range(50)]}).encode()
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            head = f"POST /rerank HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
            client.sendall(head.encode() + body)
            time.sleep(0.5)
        time.sleep(0.5)
        asked = len(backend.requests)
        time.sleep(0.8)
        assert 1 <= asked <= 5
        assert len(backend.requests) == asked
        figures = httpx.get(f"{server.url}/metrics").text
    assert 'judge_rerank_requests_total{route="default",shape="jina",status="499"} 1.0' in figures


def test_one_that_leaves_the_queue_is_not_ranked() -> None:
    backend = FakeBackend('{"score": 5}', latency_s=0.6)
    with Running(Judge(backend), limits={"concurrent": 1}) as server, ThreadPoolExecutor(1) as pool:
        first = pool.submit(server.ask)
        time.sleep(0.2)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{server.url}/rerank", json={"query": "left", "documents": DOCS}, timeout=0.1)
        assert first.result().status_code == 200
        time.sleep(0.2)
        assert server.ask(query="third").status_code == 200
    assert "left" not in str([request.messages for request in backend.requests])


def test_figures_and_health(server: Running) -> None:
    server.ask()
    server.ask(query=" ")
    figures = httpx.get(f"{server.url}/metrics").text
    for line in (
        'judge_rerank_requests_total{route="default",shape="jina",status="200"}',
        'judge_rerank_seconds_bucket{le="0.1",route="default",stage="ranking"}',
        'judge_rerank_tokens_total{direction="input",route="default"}',
        'judge_rerank_dollars_total{route="default"} 0.0',
        'judge_rerank_unreadable_replies_total{route="default"} 0.0',
    ):
        assert line in figures
    assert httpx.get(f"{server.url}/health/live").json() == {"status": "live"}
    give_up = time.monotonic() + 20
    while (ready := httpx.get(f"{server.url}/health/ready")).status_code == 503:
        assert time.monotonic() < give_up
        time.sleep(0.05)
    assert ready.json() == {"status": "ready"}


def test_replies_that_cannot_be_read_are_counted() -> None:
    with Running(fake("nonsense")) as server:
        assert server.ask().json()["meta"]["status"] == "partial"
        figures = httpx.get(f"{server.url}/metrics").text
    assert 'judge_rerank_unreadable_replies_total{route="default"} 0.0' not in figures


def test_a_model_that_is_not_there_is_never_ready() -> None:
    rerankers = {"default": {"strategy": "cross-encoder('/no/such/model')"}}
    with Running({}, rerankers=rerankers) as server:
        give_up = time.monotonic() + 20
        while "cannot be used" not in httpx.get(f"{server.url}/health/ready").text:
            assert time.monotonic() < give_up
            time.sleep(0.05)


def test_spans_belong_to_the_clients_trace(server: Running, spans: InMemorySpanExporter) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    server.post("/v1/rerank", {"query": "traced", "documents": DOCS}, headers={"traceparent": parent})
    traces = {f"{span.context.trace_id:032x}" for span in spans.get_finished_spans() if span.context}
    assert traces == {"0af7651916cd43dd8448eb211c80319c"}


def test_many_at_once(server: Running) -> None:
    async def ask() -> list[int]:
        async with httpx.AsyncClient(timeout=60) as client:
            posts = [
                client.post(f"{server.url}/v1/rerank", json={"query": f"{n}", "documents": DOCS}) for n in range(64)
            ]
            return [reply.status_code for reply in await asyncio.gather(*posts)]

    assert set(asyncio.run(ask())) == {200}


def test_a_route_has_an_instruction_and_criteria_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPBACK_KEY", "sk-loopback")
    reply = '{"judgments": [{"id": 1, "relevance": 7, "recency": 3}, {"id": 2, "relevance": 2, "recency": 9}]}'
    with Provider(ScriptedJudge(reply)) as provider:
        route = {
            "model": "openai/gpt-6-luna",
            "api_base": f"{provider.url}/v1",
            "api_key": "$LOOPBACK_KEY",
            "cache": False,
            "strategy": "score(batch_size=4)",
            "instruction": "prefer primary sources",
            "criteria": {"relevance": 0.9, "recency": 0.1},
        }
        app = create_app(ServerConfig.model_validate({"rerankers": {"default": route}}))
        with TestClient(app, base_url="http://127.0.0.1", client=("127.0.0.1", 5000)) as client:
            answered = client.post("/v1/rerank", json={"query": QUERY, "documents": DOCS[:2]}).json()
    asked = str(provider.received[0].body)
    assert "prefer primary sources" in asked
    assert "recency" in asked
    assert [result["index"] for result in answered["results"]] in ([0, 1], [1, 0])
