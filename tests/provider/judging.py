"""The provider's model: judges from known grades, or says what a script tells it."""

from __future__ import annotations

import json
import math
import random
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

_SHOWN = 160
"""How much of a text has to be in a prompt for the text to count as shown: documents may be cut at the end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A request, whatever wire it came over."""

    wire: Literal["openai", "anthropic", "gemini", "ollama", "converse"]
    model: str
    system: str
    prompt: str
    schema: Mapping[str, Any] | None = None
    json_only: bool = False
    max_tokens: int | None = None
    top_logprobs: int = 0

    @property
    def text(self) -> str:
        """Everything that was sent."""
        return f"{self.system}\n{self.prompt}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One token of a reply and the log-probabilities of what could have stood there."""

    token: str
    top: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What the model says. Without `steps`, log-probabilities are made up: the token that was said, all but certain."""

    text: str
    finish: Literal["stop", "length", "refusal", "filter"] = "stop"
    steps: tuple[Step, ...] = ()


Judge = Callable[[Asked], Answer]


class ScriptedJudge:
    """These replies in the order of the requests; the last one for all that follow."""

    def __init__(self, *replies: str | Answer) -> None:
        self._replies = [reply if isinstance(reply, Answer) else Answer(text=reply) for reply in replies]
        self._lock = threading.Lock()

    def __call__(self, asked: Asked) -> Answer:
        with self._lock:
            return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]


class QrelsJudge:
    """Judges the documents in a prompt from their grades.

    The same prompt gets the same reply under one seed, in whatever order requests arrive. A text counts as shown where
    its beginning stands in the prompt, and documents are numbered in the order in which they stand there.

    Args:
        grades: grade by document text, from 0 to `top`.
        seed, noise: standard deviation of the error on a grade, and what decides it.
        top: the best grade.
        labels: the one-word replies, worst first, of a prompt about one document without a schema; by default "no" and
            "yes" where the prompt has the word "yes", 0 to 3 where it says "from 0", else 1 to 10.
    """

    def __init__(
        self,
        grades: Mapping[str, float],
        *,
        seed: int = 0,
        noise: float = 0.0,
        top: float = 3.0,
        labels: Sequence[str] = (),
    ) -> None:
        self._grades, self._seed, self._noise, self._top, self._labels = dict(grades), seed, noise, top, tuple(labels)

    def __call__(self, asked: Asked) -> Answer:
        relevance = [self._relevance(text, asked) for text in self._shown(asked.prompt)]
        if asked.schema is not None:
            return Answer(text=json.dumps(_filled(asked.schema, relevance)))
        if len(relevance) > 1:
            return Answer(text=" > ".join(f"[{place + 1}]" for place in _best_first(relevance)))
        scale = _GRADES if "from 0 " in asked.text else _NUMBERS
        labels = self._labels or (("no", "yes") if re.search(r"\byes\b", asked.text, re.I) else scale)
        return _one_word(relevance[0] if relevance else 0.0, labels)

    def _shown(self, prompt: str) -> list[str]:
        places = ((prompt.find(text[:_SHOWN].strip()), text) for text in self._grades)
        return [text for _, text in sorted((place, text) for place, text in places if place >= 0)]

    def _relevance(self, text: str, asked: Asked) -> float:
        error = random.Random(f"{self._seed}/{text}/{asked.prompt}").gauss(0, self._noise) if self._noise else 0.0
        return min(1.0, max(0.0, (self._grades[text] + error) / self._top))


_NUMBERS = tuple(str(number) for number in range(1, 11))
_GRADES = ("0", "1", "2", "3")


def _best_first(relevance: Sequence[float]) -> list[int]:
    return sorted(range(len(relevance)), key=lambda place: -relevance[place])


def _one_word(relevance: float, labels: Sequence[str]) -> Answer:
    """The label at this height of the scale, with a distribution that peaks there."""
    target = relevance * (len(labels) - 1)
    weights = {label: math.exp(-abs(place - target) * 2) for place, label in enumerate(labels)}
    total = sum(weights.values())
    top = {label: math.log(weight / total) for label, weight in weights.items()}
    said = max(top, key=lambda label: top[label])
    return Answer(text=said, steps=(Step(token=said, top=top),))


def _filled(schema: Mapping[str, Any], relevance: Sequence[float]) -> Any:
    """The simplest value that the schema allows and that says what the judge thinks."""
    definitions = schema.get("$defs", {})

    def fill(part: Mapping[str, Any], name: str, of: Sequence[float], number: int) -> Any:
        if "$ref" in part:
            return fill(definitions[part["$ref"].rsplit("/", 1)[-1]], name, of, number)
        value = of[0] if of else 0.0
        if "enum" in part:
            choices: list[Any] = list(part["enum"])
            if {"yes", "no"} <= set(choices):
                return "yes" if value >= 0.5 else "no"
            return choices[round(value * (len(choices) - 1))]
        kind = str(part.get("type", "object")).lower()
        if kind == "object":
            return {key: fill(inner, key, of, number) for key, inner in part.get("properties", {}).items()}
        if kind == "array":
            items = part.get("items", {})
            if str(items.get("type", "")).lower() == "integer" and re.search("rank|order", name):
                return [place + 1 for place in _best_first(of)]
            return [fill(items, name, [one], place + 1) for place, one in enumerate(of)]
        if kind in {"integer", "number"}:
            if name in {"id", "number", "document"}:
                return number
            low, high = (0, 3) if name == "grade" else (part.get("minimum", 1), part.get("maximum", 10))
            return round(low + value * (high - low))
        if kind == "boolean":
            return value >= 0.5
        return "yes" if re.search("label|answer|relevan", name) and value >= 0.5 else "no"

    return fill(schema, "", relevance, 1)


def spoilt_order(text: str) -> str:
    """The reply with its first id repeated, its second left out and one made up; other replies become prose."""
    ids = re.findall(r"\d+", text)
    if len(ids) < 2:
        return "I would put the first one first."
    return " > ".join(f"[{one}]" for one in [ids[0], ids[0], *ids[2:], "999"])


def pieces(text: str) -> Iterable[str]:
    """The text cut into words, numbers and signs, as tokens for log-probabilities."""
    return re.findall(r"\s*(?:[^\W\d_]+|\d+|[^\w\s]|_)|\s+", text)
