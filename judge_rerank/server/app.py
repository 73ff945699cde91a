"""The server as an application: its paths, its start and its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from judge_rerank import __version__
from judge_rerank.core import PricingUnknown, RerankError
from judge_rerank.judge import Judge
from judge_rerank.server.config import ServerConfig
from judge_rerank.server.endpoint import Endpoint, as_json
from judge_rerank.server.keys import KeyRing
from judge_rerank.server.metrics import Metrics
from judge_rerank.server.openapi import SECURITY, answers, operation, secured_by
from judge_rerank.server.problems import Problem, plain_error
from judge_rerank.server.shapes import AT
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
        ledgers = config.path(config.ledgers) if config.ledgers else cache_dir() / "server"
        self.config = config
        self.keys = KeyRing(config, ledgers=ledgers, shared=shared)
        self.table = RouteTable(config, ledgers=ledgers, judges=judges)
        self.metrics = Metrics()
        self.endpoint = Endpoint(self.table, self.keys, config.limits, self.metrics)
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


def create_app(
    config: ServerConfig, *, judges: Mapping[str, Judge] | None = None, shared: Path | None = None
) -> FastAPI:
    """The application of a server, for uvicorn or for another application to mount.

    Args:
        config: what it serves.
        judges: by route, instead of opening one.
        shared: the folder for what worker processes share; None for one worker.

    Raises:
        RerankError: something in the configuration cannot be used.
    """
    server = Server(config, judges=judges, shared=shared)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        warming = asyncio.create_task(server.warm_up())
        try:
            yield
        finally:
            warming.cancel()
            with suppress(asyncio.CancelledError):
                await warming
            await asyncio.to_thread(server.close)

    app = FastAPI(title="judge_rerank", version=__version__, lifespan=lifespan, redoc_url=None)
    app.state.server = server
    app.add_exception_handler(Problem, _refused)
    app.add_exception_handler(HTTPException, _refused)
    _add_paths(app, server)
    _describe_key(app, server)
    return app


def _require_price(judge: Judge) -> None:
    """Raises `PricingUnknown` where a judge calls a model whose price is not known."""
    forecast = judge.estimate("query", ["a document"])
    if forecast.calls and forecast.cost_usd is None:
        raise PricingUnknown(judge.model)


def _add_paths(app: FastAPI, server: Server) -> None:
    """Every path of the server."""
    secured = bool(server.keys)
    for path in AT:
        extra = operation(path, secured=secured)
        name = f"rerank{path.removesuffix('/rerank').replace('/', '_')}"

        async def rerank(request: Request) -> Response:
            return await server.endpoint(request)

        app.post(path, operation_id=name, summary="Rank documents", openapi_extra=extra, response_model=None)(rerank)

    extra = secured_by(secured=secured)

    @app.get("/v1/models", openapi_extra=extra, responses=answers(401, 403), response_model=None)
    async def models(request: Request) -> Response:
        """The routes that a client may use."""
        client = server.keys.client(request.headers)
        rows = [{"id": name, "object": "model", "owned_by": "judge-rerank"} for name in server.table.names(client)]
        return as_json({"object": "list", "data": rows})

    @app.get("/info", openapi_extra=extra, responses=answers(401, 403), response_model=None)
    async def info(request: Request) -> Response:
        """What a client of Text Embeddings Inference asks first."""
        server.keys.client(request.headers)
        return as_json(_info(server.config))

    text = {200: {"description": "Figures.", "content": {"text/plain": {"schema": {"type": "string"}}}}}

    @app.get("/metrics", openapi_extra=extra, responses=text | answers(401, 403), response_class=PlainTextResponse)
    async def metrics(request: Request) -> Response:
        """Figures for Prometheus."""
        server.keys.client(request.headers)
        return Response(await asyncio.to_thread(server.metrics.text), media_type="text/plain; version=0.0.4")

    @app.get("/health/live", response_model=None)
    async def live() -> Response:
        """Whether the process answers."""
        return as_json({"status": "live"})

    @app.get("/health/ready", responses={503: {"description": "It is not ready yet."}}, response_model=None)
    async def ready() -> Response:
        """Whether the models are loaded."""
        status = {"status": "not ready", "reason": server.not_ready} if server.not_ready else {"status": "ready"}
        return as_json(status, 503 if server.not_ready else 200)


async def _refused(_: Request, error: Exception) -> Response:
    headers = error.headers if isinstance(error, (Problem, HTTPException)) else None
    if isinstance(error, HTTPException):
        error = Problem(error.status_code, str(error.detail))
    assert isinstance(error, Problem)
    return as_json(plain_error(error), error.status, headers)


def _describe_key(app: FastAPI, server: Server) -> None:
    usual = app.openapi

    def described() -> dict[str, Any]:
        schema = usual()
        if server.keys:
            schema.setdefault("components", {})["securitySchemes"] = SECURITY
        return schema

    app.openapi = described


def _info(config: ServerConfig) -> dict[str, Any]:
    limits = config.limits
    return {
        "model_id": next(iter(config.rerankers)),
        "model_sha": None,
        "model_dtype": "float32",
        "model_type": {"reranker": {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}},
        "max_concurrent_requests": limits.concurrent + limits.queue,
        "max_input_length": limits.tokens,
        "max_batch_tokens": limits.tokens,
        "max_batch_requests": None,
        "max_client_batch_size": limits.documents,
        "auto_truncate": True,
        "tokenization_workers": 1,
        "version": __version__,
        "sha": None,
        "docker_label": None,
    }
