"""Is a document relevant: yes or no."""

# Every task takes the same arguments, whether it needs them or not.
# ruff: noqa: ARG002

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, cast

from pydantic import AliasChoices, BeforeValidator, Field, WithJsonSchema

from judge_rerank.core import ChatReply, Failed, OutputSchema, Scores
from judge_rerank.prompting.replies.citations import own_words
from judge_rerank.prompting.replies.corrections import CORRECTS
from judge_rerank.prompting.replies.json_text import without_objects
from judge_rerank.prompting.replies.labels import LabelDistribution
from judge_rerank.prompting.replies.pointwise import Mark, Scale, read_scores
from judge_rerank.prompting.replies.schemas import Reason, ReplyModel, asked_reason, output_schema
from judge_rerank.prompting.replies.text import ReplyText, around_answer, excerpt, without_fences, without_last_word
from judge_rerank.prompting.tasks.base import ScoringTask, judge_task

_LABELS = ("yes", "no")
_WANTED = "Say whether the document is relevant: yes or no, nothing else."

_ADVERBS = r"(?:(?:directly|highly|very|clearly|really|actually|at all|in any way)\s{1,3})?"
_VERDICT = (
    rf"(?:(?P<no>no|false|irrelevant|(?:not|isn't)\s{{1,3}}{_ADVERBS}relevant|non[- ]?relevant)"
    rf"|(?P<yes>yes|true|{_ADVERBS}relevant))\b"
)
_WRAP = r"[\s*_\"'`“”‘(\[{<]{0,8}"
_SUBJECT = (
    r"(?:(?:so|therefore|thus),?\s{1,3})?(?:it|(?:the|this|that)\s{1,3}(?:document|passage|text|answer|doc)"
    r"(?:\s{1,3}\[?\d{1,4}\]?)?)(?:\s{1,3}(?:is|seems|appears)(?:\s{1,3}to\s{1,3}be)?)\s{1,3}"
)
_LABEL_BEFORE = (
    r"(?:<(?:answer|verdict)>|\\boxed\{(?:\\text\{)?"
    r"|\b(?:final\s{1,3}answer|answer|verdict|judge?ment|decision|relevance|relevant|label|result)"
    r"[*_\"'`]{0,3}\s{0,3}(?:[:=]|\bis\b:?))"
)
# After the answer: an end, a mark, or a word that begins an explanation. "Yes and no", "no idea" and "Yes?" are none.
_AFTER = r"(?=\s*$|[\"'*_`”’)\]}.,;:!<…–—-]|\s*\n|\s{1,3}[–—(-]|\s{1,3}(?:because|since|as|the|this|that|it|to|for)\b)"
_MARKED = re.compile(rf"{_LABEL_BEFORE}{_WRAP}(?:{_SUBJECT})?{_VERDICT}{_AFTER}", re.IGNORECASE)
_FINAL = re.compile(r"[\W_]{0,8}(?:final|revised|corrected)", re.IGNORECASE)
_FIRST = re.compile(rf"{_WRAP}(?:{_SUBJECT})?{_VERDICT}{_AFTER}", re.IGNORECASE)
_LINE = re.compile(rf"^{_WRAP}{_VERDICT}[\s.*_\"'`”’)\]}}!]{{0,8}}$", re.IGNORECASE | re.MULTILINE)
_ALONE = re.compile(
    rf"(?:^|[.,;:!?…\n–—(]|\b(?:and|or|is|but|say|maybe)\b|/|{CORRECTS})[\s\"'*_`]{{0,6}}"
    r"(?:(?P<yes>yes|true)|(?P<no>no|false|(?<=rather\s)not))"
    r"[\"'*_`]{0,3}(?=\s*$|[.,;!?…\n)])",
    re.IGNORECASE,
)
_CLAIM = re.compile(
    rf"\b(?:(?P<no>(?:not|isn't)\s{{1,3}}{_ADVERBS}relevant|irrelevant)|is\s{{1,3}}(?P<yes>{_ADVERBS}relevant))\b",
    re.IGNORECASE,
)
_UNDECIDED = re.compile(
    rf"{_WRAP}(?:yes|no|true|false)[\s\"'*_`.,]{{0,4}}(?:and|or|/|\|)[\s\"'*_`]{{0,4}}(?:yes|no|true|false)\b",
    re.IGNORECASE,
)


def _read_verdict(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float)) and value in (0, 1):
        return value == 1
    if isinstance(value, str):
        whole = _LINE.fullmatch(value.strip()[:80])
        if whole is not None:
            return whole["yes"] is not None
    raise ValueError(f'"relevant" has to be true or false, not {excerpt(value)}.')


class BinaryReply(ReplyModel):
    """A yes-or-no judgment."""

    id: Annotated[object, WithJsonSchema({"type": "integer", "description": "The document's number."})] = None
    reason: Reason = Field(default=None, validation_alias=AliasChoices("reason", "explanation", "rationale"))
    relevant: Annotated[
        bool,
        BeforeValidator(_read_verdict),
        WithJsonSchema({"type": "boolean", "description": "Whether the document is relevant to the query."}),
    ] = Field(validation_alias=AliasChoices("relevant", "is_relevant", "relevance", "answer", "verdict", "label"))


