"""What the vectors of one round say of documents: each is compared with its query, once all have come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from judge_rerank.core.strategy import EmbedCall, Failed, JudgeCall, Outcome, Scores, Vectors
from judge_rerank.engine.attempt import Case
from judge_rerank.engine.call import Answer
from judge_rerank.prompting.tasks.embedding import compared


def with_cosines(answers: Sequence[Answer], case: Case, *, before: int) -> list[Answer]:
    """The answers of a round, with scores where there were vectors, written down with them.

    Args:
        answers: in the order of the calls.
        case: the ranking.
        before: how many calls the ranking made in earlier rounds.
    """
    done: list[Answer] = []
    for number, answer in enumerate(answers, start=before + 1):
        if isinstance(answer.outcome, Vectors):
            answer = replace(answer, outcome=_scored(answer.call, answer.outcome, answers))  # noqa: PLW2901
            _write(case, number, answer.outcome)
        done.append(answer)
    return done


def abandon(case: Case) -> None:
    """Write down the calls whose round never ended."""
    for number in list(case.held):
        _write(case, number, None)


def _scored(call: JudgeCall, vectors: Vectors, answers: Sequence[Answer]) -> Outcome:
    if not isinstance(call, EmbedCall) or call.against is None:
        return Scores(values=())
    query = next((answer.outcome for answer in answers if answer.call == call.against), None)
    if not isinstance(query, (Failed, Vectors)):
        return Failed(reason="scorer", message="The query's vector was not asked for in the same round.")
    return compared(query, vectors)


def _write(case: Case, number: int, outcome: Outcome | None) -> None:
    record = case.held.pop(number, None)
    if record is not None and case.trace is not None:
        error = "Cut off before the vectors were compared." if outcome is None else None
        case.trace.record(replace(record, outcome=outcome, error=error))
