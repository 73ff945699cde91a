"""The paths of the page."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from judge_rerank.server.endpoint import as_json
from judge_rerank.server.keys import Client
from judge_rerank.server.metrics import Metrics
from judge_rerank.server.page.files import HEADERS, file_reply
from judge_rerank.server.page.shared import Link, read_shared
from judge_rerank.server.page.shown import shown
from judge_rerank.server.page.side import Sides
from judge_rerank.server.state import Server

_PRIVATE = {**HEADERS, "Cache-Control": "no-store"}


def add_page(app: FastAPI, server: Server, metrics: Metrics) -> None:
    """Add the page to an application. None of its paths is part of the described interface.

    Args:
        app: the application.
        server: what ranks, and who may ask.
        metrics: where requests are counted.
    """
    sides = Sides(server, metrics)

    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        return file_reply(request, "page.html")

    @app.get("/r/{link}", include_in_schema=False)
    async def shared_page(request: Request, link: str) -> Response:  # noqa: ARG001 the page itself reads its address
        return file_reply(request, "page.html", root="../")

    @app.get("/page/style.css", include_in_schema=False)
    async def style(request: Request) -> Response:
        return file_reply(request, "style.css")

    @app.get("/page/script.js", include_in_schema=False)
    async def script(request: Request) -> Response:
        return file_reply(request, "script.js")

    @app.get("/page/about", include_in_schema=False)
    async def about(request: Request) -> Response:
        return as_json(_about(server, server.keys.client(request.headers)), headers=_PRIVATE)

    @app.post("/page/rank", include_in_schema=False)
    async def rank(request: Request) -> Response:
        return await sides(request)

    @app.get("/page/shared/{link}", include_in_schema=False)
    async def shared(request: Request, link: str) -> Response:
        client = _client(server, request)
        ranking, route = await read_shared(server.table, Link.of(link))
        texts = client is not None and client.may_use(route.name)
        return as_json(shown(ranking, route, texts=texts) | {"link": link}, headers=_PRIVATE)


def _client(server: Server, request: Request) -> Client | None:
    """Who asks for a kept ranking; None for somebody without a key, who sees no texts.

    Raises:
        Problem: the key is not known.
    """
    if server.keys and not any(name in request.headers for name in ("authorization", "x-api-key")):
        return None
    return server.keys.client(request.headers)


def _about(server: Server, client: Client) -> dict[str, Any]:
    """What a client may use, and the limits that it meets."""
    limits = server.config.limits
    return {
        "routes": server.table.names(client),
        "specs": server.config.specs,
        "limits": {"documents": limits.documents, "tokens": limits.tokens, "body_bytes": limits.body_bytes},
    }
