"""Makes the rankings that clients ask for: in turn, in time, paid from their budgets, and only while they wait."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import nullcontext
from typing import Any, TypeVar

from judge_rerank import Progress
from judge_rerank.core import BudgetExceeded, CancelToken, Query, RankedDocument, Ranking
from judge_rerank.server.bodies import Gone
from judge_rerank.server.keys import Client
from judge_rerank.server.problems import Problem
from judge_rerank.server.queue import Queue
from judge_rerank.server.request import Answer, Asked, Meta, Result, Span
from judge_rerank.server.scores import distinct
from judge_rerank.server.table import Route

T = TypeVar("T")
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

_SETTLING_S = 5.0
"""How long the calls of a client who has left may take to be written down."""

_UNUSABLE = ("refused", "unreadable", "truncated")


async def ranked(
    queue: Queue, route: Route, client: Client, asked: Asked, progress: Callable[[Progress], None] | None = None
) -> tuple[Ranking, float]:
    """The ranking that is asked for, of all documents, and how long it was in the queue.

    A task that runs this and is cancelled ends the ranking and waits until its calls are settled. `progress` is called
    after every call, in another thread.

    Raises:
        Problem: there is no place in the queue, the budget is used up, or the provider failed and nothing was judged.
        RerankError: it cannot be made.
    """
    async with queue.place(route.deadline_s) as waited_s:
        cancel = CancelToken()
        options: dict[str, Any] = {
            "deadline_s": max(0.01, route.deadline_s - waited_s),
            "max_usd": route.max_usd,
            "on_exhausted": "raise",
            "progress": progress,
            "cancel": cancel,
        }
        making = asyncio.ensure_future(_made(route, client, asked, options))
        try:
            ranking = await asyncio.shield(making)
        except asyncio.CancelledError:
            cancel.cancel()
            await asyncio.wait({making}, timeout=_SETTLING_S)
            making.cancel()
            raise
    integrity = ranking.integrity
    if asked.documents and len(integrity.unjudged) == len(asked.documents) and integrity.failed.get("provider"):
        raise Problem(502, "The model's provider failed, and nothing was judged.")
    return ranking, waited_s


async def unless_gone(receive: Receive, work: Awaitable[T]) -> T:
    """What `work` gives; it is cancelled when the client closes the connection.

    Raises:
        Gone: that has happened.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise Gone
    finally:
        leaving.cancel()
        working.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


def answer_of(ranking: Ranking, route: Route, asked: Asked) -> Answer:
    """A ranking as an answer: scores for all, the results that were asked for, and how it was made."""
    scores = distinct([each.relevance_score for each in ranking])
    shown = ranking.results[: asked.top_n]
    return Answer(
        id=str(uuid.uuid4()),
        model=asked.model or route.name,
        results=tuple(_result(each, score, asked) for each, score in zip(shown, scores, strict=False)),
        meta=meta_of(ranking, route, len(asked.documents)),
    )


async def _made(route: Route, client: Client, asked: Asked, options: dict[str, Any]) -> Ranking:
    judge = route.judge
    query = asked.query if asked.id is None else Query(text=asked.query, id=asked.id)
    with judge.limit(ledger=client.ledger) if client.ledger is not None else nullcontext():
        try:
            return await judge.arerank(query, asked.documents, route.strategy, **options)
        except BudgetExceeded as error:
            best = error.ranking
            if best is None or not (best.usage.calls or best.usage.cached_calls):
                raise
            return best


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _result(ranked: RankedDocument, score: float, asked: Asked) -> Result:
    passage = ranked.evidence
    return Result(
        index=ranked.index,
        score=score,
        text=asked.documents[ranked.index],
        span=Span(start=passage.start, end=passage.end, score=score) if passage is not None else None,
    )


def meta_of(ranking: Ranking, route: Route, documents: int) -> Meta:
    """How a ranking of so many documents was made."""
    usage, unjudged = ranking.usage, set(ranking.integrity.unjudged)
    return Meta(
        route=route.name,
        strategy=ranking.strategy,
        status=ranking.status,
        reasons=tuple(reason.partition(" (")[0] for reason in ranking.reasons),
        notes=ranking.notes,
        judged=tuple(index for index in range(documents) if index not in unjudged),
        unjudged=tuple(sorted(unjudged)),
        calls=usage.calls,
        cached_calls=usage.cached_calls,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost_usd=usage.cost_usd,
        latency_s=usage.latency_s,
        documents=documents,
        suspicious=ranking.integrity.suspicious,
        unreadable=sum([ranking.integrity.failed.get(reason, 0) for reason in _UNUSABLE]),
    )
