"""Judgments that are one number of a range. What `score`, `grade` and the levels of a prompt share."""

# Every task takes the same arguments, whether it needs them or not.
# ruff: noqa: ARG002

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any

from pydantic import AliasChoices, BeforeValidator, Field, JsonValue, WithJsonSchema, create_model

from judge_rerank.core import ChatReply, Failed, OutputSchema, Scores
from judge_rerank.prompting.replies.citations import own_words
from judge_rerank.prompting.replies.corrections import CORRECTS
from judge_rerank.prompting.replies.json_text import without_objects
from judge_rerank.prompting.replies.labels import LabelDistribution
from judge_rerank.prompting.replies.pointwise import Mark, Scale, read_scores
from judge_rerank.prompting.replies.schemas import Reason, ReplyModel, asked_reason, output_schema
from judge_rerank.prompting.replies.text import ReplyText, around_answer, excerpt, without_fences, without_last_word

_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NUMBER = (
    r"(?P<number>[-−]?\d{1,6}(?:\.\d{1,6})?)"
    rf"(?P<scale>\s{{0,3}}(?:/|out of)\s{{0,3}}(?P<of>\d{{1,6}}|{'|'.join(_WORDS)})\b)?"
)
# Not "7-8", "6 to 7", "80%", "4/5", nor the beginning of a longer number.
_END = r"(?![\d%/]|\s{0,2}\?|[.,]\d|\s{0,3}(?:-|–|to|or|and)\s{0,3}\d|\s{1,3}(?:percent|out of)\b)"
_WRAP = r"[\s*_\"'`“”‘(\[{<]{0,8}"
_ANNOUNCED = re.compile(
    r"(?:<(?:answer|score|rating)>|\\boxed\{(?:\\text\{)?"
    r"|\b(?:score|rating|rate|rated|grade|relevance|answer|verdict|judge?ment|scale)\b[^\n\d.;]{0,40}?"
    r"(?:[:=]|\b(?:is|of|as|an?|at)\b)|\b(?:give|rate)\s{1,3}(?:it|(?:this|the)(?:\s{1,3}(?:document|passage|text))?)\s{1,3}(?:an?\s{1,3})?)"
    rf"{_WRAP}{_NUMBER}{_END}(?P<after>[^\n]{{0,40}})",
    re.IGNORECASE,
)
_NAMED = r"(?:(?:score|rating|grade)\s{1,3})?"
_FIRST = re.compile(
    rf"{_WRAP}{_NAMED}{_NUMBER}{_END}(?=\s*$|[\"'*_`”’)\]}}.,;:!<…–—]|\s*\n|\s{{1,3}}[–—(-]|\s{{1,3}}(?:because|since|as)\b)",
    re.IGNORECASE,
)
_LINE = re.compile(rf"^{_WRAP}{_NAMED}{_NUMBER}[ \t.*_\"'`”’)\]}}!]{{0,8}}$", re.IGNORECASE | re.MULTILINE)
# How else a judge puts a number. It is not how it is asked to answer, so it is no answer, but it can contradict one.
_CLAIMED = re.compile(
    r"(?:(?:\b(?:deserves?|merits?|warrants?|earns?|gets?|receives?|giv(?:e|es|ing)|gave|assign(?:s|ed)?|rat(?:e|es|ed|ing)"
    r"|scor(?:e|es|ed|ing)|grad(?:e|es|ed)|answer|output|reply|respond)\b[^\n\d.;]{0,40}?"
    r"|\b(?:actually|(?:go|going)\s(?:with|for)|settle\son|make\sit|call\sit|it(?:'s|\sis)|mine\sis|say)\b[^\n\d.;]{0,15}?)"
    rf"{_WRAP}{_NUMBER}|(?<![\w/.]){_NUMBER.replace('?P<', '?P<bare_')})"
    r"(?=[\s*_\"'`”’)\]}]{0,8}(?:$|[.,;:!?\n)–—-]|\b(?:because|since|as|for|is|and|but|here|overall)\b))",
    re.IGNORECASE,
)
_CORRECTED = re.compile(
    rf"{CORRECTS}{_WRAP}{_NUMBER}(?=[\s*_\"'`”’)\]}}]{{0,8}}(?:$|[.,;:!?\n)–—-]))"
    rf"|{_NUMBER.replace('?P<', '?P<bare_')}\s{{1,3}}(?:on\s(?:reflection|second\sthought)|after\sall)\b",
    re.IGNORECASE,
)
_LAST = re.compile(rf"(?:^|[\n>\]}}▷.!?:;…])[\s*_]{{0,4}}{_NUMBER}[\s.!*_)]{{0,6}}$", re.IGNORECASE)
# Nothing but numbers: "3 8", "Score: 3, 8".
_BARE = re.compile(
    r"\W*(?:(?:score|rating|grade)\W+)?\d{1,6}(?:\.\d{1,6})?(?:[^\w/]+\d{1,6}(?:\.\d{1,6})?)+\W*", re.IGNORECASE
)
_EACH = re.compile(_NUMBER, re.IGNORECASE)
_DENIED = re.compile(r"(?:\bnot|n't|never|instead of|rather than|than|no(?=\s))\b[^.\n]{0,30}$", re.IGNORECASE)
_LIST_MARK = re.compile(r"\s{0,8}1[.)]\s{1,3}\D")
_SUPPOSED = re.compile(r"\b(?:would|could|if|means|meaning|being|where|reserved)\b", re.IGNORECASE)
_SECOND_ITEM = re.compile(r"^\s{0,8}2[.)]\s", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """The numbers that an answer may be.

    Attributes:
        name: what one is called, and the field of the JSON that holds it.
        lowest, highest: both included.
        whole: whether only whole numbers count.
        meaning: what the prompt says of them; None for what the lowest and the highest mean by themselves.
    """

    name: str
    lowest: int
    highest: int
    whole: bool = False
    meaning: str | None = None

    @property
    def scale(self) -> str:
        """The range, and what its ends mean, for the end of a sentence."""
        if self.meaning is None:
            return f"from {self.lowest} (irrelevant) to {self.highest} (answers the query fully)"
        return f"from {self.lowest} to {self.highest}, {self.meaning}"

    def called(self, name: str) -> Numbers:
        """The same numbers under another name."""
        return replace(self, name=name)

    @property
    def labels(self) -> tuple[str, ...]:
        """The whole numbers as words."""
        return tuple(str(number) for number in range(self.lowest, self.highest + 1))

    @property
    def wanted(self) -> str:
        """A sentence that says what an answer looks like."""
        return f"Give one number from {self.lowest} to {self.highest}, nothing else."

    def read(self, value: object) -> float:
        """A number, or text such as "7" or "8/10".

        Raises:
            ValueError: it is neither, or outside the range; the message is for the judge.
        """
        if isinstance(value, str):
            whole = _LINE.fullmatch(value.strip()[:40])
            if whole is not None:
                return self._found(whole)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            return self._checked(value)
        raise ValueError(
            f'"{self.name}" has to be a number from {self.lowest} to {self.highest}, not {excerpt(value)}.'
        )

    def mark(self, number: float, reason: str | None = None) -> Mark:
        """The judgment that a number is."""
        return Mark(value=(number - self.lowest) / (self.highest - self.lowest), label=f"{number:g}", reason=reason)

    def expected(self, spread: LabelDistribution) -> Mark:
        """The judgment that a distribution is: the expected number, under the likeliest one's label."""
        mean = sum(int(label) * p for label, p in spread.probabilities.items())
        value = (mean - self.lowest) / (self.highest - self.lowest)
        return Mark(value=min(1.0, max(0.0, value)), label=spread.best)

    def spoken(self, answer: ReplyText) -> Mark | None:
        """The number in plain words: announced ("Score: 7"), or opening the reply, or alone on a line.

        What the judge only cites counts as nothing, and numbers that disagree are no answer: neither two that are
        announced, nor one that is announced and another at the end.

        Raises:
            ValueError: it is outside the range; the message is for the judge.
        """
        text = self._read_text(without_objects(own_words(answer.text)))
        if answer.cut:
            text = without_last_word(text)
        numbers = {self._found(found) for found in self._announced(text)}
        if not numbers:
            if _SECOND_ITEM.search(text):
                return None
            first = _FIRST.match(text)
            lines = [] if answer.cut else list(_LINE.finditer(text))
            numbers = {self._found(found) for found in ([first] if first else lines)}
        if len(numbers) != 1 or not self._claimed(text, cut=answer.cut) <= numbers:
            return None
        return self.mark(numbers.pop(), around_answer(answer.text))

    def claims(self, text: str) -> set[float]:
        """The values of all numbers that a text beside the answer states as judgments."""
        text = self._read_text(text)
        numbers = self._claimed(text, cut=False).union(self._in_range(self._announced(text)))
        return {self.mark(number).value for number in numbers}

    def _read_text(self, text: str) -> str:
        return self._range.sub(" scale", without_fences(text))

    def _announced(self, text: str) -> list[re.Match[str]]:
        return [found for found in _ANNOUNCED.finditer(text) if not _SUPPOSED.search(found["after"])]

    def _claimed(self, text: str, *, cut: bool) -> set[float]:
        """The numbers that a text states: claimed, opening it, alone on a line, at its end, or in place of another."""
        found = [
            claim
            for claim in _CLAIMED.finditer(text)
            if (claim["number"] or claim["bare_scale"])
            and not _DENIED.search(text[max(0, claim.start() - 40) : claim.start()])
            and not _SUPPOSED.search(text[max(0, claim.start() - 30) : claim.end() + 40])
        ]
        first = None if _LIST_MARK.match(text) or _SECOND_ITEM.search(text) else _FIRST.match(text)
        found += [first] if first else []
        found += [] if cut else _LINE.finditer(text)
        last = None if cut else _LAST.search(text[-60:])
        found += [last] if last else []
        found += _CORRECTED.finditer(text)
        found += _EACH.finditer(text) if not cut and _BARE.fullmatch(text[:60]) and len(text) <= 60 else []
        return self._in_range(found)

    def _in_range(self, found: Iterable[re.Match[str]]) -> set[float]:
        """The numbers that are on this scale."""
        numbers: set[float] = set()
        for each in found:
            with suppress(ValueError):
                numbers.add(self._found(each))
        return numbers

    @cached_property
    def _range(self) -> re.Pattern[str]:
        """The range as replies name it ("on a scale of 1 to 10"), which is no answer."""
        return re.compile(
            r"\b(?:on|from|in|between|of)?\s{0,3}(?:an?|the)?\s{0,3}(?:scale|range)?\s{0,3}(?:of|from|between)?\s{0,3}"
            rf"[(\[]?\b{self.lowest}\s{{0,3}}(?:-|–|to|through|and)\s{{0,3}}{self.highest}\b[)\]]?",
            re.IGNORECASE,
        )

    def _found(self, found: re.Match[str]) -> float:
        said = {key.removeprefix("bare_"): value for key, value in found.groupdict().items() if value}
        if "scale" in said and said["of"].lower() not in {str(self.highest), _WORDS[self.highest]}:
            text = excerpt(said["number"] + said["scale"])
            raise ValueError(f"Your {self.name} {text} is on another scale. {self.wanted}")
        return self._checked(float(said["number"].replace("−", "-")))

    def _checked(self, value: float) -> float:
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"Your {self.name} is not a finite number. {self.wanted}")
        if not self.lowest <= value <= self.highest:
            raise ValueError(
                f"Your {self.name} {excerpt(value)} is outside {self.lowest} to {self.highest}. {self.wanted}"
            )
        if self.whole and value != int(value):
            raise ValueError(f"Your {self.name} {excerpt(value)} is not a whole number. {self.wanted}")
        return float(value)


