"""What a task is: how an answer is asked for, and how a reply is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from string import ascii_uppercase
from typing import Any, Protocol, runtime_checkable

from judge_rerank.core import (
    ChatReply,
    Choice,
    Criterion,
    Failed,
    Order,
    Outcome,
    OutputSchema,
    QuestionKind,
    Registry,
    Scores,
)

REGISTRY: Registry[Callable[[], Any]] = Registry(
    "task", decorators=("judge_task",), rooms=("judge_rerank.prompting.tasks",)
)
"""The classes of tasks by name."""

judge_task = REGISTRY.register
"""A decorator that gives a class its name as a task: `@judge_task("binary")`."""


class Reader(Protocol):
    """Reads replies."""

    def read(
        self, reply: ChatReply, n: int, *, options: tuple[str, ...] = (), explain: bool = False
    ) -> Scores | Order | Choice | Failed:
        """The judgment in a reply. Never raises: what cannot be read is `Failed`, with a message to show the judge."""
        ...


class Task(Reader, Protocol):
    """One kind of question.

    `n` is the number of documents shown, `options` the labels of a task that chooses among labels. `labels=True`
    means that the reply is one short word whose log-probabilities will be read; it is possible where `labels()` is
    not empty.
    """

    @property
    def name(self) -> str:
        """As in `JudgeCall.task` and `prompts/<name>/`."""
        ...

    @property
    def prompt(self) -> str:
        """The variant of `prompts/<name>/` that is used when none is named."""
        ...

    @property
    def compares(self) -> bool:
        """Whether documents are judged against each other, so that a prompt has to show all of them, at least two."""
        ...

    @property
    def decision(self) -> QuestionKind:
        """What a decision model is asked for: a score or a yes of each document, or a choice."""
        ...

    @property
    def shown(self) -> int:
        """How many documents an example shows."""
        ...

    def letters(self, n: int) -> tuple[str, ...]:
        """The options that stand for `n` documents, for a task that chooses one of them; else ()."""
        ...

    def with_levels(self, levels: int) -> Task | None:
        """The task with a prompt that says in words what so many levels mean; None where it has a scale of its own."""
        ...

    def outcome(self, best_first: Sequence[int], values: Sequence[float | None], options: Sequence[str]) -> Outcome:
        """An outcome of this task's kind that says that these are the best places, or the values of all places."""
        ...

    def labels(self, n: int, *, options: tuple[str, ...] = (), explain: bool = False) -> tuple[str, ...]:
        """The one-word answers there are, or () where the reply needs more than a word."""
        ...

    def reply_format(
        self, n: int, *, options: tuple[str, ...] = (), explain: bool = False, labels: bool = False
    ) -> str:
        """The sentence that tells the judge how to answer; templates place it with `{{ reply_format }}`."""
        ...

    def schema(self, n: int, *, options: tuple[str, ...] = (), explain: bool = False) -> OutputSchema:
        """The reply as JSON schema, for providers that hold their model to one."""
        ...

    def output_tokens(
        self, n: int, *, options: tuple[str, ...] = (), explain: bool = False, labels: bool = False
    ) -> int:
        """The most that a well-formed reply needs."""
        ...


@runtime_checkable
class ByCriteria(Protocol):
    """A task that can judge documents by several criteria at once."""

    def by_criteria(self, criteria: tuple[Criterion, ...]) -> Task:
        """The task that asks about these."""
        ...


class ScoringTask:
    """A task in which each document gets a score."""

    prompt = "multilingual"
    decision: QuestionKind = "score"
    compares = False
    shown = 1

    def letters(self, n: int) -> tuple[str, ...]:  # noqa: ARG002
        """None."""
        return ()

    def with_levels(self, levels: int) -> Task | None:  # noqa: ARG002
        """None."""
        return None

    def outcome(
        self,
        best_first: Sequence[int],  # noqa: ARG002
        values: Sequence[float | None],
        options: Sequence[str],  # noqa: ARG002
    ) -> Scores:
        """The values."""
        return Scores(values=tuple(values))


class OrderingTask:
    """A task in which documents are put in order."""

    prompt = "multilingual"
    decision: QuestionKind = "score"
    compares = True
    shown = 3

    def letters(self, n: int) -> tuple[str, ...]:  # noqa: ARG002
        """None: documents go by their numbers."""
        return ()

    def with_levels(self, levels: int) -> Task | None:  # noqa: ARG002
        """None."""
        return None

    def outcome(
        self,
        best_first: Sequence[int],
        values: Sequence[float | None],  # noqa: ARG002
        options: Sequence[str],  # noqa: ARG002
    ) -> Order:
        """The whole order."""
        return Order(order=tuple(best_first), stated=len(best_first))


class ChoosingTask:
    """A task in which one of several options is chosen."""

    prompt = "multilingual"
    decision: QuestionKind = "choice"
    compares = True
    shown = 3

    def letters(self, n: int) -> tuple[str, ...]:
        """A, B, C …, each for a document."""
        return tuple(ascii_uppercase[:n])

    def with_levels(self, levels: int) -> Task | None:  # noqa: ARG002
        """None."""
        return None

    def outcome(
        self,
        best_first: Sequence[int],
        values: Sequence[float | None],  # noqa: ARG002
        options: Sequence[str],
    ) -> Choice:
        """The option of the best place; the first where there are no documents."""
        best = best_first[0] if best_first else 0
        return Choice(label=options[best % len(options)] if options else "")
