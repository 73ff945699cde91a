"""A prompt that was loaded and checked: what it says of itself, and the messages or the questions that it makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from judge_rerank.core import Message, PromptError, Query
from judge_rerank.prompting.decision_parts import instructions
from judge_rerank.prompting.escaping import quoted
from judge_rerank.prompting.fences import FENCE, HELPER, fence_word
from judge_rerank.prompting.sandbox import Part
from judge_rerank.prompting.tasks import TASKS, Task, asked_by

VARIABLES = frozenset(
    {"query", "documents", "n", "levels", "examples", "options", "reply_format", "explain", "labels", "instruction"}
)
"""What a template may use."""

OUTSIDE = frozenset({"query", "documents"})
"""The variables that hold the words of others, which only the user part and the state may have."""

DECISION_PROMPT = "decision"
"""The variant of each task that decision models are asked with where none is named."""

_HEADING = "Judge by this instruction of the person who asks, too:"
"""Stands above an instruction that a template does not place."""

_GROWTH = 8
_SLACK_CHARS = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """A document as the judge sees it: the number it goes by in this call, from 1, and its (cut) text.

    The text begins with the fields that are shown.
    """

    id: int
    title: str | None
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """A prompt, ready to be filled in.

    Attributes:
        task: what it asks: one of `TASKS`.
        name: what it is called, as in "score/rubric".
        description: one line about it.
        version: as its author counts.
        output_tokens: room that its replies need; None for the task's own figure.
        levels: the grades in words, from the lowest to the highest; empty where the task has its own.
        examples: solved cases that it shows.
        batches: whether it shows every document it is given; otherwise it can only be given one.
        hash: SHA-256 of the file, in hexadecimal, whatever its line ends.
        path: the file.
        source: the file's text.
    """

    task: str
    name: str
    description: str
    version: str
    output_tokens: int | None
    levels: tuple[str, ...] = ()
    examples: tuple[Mapping[str, Any], ...] = field(hash=False)
    batches: bool = True
    hash: str
    path: Path
    source: str = field(repr=False)
    _system: Part = field(repr=False, compare=False)
    _user: Part = field(repr=False, compare=False)
    _question: Part | None = field(default=None, repr=False, compare=False)

    @property
    def decides(self) -> bool:
        """Whether it is for decision models, and not for models that answer in words."""
        return self._question is not None

    @property
    def is_default(self) -> bool:
        """Whether its task uses it where none is named."""
        variant = DECISION_PROMPT if self.decides else TASKS[self.task].prompt
        return self.name == f"{self.task}/{variant}"

    def questions(self, ids: Sequence[int], *, n: int, options: Sequence[str] = ()) -> tuple[str, ...]:
        """For a decision model, what it is asked about each of these documents, or once where none is named.

        Raises:
            PromptError: the template fails with these values.
        """
        assert self._question is not None
        return instructions(self._question, ids, self.constants(n, options))

    def constants(self, n: int, options: Sequence[str]) -> dict[str, object]:
        """The variables that do not depend on the query and the documents."""
        return {"n": n, "levels": self.levels, "examples": self.examples, "options": tuple(options)}

    @property
    def asked(self) -> Task:
        """Its task, in levels where it has them for a chat model."""
        return asked_by(self.task, 0 if self.decides else len(self.levels))

    @property
    def places_instruction(self) -> bool:
        """Whether the template says itself where an instruction stands."""
        return "instruction" in self._user.names | self._system.names

    @property
    def fenced(self) -> bool:
        """Whether tags enclose the documents, which are sent with a word that no document knows."""
        return self._user.fenced

    def render(
        self,
        *,
        query: Query,
        documents: Sequence[Shown],
        reply_format: str = "",
        options: Sequence[str] = (),
        explain: bool = False,
        labels: bool = False,
        instruction: str = "",
    ) -> tuple[Message, ...]:
        """The conversation to send: a system message if the template has that part, and one user message.

        For a decision model, the state, as the one message. The user message, or the state, begins with the
        instruction, if there is one and the template does not place it.

        Raises:
            PromptError: the template fails with these values, or cannot show several documents.
        """
        if len(documents) > 1 and not self.batches:
            msg = (
                f"The prompt {self.name!r} shows one document, but got {len(documents)}. Ask about one at a time "
                "(batch_size=1), or let it loop: {% for document in documents %}."
            )
            raise PromptError(msg, path=self.path)
        titles = [" ".join((document.title or "").split()) for document in documents]
        texts = [document.text for document in documents]
        tags = self._user.tags | self._system.tags
        safe_query, safe_instruction, *safe = quoted([query.text, instruction, *titles, *texts], tags=tags)
        word = fence_word(safe_query, safe, beside=safe_instruction)
        variables: dict[str, object] = {
            FENCE: f":{word}",
            HELPER: partial(_fence, word),
            "query": safe_query,
            "documents": [
                Shown(id=document.id, title=title, text=text)
                for document, title, text in zip(documents, safe[: len(titles)], safe[len(titles) :], strict=True)
            ],
            **self.constants(len(documents), options),
            "reply_format": reply_format,
            "explain": explain,
            "labels": labels,
            "instruction": safe_instruction,
        }
        put_in = (
            len(query.text)
            + len(instruction)
            + sum(len(d.text) + len(d.title or "") for d in documents)
            + len(reply_format)
        )
        limit = _GROWTH * (len(self.source) * (1 + len(documents)) + put_in) + _SLACK_CHARS
        static = {name: value for name, value in variables.items() if name not in OUTSIDE}
        system = Message(role="system", content=self._system.render(static, limit=limit))
        asked = self._user.render(variables, limit=limit)
        if instruction and not self.places_instruction:
            asked = f"{_HEADING}\n{safe_instruction}\n\n{asked}"
        user = Message(role="user", content=asked)
        return (system, user) if system.content else (user,)


def _fence(word: str, tag: str = "") -> str:
    """The word of a call, or a tag with it: `<passage:bkrtqz>`, `</passage:bkrtqz>`."""
    return f"<{tag}:{word}>" if tag else word
