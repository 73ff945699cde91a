"""Which of several documents is the most relevant: one letter."""

# Every task takes the same arguments, whether it needs them or not.
# ruff: noqa: ARG002

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AliasChoices, Field, StringConstraints, ValidationError

from judge_rerank.core import ChatReply, Choice, Failed, OutputSchema
from judge_rerank.prompting.replies.citations import own_words
from judge_rerank.prompting.replies.corrections import CORRECTS
from judge_rerank.prompting.replies.json_text import json_values, objects, repaired_json, without_objects
from judge_rerank.prompting.replies.labels import distribution
from judge_rerank.prompting.replies.schemas import Reason, ReplyModel, asked_reason, output_schema
from judge_rerank.prompting.replies.text import (
    ReplyText,
    as_reason,
    excerpt,
    failed,
    failed_reading,
    open_reply,
    without_fences,
)
from judge_rerank.prompting.tasks.base import ChoosingTask, judge_task

_KEYS = (
    "best",
    "label",
    "answer",
    "choice",
    "letter",
    "winner",
    "passage",
    "document",
    "most_relevant",
    "more_relevant",
)
_NOUN = r"(?:(?:the\s{1,3})?(?:passage|document|doc|text|option|answer|candidate|letter)\s{0,3}[:#]?\s{0,3})?"
_WRAP = r"[\s*_\"'`“”‘’(\[{<]{0,8}"
_CLOSE = r"[*_\"'`“”’)\]}>]{0,8}"
_LETTER = rf"{_NOUN}{_WRAP}(?P<letter>[A-Z])(?![\w'’-]){_CLOSE}"
# A reply, or a line of one, that is a letter and perhaps its noun.
_ALONE = re.compile(rf"{_WRAP}{_LETTER}[\s.!]{{0,8}}", re.IGNORECASE)
# A letter that opens the reply, before a mark or a word that begins an explanation.
_OPENING = re.compile(
    rf"{_WRAP}(?i:{_NOUN}){_WRAP}(?P<letter>[A-Z])(?![\w'’-]){_CLOSE}\s{{0,3}}"
    r"(?:[.:;!\n–—-]|,\s{0,3}(?:because|since|as|which)\b|(?:because|since|as)\b|is\b|>|≻)"
)
_ANNOUNCED = re.compile(
    r"(?i:<(?:answer|label)>|\\boxed\{(?:\\text\{)?"
    r"|\b(?:answer|choice|label|winner|verdict)\b[*_\"'`]{0,3}\s{0,3}(?:[:=]|\bis\b:?)"
    r"|\b(?:more|most|best|better)\b[^.\n]{0,60}?(?:\bis\b|:))"
    rf"\s{{0,3}}(?i:{_NOUN}){_WRAP}(?P<letter>[A-Z])(?![\w'’-])(?={_CLOSE}\s{{0,3}}(?:$|[.,;:!<(\\}}\n–—-]|because\b|since\b))"
)
# How else a judge names its choice. It is no answer by itself, but it can contradict one.
_PREFERRED = re.compile(
    rf"\b(?:[Cc]hoose|[Cc]hose|[Pp]ick(?:ed)?|[Ss]elect(?:ed)?|[Pp]refer|[Gg]o\s{{1,3}}with)\s{{1,3}}(?i:{_NOUN}){_WRAP}(?P<first>[A-Z])(?![\w'’-])"
    rf"|\b(?P<second>[A-Z]){_CLOSE}\s{{1,3}}(?:is|was|seems)\s{{1,3}}(?:(?:clearly|actually|really|the)\s{{1,3}}){{0,2}}(?:best|better|more|most)\b"
)
_CORRECTED = re.compile(rf"(?i:{CORRECTS}{_NOUN}){_WRAP}(?P<letter>[A-Z])(?=[\s*_\"'`”’)\]}}>]{{0,8}}(?:$|[.,;:!?\n]))")
_FIRST_SENTENCE = re.compile(rf"{_WRAP}(?i:{_NOUN}){_WRAP}(?P<letter>[A-Z])(?![\w'’-]){_CLOSE}\s{{0,3}}[.!]")
_NEGATED = re.compile(r"\b(?:not|least|less|worse|worst|neither|none|both|equally|tie)\b", re.IGNORECASE)
_NEARBY = 12  # characters after an opening letter in which a "not" would turn it round
_SEVERAL = re.compile(rf"{_WRAP}[A-Za-z]{_CLOSE}\s{{0,3}}(?:,|/|&|=|\band\b|\bor\b)\s{{0,3}}{_WRAP}[A-Z]\b")


