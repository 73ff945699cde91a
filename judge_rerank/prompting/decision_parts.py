"""The question part of a prompt for decision models: the instructions of each typed question, checked on loading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from judge_rerank.core import PromptError, QuestionKind
from judge_rerank.prompting.sandbox import Part

QUESTION_VARIABLES = frozenset({"document", "n", "levels", "examples", "options"})
"""What a question part may use. Query and documents stand in the state part, which is sent once."""

STATE_VARIABLES = frozenset({"query", "documents", "n", "levels", "examples", "options"})

_LIMIT_CHARS = 4_000
_SAMPLE_IDS = (1, 2, 3)


@dataclass(frozen=True, kw_only=True, slots=True)
class Named:
    """A document as a question names it: by its number in the state."""

    id: int


def instructions(part: Part, ids: Sequence[int], variables: Mapping[str, object]) -> tuple[str, ...]:
    """The instructions of a question about each of these documents, or of the one question where none is named.

    Raises:
        PromptError: the part fails with these values, or makes too long a text.
    """
    each = [{**variables, "document": Named(id=number)} for number in ids] or [dict(variables)]
    return tuple(part.render(values, limit=_LIMIT_CHARS) for values in each)


def asks_each(kind: QuestionKind) -> bool:
    """Whether a kind of question is asked about each document; a choice is made once among all."""
    return kind != "choice"


def check_question(
    part: Part, kind: QuestionKind, levels: Sequence[str], variables: Mapping[str, object], *, path: Path, line: int
) -> None:
    """Raise where the questions would be useless: without words, without their document, or without a scale.

    Raises:
        PromptError: what is wrong, and how it is put right.
    """
    if kind == "score" and not levels:
        msg = "A prompt that asks a decision model for a score needs 'levels' in its front matter: 2 to 10 texts."
        raise PromptError(msg, path=path, line=1)
    asked = instructions(part, _SAMPLE_IDS if asks_each(kind) else (), variables)
    if not all(asked):
        raise PromptError("The question part has no text.", path=path, line=line)
    if asks_each(kind) and not all(str(number) in text for number, text in zip(_SAMPLE_IDS, asked, strict=True)):
        msg = "The question part does not name its document: {{ document.id }}. Nothing else says which one is meant."
        raise PromptError(msg, path=path, line=line)
