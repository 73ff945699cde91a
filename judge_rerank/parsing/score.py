"""How relevant is a document: a number from 1 to 10."""

# Every task takes the same arguments, whether it needs them or not.
# ruff: noqa: ARG002

from __future__ import annotations

import math
import re
from typing import Annotated, cast

from pydantic import AliasChoices, BeforeValidator, Field, WithJsonSchema

from judge_rerank.llm.base import ChatReply, OutputSchema
from judge_rerank.parsing.labels import LabelDistribution
from judge_rerank.parsing.pointwise import Mark, Scale, read_scores
from judge_rerank.parsing.schemas import Reason, ReplyModel, asked_reason, output_schema
from judge_rerank.parsing.text import Answer, around_answer, excerpt, without_fences, without_last_word
from judge_rerank.strategies.base import Failed, Scores

LOWEST, HIGHEST = 1, 10

_LABELS = tuple(str(grade) for grade in range(LOWEST, HIGHEST + 1))
_WANTED = f"Give one number from {LOWEST} to {HIGHEST}, nothing else."

_NUMBER = r"(?P<number>[-−]?\d{1,6}(?:\.\d{1,6})?)(?P<scale>\s{0,3}(?:/|out of)\s{0,3}(?P<of>\d{1,6}|ten)\b)?"
# Not "7-8", "6 to 7", "80%", "4/5", nor the beginning of a longer number.
_END = r"(?![\d%/]|[.,]\d|\s{0,3}(?:-|–|to|or|and)\s{0,3}\d|\s{1,3}(?:percent|out of)\b)"
_WRAP = r"[\s*_\"'`“”‘(\[{<]{0,8}"
_RANGE = re.compile(
    r"\b(?:on|from|in|between|of)?\s{0,3}(?:an?|the)?\s{0,3}(?:scale|range)?\s{0,3}(?:of|from|between)?\s{0,3}"
    r"[(\[]?\b1\s{0,3}(?:-|–|to|through|and)\s{0,3}10\b[)\]]?",
    re.IGNORECASE,
)
_ANNOUNCED = re.compile(
    r"(?:<(?:answer|score|rating)>|\\boxed\{(?:\\text\{)?"
    r"|\b(?:score|rating|rate|rated|grade|relevance|answer|verdict|judge?ment|scale)\b[^\n\d.;]{0,40}?"
    r"(?:[:=]|\b(?:is|of|as|an?|at)\b)|\b(?:give|rate)\s{1,3}(?:it|this)\s{1,3}(?:an?\s{1,3})?)"
    rf"{_WRAP}{_NUMBER}{_END}(?P<after>[^\n]{{0,40}})",
    re.IGNORECASE,
)
_NAMED = r"(?:(?:score|rating)\s{1,3})?"
_FIRST = re.compile(
    rf"{_WRAP}{_NAMED}{_NUMBER}{_END}(?=\s*$|[\"'*_`”’)\]}}.,;:!<…–—]|\s*\n|\s{{1,3}}[–—(-]|\s{{1,3}}(?:because|since|as)\b)",
    re.IGNORECASE,
)
_LINE = re.compile(rf"^{_WRAP}{_NAMED}{_NUMBER}[ \t.*_\"'`”’)\]}}!]{{0,8}}$", re.IGNORECASE | re.MULTILINE)
_SUPPOSED = re.compile(r"\b(?:would|could|if|means|meaning|being|where|reserved)\b", re.IGNORECASE)
_SECOND_ITEM = re.compile(r"^\s{0,8}2[.)]\s", re.MULTILINE)


def _read_grade(value: object) -> float:
    """A grade as a number, or as text such as "7" or "8/10"."""
    if isinstance(value, str):
        whole = _LINE.fullmatch(value.strip()[:40])
        if whole is not None:
            return _grade(whole)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        return _checked(value)
    raise ValueError(f'"score" has to be a number from {LOWEST} to {HIGHEST}, not {excerpt(value)}.')


def _grade(found: re.Match[str]) -> float:
    if found["scale"] and found["of"].lower() not in {"10", "ten"}:
        raise ValueError(f"Your score {excerpt(found['number'] + found['scale'])} is on another scale. {_WANTED}")
    return _checked(float(found["number"].replace("−", "-")))


def _checked(value: float) -> float:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"Your score is not a finite number. {_WANTED}")
    if not LOWEST <= value <= HIGHEST:
        raise ValueError(f"Your score {excerpt(value)} is outside {LOWEST} to {HIGHEST}. {_WANTED}")
    return float(value)


