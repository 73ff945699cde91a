"""From the text of a reply to a judgment, or to a typed failure. One module a task."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from judge_rerank.core import UnknownName
from judge_rerank.prompting.tasks.base import Task
from judge_rerank.prompting.tasks.binary import Binary
from judge_rerank.prompting.tasks.classify import Classify
from judge_rerank.prompting.tasks.first import First
from judge_rerank.prompting.tasks.grade import Grade
from judge_rerank.prompting.tasks.listwise import Listwise
from judge_rerank.prompting.tasks.pairwise import Pairwise
from judge_rerank.prompting.tasks.score import Score
from judge_rerank.prompting.tasks.setwise import Setwise

__all__ = ["PARSER_VERSION", "TASKS", "Task", "task"]

PARSER_VERSION = 2
"""Changes whenever the same reply would be read differently, so that cached judgments are read anew."""

TASKS: Mapping[str, Task] = MappingProxyType(
    {each.name: each for each in (Binary(), Classify(), First(), Grade(), Listwise(), Pairwise(), Score(), Setwise())}
)
"""Every task by its name."""


def task(name: str) -> Task:
    """The task of that name.

    Raises:
        UnknownName: there is none; the nearest are suggested.
    """
    if name not in TASKS:
        raise UnknownName("task", name, TASKS)
    return TASKS[name]