class SetwiseReply(ReplyModel):
    """The letter of one document."""

    reason: Reason = Field(default=None, validation_alias=AliasChoices("reason", "explanation", "rationale"))
    best: Annotated[str, StringConstraints(strip_whitespace=True)] = Field(validation_alias=AliasChoices(*_KEYS))


@judge_task("setwise")
class Setwise(ChoosingTask):
    """One of the call's options, each of which stands for the document at its place.

    With log-probabilities the choice is the most probable letter, and comes with the probability of each.
    """

    name = "setwise"
    wanted = "the most relevant"

    def labels(self, n: int, *, options: tuple[str, ...] = (), explain: bool = False) -> tuple[str, ...]:
        """The options, when no reason is wanted."""
        return () if explain else options

    def reply_format(
        self, n: int, *, options: tuple[str, ...] = (), explain: bool = False, labels: bool = False
    ) -> str:
        """One letter where labels are read, else JSON."""
        listed = f"{', '.join(options[:-1])} or {options[-1]}" if len(options) > 1 else "".join(options)
        if labels:
            return f"Answer with the letter of {self.wanted} passage and nothing else: {listed}."
        reason, about_it = asked_reason(explain=explain)
        return (
            f'Answer with JSON only: {{{reason}"best": "<letter>"}}, where the letter is that of '
            f"{self.wanted} passage: {listed}.{about_it}"
        )

    def schema(self, n: int, *, options: tuple[str, ...] = (), explain: bool = False) -> OutputSchema:
        """`{"best": one of the options}`, with the reason before it."""
        made = output_schema("choice", SetwiseReply, ["reason", "best"] if explain else ["best"])
        properties: dict[str, Any] = {**made.schema["properties"], "best": {"type": "string"}}
        if options:
            properties["best"]["enum"] = list(options)
        return OutputSchema(name=made.name, schema={**made.schema, "properties": properties})

    def output_tokens(
        self, n: int, *, options: tuple[str, ...] = (), explain: bool = False, labels: bool = False
    ) -> int:
        """A few tokens for a letter; 30 for JSON, and 120 for a reason."""
        return 4 if labels else 30 + (120 if explain else 0)

    def read(
        self, reply: ChatReply, n: int, *, options: tuple[str, ...] = (), explain: bool = False
    ) -> Choice | Failed:
        """The option chosen."""
        if not options:
            return failed("unreadable", "There were no letters to choose from.")
        answer = open_reply(reply)
        if isinstance(answer, Failed):
            return answer
        if not explain and not answer.thought and answer.text[:1] not in {"{", "[", "`", "<"}:
            spread = distribution(reply.branches, options)
            if spread.answered:
                return Choice(label=spread.best, probabilities=dict(spread.probabilities))
        found = _stated(answer, options)
        if isinstance(found, str):
            listed = ", ".join(options)
            return failed_reading(answer, f"{found} Give the letter of one passage: {listed}.")
        return Choice(label=found.label, reason=found.reason if explain else None, repairs=found.repairs)


