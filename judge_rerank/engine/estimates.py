"""What a ranking would take: the strategy itself, run against answers that cost nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal

from judge_rerank.core import (
    Candidate,
    Candidates,
    Circumstances,
    Document,
    EmbedCall,
    Estimate,
    JudgeCall,
    JudgeKind,
    ModelInfo,
    Outcome,
    Query,
    Round,
    ScorePairs,
    Strategy,
    StrategyRunner,
    billed_micro_usd,
    to_usd,
)
from judge_rerank.engine.billing import expected_micro_usd, expected_output_tokens
from judge_rerank.engine.channels import ModelChannels
from judge_rerank.engine.job import Job
from judge_rerank.prompting import neutral
from judge_rerank.spending import Charge


def usual_latency_s(info: ModelInfo) -> float:
    """The assumed duration of a call: two seconds, or one with a model that runs here."""
    return 1.0 if info.local else 2.0


def estimated(
    strategy: Strategy,
    query: Query,
    candidates: Candidates,
    channels: ModelChannels,
    *,
    answer: Callable[[JudgeCall], Outcome] | None = None,
) -> Estimate:
    """Calls, rounds, tokens and dollars of a run against these answers: expected, and at most.

    By default the answers are neutral: every reply clean, no document better than another.
    """
    answer = answer or neutral
    rounds = scored = 0
    asked: list[Estimate] = []
    runner = StrategyRunner(strategy, query, candidates)
    while not runner.done:
        rounds += bool(runner.round)
        scored += sum([len(call.candidates) for call in runner.round if isinstance(call, ScorePairs)])
        for request in requests_of(runner.round):
            asked.append(_of_one(request, channels))
        runner.send([answer(call) for call in runner.round])
    return replace(Estimate.together(asked), rounds=rounds, scored_pairs=scored)


def _of_one(request: JudgeCall, channels: ModelChannels) -> Estimate:
    channel = channels.of(request)
    prepared = channel.renderer.prepare(request)
    most, expected = channel.worst_case(prepared), expected_micro_usd(channel.price, prepared, channel.info)
    return Estimate(
        calls=1,
        rounds=1,
        input_tokens=prepared.input_tokens,
        output_tokens=prepared.request.max_output_tokens,
        expected_output_tokens=expected_output_tokens(prepared, channel.info),
        cost_usd=None if most is None else to_usd(most),
        expected_cost_usd=None if expected is None else to_usd(expected),
    )


def requests_of(effects: Round) -> Iterator[JudgeCall]:
    """The requests that a round takes; a query's vector is asked for once."""
    queries: set[JudgeCall] = set()
    for effect in effects:
        if isinstance(effect, EmbedCall):
            if effect.of_query not in queries:
                queries.add(effect.of_query)
                yield effect.of_query
            yield effect.of_documents
        elif not isinstance(effect, ScorePairs):
            yield effect


def what_exceeds(job: Job, forecast: Estimate, info: ModelInfo | None, *, passed_s: float = 0.0) -> str:
    """Which cap of the job, or the deadline, a forecast would exceed; "" for none.

    It assumes `usual_latency_s` per call.
    """
    if not forecast.calls:
        return ""
    deadline_s = job.options.deadline_s
    if deadline_s is not None and info is not None:
        waits = max(forecast.rounds, forecast.calls / info.concurrency)
        if waits * usual_latency_s(info) > deadline_s - passed_s:
            return "the deadline"
    if forecast.cost_usd is None and any("usd" in cap.limits for cap in job.caps):
        return ""  # what is missing is the price, and the first call says so
    charge = Charge(
        micro_usd=billed_micro_usd(forecast.cost_usd or Decimal(0)),
        calls=forecast.calls,
        tokens=forecast.input_tokens + forecast.output_tokens,
    )
    return next((f"the cap {cap.source}" for cap in job.caps if cap.verdict(charge) != "grant"), "")


def gives_scores(strategy: Strategy, kind: JudgeKind) -> bool:
    """Whether a strategy's documents have scores, found by running it on two documents against neutral outcomes."""
    documents = (Document(text="one", score=1.0), Document(text="another", score=0.5))
    candidates = Candidates(
        [Candidate(index=index, document=document) for index, document in enumerate(documents)],
        circumstances=Circumstances(judge=kind),
    )
    runner = StrategyRunner(strategy, Query(text="query"), candidates)
    while not runner.done:
        runner.send([neutral(call) for call in runner.round])
    return bool(runner.result.scores)
