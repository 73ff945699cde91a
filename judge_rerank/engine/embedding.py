"""Performs `EmbedCall`: vectors of the query and of documents, compared."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from judge_rerank.core import EmbedCall, Failed, Outcome, added
from judge_rerank.engine.channels import ModelChannels
from judge_rerank.engine.context import RankingContext
from judge_rerank.engine.recording import record_outcome
from judge_rerank.engine.result import CallResult
from judge_rerank.prompting import compared


async def perform_embedding(
    channels: ModelChannels, call: EmbedCall, context: RankingContext, *, number: int, round_: int
) -> CallResult:
    """The cosine of each candidate with the query.

    One request for the candidates' vectors. That for the query's is made by the first such call of the ranking, whose
    usage it is, and the others wait for it.
    """
    asked = call.of_query
    first = asked not in context.shared
    if first:
        performing = channels.of(asked).ask(asked, context, number=number, round_=round_)
        context.shared[asked] = asyncio.create_task(performing)
    await asyncio.sleep(0)  # the query goes first: without it, what a cap leaves room for is of no use
    documents = await channels.of(call.of_documents).ask(call.of_documents, context, number=number, round_=round_)
    query: CallResult = await asyncio.shield(context.shared[asked])
    outcome = compared(_of_query(query.outcome), documents.outcome)
    latency_s = max(query.usage.latency_s, documents.usage.latency_s)
    result = replace(
        documents,
        call=call,
        outcome=outcome,
        usage=replace(added(query.usage, documents.usage), latency_s=latency_s) if first else documents.usage,
        error=documents.error or query.error,
    )
    record_outcome(result, context, number=number, round_=round_)
    return result


def _of_query(outcome: Outcome) -> Outcome:
    """What came of the query. Where the API refuses it, that is no fault of a document, which would be asked alone."""
    if outcome.failure in ("oversized", "refused"):
        return Failed(reason="provider", message=f"The query has no vector. {outcome.message}")
    return outcome
