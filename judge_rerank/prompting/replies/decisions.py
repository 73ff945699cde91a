"""Reading what a decision model answers to typed questions: numbers, so nothing is guessed and nothing repaired."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from judge_rerank.core import Question

NONE = "none"
"""The label of a choice that says that no document fits."""

_SLACK = 1e-6
"""How far a probability or an expected level may lie outside its range by rounding."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The answer to one question.

    Attributes:
        value: in [0, 1]: the probability of "yes", or the expected level on the scale; None where there is none.
        level: the likeliest level, from 0; None where the question has no levels.
        choice: the label chosen; None where nothing was, or one that is not there.
        probabilities: of the labels of a choice.
        failure: why there is no answer.
    """

    value: float | None = None
    level: int | None = None
    choice: str | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict[str, float])
    failure: Literal["refused", "unreadable"] | None = None


UNREADABLE = Answer(failure="unreadable")
REFUSED = Answer(failure="refused")


def read_answers(text: str, questions: Sequence[Question]) -> list[Answer] | None:
    """The answers in a reply, one a question; None where it is no list of them.

    What cannot be is no answer: a probability outside [0, 1], a level that the scale does not have, a label that was
    not offered. It leaves the others where they are.
    """
    try:
        found: Any = json.loads(text)
    except ValueError:
        return None
    if not isinstance(found, list):
        return None
    given = cast("list[Any]", found)
    if len(given) != len(questions):
        return None
    return [_answer(each, question) for each, question in zip(given, questions, strict=True)]


def _answer(given: Any, question: Question) -> Answer:
    if not isinstance(given, dict):
        return UNREADABLE
    fields = cast("dict[str, Any]", given)
    if fields.get("refused") is True:
        return REFUSED
    if question.kind == "predicate":
        value = _bounded(fields.get("probability"), 1.0)
        return UNREADABLE if value is None else Answer(value=value)
    return _score(fields, question) if question.kind == "score" else _choice(fields, question)


def _score(fields: Mapping[str, Any], question: Question) -> Answer:
    highest = len(question.labels) - 1
    score = _bounded(fields.get("score"), highest)
    if score is None:
        return UNREADABLE
    by_level = fields.get("probabilities")
    level = round(score)
    if isinstance(by_level, list) and len(cast("list[Any]", by_level)) == len(question.labels):
        chances = [_bounded(chance, 1.0) or 0.0 for chance in cast("list[Any]", by_level)]
        level = max(range(len(chances)), key=lambda place: (chances[place], -abs(place - score)))
    return Answer(value=score / highest, level=level)


def _choice(fields: Mapping[str, Any], question: Question) -> Answer:
    given = fields.get("probabilities")
    read = cast("dict[str, Any]", given if isinstance(given, dict) else {})
    chances = {label: chance for label in question.labels if (chance := _bounded(read.get(label), 1.0)) is not None}
    chosen = fields.get("choice")
    if chosen not in question.labels:
        return UNREADABLE
    return Answer(choice=chosen, probabilities=chances)


def _bounded(value: Any, highest: float) -> float | None:
    """A number from 0 to `highest`; None for anything else, NaN among it."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return min(max(float(value), 0.0), highest) if -_SLACK <= value <= highest + _SLACK else None


def averaged(answers: Sequence[Answer]) -> Answer:
    """One answer to a choice that was asked in several orders: the label of the greatest mean probability.

    Without probabilities the orders have to agree. Ties go to what was chosen in the first order.
    """
    known = [answer for answer in answers if answer.failure is None]
    if len(known) < 2:
        return known[0] if known else answers[0]
    labels = list(known[0].probabilities)
    if not labels or any(set(answer.probabilities) != set(labels) for answer in known):
        return known[0] if len({answer.choice for answer in known}) == 1 else UNREADABLE
    mean = {label: sum(answer.probabilities[label] for answer in known) / len(known) for label in labels}
    best = max(labels, key=lambda label: (mean[label], label == known[0].choice))
    return Answer(choice=best, probabilities=mean)
