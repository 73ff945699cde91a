"""How relevant is a document: a number from 1 to 10, or a level that the prompt describes."""

from __future__ import annotations

from judge_rerank.core import Criterion
from judge_rerank.prompting.replies.numbers import Numbers, NumberTask
from judge_rerank.prompting.tasks.base import ScoringTask, Task, judge_task
from judge_rerank.prompting.tasks.criteria import numbers_by_criteria

LOWEST, HIGHEST = 1, 10

_KEYS = ("score", "relevance_score", "rating", "grade", "relevance")


class _ByCriteria(NumberTask, ScoringTask):
    """A number, or one for each of several criteria."""

    def by_criteria(self, criteria: tuple[Criterion, ...]) -> Task:
        """The same scale for each of several criteria."""
        return numbers_by_criteria(self._numbers, criteria)


@judge_task("score")
class Score(_ByCriteria):
    """Relevance from 1 to 10, as (grade - 1) / 9. With log-probabilities the grade is the expected one."""

    name = "score"

    def __init__(self) -> None:
        super().__init__(Numbers(name="score", lowest=LOWEST, highest=HIGHEST), _KEYS)

    def with_levels(self, levels: int) -> Levels:
        """Levels instead of ten grades."""
        return Levels(levels)


class Levels(_ByCriteria):
    """Relevance as one of the levels that a prompt describes, counted from 0: level / (levels - 1).

    With log-probabilities it is the expected level.
    """

    name = "score"

    def __init__(self, levels: int) -> None:
        numbers = Numbers(name="grade", lowest=0, highest=levels - 1, whole=True, meaning="as described")
        super().__init__(numbers, ("grade", "level", *(key for key in _KEYS if key != "grade")))
