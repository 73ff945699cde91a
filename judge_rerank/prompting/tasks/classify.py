"""Which of a few labels fits a query."""

# Every task takes the same arguments, whether it needs them or not.
# ruff: noqa: ARG002

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AliasChoices, Field, StringConstraints, ValidationError

from judge_rerank.core import ChatReply, Choice, Failed, OutputSchema
from judge_rerank.prompting.replies.citations import own_words
from judge_rerank.prompting.replies.json_text import json_values, objects, repaired_json, without_objects
from judge_rerank.prompting.replies.labels import canonical, distribution
from judge_rerank.prompting.replies.schemas import Reason, ReplyModel, asked_reason, output_schema
from judge_rerank.prompting.replies.text import (
    ReplyText,
    around_answer,
    excerpt,
    failed,
    failed_reading,
    open_reply,
    without_fences,
    without_last_word,
)
from judge_rerank.prompting.tasks.base import ChoosingTask, judge_task

_KEYS = ("label", "class", "category", "type", "answer")
_ANNOUNCED = re.compile(
    r"(?:<(?:answer|label)>|\\boxed\{(?:\\text\{)?"
    r"|\b(?:answer|label|class|category|type|classification)\b[*_\"'`]{0,3}\s{0,3}(?:[:=]|\bis\b:?))([^\n<]{1,120})",
    re.IGNORECASE,
)
_AGREEMENT = 0.5
"""The stated label must have this share of the labels' probability for the two to describe the same answer."""


class ClassifyReply(ReplyModel):
    """A choice among labels."""

    reason: Reason = Field(default=None, validation_alias=AliasChoices("reason", "explanation", "rationale"))
    label: Annotated[str, StringConstraints(strip_whitespace=True)] = Field(validation_alias=AliasChoices(*_KEYS))


@judge_task("classify")
class Classify(ChoosingTask):
    """One of the call's options. With log-probabilities the choice comes with the probability of each option."""

    name = "classify"
    compares = False
    shown = 0

    def letters(self, n: int) -> tuple[str, ...]:
        """None: the options are no documents."""
        return ()

    def labels(self, n: int, *, options: tuple[str, ...] = (), explain: bool = False) -> tuple[str, ...]:
        """The options, when each is one word and no reason is wanted."""
        words = {canonical(option) for option in options}
        distinct = len(words) == len(options) and all(word and " " not in word for word in words)
        return options if distinct and not explain else ()

    def reply_format(
        self, n: int, *, options: tuple[str, ...] = (), explain: bool = False, labels: bool = False
    ) -> str:
        """One of the options, alone where labels are read, else as JSON."""
        listed = ", ".join(options)
        if labels:
            return f"Answer with one of these words and nothing else: {listed}."
        reason, about_it = asked_reason(explain=explain)
        return f'Answer with JSON only: {{{reason}"label": "<label>"}}, where the label is one of: {listed}.{about_it}'

    def schema(self, n: int, *, options: tuple[str, ...] = (), explain: bool = False) -> OutputSchema:
        """`{"label": one of the options}`, with the reason before it."""
        made = output_schema("label", ClassifyReply, ["reason", "label"] if explain else ["label"])
        properties: dict[str, Any] = {**made.schema["properties"], "label": {"type": "string"}}
        if options:
            properties["label"]["enum"] = list(dict.fromkeys(options))
        return OutputSchema(name=made.name, schema={**made.schema, "properties": properties})

    def output_tokens(
        self, n: int, *, options: tuple[str, ...] = (), explain: bool = False, labels: bool = False
    ) -> int:
        """The bytes of the longest option, the most tokens it can be; 30 around it for JSON, 120 for a reason."""
        longest = max((len(option.encode("utf-8", "replace")) for option in options), default=20)
        return longest + 2 if labels else longest + 30 + (120 if explain else 0)

    def read(
        self, reply: ChatReply, n: int, *, options: tuple[str, ...] = (), explain: bool = False
    ) -> Choice | Failed:
        """The option chosen."""
        if not options:
            return failed("unreadable", "There were no labels to choose from.")
        answer = open_reply(reply)
        if isinstance(answer, Failed):
            return answer
        no_probabilities: Mapping[str, float] = {}
        probabilities = no_probabilities if explain or answer.thought else self._probabilities(reply, options)
        if not answer.text and probabilities:
            return Choice(label=max(probabilities, key=probabilities.__getitem__), probabilities=probabilities)
        stated = _stated(answer, options)
        if stated is None:
            listed = ", ".join(options)
            return failed_reading(answer, f"No label was found in {excerpt(answer.text)}. Choose one of: {listed}.")
        if probabilities.get(stated.label, 0.0) < _AGREEMENT:
            probabilities = no_probabilities
        reason = stated.reason if explain else None
        return Choice(label=stated.label, probabilities=probabilities, reason=reason, repairs=stated.repairs)

    def _probabilities(self, reply: ChatReply, options: tuple[str, ...]) -> Mapping[str, float]:
        if not reply.branches.get("") or not self.labels(1, options=options):
            return {}
        spread = distribution(reply.branches, options)
        return spread.probabilities if spread.answered and spread.exact else {}


