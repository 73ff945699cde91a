"""Which of two documents is more relevant: A or B."""

from __future__ import annotations

from judge_rerank.prompting.tasks.base import judge_task
from judge_rerank.prompting.tasks.setwise import Setwise


@judge_task("pairwise")
class Pairwise(Setwise):
    """One of two letters. There is no letter for a tie: the same two are asked about in both orders."""

    name = "pairwise"
    shown = 2
    wanted = "the more relevant"
