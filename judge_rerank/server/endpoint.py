"""The rerank endpoint: from a request in one of the shapes to a reply in the same."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import context as telemetry
from opentelemetry.propagate import extract
from starlette.requests import Request
from starlette.responses import Response

from judge_rerank.core import RerankError
from judge_rerank.server.access_log import Access
from judge_rerank.server.bodies import Gone, check, json_body
from judge_rerank.server.keys import Client
from judge_rerank.server.metrics import Metrics
from judge_rerank.server.problems import Problem, problem_of
from judge_rerank.server.ranking import answer_of, ranked, unless_gone
from judge_rerank.server.request import Asked
from judge_rerank.server.shapes import AT, Shape, shape_for
from judge_rerank.server.state import Server

_LOG = logging.getLogger("judge_rerank.server")
_LEFT = 499
"""The status of a request whose client did not wait, for logs and figures; nobody reads the reply."""


class Endpoint:
    """Answers rerank requests.

    Args:
        server: what ranks, and who may ask.
        metrics: where requests are counted.
    """

    def __init__(self, server: Server, metrics: Metrics) -> None:
        self._server, self._metrics = server, metrics

    async def __call__(self, request: Request) -> Response:
        """The reply to a request."""
        path = request.url.path
        shape, access = AT[path], Access(path=path)
        try:
            client = self._server.keys.client(request.headers)
            access.client = client.name
            client.count()
            body = await json_body(request, self._server.config.limits)
            shape = shape_for(path, body)
            asked = shape.read(body)
            response = await self._answered(request, client, shape, asked, access)
        except Gone:
            access.status, response = _LEFT, Response(status_code=_LEFT)
        except Exception as error:
            problem = _problem(error, access)
            access.status = problem.status
            response = as_json(shape.refused(problem), problem.status, problem.headers)
        access.shape = shape.name
        self._metrics.request(route=access.route, shape=shape.name, status=access.status, seconds=access.seconds)
        access.write()
        response.headers["X-Request-Id"] = access.id
        return response

    async def _answered(self, request: Request, client: Client, shape: Shape, asked: Asked, access: Access) -> Response:
        access.documents = len(asked.documents)
        check(asked, self._server.config.limits)
        route = self._server.table.find(asked.model, client)
        access.route = route.name
        with _telemetry(request.headers):
            ranking, access.waited_s = await unless_gone(
                request.receive, ranked(self._server.queue, route, client, asked)
            )
        answer = answer_of(ranking, route, asked)
        access.meta, access.status = answer.meta, 200
        self._metrics.ranking(answer.meta, waited_s=access.waited_s)
        cost = answer.meta.cost_usd
        headers = {"X-Judge-Rerank-Status": answer.meta.status} | (
            {} if cost is None else {"X-Judge-Rerank-Cost-Usd": str(cost)}
        )
        return as_json(shape.answered(answer, asked), 200, headers)


def as_json(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A reply with a JSON body."""
    text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(text.encode("utf-8", "replace"), status, dict(headers or {}), "application/json")


@contextmanager
def _telemetry(headers: Mapping[str, str]) -> Generator[None]:
    """Spans inside belong to the trace that the client names."""
    token = telemetry.attach(extract(headers))
    try:
        yield
    finally:
        telemetry.detach(token)


def _problem(error: Exception, access: Access) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, RerankError):
        problem = problem_of(error)
        if problem.status >= 500:
            _LOG.warning("%s: %s: %s", access.id, type(error).__name__, error)
        return problem
    # Its own words may quote a text.
    where = "".join(traceback.format_tb(error.__traceback__))
    _LOG.error("%s: %s\n%s", access.id, type(error).__name__, where)
    return problem_of(RerankError())
