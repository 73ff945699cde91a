"""What a running server has: its routes, its clients, its queue."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path

from judge_rerank.core import PricingUnknown, RerankError
from judge_rerank.judge import Judge
from judge_rerank.server.config import ServerConfig, store_of
from judge_rerank.server.keys import KeyRing
from judge_rerank.server.queue import Queue
from judge_rerank.server.table import Route, RouteTable
from judge_rerank.storage import cache_dir

_LOG = logging.getLogger("judge_rerank.server")


class Server:
    """What a running server has.

    Args:
        config: what it serves.
        judges: by route, instead of opening one.
        shared: the folder for what worker processes share; None for one worker.

    Raises:
        RerankError: something in the configuration cannot be used.
    """

    def __init__(
        self, config: ServerConfig, *, judges: Mapping[str, Judge] | None = None, shared: Path | None = None
    ) -> None:
        folder = config.path(config.ledgers) if config.ledgers else cache_dir() / "server"
        ledgers = store_of(config) or folder
        self.config = config
        self.keys = KeyRing(config, ledgers=ledgers, shared=shared)
        self.table = RouteTable(config, ledgers=ledgers, judges=judges, shared=shared)
        self.queue = Queue(config.limits.concurrent, config.limits.queue)
        self.not_ready = "The models are being loaded."

    async def warm_up(self) -> None:
        """Load what the first rankings need; until then the server says that it is not ready."""
        for route in self.table:
            try:
                await route.judge.awarm_up()
                if self._is_capped(route):
                    await asyncio.to_thread(_require_price, route.judge)
            except RerankError as error:
                self.not_ready = f"The route {route.name!r} cannot be used. The log says why."
                _LOG.error("The route %r cannot be used: %s", route.name, error)
                return
        self.not_ready = ""

    def _is_capped(self, route: Route) -> bool:
        """Whether a cap in dollars may apply to a route."""
        spec, keys = self.config.rerankers[route.name], self.config.keys.values()
        of_keys = (key.budget for key in keys if key.routes is None or route.name in key.routes)
        return any(amount is not None for amount in (spec.budget, spec.max_usd, *of_keys))

    def close(self) -> None:
        """Release the judges and write what is pending."""
        self.table.close()
        self.keys.close()


def _require_price(judge: Judge) -> None:
    """Raises `PricingUnknown` where a judge calls a model whose price is not known."""
    forecast = judge.estimate("query", ["a document"])
    if forecast.calls and forecast.cost_usd is None:
        raise PricingUnknown(judge.model)
