"""Tools for agents (Model Context Protocol): rerank, estimate, explain, compare, with the limits of the server."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

from judge_rerank import __version__
from judge_rerank.core import Ranking, RerankError
from judge_rerank.server.bodies import check
from judge_rerank.server.keys import ANYBODY, Client
from judge_rerank.server.problems import Problem, problem_of
from judge_rerank.server.ranking import answer_of, ranked
from judge_rerank.server.request import Answer, Asked, document_text
from judge_rerank.server.state import Server

_REMEMBERED = 100
"""Rankings that can be explained."""

Query = Annotated[str, Field(description="What the documents are judged against.")]
Documents = Annotated[
    list[str | dict[str, Any]], Field(description="Texts, or objects with a text, in first-stage order.")
]
RouteName = Annotated[str | None, Field(description="The reranker; the default one if it is left out.")]


class RankedText(BaseModel):
    """One document, in its place."""

    index: int
    score: float
    text: str


class RerankResult(BaseModel):
    """A ranking. `id` is for `explain`; `unjudged` are documents that only keep their first-stage order."""

    id: str
    results: list[RankedText]
    status: str
    reasons: list[str]
    strategy: str
    unjudged: list[int]
    calls: int
    cost_usd: str | None


class EstimateResult(BaseModel):
    """What a ranking would take. Costs are null where the price of the model is not known."""

    calls: int
    rounds: int
    input_tokens: int
    expected_cost_usd: str | None
    most_cost_usd: str | None


class Explanation(BaseModel):
    """Why a document is where it is."""

    text: str


class Move(BaseModel):
    """A document's places by two rerankers, from 1."""

    index: int
    first: int
    second: int


class ComparisonResult(BaseModel):
    """Two rankings of the same documents, and the documents that they put in different places, by the difference."""

    first: RerankResult
    second: RerankResult
    moves: list[Move]


class Tools:
    """The tools of a server.

    Args:
        server: what ranks, and who may ask.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._rankings: OrderedDict[str, tuple[str, Ranking]] = OrderedDict()

    async def rerank(
        self,
        query: Query,
        documents: Documents,
        context: Context[Any, Any],
        reranker: RouteName = None,
        top_n: Annotated[int | None, Field(ge=1, description="How many documents to return.")] = None,
    ) -> RerankResult:
        """Put documents in order of relevance to a query, best first."""
        client = self._client(context)
        asked = Asked(
            model=reranker, query=query, documents=tuple([document_text(each) for each in documents]), top_n=top_n
        )
        return await self._ranked(asked, client)

    async def estimate(
        self, query: Query, documents: Documents, context: Context[Any, Any], reranker: RouteName = None
    ) -> EstimateResult:
        """How many calls a ranking would take and what it would cost. Nothing is sent."""
        client = self._client(context)
        asked = Asked(model=reranker, query=query, documents=tuple([document_text(each) for each in documents]))
        with _told():
            check(asked, self._server.config.limits)
            route = self._server.table.find(reranker, client)
            found = await asyncio.to_thread(route.judge.estimate, query, asked.documents, route.strategy)
        return EstimateResult(
            calls=found.calls,
            rounds=found.rounds,
            input_tokens=found.input_tokens,
            expected_cost_usd=None if found.expected_cost_usd is None else str(found.expected_cost_usd),
            most_cost_usd=None if found.cost_usd is None else str(found.cost_usd),
        )

    async def explain(
        self,
        ranking_id: Annotated[str, Field(description="The id of a ranking by rerank.")],
        index: Annotated[int, Field(description="The document's place in the list that was ranked, from 0.")],
        context: Context[Any, Any],
    ) -> Explanation:
        """What the judge said of a document, stage by stage."""
        client = self._client(context)
        owner, ranking = self._rankings.get(ranking_id, ("", None))
        if ranking is None or owner != client.name:
            msg = f"There is no ranking {ranking_id[:80]!r} here. The last {_REMEMBERED} are remembered."
            raise ToolError(msg)
        with _told():
            return Explanation(text=str(ranking.explain(index=index)))

    async def compare(
        self,
        query: Query,
        documents: Documents,
        first: Annotated[str, Field(description="One reranker.")],
        second: Annotated[str, Field(description="Another.")],
        context: Context[Any, Any],
    ) -> ComparisonResult:
        """Rank the same documents by two rerankers, and show where they differ."""
        client = self._client(context)
        texts = tuple([document_text(each) for each in documents])
        one = await self._ranked(Asked(model=first, query=query, documents=texts), client)
        other = await self._ranked(Asked(model=second, query=query, documents=texts), client)
        places = [{each.index: place for place, each in enumerate(r.results, start=1)} for r in (one, other)]
        moves = [Move(index=i, first=place, second=places[1][i]) for i, place in places[0].items()]
        moved = sorted((m for m in moves if m.first != m.second), key=lambda m: -abs(m.first - m.second))
        return ComparisonResult(first=one, second=other, moves=moved)

    def _client(self, context: Context[Any, Any]) -> Client:
        """Who calls a tool: over HTTP by its key, else the user whose process this is."""
        headers = context.headers
        with _told():
            client = ANYBODY if headers is None else self._server.keys.client(_lowered(headers))
            client.count()
        return client

    async def _ranked(self, asked: Asked, client: Client) -> RerankResult:
        with _told():
            if not asked.query.strip():
                raise Problem(422, "query is empty.")
            check(asked, self._server.config.limits)
            route = self._server.table.find(asked.model, client)
            ranking, _ = await ranked(self._server.queue, route, client, asked)
        answer = answer_of(ranking, route, asked)
        self._rankings[answer.id] = client.name, ranking
        while len(self._rankings) > _REMEMBERED:
            self._rankings.popitem(last=False)
        return _result(answer)


def create_mcp(server: Server) -> MCPServer[Any]:
    """An MCP server with these tools.

    Args:
        server: what ranks, and who may ask.
    """
    tools, names = Tools(server), ", ".join(server.config.rerankers)
    mcp: MCPServer[Any] = MCPServer(
        name="judge-rerank",
        version=__version__,
        instructions=f"Rerank retrieved documents with an LLM as the judge. Rerankers: {names}.",
        log_level="WARNING",
    )
    for tool in (tools.rerank, tools.estimate, tools.explain, tools.compare):
        mcp.tool()(tool)
    return mcp


@asynccontextmanager
async def closing_after(server: Server) -> AsyncGenerator[None]:
    """Loads the models at the start of a `with` block, and releases them at its end."""
    warming = asyncio.create_task(server.warm_up())
    try:
        yield
    finally:
        warming.cancel()
        await asyncio.to_thread(server.close)


@contextmanager
def _told() -> Generator[None]:
    """Turns what is wrong into what an agent is told."""
    try:
        yield
    except Problem as problem:
        raise ToolError(problem.message) from None
    except RerankError as error:
        raise ToolError(problem_of(error).message) from None


def _lowered(headers: Mapping[str, str]) -> Mapping[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _result(answer: Answer) -> RerankResult:
    meta = answer.meta
    return RerankResult(
        id=answer.id,
        results=[RankedText(index=each.index, score=each.score, text=each.text) for each in answer.results],
        status=meta.status,
        reasons=list(meta.reasons),
        strategy=meta.strategy,
        unjudged=list(meta.unjudged),
        calls=meta.calls,
        cost_usd=None if meta.cost_usd is None else str(meta.cost_usd),
    )
