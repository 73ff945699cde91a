"""How relevant is a document: a number from 1 to 10."""

from __future__ import annotations

from typing import Annotated, cast

from pydantic import AliasChoices, BeforeValidator, Field, WithJsonSchema

from judge_rerank.prompting.replies.numbers import Numbers, NumberTask
from judge_rerank.prompting.replies.pointwise import Mark
from judge_rerank.prompting.replies.schemas import Reason, ReplyModel
from judge_rerank.prompting.tasks.base import ScoringTask, judge_task

LOWEST, HIGHEST = 1, 10

_NUMBERS = Numbers(name="score", lowest=LOWEST, highest=HIGHEST, highest_word="ten")


class ScoreReply(ReplyModel):
    """A graded judgment."""

    id: Annotated[object, WithJsonSchema({"type": "integer", "description": "The document's number."})] = None
    reason: Reason = Field(default=None, validation_alias=AliasChoices("reason", "explanation", "rationale"))
    score: Annotated[
        float,
        BeforeValidator(_NUMBERS.read),
        WithJsonSchema(
            {
                "type": "integer",
                "description": f"Relevance to the query from {LOWEST} (irrelevant) to {HIGHEST} (answers it fully).",
            }
        ),
    ] = Field(validation_alias=AliasChoices("score", "relevance_score", "rating", "grade", "relevance"))


def _mark(reply: ReplyModel) -> Mark:
    read = cast("ScoreReply", reply)
    return _NUMBERS.mark(read.score, read.reason)


@judge_task("score")
class Score(NumberTask, ScoringTask):
    """Relevance from 1 to 10, as (grade - 1) / 9. With log-probabilities the grade is the expected one."""

    name = "score"

    def __init__(self) -> None:
        keys = frozenset({"score", "relevance_score", "rating", "grade", "relevance"})
        super().__init__(_NUMBERS, ScoreReply, _mark, keys)