def _stated(answer: ReplyText, options: tuple[str, ...]) -> Choice | str:
    """The one option that the text names as its answer, or what is wrong with it. What it only cites is not named."""
    own = own_words(answer.text)
    values = json_values(own)
    repairs = list(answer.repairs)
    found = _in_json(values, options)
    if not found and not values and not answer.cut and "{" in own:
        found = _in_json([repaired_json(own)], options)
        repairs += ["damaged JSON repaired"] if found else []
    if found and not (answer.text.startswith("{") and answer.text.endswith("}")):
        repairs.append("text around the answer ignored")
    if found:
        beside = _named(without_fences(without_objects(own)), options, cut=answer.cut)
        found = {**dict.fromkeys(beside), **found}
    elif not any(not set(_KEYS).isdisjoint(value) for value in objects(values)):
        found = _in_text(answer, own, options)
        alone = _ALONE.fullmatch(answer.text[:80]) is not None
        repairs += ["text around the answer ignored"] if found and not alone else []
    letters = list(dict.fromkeys(found))
    if len(letters) > 1:
        return f"Your reply named more than one passage: {', '.join(letters[:5])}."
    if not letters:
        return f"No choice was found in {excerpt(answer.text)}."
    return Choice(label=letters[0], reason=found[letters[0]], repairs=tuple(repairs))


def _in_json(values: list[Any], options: tuple[str, ...]) -> Mapping[str, str | None]:
    found: dict[str, str | None] = {}
    for value in objects(values):
        try:
            read = SetwiseReply.model_validate(value)
        except ValidationError:
            continue
        alone = _ALONE.fullmatch(read.best[:80])
        letter = alone["letter"].upper() if alone else ""
        if letter in options:
            found.setdefault(letter, read.reason)
    return found


def _in_text(answer: ReplyText, own: str, options: tuple[str, ...]) -> dict[str, str | None]:
    """Announced ("The best is B"); else the whole reply, the letter that opens it, or the last line.

    With every other letter that the text names, so that a text that ends otherwise than it began is no answer.
    """
    text = without_fences(without_objects(own))
    reason = as_reason(answer.text)
    if _SEVERAL.match(text) or (answer.cut and len(text.split()) < 2):
        return {}
    letters = _announced(text)
    lines = [line for line in text.splitlines() if line.strip()]
    if not letters and lines:
        alone = _ALONE.fullmatch(lines[0][:80]) or (None if answer.cut else _ALONE.fullmatch(lines[-1][:80]))
        opening = _OPENING.match(text)
        if alone is not None:
            letters = [alone["letter"].upper()]
        elif opening is not None and not _NEGATED.search(text[: opening.end() + _NEARBY]):
            letters = [opening["letter"]]
    if not any(letter in options for letter in letters):
        return {}
    return {letter: reason for letter in (*letters, *_named(text, options, cut=answer.cut)) if letter in options}


def _announced(text: str) -> list[str]:
    return [
        said["letter"]
        for said in _ANNOUNCED.finditer(text)
        if not _NEGATED.search(text[max(0, said.start() - 40) : said.end()])
    ]


def _named(text: str, options: tuple[str, ...], *, cut: bool) -> list[str]:
    """Every letter that a text names as its choice, however it is put: announced, preferred, alone on a line, or in
    place of another.

    The letter of a first sentence counts too, if no other line begins with another, as in notes on each passage.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    alone = [_ALONE.fullmatch(line[:80]) for line in (lines[:1] if cut else [*lines[:1], *lines[-1:]])]
    named = [*_announced(text), *(found["letter"].upper() for found in alone if found is not None)]
    named += [found["first"] or found["second"] for found in _PREFERRED.finditer(text)]
    named += [found["letter"] for found in _CORRECTED.finditer(text)]
    notes = {found["letter"] for line in lines if (found := _OPENING.match(line)) is not None}
    opening = _FIRST_SENTENCE.match(text)
    if opening is not None and notes <= {opening["letter"]} and not _NEGATED.search(text[: opening.end() + _NEARBY]):
        named.append(opening["letter"])
    return [letter for letter in named if letter in options]
