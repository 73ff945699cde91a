"""Keys: who may ask, what, how often and for how much; and what each client is told who may not."""

from __future__ import annotations

import hashlib
import logging
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from judge_rerank import Judge, Price, SetupError
from judge_rerank.server import ServerConfig
from judge_rerank.server.keys import ANYBODY
from judge_rerank.server.rates import Rate
from judge_rerank.server.table import RouteTable
from judge_rerank.testing import FakeBackend
from tests.provider import Provider
from tests.server.running import DOCS, QUERY, Running, fake, simulated

APP, OTHER = "app-key-0123456789", "other-key-0123456789"
PRICES = {"fake": Price(per_call_usd="0.01")}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def hashed(key: str, **options: Any) -> dict[str, Any]:
    return {"key": f"sha256:{hashlib.sha256(key.encode()).hexdigest()}", **options}


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("APP_KEY", APP)
    return {"app": {"key": "$APP_KEY"}, "other": hashed(OTHER, routes=["fast"])}


def test_a_key_is_needed_and_known_by_its_hash(keys: dict[str, Any]) -> None:
    with Running({"fast": simulated(), "default": simulated()}, keys=keys) as server:
        assert server.ask().status_code == 401
        assert server.ask(model="fast").status_code == 401
        wrong = server.post("/v1/rerank", {"query": QUERY, "documents": DOCS}, headers=bearer("x" * 20))
        assert (wrong.status_code, wrong.json()["error"]["type"]) == (401, "invalid_key")
        body = {"query": QUERY, "documents": DOCS, "model": "fast"}
        assert server.post("/v1/rerank", body, headers=bearer(APP)).status_code == 200
        assert server.post("/v1/rerank", body, headers={"X-API-Key": OTHER}).status_code == 200
        assert server.post("/v1/rerank", body | {"model": "default"}, headers=bearer(OTHER)).status_code == 403
        models = httpx.get(f"{server.url}/v1/models", headers=bearer(OTHER)).json()["data"]
        assert [model["id"] for model in models] == ["fast"]
        for path in ("/v1/models", "/info", "/metrics"):
            assert httpx.get(f"{server.url}{path}").status_code == 401
        assert httpx.get(f"{server.url}/health/live").status_code == 200


def test_every_shape_has_its_own_error(keys: dict[str, Any]) -> None:
    with Running(keys=keys | {"other": hashed(OTHER)}) as server:
        body = {"query": QUERY, "documents": DOCS, "model": "nope"}
        assert "There are: default." in server.post("/v2/rerank", body, headers=bearer(APP)).json()["message"]
        jina = server.post("/v1/rerank", body, headers=bearer(APP))
        assert jina.status_code == 404
        assert jina.json()["detail"] == jina.json()["message"] == jina.json()["error"]["message"]
        assert set(server.post("/v1/rerank", body | {"top_k": 1}, headers=bearer(APP)).json()) == {"detail"}
        tei = server.post("/rerank", {"query": " ", "texts": DOCS}, headers=bearer(APP)).json()
        assert tei["error_type"] == "Validation"


def test_a_budget_is_held_over_routes_and_restarts(tmp_path: Path) -> None:
    def judges() -> dict[str, Judge]:
        return {name: fake(local=False, prices=PRICES, strategy="score") for name in ("a", "default")}

    keys = {"app": hashed(APP, budget="0.06"), "other": hashed(OTHER)}
    asked = {"query": QUERY, "documents": DOCS[:2]}
    options: dict[str, Any] = {"keys": keys, "ledgers": str(tmp_path), "rerankers": {"a": {}, "default": {}}}
    statuses: list[str] = []
    for _ in range(2):
        with Running(judges(), **options) as server:
            for model in ("a", "default"):
                reply = server.post("/v1/rerank", asked | {"model": model}, headers=bearer(APP))
                statuses.append(f"{reply.status_code} {reply.json().get('meta', {}).get('status')}")
            assert server.post("/v1/rerank", asked, headers=bearer(OTHER)).status_code == 200
    assert statuses == ["200 complete"] * 3 + ["402 None"]


def test_a_budget_that_ends_in_the_middle_is_a_partial_ranking(tmp_path: Path) -> None:
    keys = {"app": hashed(APP, budget="0.03")}
    with Running(fake(local=False, prices=PRICES, strategy="score"), keys=keys, ledgers=str(tmp_path)) as s:
        reply = s.post("/v1/rerank", {"query": QUERY, "documents": DOCS}, headers=bearer(APP))
        meta = reply.json()["meta"]
        assert (reply.status_code, meta["status"], meta["cost_usd"]) == (200, "partial", "0.030000")
        assert (meta["judged"], meta["unjudged"]) == ([0, 1, 2], [3])
        assert [each["index"] for each in reply.json()["results"]] == [0, 1, 2, 3]
        assert reply.headers["x-judge-rerank-status"] == "partial"
        over = s.post("/v2/rerank", {"query": "another", "documents": DOCS}, headers=bearer(APP))
        assert over.status_code == 402
        assert "budget of the key 'app' is used up" in over.json()["message"]