def _reply_model(numbers: Numbers, keys: Sequence[str]) -> type[ReplyModel]:
    """The JSON of one judgment: the document's number, a reason, and the number under any of these keys."""
    described: dict[str, JsonValue] = {"type": "integer", "description": f"Relevance to the query {numbers.scale}."}
    fields: dict[str, Any] = {
        "id": (Annotated[object, WithJsonSchema({"type": "integer", "description": "The document's number."})], None),
        "reason": (Reason, Field(default=None, validation_alias=AliasChoices("reason", "explanation", "rationale"))),
        numbers.name: (
            Annotated[float, BeforeValidator(numbers.read), WithJsonSchema(described)],
            Field(validation_alias=AliasChoices(*keys)),
        ),
    }
    return create_model(numbers.name, __base__=ReplyModel, **fields)


class NumberTask:
    """How relevant a document is, as one number. With log-probabilities it is the expected one."""

    name = ""

    def __init__(self, numbers: Numbers, keys: Sequence[str]) -> None:
        """`keys` are the names under which models send the number."""
        self._numbers, self._model = numbers, _reply_model(numbers, keys)
        self._scale = Scale(
            labels=numbers.labels,
            model=self._model,
            field=numbers.name,
            keys=frozenset(keys),
            mark=self._mark,
            expected=numbers.expected,
            spoken=numbers.spoken,
            claims=numbers.claims,
            wanted=numbers.wanted,
        )

    def _mark(self, reply: ReplyModel) -> Mark:
        return self._numbers.mark(getattr(reply, self._numbers.name), getattr(reply, "reason", None))

    def labels(self, n: int, *, options: tuple[str, ...] = (), explain: bool = False) -> tuple[str, ...]:
        """The whole numbers of the range, for one document without a reason."""
        return self._numbers.labels if n == 1 and not explain else ()

    def reply_format(
        self, n: int, *, options: tuple[str, ...] = (), explain: bool = False, labels: bool = False
    ) -> str:
        """One number where labels are read, else JSON."""
        name, scale = self._numbers.name, self._numbers.scale
        if labels:
            return f"Answer with one number {scale}."
        reason, about_it = asked_reason(explain=explain)
        if n == 1:
            return f'Answer with JSON only: {{{reason}"{name}": <number>}}, a whole number {scale}.{about_it}'
        return (
            f'Answer with JSON only: {{"judgments": [{{"id": 1, {reason}"{name}": <number>}}, ...]}}, one entry for '
            f"each of the {n} documents, by its number. {name.capitalize()}s are whole numbers {scale}.{about_it}"
        )

    def schema(self, n: int, *, options: tuple[str, ...] = (), explain: bool = False) -> OutputSchema:
        """The number, with the reason before it, in a list under "judgments" for several documents."""
        fields = [*(["id"] if n != 1 else []), *(["reason"] if explain else []), self._numbers.name]
        return output_schema(self._numbers.name, self._model, fields, each_of="judgments" if n != 1 else None)

    def output_tokens(
        self, n: int, *, options: tuple[str, ...] = (), explain: bool = False, labels: bool = False
    ) -> int:
        """A few tokens for a number; 20 a document and 30 around them for JSON, and 120 for each reason."""
        return 4 if labels else 30 + n * (20 + (120 if explain else 0))

    def read(
        self, reply: ChatReply, n: int, *, options: tuple[str, ...] = (), explain: bool = False
    ) -> Scores | Failed:
        """The relevance of each document."""
        return read_scores(reply, n, self._scale, explain=explain)
