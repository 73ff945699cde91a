"""Drives strategies: performs their rounds side by side, under one concurrency limit."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Literal

from judge_rerank.core import (
    ApiCall,
    AuthenticationError,
    CancelToken,
    Candidate,
    Candidates,
    Circumstances,
    Document,
    Effect,
    Endpoint,
    Estimate,
    Evidence,
    Failed,
    JudgeCall,
    JudgeKind,
    ModelInfo,
    Ordering,
    Outcome,
    PlanRunner,
    ProviderError,
    Query,
    QuotaExhausted,
    Ranking,
    Round,
    ScorePairs,
    Strategy,
    neutral,
    spec_of,
)
from judge_rerank.engine.attempt import RankingContext
from judge_rerank.engine.call import CallExecutor, CallResult, FallbackExecutor
from judge_rerank.engine.cosines import abandon, with_cosines
from judge_rerank.engine.ranking_builder import RankingBuilder, checked
from judge_rerank.engine.scoring import ScoringExecutor
from judge_rerank.engine.stop import Stop
from judge_rerank.learning import Calibration
from judge_rerank.spending import Cap, Charge, Label, Ledger, to_usd
from judge_rerank.tracing import Trace, ranking_attributes, span

logger = logging.getLogger("judge_rerank")

# Calls in a row that a provider may fail, each after all its retries, before the rest of a ranking is given up.
_FAILURES_IN_A_ROW = 3
# Errors that no other call of the ranking can escape.
_HOPELESS = (AuthenticationError, QuotaExhausted)


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """Where a ranking stands; passed to the `progress` callback after every call.

    Attributes:
        query: whose ranking it is.
        round: the round under way, from 1.
        calls: calls finished so far.
        round_calls, round_done: size of this round, and how many of it are finished.
        cost_usd: spent so far, None when a price is not known.
    """

    query: Query
    round: int
    calls: int
    round_calls: int
    round_done: int
    cost_usd: Decimal | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One ranking to make."""

    query: Query
    documents: Sequence[Document]
    strategy: Strategy
    top_n: int | None = None
    min_score: float | None = None
    deadline_s: float | None = None
    progress: Callable[[Progress], None] | None = None
    cancel: CancelToken | None = None
    caps: tuple[Cap, ...] = ()
    on_exhausted: Literal["partial", "raise"] = "partial"


def usual_latency_s(info: ModelInfo) -> float:
    """What a call is taken to last where nobody says: two seconds, or one with a model that runs here."""
    return 1.0 if info.local else 2.0


