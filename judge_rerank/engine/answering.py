"""Whether any document answers the query: the question that is put where no score says it, and the number."""

from __future__ import annotations

from dataclasses import dataclass

from judge_rerank.core import Candidates, JudgeCall, Ordering, Plan, Query, Strategy
from judge_rerank.engine.job import Job
from judge_rerank.guarding import Guarded
from judge_rerank.learning import Calibration

_STAGE = "answerable"


@dataclass(frozen=True, kw_only=True)
class WithQuestion:
    """A strategy, and then one question: whether the document that it put first answers the query.

    It is not put where an LLM has scored documents already. Costs one call in one more round.

    Attributes:
        strategy: what ranks.
        scores_do: whether scores of any origin say it, because there is a calibration of them.
    """

    strategy: Strategy
    scores_do: bool = False

    @property
    def name(self) -> str:
        """That of the strategy."""
        return self.strategy.name

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """The strategy's rounds, and one with the question."""
        ordering = yield from self.strategy.plan(query, candidates)
        if candidates and not candidates.evidence.judged and not (self.scores_do and ordering.scores):
            best = candidates.arranged(ordering.order[:1])
            yield [JudgeCall(task="binary", query=query, candidates=best, stage=_STAGE)]
        return ordering


def asked(job: Job, calibration: Calibration | None) -> Strategy:
    """The job's strategy, with the question where the job wants to know, and guarded unless nobody wants that."""
    strategy = job.strategy
    if job.options.answerable:
        scores_do = calibration is not None and calibration.answering is not None
        strategy = WithQuestion(strategy=strategy, scores_do=scores_do)
    return guarded(job, strategy)


def guarded(job: Job, strategy: Strategy) -> Strategy:
    """The strategy with the job's policy for suspicious documents."""
    return strategy if job.on_suspicious == "ignore" else Guarded(strategy=strategy, policy=job.on_suspicious)


def answerable(ordering: Ordering, candidates: Candidates, calibration: Calibration | None) -> float | None:
    """The probability that any document answers, as far as scores say it; None where they do not.

    Without a calibration it is the highest score that an LLM gave; scores of others say nothing then. The highest does
    not grow with the number of documents, as one minus the product of all failures (noisy-or) does.

    Args:
        ordering: the order, with scores as the strategy gave them.
        candidates: with what the judge said of them.
        calibration: makes a probability of the scores that the order rests on, whoever gave them.
    """
    if not candidates:
        return 0.0
    if calibration is not None and calibration.answering is not None and ordering.scores:
        return calibration.answering.apply(ordering.scores.values())
    return max(candidates.evidence.judged.values(), default=None)