def _mark(reply: ReplyModel) -> Mark:
    read = cast("BinaryReply", reply)
    return _verdict(yes=read.relevant, reason=read.reason)


def _verdict(*, yes: bool, reason: str | None = None) -> Mark:
    return Mark(value=1.0, label="yes", reason=reason) if yes else Mark(value=0.0, label="no", reason=reason)


def _expected(spread: LabelDistribution) -> Mark:
    return Mark(value=spread.probabilities["yes"], label=spread.best)


def _spoken(answer: ReplyText) -> Mark | None:
    """The verdict in plain words.

    One that is announced ("Answer: no") decides, if none that is announced and none at the end says otherwise; after
    a different beginning only one that is called final. Otherwise it has to open the reply or stand alone on a line,
    and nothing may contradict it. What the judge only cites counts as nothing.
    """
    text = without_fences(without_objects(own_words(answer.text)))
    if answer.cut:
        text = without_last_word(text)
    marked = list(_MARKED.finditer(text))
    if marked:
        said = (
            _said(marked)
            | _said(_LINE.finditer(text, marked[-1].end()))
            | _said(_ALONE.finditer(text, marked[-1].end()))
        )
        said |= _said(_CLAIM.finditer(text, marked[-1].end()))
        if not any(_FINAL.match(found.group()) for found in marked):
            said |= _said(filter(None, [_FIRST.match(text)]))
        return _verdict(yes=said.pop(), reason=around_answer(answer.text)) if len(said) == 1 else None
    if _UNDECIDED.match(text):
        return None
    first = _FIRST.match(text)
    if answer.cut and first is None:
        return None
    decisive = [first] if first is not None else list(_LINE.finditer(text))
    said = _said((*decisive, *_ALONE.finditer(text), *_CLAIM.finditer(text)))
    if not decisive or len(said) != 1:
        return None
    return _verdict(yes=said.pop(), reason=around_answer(answer.text))


def _said(verdicts: Iterable[re.Match[str]]) -> set[bool]:
    return {found["yes"] is not None for found in verdicts}


def _claims(text: str) -> set[float]:
    """The verdicts that a text beside the answer states: announced, opening it, or alone on a line."""
    text = without_fences(text)
    found = (*_MARKED.finditer(text), *_LINE.finditer(text), *filter(None, [_FIRST.match(text)]))
    return {float(yes) for yes in _said(found)}


_SCALE = Scale(
    labels=_LABELS,
    model=BinaryReply,
    field="relevant",
    keys=frozenset({"relevant", "is_relevant", "relevance", "answer", "verdict", "label"}),
    mark=_mark,
    expected=_expected,
    spoken=_spoken,
    claims=_claims,
    wanted=_WANTED,
)


@judge_task("binary")
class Binary(ScoringTask):
    """Relevant or not. With log-probabilities the value is P(yes) / (P(yes) + P(no)), else 1 or 0."""

    name = "binary"
    decision = "predicate"

    def labels(self, n: int, *, options: tuple[str, ...] = (), explain: bool = False) -> tuple[str, ...]:
        """ "yes" and "no" for one document without a reason."""
        return _LABELS if n == 1 and not explain else ()

    def reply_format(
        self, n: int, *, options: tuple[str, ...] = (), explain: bool = False, labels: bool = False
    ) -> str:
        """One word where labels are read, else JSON."""
        if labels:
            return "Answer with one word: yes or no."
        reason, about_it = asked_reason(explain=explain)
        if n == 1:
            return f'Answer with JSON only: {{{reason}"relevant": true}} or {{{reason}"relevant": false}}.{about_it}'
        return (
            f'Answer with JSON only: {{"judgments": [{{"id": 1, {reason}"relevant": <true or false>}}, ...]}}, '
            f"one entry for each of the {n} documents, by its number.{about_it}"
        )

    def schema(self, n: int, *, options: tuple[str, ...] = (), explain: bool = False) -> OutputSchema:
        """`{"relevant": bool}`, with the reason before it, in a list under "judgments" for several documents."""
        fields = [*(["id"] if n != 1 else []), *(["reason"] if explain else []), "relevant"]
        return output_schema("relevance", BinaryReply, fields, each_of="judgments" if n != 1 else None)

    def output_tokens(
        self, n: int, *, options: tuple[str, ...] = (), explain: bool = False, labels: bool = False
    ) -> int:
        """A few tokens for a word; 20 a document and 30 around them for JSON, and 120 for each reason."""
        return 4 if labels else 30 + n * (20 + (120 if explain else 0))

    def read(
        self, reply: ChatReply, n: int, *, options: tuple[str, ...] = (), explain: bool = False
    ) -> Scores | Failed:
        """The relevance of each document."""
        return read_scores(reply, n, _SCALE, explain=explain)
