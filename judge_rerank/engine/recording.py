"""What is written down of a call beside its attempts: what came of it in the end."""

from __future__ import annotations

import time
from decimal import Decimal

from judge_rerank.engine.context import RankingContext
from judge_rerank.engine.result import CallResult
from judge_rerank.tracing import CallRecord


def record_outcome(result: CallResult, context: RankingContext, *, number: int, round_: int) -> None:
    """Write down what came of a call that is no single conversation: scores of a scorer or of vectors, and the
    judgment of a call that had to be asked without some of its candidates. It costs nothing beside its attempts.
    """
    if context.trace is None:
        return
    call, reply, prepared = result.call, result.reply, result.prepared
    context.trace.record(
        CallRecord(
            ranking=context.ranking,
            call=number,
            time=time.time(),
            task=call.task,
            stage=call.stage or call.task,
            round=round_,
            candidates=call.candidates,
            prompt=prepared.prompt if prepared else None,
            prompt_hash=prepared.prompt_hash if prepared else None,
            model=reply.model if reply and reply.model else result.model or call.task,
            latency_s=result.usage.latency_s if reply is None else 0.0,
            cost_usd=Decimal(0),
            cached=result.cached,
            reply=reply.text if reply and prepared and prepared.prompt else None,
            outcome=result.outcome,
            error=result.outcome.message or None,
        )
    )
