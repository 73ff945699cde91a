"""The server as an application: its paths, its start and its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from judge_rerank import __version__
from judge_rerank.judge import Judge
from judge_rerank.server.config import ServerConfig
from judge_rerank.server.endpoint import Endpoint, as_json
from judge_rerank.server.metrics import Metrics
from judge_rerank.server.openapi import SECURITY, answers, operation, secured_by
from judge_rerank.server.page import add_page
from judge_rerank.server.problems import Problem, plain_error
from judge_rerank.server.shapes import AT
from judge_rerank.server.state import Server


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
    figures = Metrics()
    _add_paths(app, server, figures)
    if config.page:
        add_page(app, server, figures)
    _describe_key(app, server)
    return app


def _add_paths(app: FastAPI, server: Server, figures: Metrics) -> None:
    """Every path for programs."""
    secured = bool(server.keys)
    endpoint = Endpoint(server, figures)
    for path in AT:
        extra = operation(path, secured=secured)
        name = f"rerank{path.removesuffix('/rerank').replace('/', '_')}"

        async def rerank(request: Request) -> Response:
            return await endpoint(request)

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
        return Response(await asyncio.to_thread(figures.text), media_type="text/plain; version=0.0.4")

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
