"""How relevant is a document on the scale of relevance assessors: a grade from 0 to 3, as in TREC."""

from __future__ import annotations

from typing import Annotated, cast

from pydantic import AliasChoices, BeforeValidator, Field, WithJsonSchema

from judge_rerank.prompting.replies.numbers import Numbers, NumberTask
from judge_rerank.prompting.replies.pointwise import Mark
from judge_rerank.prompting.replies.schemas import Reason, ReplyModel
from judge_rerank.prompting.tasks.base import ScoringTask, judge_task

LOWEST, HIGHEST = 0, 3

_NUMBERS = Numbers(name="grade", lowest=LOWEST, highest=HIGHEST, highest_word="three", whole=True)
_KEYS = ("grade", "final_score", "score", "rating", "relevance_grade", "relevance", "o")


class GradeReply(ReplyModel):
    """An assessor's grade."""

    id: Annotated[object, WithJsonSchema({"type": "integer", "description": "The document's number."})] = None
    reason: Reason = Field(default=None, validation_alias=AliasChoices("reason", "explanation", "rationale"))
    grade: Annotated[
        float,
        BeforeValidator(_NUMBERS.read),
        WithJsonSchema(
            {
                "type": "integer",
                "description": f"Relevance to the query from {LOWEST} (irrelevant) to {HIGHEST} (answers it fully).",
            }
        ),
    ] = Field(validation_alias=AliasChoices(*_KEYS))


def _mark(reply: ReplyModel) -> Mark:
    read = cast("GradeReply", reply)
    return _NUMBERS.mark(read.grade, read.reason)


@judge_task("grade")
class Grade(NumberTask, ScoringTask):
    """Relevance from 0 to 3, as grade / 3, and the grade as the label.

    With log-probabilities the value is that of the expected grade, and the label the likeliest one.
    """

    name = "grade"
    prompt = "umbrela"

    def __init__(self) -> None:
        super().__init__(_NUMBERS, GradeReply, _mark, frozenset(_KEYS))