class ScoreReply(ReplyModel):
    """A graded judgment."""

    id: Annotated[object, WithJsonSchema({"type": "integer", "description": "The document's number."})] = None
    reason: Reason = Field(default=None, validation_alias=AliasChoices("reason", "explanation", "rationale"))
    score: Annotated[
        float,
        BeforeValidator(_read_grade),
        WithJsonSchema(
            {
                "type": "integer",
                "description": f"Relevance to the query from {LOWEST} (irrelevant) to {HIGHEST} (answers it fully).",
            }
        ),
    ] = Field(validation_alias=AliasChoices("score", "relevance_score", "rating", "grade", "relevance"))


def _mark(reply: ReplyModel) -> Mark:
    read = cast("ScoreReply", reply)
    return _graded(read.score, read.reason)


def _graded(grade: float, reason: str | None = None) -> Mark:
    return Mark(value=(grade - LOWEST) / (HIGHEST - LOWEST), label=f"{grade:g}", reason=reason)


def _expected(spread: LabelDistribution) -> Mark:
    mean = sum(int(label) * p for label, p in spread.probabilities.items())
    value = (mean - LOWEST) / (HIGHEST - LOWEST)
    return Mark(value=min(1.0, max(0.0, value)), label=spread.best)


def _spoken(answer: Answer) -> Mark | None:
    """The grade in plain words: announced ("Score: 7"), or opening the reply, or alone on a line."""
    text = _RANGE.sub(" scale", without_fences(answer.text))
    if answer.cut:
        text = without_last_word(text)
    announced = [found for found in _ANNOUNCED.finditer(text) if not _SUPPOSED.search(found["after"])]
    if announced:
        grades = {_grade(found) for found in announced}
    elif _SECOND_ITEM.search(text):
        return None
    else:
        first = _FIRST.match(text)
        lines = [] if answer.cut else list(_LINE.finditer(text))
        grades = {_grade(found) for found in ([first] if first else lines)}
    return _graded(grades.pop(), around_answer(answer.text)) if len(grades) == 1 else None


_SCALE = Scale(
    labels=_LABELS,
    model=ScoreReply,
    field="score",
    keys=frozenset({"score", "relevance_score", "rating", "grade", "relevance"}),
    mark=_mark,
    expected=_expected,
    spoken=_spoken,
    wanted=_WANTED,
)


class Score:
    """Relevance from 1 to 10, as (grade - 1) / 9. With log-probabilities the grade is the expected one."""

    name = "score"

    def labels(self, n: int, *, options: tuple[str, ...] = (), explain: bool = False) -> tuple[str, ...]:
        """ "1" to "10" for one document without a reason."""
        return _LABELS if n == 1 and not explain else ()

    def reply_format(
        self, n: int, *, options: tuple[str, ...] = (), explain: bool = False, labels: bool = False
    ) -> str:
        """One number where labels are read, else JSON."""
        scale = f"from {LOWEST} (irrelevant) to {HIGHEST} (answers the query fully)"
        if labels:
            return f"Answer with one number {scale}."
        reason, about_it = asked_reason(explain=explain)
        if n == 1:
            return f'Answer with JSON only: {{{reason}"score": <number>}}, a whole number {scale}.{about_it}'
        return (
            f'Answer with JSON only: {{"judgments": [{{"id": 1, {reason}"score": <number>}}, ...]}}, '
            f"one entry for each of the {n} documents, by its number. Scores are whole numbers {scale}.{about_it}"
        )

    def schema(self, n: int, *, options: tuple[str, ...] = (), explain: bool = False) -> OutputSchema:
        """`{"score": int}`, with the reason before it, in a list under "judgments" for several documents."""
        fields = [*(["id"] if n != 1 else []), *(["reason"] if explain else []), "score"]
        return output_schema("score", ScoreReply, fields, each_of="judgments" if n != 1 else None)

    def output_tokens(
        self, n: int, *, options: tuple[str, ...] = (), explain: bool = False, labels: bool = False
    ) -> int:
        """A few tokens for a number; 20 a document and 30 around them for JSON, and 120 for each reason."""
        return 4 if labels else 30 + n * (20 + (120 if explain else 0))

    def read(
        self, reply: ChatReply, n: int, *, options: tuple[str, ...] = (), explain: bool = False
    ) -> Scores | Failed:
        """The relevance of each document."""
        return read_scores(reply, n, _SCALE, explain=explain)