class Engine:
    """Runs jobs against executors.

    A ranking raises the provider's error when it is fatal (no key, no such model, no credit) and nothing was judged
    yet, and the scorer's when nothing else judged. When something was, or when the failure is passing, it returns what
    it has, as partial.

    Args:
        executor: gives the executor of a model or of an API; None is the judge's own.
        model: the name of the judge's own model; "" where it has none.
        kind: who judges.
        ledger: where calls are paid from.
        trace: where they are written down, if they are.
        calibration: what makes probabilities of scores.
    """

    def __init__(
        self,
        executor: Callable[[str | Endpoint | None], CallExecutor | FallbackExecutor],
        *,
        model: Callable[[], str],
        kind: JudgeKind = "hosted",
        ledger: Ledger,
        trace: Trace | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        self._executor, self._ledger, self._trace = executor, ledger, trace
        self._model, self._scoring = model, ScoringExecutor()
        self._calibration = calibration
        self.kind: JudgeKind = kind
        self._warned: set[str] = set()

    def largest(self, call: JudgeCall, at_most: int) -> int:
        """As in `strategies.base.Room`: how many of the call's candidates fit in one request."""
        return self._executor(call.model).renderer.largest(call, at_most)

    def per_document(self, model: str | None = None) -> int:
        """As in `Room`: the most tokens of a document that a request shows."""
        return self._executor(model).renderer.per_document

    def tokens(self, text: str, model: str | None = None) -> int:
        """As in `Room`: how many tokens a text takes."""
        return self._executor(model).renderer.tokens(text)

    async def run(self, job: Job) -> Ranking:
        """One ranking, from the first round to the last.

        Raises:
            BudgetExceeded: a cap was reached and the job asks for the error; it holds the partial ranking.
        """
        started = time.perf_counter()
        candidates, record = self._candidates(job), RankingBuilder()
        model = self._model()
        stop = Stop(deadline_s=job.deadline_s, cancel=job.cancel)
        context = self._context(job, stop, model)
        with span(f"rerank {model}".rstrip(), {"gen_ai.operation.name": "rerank"}) as open_span:
            try:
                ordering = checked(
                    await self._drive(job, candidates, record, context), candidates, spec_of(job.strategy)
                )
            finally:
                stop.close()
                abandon(context)
            if record.scorer_failed is not None and not record.judged:
                raise record.scorer_failed
            if context.ledger is not None:
                await context.ledger.written()  # so that caps and ledger say what the ranking says
            ranking = record.ranking(
                self._calibrated(ordering, record, model, job.strategy),
                query=job.query,
                candidates=candidates,
                strategy=spec_of(job.strategy),
                model=model,
                top_n=job.top_n,
                min_score=job.min_score,
                latency_s=time.perf_counter() - started,
            )
            open_span.set(
                ranking_attributes(
                    ranking.usage,
                    strategy=ranking.strategy,
                    model=model,
                    documents=len(candidates),
                    status=ranking.status,
                )
            )
        if context.trace is not None:
            context.trace.finish(context.ranking, ranking)
            await context.trace.aflush()
        if ranking.status == "partial":
            logger.warning("partial ranking for %r: %s", job.query.text[:80], "; ".join(ranking.reasons))
        if record.exhausted is not None and job.on_exhausted == "raise":
            record.exhausted.ranking = ranking
            raise record.exhausted
        return ranking

    def _calibrated(self, ordering: Ordering, record: RankingBuilder, model: str, strategy: Strategy) -> Ordering:
        """The same order with probabilities for scores; says so where the calibration is not made for them."""
        calibration = self._calibration
        if calibration is None or not ordering.scores:
            return ordering
        for difference in calibration.differences(model=model, strategy=spec_of(strategy), prompts=record.prompts):
            if difference not in self._warned:
                self._warned.add(difference)
                logger.warning("the calibration may not hold: %s", difference)
        return replace(ordering, scores={i: calibration.apply(score) for i, score in ordering.scores.items()})

    def _context(self, job: Job, stop: Stop, model: str) -> RankingContext:
        """What holds for every call of this ranking."""
        trace = self._trace
        capped = bool(job.caps) or self._ledger.budget is not None
        return RankingContext(
            stop=stop,
            ledger=self._ledger if capped else None,
            caps=job.caps,
            label=Label(run=trace.run if trace else "", strategy=spec_of(job.strategy)),
            trace=trace,
            ranking=trace.begin(job.query, job.documents, strategy=spec_of(job.strategy), model=model) if trace else "",
        )

    def estimate(self, job: Job, *, answer: Callable[[JudgeCall], Outcome] | None = None) -> Estimate:
        """The same run against answers that cost nothing.

        By default they are neutral: every reply clean, no document better than another.
        """
        return self._estimate(job.strategy, job.query, self._candidates(job), answer or neutral)

    def _estimate(
        self, strategy: Strategy, query: Query, candidates: Candidates, answer: Callable[[JudgeCall], Outcome]
    ) -> Estimate:
        runner = PlanRunner(strategy.plan(query, candidates))
        calls = rounds = input_tokens = output_tokens = scored = 0
        costs: list[int | None] = []
        while not runner.done:
            rounds += bool(runner.round)
            for call in runner.round:
                if isinstance(call, ScorePairs):
                    scored += len(call.candidates)
                    continue
                executor = self._executor(_asked(call))
                prepared = executor.renderer.prepare(call)
                costs.append(executor.worst_case(prepared))
                calls += 1
                input_tokens += prepared.input_tokens
                output_tokens += prepared.request.max_output_tokens
            outcomes = [answer(call) for call in runner.round]
            _note(candidates, runner.round, outcomes)
            runner.send(outcomes)
        return Estimate(
            calls=calls,
            rounds=rounds,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cost_usd=None if None in costs else to_usd(sum(cost or 0 for cost in costs)),
            scored_pairs=scored,
        )

    def forecast(
        self,
        query: Query,
        documents: Sequence[Document],
        strategy: Strategy,
        *,
        answer: Callable[[JudgeCall], Outcome],
    ) -> Estimate:
        """`estimate` for a query and documents, against these answers."""
        return self.estimate(Job(query=query, documents=documents, strategy=strategy), answer=answer)

    def _exceeded(self, job: Job, started: float, strategy: Strategy, candidates: Candidates) -> str:
        """Which cap, or the deadline, the job would exceed if a strategy ranked these candidates now; "" for none.

        It reckons with `usual_latency_s` a call.
        """
        if not job.caps and job.deadline_s is None:
            return ""
        forecast = self._estimate(strategy, job.query, candidates.replaced(evidence=Evidence()), neutral)
        if not forecast.calls:
            return ""
        if job.deadline_s is not None:
            info = self._executor(None).info
            waits = max(forecast.rounds, forecast.calls / info.concurrency)
            if waits * usual_latency_s(info) > job.deadline_s - (time.perf_counter() - started):
                return "the deadline"
        if forecast.cost_usd is None and any("usd" in cap.limits for cap in job.caps):
            return ""  # what is missing is the price, and the first call says so
        charge = Charge(
            micro_usd=int((forecast.cost_usd or 0) * 1_000_000),
            calls=forecast.calls,
            tokens=forecast.input_tokens + forecast.output_tokens,
        )
        return next((f"the cap {cap.source}" for cap in job.caps if cap.verdict(charge) != "grant"), "")

    def _candidates(self, job: Job) -> Candidates:
        items = (Candidate(index=index, document=document) for index, document in enumerate(job.documents))
        exceeded = partial(self._exceeded, job, time.perf_counter())
        return Candidates(items, limits=self, circumstances=Circumstances(judge=self.kind, exceeded=exceeded))

    def close(self) -> None:
        """End the threads of scorers. They start again when they are needed."""
        self._scoring.close()

    async def _drive(
        self, job: Job, candidates: Candidates, record: RankingBuilder, context: RankingContext
    ) -> Ordering:
        """Advance the plan to its end. It runs in a worker thread: counting tokens of long documents takes time."""
        runner = await asyncio.to_thread(PlanRunner, job.strategy.plan(job.query, candidates))
        while not runner.done:
            record.rounds += bool(runner.round)
            outcomes = await self._round(job, runner.round, record, context)
            _note(candidates, runner.round, outcomes)
            await asyncio.to_thread(runner.send, outcomes)
        return runner.result

    async def _round(self, job: Job, effects: Round, record: RankingBuilder, context: RankingContext) -> list[Outcome]:
        """Perform independent calls side by side; those that the end of the ranking cuts short have failed."""
        stop, before = context.stop, record.calls
        breaker = _Breaker(stop)
        done = 0

        async def perform(place: int, call: Effect) -> CallResult:
            nonlocal done
            number = before + place + 1
            if isinstance(call, ScorePairs):
                answer = await self._scoring.answer(call, context, number=number, round_=record.rounds)
            else:
                answer = await self._executor(_asked(call)).answer(call, context, number=number, round_=record.rounds)
            done += 1
            breaker.note(answer)
            _report(job, record, effects, done)
            return answer

        tasks = [] if stop.reason else [asyncio.create_task(perform(place, call)) for place, call in enumerate(effects)]
        ending = asyncio.create_task(stop.wait())
        everything = asyncio.gather(*tasks, return_exceptions=True)
        try:
            await asyncio.wait({everything, ending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ending.cancel()
            for task in tasks:
                task.cancel()
        results = await everything if tasks else [None] * len(effects)
        answers = [_answered(call, result, stop) for call, result in zip(effects, results, strict=True)]
        for answer in with_cosines(answers, context, before=before):
            record.add(answer)
        if breaker.error is not None and not breaker.error.retryable and not record.judged:
            raise breaker.error
        return record.latest(len(effects))


def _asked(call: JudgeCall) -> str | Endpoint | None:
    """Whose executor a call goes to."""
    return call.api if isinstance(call, ApiCall) else call.model


class _Breaker:
    """Ends a ranking whose provider is out of reach, before every document has paid for finding out."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._in_a_row = 0
        self.error: ProviderError | None = None

    def note(self, answer: CallResult) -> None:
        if answer.error is None:
            self._in_a_row = 0
            return
        if not isinstance(answer.error, ProviderError):
            return  # within a budget, a smaller call may still fit, and what is under way is paid for
        self._in_a_row += 1
        if self.error is None or self.error.retryable:
            self.error = answer.error
        if isinstance(answer.error, _HOPELESS) or answer.error.status == 404 or self._in_a_row >= _FAILURES_IN_A_ROW:
            self._stop.now("provider", str(answer.error))


def _answered(call: JudgeCall, result: CallResult | BaseException | None, stop: Stop) -> CallResult:
    """The answer to a call, or the failure that stands for one cut short."""
    if isinstance(result, CallResult):
        return result
    if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
        raise result
    return CallResult(call=call, outcome=Failed(reason=stop.reason or "cancelled", message=stop.message))


def _report(job: Job, record: RankingBuilder, effects: Round, done: int) -> None:
    if job.progress is None:
        return
    progress = Progress(
        query=job.query,
        round=record.rounds,
        calls=record.calls + done,
        round_calls=len(effects),
        round_done=done,
        cost_usd=record.cost_usd,
    )
    try:
        job.progress(progress)
    except Exception:
        logger.exception("the progress callback failed; the ranking goes on")


def gives_scores(strategy: Strategy, kind: JudgeKind) -> bool:
    """Whether a strategy's documents have scores, found by running it on two documents against neutral outcomes."""
    texts = (Document(text=text) for text in ("one", "another"))
    candidates = Candidates(
        (Candidate(index=index, document=document) for index, document in enumerate(texts)),
        circumstances=Circumstances(judge=kind),
    )
    runner = PlanRunner(strategy.plan(Query(text="query"), candidates))
    while not runner.done:
        outcomes = [neutral(call) for call in runner.round]
        _note(candidates, runner.round, outcomes)
        runner.send(outcomes)
    return bool(runner.result.scores)


def _note(candidates: Candidates, effects: Round, outcomes: Sequence[Outcome]) -> None:
    """Add to the evidence what the judge stated."""
    for call, outcome in zip(effects, outcomes, strict=True):
        candidates.evidence.add(call, outcome)
