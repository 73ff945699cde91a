"""Figures for Prometheus, over all worker processes."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from judge_rerank.server.request import Meta

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""The folder by which worker processes share their figures; prometheus-client reads it when it is imported."""

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """The figures of a server."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"judge_rerank_{name}", text, labels, registry=registry)

        self._requests = counter("requests", "Requests.", "route", "shape", "status")
        self._seconds = Histogram(
            "judge_rerank_seconds",
            "Seconds by stage: the wait in the queue, the ranking, and the whole request.",
            ("route", "stage"),
            buckets=_SECONDS,
            registry=registry,
        )
        self._partial = counter("partial_rankings", "Rankings in which not every document was judged.", "route")
        self._documents = counter("documents", "Documents that were ranked.", "route")
        self._calls = counter("calls", "Calls of judges.", "route")
        self._cached = counter("cached_calls", "Calls that the reply cache answered.", "route")
        self._tokens = counter("tokens", "Tokens of calls.", "route", "direction")
        self._dollars = counter("dollars", "What calls cost, where that is known.", "route")
        self._unreadable = counter("unreadable_replies", "Replies that could not be used.", "route")

    def request(self, *, route: str, shape: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self._requests.labels(route, shape, str(status)).inc()
        self._seconds.labels(route, "total").observe(seconds)

    def ranking(self, meta: Meta, *, waited_s: float) -> None:
        """Count a ranking."""
        route = meta.route
        self._seconds.labels(route, "queue").observe(waited_s)
        self._seconds.labels(route, "ranking").observe(meta.latency_s)
        self._documents.labels(route).inc(meta.documents)
        self._calls.labels(route).inc(meta.calls)
        self._cached.labels(route).inc(meta.cached_calls)
        self._tokens.labels(route, "input").inc(meta.input_tokens)
        self._tokens.labels(route, "output").inc(meta.output_tokens)
        self._unreadable.labels(route).inc(meta.unreadable)
        if meta.cost_usd is not None:
            self._dollars.labels(route).inc(float(meta.cost_usd))
        if meta.status == "partial":
            self._partial.labels(route).inc()

    def text(self) -> bytes:
        """All figures in Prometheus' own format."""
        if not os.environ.get(FOLDER_VARIABLE):
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        return generate_latest(registry)
