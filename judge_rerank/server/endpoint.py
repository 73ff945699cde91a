"""The rerank endpoint: from a request in one of the shapes to a reply in the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from judge_rerank.server.access_log import Access
from judge_rerank.server.bodies import Gone, check, json_body
from judge_rerank.server.failures import LEFT, problem_for, spans_of
from judge_rerank.server.keys import Client
from judge_rerank.server.metrics import Metrics
from judge_rerank.server.ranking import answer_of, ranked, unless_gone
from judge_rerank.server.request import Asked
from judge_rerank.server.shapes import AT, Shape, shape_for
from judge_rerank.server.state import Server


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
            access.status, response = LEFT, Response(status_code=LEFT)
        except Exception as error:
            problem = problem_for(error, access.id)
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
        with spans_of(request.headers):
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
