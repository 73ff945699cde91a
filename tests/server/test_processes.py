"""The command itself, as processes: workers that share budgets, and SIGTERM."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from judge_rerank.cli import run
from tests.provider import Price, Provider

KEY = "app-key-0123456789"
CONFIG = """
rerankers:
  default:
    model: openai/test
    api_base: {url}/v1
    api_key: $LOOPBACK_KEY
    strategy: score
    prices: prices.yaml
    cache: false
keys:
  app: {{key: $APP_KEY, budget: "0.50", rate: 1000}}
ledgers: ledgers
"""


@contextmanager
def served(folder: Path, provider: Provider, *arguments: str) -> Generator[tuple[subprocess.Popen[str], str]]:
    """The command under way, and its address."""
    (folder / "prices.yaml").write_text("openai/test:\n  per_call_usd: 0.01\n")
    (folder / "server.yaml").write_text(CONFIG.format(url=provider.url))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "judge_rerank", "serve", "--port", str(port), *arguments]
    env = os.environ | {
        "APP_KEY": KEY,
        "LOOPBACK_KEY": "sk-loopback",
        "OPENAI_API_KEY": "sk-x",
        "JUDGE_RERANK_CACHE_DIR": str(folder),
    }
    log = folder / "server.log"
    with log.open("w") as errors, subprocess.Popen(command, cwd=folder, env=env, stderr=errors, text=True) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            _wait(process, url, log)
            yield process, url
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(60)


def _wait(process: subprocess.Popen[str], url: str, log: Path) -> None:
    give_up = time.monotonic() + 240
    while time.monotonic() < give_up:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(f"{url}/health/ready", timeout=10).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail("the server was never ready")


def client_of(url: str) -> httpx.Client:
    """A client with the key; one for all threads, since each one that is made loads certificates."""
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {KEY}"}, timeout=120)


def ask(client: httpx.Client, query: str) -> httpx.Response:
    return client.post("/v1/rerank", json={"query": query, "documents": ["one", "another"]})


@pytest.mark.slow
def test_a_budget_and_the_figures_hold_over_four_workers(tmp_path: Path) -> None:
    with (
        Provider(default_price=Price(request=0.01)) as provider,
        served(tmp_path, provider, "--config", "server.yaml", "--workers", "4") as (_, url),
        client_of(url) as client,
        ThreadPoolExecutor(16) as pool,
    ):
        replies = list(pool.map(lambda n: ask(client, f"question {n}"), range(60)))
        figures = client.get("/metrics").text
    codes = [reply.status_code for reply in replies]
    assert set(codes) == {200, 402}
    assert provider.requests == 50
    paid = [reply for reply in replies if reply.status_code == 200]
    assert sum(reply.json()["meta"]["calls"] for reply in paid) == 50
    counted = {float(n) for n in re.findall(r'judge_rerank_calls_total{route="default"} (\S+)', figures)}
    assert counted == {50.0}


@pytest.mark.slow
def test_sigterm_lets_rankings_finish(tmp_path: Path) -> None:
    from tests.provider.faults import Fault

    with (
        Provider() as provider,
        served(tmp_path, provider, "--config", "server.yaml") as (process, url),
        client_of(url) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        assert ask(client, "first").status_code == 200
        provider.misbehave(*[Fault(delay_s=1.5)] * 2)
        under_way = pool.submit(ask, client, "second")
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        assert under_way.result().json()["meta"]["status"] == "complete"
        assert process.wait(30) in {0, -signal.SIGTERM}


@pytest.mark.slow
def test_without_a_file_there_is_one_route_for_every_name(tmp_path: Path) -> None:
    with (
        Provider() as provider,
        served(
            tmp_path,
            provider,
            "-m",
            "openai/test",
            "--api-base",
            f"{provider.url}/v1",
            "-s",
            "listwise",
        ) as (_, url),
    ):
        reply = httpx.post(f"{url}/v2/rerank", json={"model": "rerank-v3.5", "query": "q", "documents": ["a", "b"]})
    assert reply.json()["meta"]["strategy"] == "listwise"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config", "nowhere.yaml"], "nowhere.yaml"),
        (["--config", "bad.yaml"], "bad.yaml:2: Unknown key 'stratgy'. Did you mean 'strategy'?"),
        (["--config", "good.yaml", "-m", "openai/x"], "--model cannot be used with --config"),
        (["--config", "good.yaml", "--host", "0.0.0.0"], "has no keys"),
        (["-s", "listwize"], "Did you mean 'listwise'"),
    ],
)
def test_what_cannot_be_served(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[Any],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good.yaml").write_text("rerankers:\n  default: {strategy: bm25}\n")
    Path("bad.yaml").write_text("rerankers:\n  default: {stratgy: bm25}\n")
    assert run(["serve", *arguments]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert message in error
    assert "Traceback" not in error
