"""A server on the loopback interface, in a thread, with a judge that knows the right order."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx
import uvicorn

from judge_rerank import Judge
from judge_rerank.server import ServerConfig, create_app
from judge_rerank.testing import FakeBackend, SimulatedJudge

QUERY = "who wrote Dune?"
DOCS = [
    "Sand dunes are hills of loose sand that the wind has built.",
    "Frank Herbert wrote the novel Dune, published in 1965.",
    "Denis Villeneuve directed the film Dune of 2021.",
    "A desert planet is the scene of the novel Dune.",
]
ORDER = [1, 3, 2, 0]
QRELS = {QUERY: {"0": 0, "1": 3, "2": 1, "3": 2}}


def simulated(**options: Any) -> Judge:
    """A judge that knows the right order."""
    return Judge(SimulatedJudge(QRELS, top_grade=3), **options)


def fake(reply: Any = '{"score": 5}', *, local: bool = True, latency_s: float = 0.0, **options: Any) -> Judge:
    """A judge that says what it is told."""
    return Judge(FakeBackend(reply, local=local, latency_s=latency_s), **options)


class Running:
    """A server under way; a context manager.

    Args:
        judges: by route.
        **config: the rest of the configuration.
    """

    def __init__(self, judges: Mapping[str, Judge] | Judge | None = None, **config: Any) -> None:
        self.judges = {"default": judges or simulated()} if not isinstance(judges, Mapping) else judges
        config.setdefault("rerankers", {name: {} for name in self.judges})
        self.app = create_app(ServerConfig.model_validate(config), judges=self.judges)
        settings = uvicorn.Config(self.app, port=0, log_config=None, access_log=False, timeout_graceful_shutdown=5)
        self._server = uvicorn.Server(settings)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        give_up = time.monotonic() + 30
        while not self._server.started:
            assert time.monotonic() < give_up, "the server did not start"
            time.sleep(0.005)
        self.port = self._server.servers[0].sockets[0].getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        for judge in self.judges.values():
            judge.close()

    @property
    def url(self) -> str:
        """The address without a path."""
        return f"http://127.0.0.1:{self.port}"

    def post(self, path: str, body: Any, **options: Any) -> httpx.Response:
        """A reply."""
        return httpx.post(f"{self.url}{path}", json=body, timeout=120, **options)

    def ask(self, path: str = "/v1/rerank", **body: Any) -> httpx.Response:
        """The reply to the usual question."""
        return self.post(path, {"query": QUERY, "documents": DOCS, **body})
