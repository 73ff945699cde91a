"""For every test: no network but loopback, no settings from outside, a cache folder of its own."""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from judge_rerank.storage import cache_dir
from tests.examples_root import root
from tests.postgres import postgres, proxy, store

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

__all__ = ["postgres", "proxy", "root", "store"]  # fixtures of every test

# Frameworks that would report their use, and one that would keep a cache in the user's home.
os.environ.update(
    HAYSTACK_TELEMETRY_ENABLED="False",
    MEM0_TELEMETRY="False",
    GRAPHITI_TELEMETRY_ENABLED="False",
    DSPY_CACHEDIR=str(Path(gettempdir()) / "judge-rerank-dspy"),
)
# A busy machine is no failure; and one change is judged by the same examples as the next.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

SETTINGS = (
    "JUDGE_RERANK_MODEL",
    "JUDGE_RERANK_STORE",
    "JUDGE_RERANK_BUDGET_USD",
    "JUDGE_RERANK_TRACE",
    "JUDGE_RERANK_THREADS",
    "HF_ENDPOINT",
)
# Where `judge-rerank models pull` has put models; tests find them there although their cache is elsewhere.
MODELS = os.pathsep.join(
    folder for folder in (os.environ.get("JUDGE_RERANK_MODELS", ""), str(cache_dir() / "models")) if folder
)


def _no_network(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = str(arguments[1][0])
    elif event == "socket.getaddrinfo":
        host = str(arguments[0] or "localhost")
    else:
        return
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        loopback = host.endswith(".invalid")  # a name that never resolves, for tests of what happens then
    if not loopback:
        msg = f"a test tried to reach {host}"
        raise RuntimeError(msg)


sys.addaudithook(_no_network)


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name in SETTINGS or name.endswith(("_API_KEY", "_API_BASE", "_BASE_URL")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("JUDGE_RERANK_CACHE_DIR", str(tmp_path / "judge-rerank-cache"))
    monkeypatch.setenv("JUDGE_RERANK_MODELS", MODELS)


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """The spans of this test. A process has one tracer provider for good, so the tests of one process share it."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    provider, exporter = trace.get_tracer_provider(), InMemorySpanExporter()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider(shutdown_on_exit=False)
        trace.set_tracer_provider(provider)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield exporter
    exporter.shutdown()