def _stated(answer: ReplyText, options: tuple[str, ...]) -> Choice | None:
    """The one option that the text names in a place where an answer stands. What it only cites is not named."""
    own = own_words(answer.text)
    values = json_values(own)
    repairs = list(answer.repairs)
    found = _in_json(values, options)
    if not found and not answer.cut and not values:
        found = _in_json(repaired_json(own), options)
        repairs += ["damaged JSON repaired"] if found else []
    if found:
        found = [*((label, None) for label in _announced(without_fences(without_objects(own)), options)), *found]
    else:
        found = _in_text(answer, own, options)
    if len({label for label, _ in found}) != 1:
        return None
    label, reason = found[-1]
    return Choice(label=label, reason=reason, repairs=tuple(repairs))


def _in_json(values: list[Any], options: tuple[str, ...]) -> list[tuple[str, str | None]]:
    found: list[tuple[str, str | None]] = []
    for value in objects(values):
        try:
            read = ClassifyReply.model_validate(value)
        except ValidationError:
            continue
        label = _option(read.label, options)
        if label is not None:
            found.append((label, read.reason))
    return found


def _in_text(answer: ReplyText, own: str, options: tuple[str, ...]) -> list[tuple[str, str | None]]:
    """Announced ("Label: X"), and the first or the last line, whole or up to its first mark."""
    text = without_fences(without_objects(own))
    if answer.cut:
        text = without_last_word(text)
    labels = _announced(text, options)
    lines = [line for line in text.splitlines() if line.strip()]
    if lines:
        last = None if answer.cut else _option(lines[-1], options)
        labels += [label for label in (_leading(lines[0], options), last) if label is not None]
    return [(label, around_answer(answer.text)) for label in labels]


def _announced(text: str, options: tuple[str, ...]) -> list[str]:
    found = (_leading(said.group(1), options) for said in _ANNOUNCED.finditer(text))
    return [label for label in found if label is not None]


def _leading(line: str, options: tuple[str, ...]) -> str | None:
    """The option that `line` is, or that stands before its first mark."""
    line = line[:200]
    return _option(line, options) or _option(re.split(r"[.,;:!?(\n]|\s[-–—]\s", line.lstrip("*_\"'` "))[0], options)


def _option(text: str, options: tuple[str, ...]) -> str | None:
    """The option that `text` spells: exactly, or but for case and punctuation where that is no other's spelling."""
    text = text.strip()
    if text in options:
        return text
    name = canonical(text[:200]).rstrip()
    same = [option for option in dict.fromkeys(options) if canonical(option).rstrip() == name] if name else []
    return same[0] if len(same) == 1 else None
