"""The tools for agents, asked by the SDK's own client: in the process, over standard input and over HTTP."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from judge_rerank import Judge
from judge_rerank.server import ServerConfig
from judge_rerank.server.mcp_tools import create_mcp
from judge_rerank.server.state import Server
from tests.provider import Provider
from tests.server.running import DOCS, ORDER, QUERY, fake, simulated

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def asked(server: Any, work: Callable[[Client], Awaitable[Any]]) -> Any:
    """What a client finds out."""

    async def run() -> Any:
        async with asyncio.timeout(60), Client(server) as client:
            return await work(client)

    return asyncio.run(run())


def tools(judges: dict[str, Judge], **config: Any) -> Any:
    config = {"rerankers": {name: {} for name in judges}} | config
    return create_mcp(Server(ServerConfig.model_validate(config), judges=judges))


def test_rerank_and_explain() -> None:
    async def work(client: Client) -> Any:
        found = await client.call_tool("rerank", {"query": QUERY, "documents": DOCS, "top_n": 3})
        ranking: Any = found.structured_content
        explained = await client.call_tool("explain", {"ranking_id": ranking["id"], "index": 1})
        return ranking, explained.structured_content

    ranking, explained = asked(tools({"default": simulated()}), work)
    assert [each["index"] for each in ranking["results"]] == ORDER[:3]
    assert ranking["results"][0]["text"] == DOCS[1]
    assert (ranking["status"], ranking["unjudged"], ranking["calls"]) == ("complete", [], 1)
    assert "by its grade" in explained["text"]


def test_the_tools_describe_themselves() -> None:
    async def work(client: Client) -> Any:
        return (await client.list_tools()).tools

    found = {tool.name: tool for tool in asked(tools({"default": simulated()}), work)}
    assert set(found) == {"rerank", "estimate", "explain", "compare"}
    assert all(tool.description and tool.output_schema for tool in found.values())
    assert "context" not in found["rerank"].input_schema["properties"]


def test_compare_shows_the_moves() -> None:
    async def work(client: Client) -> Any:
        arguments = {"query": QUERY, "documents": DOCS, "first": "good", "second": "flat"}
        return (await client.call_tool("compare", arguments)).structured_content

    found = asked(tools({"good": simulated(), "flat": fake('{"score": 5}', strategy="score")}), work)
    assert [each["index"] for each in found["first"]["results"]] == ORDER
    assert [each["index"] for each in found["second"]["results"]] == [0, 1, 2, 3]
    assert found["moves"][0] == {"index": 0, "first": 4, "second": 1}


def test_estimate_sends_nothing() -> None:
    async def work(client: Client) -> Any:
        return (await client.call_tool("estimate", {"query": QUERY, "documents": DOCS})).structured_content

    found = asked(tools({"default": simulated(strategy="score")}), work)
    assert (found["calls"], found["rounds"], found["most_cost_usd"]) == (4, 1, "0.000000")


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("rerank", {"query": " ", "documents": DOCS}, "query is empty"),
        ("rerank", {"query": QUERY, "documents": DOCS * 2}, "too many documents"),
        ("rerank", {"query": QUERY, "documents": DOCS, "reranker": "nope"}, "There are: default"),
        ("rerank", {"query": QUERY, "documents": "one"}, "documents"),
        ("explain", {"ranking_id": "nope", "index": 0}, "no ranking 'nope'"),
    ],
)
def test_what_is_wrong_is_told(tool: str, arguments: dict[str, Any], message: str) -> None:
    async def work(client: Client) -> Any:
        return await client.call_tool(tool, arguments)

    found = asked(tools({"default": simulated()}, limits={"documents": 4}), work)
    assert found.is_error
    assert message in found.content[0].text


def test_over_http_with_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    monkeypatch.setenv("APP_KEY", "app-key-0123456789")
    mcp = tools({"default": simulated()}, keys={"app": {"key": "$APP_KEY"}})
    running = uvicorn.Server(uvicorn.Config(mcp.streamable_http_app(), port=0, log_config=None))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        time.sleep(0.01)
    url = f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}/mcp"

    async def work(client: Client) -> Any:
        return await client.call_tool("rerank", {"query": QUERY, "documents": DOCS})

    async def with_key() -> Any:
        headers = {"Authorization": "Bearer app-key-0123456789"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=30) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            return await work(client)

    try:
        found = asyncio.run(with_key())
        refused = asked(url, work)
    finally:
        running.should_exit = True
        thread.join(20)
    assert [each["index"] for each in found.structured_content["results"]] == ORDER
    assert refused.is_error
    assert "wants a key" in refused.content[0].text


@pytest.mark.slow
def test_over_standard_input(tmp_path: Path) -> None:
    with Provider() as provider:
        options = ["-m", "openai/test", "--api-base", f"{provider.url}/v1", "-s", "score"]
        arguments = ["-m", "judge_rerank", "mcp", *options]
        env = {**os.environ, "OPENAI_API_KEY": "sk-x", "JUDGE_RERANK_CACHE_DIR": str(tmp_path)}
        command = StdioServerParameters(command=sys.executable, args=arguments, env=env, cwd=tmp_path)

        async def work(client: Client) -> Any:
            return (await client.call_tool("rerank", {"query": QUERY, "documents": DOCS})).structured_content

        found = asked(command, work)
    assert sorted(each["index"] for each in found["results"]) == [0, 1, 2, 3]
    assert found["status"] == "complete"


def test_an_address_that_others_reach_needs_keys() -> None:
    command = [sys.executable, "-m", "judge_rerank", "mcp", "-s", "bm25", "--http", "--host", "0.0.0.0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "has no keys" in " ".join(done.stderr.split())
