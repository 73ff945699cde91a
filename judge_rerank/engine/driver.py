"""Drives strategies: performs their rounds side by side, under one concurrency limit."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

from judge_rerank.core import (
    Candidate,
    Candidates,
    Circumstances,
    Document,
    Effect,
    EmbedCall,
    Estimate,
    Evidence,
    Failed,
    JudgeCall,
    ModelInfo,
    Ordering,
    Outcome,
    Query,
    Ranking,
    Round,
    ScorePairs,
    Strategy,
    StrategyError,
    StrategyRunner,
    judge_kind,
    languages_of,
    sampled,
)
from judge_rerank.engine.admission import Admission
from judge_rerank.engine.answering import answerable, asked, guarded
from judge_rerank.engine.breaker import CircuitBreaker
from judge_rerank.engine.channels import ModelChannels
from judge_rerank.engine.context import RankingContext
from judge_rerank.engine.embedding import perform_embedding
from judge_rerank.engine.estimates import estimated, requests_of, what_exceeds
from judge_rerank.engine.job import Job, Progress
from judge_rerank.engine.pace import Pace
from judge_rerank.engine.ranking_builder import RankingBuilder
from judge_rerank.engine.result import CallResult
from judge_rerank.engine.scoring import ScoringExecutor, warmed_up
from judge_rerank.engine.stop import Stop
from judge_rerank.learning import Calibration
from judge_rerank.prompting import neutral
from judge_rerank.spending import Label, Ledger
from judge_rerank.tracing import Trace, ranking_attributes, span

logger = logging.getLogger("judge_rerank")

_ENOUGH = 2
"""So many open questions for each request at once: the next is ready when an answer comes."""


class Engine:
    """Runs jobs over the judge's channels.

    A ranking raises the provider's error when it is fatal (no key, no such model, no credit) and nothing was judged
    yet, and the scorer's when nothing else judged. When something was, or when the failure is passing, it returns what
    it has, as partial.

    Args:
        channels: the ways to models and APIs.
        ledger: where calls are paid from.
        trace: where they are written down, if they are.
        calibration: what makes probabilities of scores.

    Attributes:
        pace: what is at work in its rankings.
    """

    def __init__(
        self,
        channels: ModelChannels,
        *,
        ledger: Ledger,
        trace: Trace | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        self._channels, self._ledger, self._trace = channels, ledger, trace
        self._scoring = ScoringExecutor()
        self._calibration = calibration
        self._warned: set[str] = set()
        self.pace = Pace()
        self._admission = Admission(lambda: _ENOUGH * channels.concurrency)

    def over(self, channels: ModelChannels, pace: Pace) -> Engine:
        """An engine with the same ledger, trace and calibration over other channels."""
        other = Engine(channels, ledger=self._ledger, trace=self._trace, calibration=self._calibration)
        other.pace = pace
        other._admission = Admission(None)  # where rankings advance in step, all of them have to begin
        return other

    def tokens(self, text: str) -> int:
        """How many tokens a text takes, as the judge's own model counts."""
        return self._channels.tokens(text)

    async def run(self, job: Job, *, in_turn: bool = False) -> Ranking:
        """One ranking, from the first round to the last.

        Args:
            job: what is asked for.
            in_turn: whether it waits until there is something to do for it; its deadline and its time begin then.

        Raises:
            BudgetExceeded: a cap was reached and the job asks for the error; it holds the partial ranking.
            LedgerError: the spending cannot be recorded, and nothing was judged yet; else the ranking is partial.
        """
        if in_turn:
            await self._admission.turn(job)
        try:
            with self.pace.busy:
                return await self._run(job)
        finally:
            self._admission.begun(job)

    async def _run(self, job: Job) -> Ranking:
        started = time.perf_counter()
        info = self._channels.info
        candidates, builder = self._candidates(job, info), RankingBuilder()
        model = info.name if info is not None else ""
        stop = Stop(deadline_s=job.options.deadline_s, cancel=job.options.cancel)
        context = self._context(job, stop, model)
        with span(f"rerank {model}".rstrip(), {"gen_ai.operation.name": "rerank"}) as open_span:
            try:
                ordering = await self._drive(job, candidates, builder, context)
            finally:
                context.close()
            if context.ledger is not None:
                await context.ledger.written()  # so that caps and ledger say what the ranking says
            ranking = builder.ranking(
                job,
                self._calibrated(ordering, builder, model, job.spec),
                candidates,
                model=model,
                latency_s=time.perf_counter() - started,
                answerable=answerable(ordering, candidates, self._calibration),
            )
            open_span.set_attributes(ranking_attributes(ranking, documents=len(candidates)))
        if context.trace is not None:
            context.trace.finish(context.ranking, ranking)
            await context.trace.aflush()
        if ranking.status == "partial":
            logger.warning("partial ranking for %r: %s", job.query.text[:80], "; ".join(ranking.reasons))
        if builder.exhausted is not None and job.on_exhausted == "raise":
            builder.exhausted.ranking = ranking
            raise builder.exhausted
        return ranking

    def estimate(self, job: Job, *, answer: Callable[[JudgeCall], Outcome] | None = None) -> Estimate:
        """What a job would take: the same run against answers that cost nothing."""
        strategy = asked(job, self._calibration)
        return estimated(strategy, job.query, self._candidates(job, self._channels.info), self._channels, answer=answer)

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
        """Which cap, or the deadline, the job would exceed if a strategy ranked these candidates now; "" for none."""
        if not job.caps and job.options.deadline_s is None:
            return ""
        fresh = candidates.replaced(evidence=Evidence())
        forecast = estimated(guarded(job, strategy), job.query, fresh, self._channels)
        return what_exceeds(job, forecast, self._channels.info, passed_s=time.perf_counter() - started)

    def _candidates(self, job: Job, info: ModelInfo | None) -> Candidates:
        items = [
            Candidate(index=index, document=document, fields=fields)
            for index, (document, fields) in enumerate(zip(job.documents, job.shown, strict=True))
        ]
        exceeded = partial(self._exceeded, job, time.perf_counter())
        circumstances = Circumstances(
            judge=judge_kind(info),
            exceeded=exceeded,
            languages=cache(partial(_languages, job)),
        )
        return Candidates(items, limits=self._channels, circumstances=circumstances)

    def warm_up(self, strategy: Strategy) -> None:
        """Load what the first ranking by a strategy would: models, tokenizers, scorers. Nothing is sent.

        Raises:
            SetupError: something has to be installed or downloaded first.
            ScorerError: a scorer failed.
        """
        documents = [Document(text="one", score=1.0), Document(text="another", score=0.5)]
        job = Job(query=Query(text="query"), documents=documents, strategy=strategy)
        runner = StrategyRunner(strategy, job.query, self._candidates(job, self._channels.info))
        while not runner.done:
            for effect in runner.round:
                if isinstance(effect, ScorePairs):
                    warmed_up(effect.scorer)
            for request in requests_of(runner.round):
                self._channels.warm_up(request)
            runner.send([neutral(effect) for effect in runner.round])

    def close(self) -> None:
        """End the threads of scorers. They start again when they are needed."""
        self._scoring.close()

    def _context(self, job: Job, stop: Stop, model: str) -> RankingContext:
        """What holds for every call of this ranking."""
        trace, name = self._trace, job.spec
        capped = bool(job.caps) or self._ledger.budget is not None or self._ledger.is_shared
        return RankingContext(
            stop=stop,
            ledger=self._ledger if capped else None,
            caps=job.caps,
            label=Label(run=trace.run if trace else "", strategy=name),
            trace=trace,
            ranking=trace.begin(job.query, job.documents, strategy=name, model=model) if trace else "",
        )

    def _calibrated(self, ordering: Ordering, builder: RankingBuilder, model: str, spec: str) -> Ordering:
        """The same order with probabilities for scores; says so where the calibration is not made for them."""
        calibration = self._calibration
        if calibration is None or not ordering.scores:
            return ordering
        for difference in calibration.differences(model=model, strategy=spec, prompts=builder.prompts):
            if difference not in self._warned:
                self._warned.add(difference)
                logger.warning("the calibration may not apply: %s", difference)
        return replace(ordering, scores={i: calibration.apply(score) for i, score in ordering.scores.items()})

    async def _drive(
        self, job: Job, candidates: Candidates, builder: RankingBuilder, context: RankingContext
    ) -> Ordering:
        """Advance the plan to its end. It runs in a worker thread: counting tokens of long documents takes time."""
        runner = await asyncio.to_thread(self._begun, job, candidates)
        while not runner.done:
            outcomes = await self._round(job, runner.round, builder, context)
            await asyncio.to_thread(self._advanced, runner, outcomes)
        return _checked(runner.result, candidates, job.spec)

    def _begun(self, job: Job, candidates: Candidates) -> StrategyRunner:
        runner = StrategyRunner(asked(job, self._calibration), job.query, candidates)
        self._channels.open(requests_of(runner.round))
        return runner

    def _advanced(self, runner: StrategyRunner, outcomes: Sequence[Outcome]) -> None:
        runner.send(outcomes)
        self._channels.open(requests_of(runner.round))

    async def _round(
        self, job: Job, effects: Round, builder: RankingBuilder, context: RankingContext
    ) -> Sequence[Outcome]:
        """Perform independent calls side by side; those that the end of the ranking cuts short have failed."""
        stop, before = context.stop, builder.begin_round(effects)
        breaker = CircuitBreaker(stop)
        done = 0

        def note(task: asyncio.Task[CallResult]) -> None:
            nonlocal done
            self._admission.asked(-1)
            if not task.cancelled() and task.exception() is None:
                done += 1
                breaker.note(task.result())
                _report(job, builder, effects, done)

        tasks: list[asyncio.Task[CallResult]] = []
        ending = asyncio.create_task(stop.ended.wait())
        try:
            for number, effect in enumerate(() if stop.reason else effects, start=before + 1):
                performing = self._performing(effect, context, number=number, round_=builder.rounds)
                tasks.append(asyncio.create_task(performing))
                tasks[-1].add_done_callback(note)
            self._admission.asked(len(tasks))
            self._admission.begun(job)
            everything = asyncio.gather(*tasks, return_exceptions=True)
            with self.pace.resting:
                await asyncio.wait({everything, ending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ending.cancel()
            for task in tasks:
                task.cancel()
        results = await everything if tasks else [None] * len(effects)
        outcomes = builder.add_round([_result(call, each, stop) for call, each in zip(effects, results, strict=True)])
        if breaker.error is not None and not breaker.error.retryable and not builder.judged:
            raise breaker.error
        return outcomes

    def _performing(
        self, effect: Effect, context: RankingContext, *, number: int, round_: int
    ) -> Coroutine[Any, Any, CallResult]:
        """One effect, by whoever performs its kind."""
        if isinstance(effect, ScorePairs):
            return self._scored(effect, context, number, round_)
        if isinstance(effect, EmbedCall):
            return perform_embedding(self._channels, effect, context, number=number, round_=round_)
        return self._channels.of(effect).ask(effect, context, number=number, round_=round_)

    async def _scored(self, effect: ScorePairs, context: RankingContext, number: int, round_: int) -> CallResult:
        with self.pace.busy:
            return await self._scoring.perform(effect, context, number=number, round_=round_)


def _checked(ordering: Ordering, candidates: Candidates, strategy: str) -> Ordering:
    """The ordering, if it holds every candidate exactly once.

    Raises:
        StrategyError: it does not; no ranking is better than one that lost a document.
    """
    if sorted(ordering.order) != sorted(candidate.index for candidate in candidates):
        msg = (
            f"Strategy {strategy!r} returned an order that is not a permutation of its {len(candidates)} candidates. "
            "It must return the index of each candidate exactly once."
        )
        raise StrategyError(msg)
    return ordering


def _languages(job: Job) -> frozenset[str]:
    shown = sampled(job.documents)
    texts = [f"{document.title} {document.text}" if document.title else document.text for document in shown]
    return languages_of(job.query.text, texts)


def _result(call: JudgeCall, result: CallResult | BaseException | None, stop: Stop) -> CallResult:
    """The result of a call, or the failure that stands for one cut short."""
    if isinstance(result, CallResult):
        return result
    if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
        raise result
    return CallResult(call=call, outcome=Failed(reason=stop.reason or "cancelled", message=stop.message))


def _report(job: Job, builder: RankingBuilder, effects: Round, done: int) -> None:
    """Tell the caller's progress callback, whose errors are no reason to lose the ranking."""
    if job.options.progress is None:
        return
    progress = Progress(
        query=job.query,
        round=builder.rounds,
        stage=", ".join(dict.fromkeys(effect.stage for effect in effects)),
        calls=builder.calls + done,
        round_calls=len(effects),
        round_done=done,
        cost_usd=builder.cost_usd,
    )
    try:
        job.options.progress(progress)
    except Exception:
        logger.exception("the progress callback failed; the ranking continues")
