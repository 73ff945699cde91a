"""What the vectors of one round say of documents: each is compared with its query, once all have come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from judge_rerank.core import EmbedCall, Failed, JudgeCall, Outcome, Scores, Vectors
from judge_rerank.engine.attempt import RankingContext
from judge_rerank.engine.call import CallResult
from judge_rerank.prompting import compared


def with_cosines(answers: Sequence[CallResult], context: RankingContext, *, before: int) -> list[CallResult]:
    """The answers of a round, with scores where there were vectors, written down with them.

    Args:
        answers: in the order of the calls.
        context: the ranking.
        before: how many calls the ranking made in earlier rounds.
    """
    done: list[CallResult] = []
    for number, answer in enumerate(answers, start=before + 1):
        if isinstance(answer.outcome, Vectors):
            answer = replace(answer, outcome=_scored(answer.call, answer.outcome, answers))  # noqa: PLW2901
            _write(context, number, answer.outcome)
        done.append(answer)
    return done


def abandon(context: RankingContext) -> None:
    """Write down the calls whose round never ended."""
    for number in list(context.held):
        _write(context, number, None)


def _scored(call: JudgeCall, vectors: Vectors, answers: Sequence[CallResult]) -> Outcome:
    if not isinstance(call, EmbedCall) or call.against is None:
        return Scores(values=())
    query = next((answer.outcome for answer in answers if answer.call == call.against), None)
    if not isinstance(query, (Failed, Vectors)):
        return Failed(reason="scorer", message="The query's vector was not asked for in the same round.")
    return compared(query, vectors)


def _write(context: RankingContext, number: int, outcome: Outcome | None) -> None:
    record = context.held.pop(number, None)
    if record is not None and context.trace is not None:
        error = "Cut off before the vectors were compared." if outcome is None else None
        context.trace.record(replace(record, outcome=outcome, error=error))