def test_a_route_has_a_budget_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-loopback")
    prices = tmp_path / "prices.yaml"
    prices.write_text("openai/test:\n  per_call_usd: 0.01\n")
    with Provider() as provider:
        route = {"model": ["openai/test"], "api_base": f"{provider.url}/v1", "budget": "0.02", "prices": str(prices)}
        route |= {"strategy": "score", "cache": False}
        with Running({}, rerankers={"default": route}, ledgers=str(tmp_path)) as server:
            replies = [server.ask(documents=DOCS[:1]) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 200, 402]


def test_a_budget_without_a_price_is_told_at_the_start(tmp_path: Path) -> None:
    keys = {"app": hashed(APP, budget="1.00")}
    with Running(fake(local=False), keys=keys, ledgers=str(tmp_path)) as server:
        give_up = time.monotonic() + 20
        while "cannot be used" not in httpx.get(f"{server.url}/health/ready").text:
            assert time.monotonic() < give_up
            time.sleep(0.05)
        reply = server.post("/v1/rerank", {"query": QUERY, "documents": DOCS}, headers=bearer(APP))
    assert (reply.status_code, "no price for its model" in reply.text) == (500, True)


def test_workers_share_the_budget_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_RERANK_BUDGET_USD", "0.02")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-loopback")
    prices = tmp_path / "prices.yaml"
    prices.write_text("openai/test:\n  per_call_usd: 0.01\n")
    with Provider() as provider:
        route = {"model": ["openai/test"], "api_base": f"{provider.url}/v1", "prices": str(prices), "strategy": "score"}
        config = ServerConfig.model_validate({"rerankers": {"default": route | {"cache": False}}})
        workers = [RouteTable(config, ledgers=tmp_path, shared=tmp_path) for _ in range(2)]
        rankings = [
            worker.find(None, ANYBODY).judge.rerank(f"q {n}", ["one"]) for n, worker in enumerate([*workers, *workers])
        ]
        for worker in workers:
            worker.close()
    assert [ranking.status for ranking in rankings] == ["complete", "complete", "partial", "partial"]


def test_the_rate_is_limited_with_a_time_to_come_back() -> None:
    with Running(keys={"app": hashed(APP, rate=2), "other": hashed(OTHER, rate=1000)}) as server:
        body = {"query": QUERY, "documents": DOCS}
        codes = [server.post("/v2/rerank", body, headers=bearer(APP)) for _ in range(3)]
        assert [reply.status_code for reply in codes] == [200, 200, 429]
        assert 1 <= int(codes[2].headers["retry-after"]) <= 30
        assert server.post("/v2/rerank", body, headers=bearer(OTHER)).status_code == 200


def test_a_rate_fills_by_the_second_and_is_shared_by_its_file(tmp_path: Path) -> None:
    now = [1000.0]
    one, two = (Rate(60, tmp_path / "rate", clock=lambda: now[0]) for _ in range(2))
    assert [rate.wait_s() for rate in (one, two) * 30] == [0.0] * 60
    assert two.wait_s() == pytest.approx(1.0)
    now[0] += 2
    assert [rate.wait_s() == 0 for rate in (one, two, one)] == [True, True, False]


@pytest.mark.parametrize(("host", "origin", "status"), [
    ("127.0.0.1:8000", "", 200),
    ("localhost", "http://localhost:3000", 200),
    ("evil.example", "", 403),
    ("localhost", "https://evil.example", 403),
    ("localhost", "null", 403),
    ("[::1", "", 403),
])  # fmt: skip
def test_without_keys_only_programs_here_are_answered(server: Running, host: str, origin: str, status: int) -> None:
    headers = {"Host": host} | ({"Origin": origin} if origin else {})
    assert server.post("/v1/rerank", {"query": "q", "documents": ["a"]}, headers=headers).status_code == status


def test_keys_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHORT", "short")
    for keys, message in (
        ({"a": {"key": "$NOT_SET_HERE"}}, "NOT_SET_HERE, which is not set"),
        ({"a": {"key": "$SHORT"}}, "has 5 characters"),
        ({"a": hashed(APP), "b": hashed(APP)}, "are the same"),
    ):
        with pytest.raises(SetupError, match=message):
            Running(keys=keys)


def test_logs_have_no_texts_and_no_keys(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "judge_rerank.server")
    judge = Judge(FakeBackend(RuntimeError(f"a fault that quotes {DOCS[0]}")))
    with Running({"default": judge, "good": simulated()}, keys={"app": hashed(APP)}) as server:
        server.post("/v1/rerank", {"query": QUERY, "documents": DOCS, "model": "good"}, headers=bearer(APP))
        server.post("/v1/rerank", {"query": " ", "documents": DOCS}, headers=bearer("not-a-key-but-secret"))
    lines = [record.getMessage() for record in caplog.records if record.name == "judge_rerank.server.access"]
    assert len(lines) == 2
    assert '"client": "app"' in lines[0]
    assert '"calls": 1' in lines[0]
    for text in (QUERY, *DOCS, APP, "not-a-key"):
        assert not any(text in line for line in lines)
