"""What a task is: how an answer is asked for, and how a reply is read."""

from __future__ import annotations

from typing import Protocol

from judge_rerank.core import ChatReply, Choice, Failed, Order, OutputSchema, Scores


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
