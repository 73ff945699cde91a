"""System One, the shape in which Gemini and local decision models take typed questions and answer them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from judge_rerank.core import Question

_TYPES = {"predicate": "noul", "choice": "choice", "score": "score"}
_WITHHELD = ("refus", "block")
"""What the type of an answer begins with where there is none on purpose."""


def questions(asked: Sequence[Question]) -> dict[str, dict[str, Any]]:
    """The questions by a name, which is their place from 0."""
    return {str(place): _question(question) for place, question in enumerate(asked)}


def answers(given: Mapping[str, Any], asked: Sequence[Question]) -> list[dict[str, Any]]:
    """An answer to each question, in the shape that `ChatReply.text` has for decision models.

    A question that has no answer was refused. What the numbers are is not looked at: the task that reads them checks.
    """
    return [_answer(given.get(str(place)), question) for place, question in enumerate(asked)]


def as_object(value: Any) -> Mapping[str, Any]:
    """A JSON object as it is; an empty one for anything else."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _question(question: Question) -> dict[str, Any]:
    asked: dict[str, Any] = {"type": _TYPES[question.kind], "instructions": question.instructions}
    if question.kind == "choice":
        asked["criteria"] = dict.fromkeys(question.labels, "")
    elif question.kind == "score":
        asked["criteria"] = list(question.labels)
    return asked


def _answer(given: Any, question: Question) -> dict[str, Any]:
    if given is None:
        return {"refused": True}
    fields = as_object(given)
    kind = fields.get("type")
    if kind != _TYPES[question.kind]:
        return {"refused": True} if str(kind).lower().startswith(_WITHHELD) else {}
    if question.kind == "predicate":
        return {"probability": fields.get("noul")}
    chances = as_object(fields.get("probabilities"))
    if question.kind == "choice":
        return {"choice": fields.get("choice"), "probabilities": dict(chances)}
    levels = range(len(question.labels))
    return {"score": fields.get("score"), "probabilities": [chances.get(str(level)) for level in levels]}
