"""How relevant is a document on the scale of relevance assessors: a grade from 0 to 3, as in TREC."""

from __future__ import annotations

from judge_rerank.prompting.replies.numbers import Numbers, NumberTask
from judge_rerank.prompting.tasks.base import ScoringTask, judge_task

LOWEST, HIGHEST = 0, 3

_KEYS = ("grade", "final_score", "score", "rating", "relevance_grade", "relevance", "o")


@judge_task("grade")
class Grade(NumberTask, ScoringTask):
    """Relevance from 0 to 3, as grade / 3, and the grade as the label.

    With log-probabilities the value is that of the expected grade, and the label the likeliest one.
    """

    name = "grade"
    prompt = "umbrela"

    def __init__(self) -> None:
        super().__init__(Numbers(name="grade", lowest=LOWEST, highest=HIGHEST, whole=True), _KEYS)
