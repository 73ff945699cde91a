"""A grade from 1 to 10, for each document by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from judge_rerank.strategies.decorators import strategy
from judge_rerank.strategies.pointwise import Pointwise


@strategy("score")
@dataclass(frozen=True, kw_only=True)
class Score(Pointwise):
    """Asks for a grade from 1 to 10; the score is (grade − 1) / 9.

    The grade is the expectation over the distribution of the ten labels where the backend has log-probabilities
    (arXiv:2310.14122), which breaks most ties; else the number that the judge wrote. Scores are in [0, 1]; ties keep
    first-stage order.

    ⌈n / batch_size⌉ calls in one round.
    """

    task: ClassVar[str] = "score"
