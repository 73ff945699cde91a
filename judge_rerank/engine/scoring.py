"""Performs `ScorePairs`: scorers run in threads of their own, and what many queries ask is scored together."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from judge_rerank.core import Failed, Group, Outcome, RerankError, ScorePairs, Scorer, ScorerError, Scores, Usage
from judge_rerank.engine.context import RankingContext
from judge_rerank.engine.recording import record_outcome
from judge_rerank.engine.result import CallResult

logger = logging.getLogger("judge_rerank.engine")

# One batch, so that neither a query that comes later nor a deadline waits for all that were there before it.
_MOST_PAIRS = 1_024

Raw = Sequence[Sequence[float]]


class ScoringExecutor:
    """Where calls to local scorers are answered; one thread a scorer, so that scorers run beside each other.

    While a scorer is busy, what other queries ask of it waits, and is its next batch.
    """

    def __init__(self) -> None:
        self._queues: dict[tuple[asyncio.AbstractEventLoop, Scorer], _Queue] = {}

    async def perform(self, call: ScorePairs, context: RankingContext, *, number: int, round_: int) -> CallResult:
        """The scores of one call. What the scorer fails to do comes back in the answer.

        Raises:
            SetupError: the scorer has to be installed or downloaded first.
        """
        started = time.perf_counter()
        queue = self._queue(call.scorer)
        try:
            outcome: Outcome = _read(call, await queue.scored((call.query, call.candidates)))
            error = None
        except ScorerError as failure:
            outcome, error = Failed(reason="scorer", message=str(failure)), failure
        except asyncio.CancelledError:
            if context.stop.reason is None:
                raise
            outcome, error = Failed(reason=context.stop.reason, message=context.stop.message), None
        result = CallResult(
            call=call,
            outcome=outcome,
            usage=Usage(scored_pairs=len(call.candidates), latency_s=time.perf_counter() - started),
            error=error,
            model=call.scorer.name,
        )
        record_outcome(result, context, number=number, round_=round_)
        return result

    def close(self) -> None:
        """End the threads. They start again when they are needed."""
        queues, self._queues = self._queues, {}
        for queue in queues.values():
            queue.close()

    def _queue(self, scorer: Scorer) -> _Queue:
        key = (asyncio.get_running_loop(), scorer)
        if key not in self._queues:
            self._queues[key] = _Queue(scorer)
        return self._queues[key]


@dataclass(slots=True)
class _Waiting:
    group: Group
    done: asyncio.Future[Sequence[float]]


@dataclass(slots=True)
class _Queue:
    """What waits for one scorer, and the thread that it runs in."""

    scorer: Scorer
    waiting: list[_Waiting] = field(default_factory=list[_Waiting])
    worker: asyncio.Task[None] | None = None
    thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "judge-rerank-scorer"))

    async def scored(self, group: Group) -> Sequence[float]:
        item = _Waiting(group, asyncio.get_running_loop().create_future())
        self.waiting.append(item)
        if self.worker is None or self.worker.done():
            self.worker = asyncio.create_task(self._work())
        return await item.done

    def close(self) -> None:
        self.thread.shutdown(wait=False, cancel_futures=True)

    async def _work(self) -> None:
        await asyncio.sleep(0)  # those that are asked in the same moment come along
        while batch := self._batch():
            await self._perform(batch)

    def _batch(self) -> list[_Waiting]:
        """The next ones that somebody still waits for, as many as go together."""
        batch: list[_Waiting] = []
        pairs = 0
        while self.waiting and (not batch or pairs + len(self.waiting[0].group[1]) <= _MOST_PAIRS):
            item = self.waiting.pop(0)
            if not item.done.done():
                batch.append(item)
                pairs += len(item.group[1])
        return batch

    async def _perform(self, batch: Sequence[_Waiting]) -> None:
        """Score a batch; one that fails is scored group by group, so that only what made it fail is lost."""
        loop = asyncio.get_running_loop()
        try:
            raw = await loop.run_in_executor(self.thread, _run, self.scorer, [item.group for item in batch])
        except Exception as error:
            if len(batch) > 1 and isinstance(error, ScorerError):
                for item in batch:
                    await self._perform([item])
                return
            for item in batch:
                if not item.done.done():
                    item.done.set_exception(error)
            return
        for item, scores in zip(batch, raw, strict=True):
            if not item.done.done():
                item.done.set_result(scores)


def warmed_up(scorer: Scorer) -> None:
    """Let a scorer load what its first score would, where it can say so (`warm_up`).

    Raises:
        SetupError: the scorer has to be installed or downloaded first.
        ScorerError: it failed.
    """
    with _failing(scorer):
        getattr(scorer, "warm_up", lambda: None)()


@contextmanager
def _failing(scorer: Scorer) -> Generator[None]:
    """What a scorer raises, as an error of ours."""
    try:
        yield
    except RerankError:
        raise
    except Exception as error:
        logger.debug("scorer %s failed", scorer.name, exc_info=True)
        raise ScorerError(f"Scorer {scorer.name!r} failed: {type(error).__name__}: {error}") from error


def _run(scorer: Scorer, groups: Sequence[Group]) -> Raw:
    with _failing(scorer):
        raw = [[float(score) for score in scores] for scores in scorer.score(groups)]
    expected, got = [len(candidates) for _, candidates in groups], [len(scores) for scores in raw]
    if got != expected:
        raise ScorerError(
            f"Scorer {scorer.name!r} gave {sum(got)} scores in {len(got)} groups for {sum(expected)} documents in "
            f"{len(expected)}; score() must return one score for each candidate of each group."
        )
    return raw


def _read(call: ScorePairs, raw: Sequence[float]) -> Scores:
    """Raw scores as relevance; what is no number is no judgment."""
    finite = [score if math.isfinite(score) else None for score in raw]
    values = tuple(None if score is None else min(1.0, max(0.0, call.scorer.unit(score))) for score in finite)
    return Scores(values=values, raw=tuple(finite))
