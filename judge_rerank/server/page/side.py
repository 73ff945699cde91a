"""One side of a comparison: a ranking that is told in events while it is made."""

from __future__ import annotations

from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response

from judge_rerank.server.access_log import Access
from judge_rerank.server.bodies import Gone, check, json_body
from judge_rerank.server.endpoint import as_json
from judge_rerank.server.failures import LEFT, problem_for, spans_of
from judge_rerank.server.keys import Client
from judge_rerank.server.metrics import Metrics
from judge_rerank.server.page.files import HEADERS
from judge_rerank.server.page.shared import Link
from judge_rerank.server.page.shown import shown
from judge_rerank.server.page.stream import EventStream, Tell, Watch
from judge_rerank.server.problems import plain_error
from judge_rerank.server.ranking import meta_of, ranked, unless_gone
from judge_rerank.server.request import Asked
from judge_rerank.server.shapes import AT
from judge_rerank.server.state import Server
from judge_rerank.server.table import Route

_SHAPE = AT["/v1/rerank"]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Side:
    """What is asked of whom by whom."""

    request: Request
    client: Client
    asked: Asked
    route: Route
    access: Access
    link: Link | None


class Sides:
    """Answers the page's requests for rankings, within the limits of the API.

    What is wrong with a request is a reply with its status. What goes wrong later is an event `problem`. Before it
    come events `progress`, and instead of it an event `result`.

    Args:
        server: what ranks, and who may ask.
        metrics: where requests are counted.
    """

    def __init__(self, server: Server, metrics: Metrics) -> None:
        self._server, self._metrics = server, metrics

    async def __call__(self, request: Request) -> Response:
        """The reply to a request."""
        access = Access(path=request.url.path, shape="page")
        headers = {**HEADERS, "X-Request-Id": access.id}
        try:
            side = await self._side(request, access)
        except Gone:
            access.status = LEFT
            self._count(access)
            return Response(status_code=LEFT)
        except Exception as error:
            problem = problem_for(error, access.id)
            access.status = problem.status
            self._count(access)
            return as_json(plain_error(problem), problem.status, headers | problem.headers)

        async def work(tell: Tell) -> None:
            await self._work(side, tell)

        return EventStream(work, headers)

    async def _side(self, request: Request, access: Access) -> _Side:
        limits = self._server.config.limits
        client = self._server.keys.client(request.headers)
        access.client = client.name
        client.count()
        asked = _SHAPE.read(await json_body(request, limits))
        access.documents = len(asked.documents)
        check(asked, limits)
        route = self._server.table.find(asked.model, client)
        access.route = route.name
        link = Link.to_new(route)
        asked = replace(asked, id=link.query_id if link else None)
        return _Side(request=request, client=client, asked=asked, route=route, access=access, link=link)

    async def _work(self, side: _Side, tell: Tell) -> None:
        """Tell of a ranking from its start to its end; a client that leaves ends it."""
        access = side.access
        try:
            with spans_of(side.request.headers):
                await unless_gone(side.request.receive, self._told(side, tell))
            access.status = 200
        except Gone:
            access.status = LEFT
        except Exception as error:
            problem = problem_for(error, access.id)
            access.status = problem.status
            told = plain_error(problem)["error"] | {"retry_after_s": problem.retry_after_s}
            await tell("problem", told)
        finally:
            self._count(access)

    async def _told(self, side: _Side, tell: Tell) -> None:
        watch = Watch()
        async with watch.told(tell):
            ranking, waited_s = await ranked(self._server.queue, side.route, side.client, side.asked, watch.note)
        meta = meta_of(ranking, side.route, len(side.asked.documents))
        side.access.meta, side.access.waited_s = meta, waited_s
        self._metrics.ranking(meta, waited_s=waited_s)
        link = str(side.link) if side.link else None
        await tell("result", shown(ranking, side.route, texts=True) | {"link": link})

    def _count(self, access: Access) -> None:
        self._metrics.request(route=access.route, shape="page", status=access.status, seconds=access.seconds)
        access.write()
