"""From the text of a reply to a judgment, or to a typed failure. One module a task, found by its decorator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from judge_rerank.core import Criterion, InputError, JudgeCall, Outcome, Scores, UnknownName
from judge_rerank.prompting.tasks.base import REGISTRY, ByCriteria, Task

__all__ = ["PARSER_VERSION", "TASKS", "Task", "asked_by", "by_criteria", "compares", "neutral", "stating", "task"]

PARSER_VERSION = 3
"""Changes whenever the same reply would be read differently, so that cached judgments are read anew."""


class _Tasks(Mapping[str, Task]):
    """The tasks by name, each made when it is first asked for."""

    def __init__(self) -> None:
        self._made: dict[str, Task] = {}

    def __getitem__(self, name: str) -> Task:
        if name not in self._made:
            if name not in REGISTRY.names():
                raise KeyError(name)
            self._made[name] = REGISTRY.get(name)()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(REGISTRY.names())

    def __len__(self) -> int:
        return len(REGISTRY.names())


TASKS: Mapping[str, Task] = _Tasks()
"""Every task by its name."""


def task(name: str) -> Task:
    """The task of that name.

    Raises:
        UnknownName: there is none; the nearest are suggested.
    """
    if name not in TASKS:
        raise UnknownName("task", name, TASKS)
    return TASKS[name]


def asked_by(name: str, levels: int) -> Task:
    """The task of that name, as a prompt with so many levels asks it; with none, on the task's own scale.

    Raises:
        UnknownName: there is no such task.
        InputError: the task has a scale of its own.
    """
    asked = task(name)
    found = asked.with_levels(levels) if levels else asked
    if found is None:
        own = [each for each in TASKS if TASKS[each].with_levels(2) is not None]
        raise InputError(f"'levels' are for {' and '.join(own)}; the task {name!r} has a scale of its own.")
    return found


def by_criteria(asked: Task, criteria: tuple[Criterion, ...]) -> Task:
    """A task that asks about each of these criteria; the task itself where there are none.

    Raises:
        InputError: it cannot judge by several.
    """
    if not criteria:
        return asked
    if not isinstance(asked, ByCriteria):
        raise InputError(f"The task {asked.name!r} cannot judge by several criteria; 'score' can.")
    return asked.by_criteria(criteria)


def compares(call: JudgeCall) -> bool:
    """Whether a call judges its documents against each other; a local scorer and an API that is no LLM do not."""
    asked = TASKS.get(call.task)
    return asked is not None and asked.compares


def stating(call: JudgeCall, best_first: Sequence[int], values: Sequence[float | None]) -> Outcome:
    """An outcome of the kind that a call's task has: the whole order, the best one's label, or the values."""
    asked = TASKS.get(call.task)
    return Scores(values=tuple(values)) if asked is None else asked.outcome(best_first, values, call.options)


def neutral(call: JudgeCall) -> Outcome:
    """A clean outcome of the kind that a call's task has, in which no document is better than another."""
    n = len(call.candidates)
    return stating(call, range(n), [0.5] * n)
