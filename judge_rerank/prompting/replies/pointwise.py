"""Reading judgments of single documents: one in a reply, or several by id. What `binary` and `score` share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from pydantic import ValidationError

from judge_rerank.core import ChatReply, Failed, Scores
from judge_rerank.prompting.replies.citations import own_words
from judge_rerank.prompting.replies.json_text import json_values, objects, repaired_json, without_objects
from judge_rerank.prompting.replies.labels import LabelDistribution, distribution
from judge_rerank.prompting.replies.numbering import SHIFTED, first_number, not_from_zero
from judge_rerank.prompting.replies.schemas import ReplyModel
from judge_rerank.prompting.replies.text import ReplyText, excerpt, failed_reading, open_reply, without_fences

_LINE = re.compile(
    r"^[\s*>|-]{0,8}(?:(?:document|passage|doc|id)\s{0,3})?"
    r"(?:[\[(#]{0,2}(\d{1,9})[\])]{0,2}\*{0,2}\s{0,3}(?:[:=)|–]|->|[.-](?=\s)){1,2}|\[(\d{1,9})\](?=\s))(.*)$",
    re.IGNORECASE | re.MULTILINE,
)
_DIGITS = re.compile(r"\d{1,9}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """One judgment: relevance in [0, 1], the judge's words for it, an explanation, and what it was weighed from."""

    value: float
    label: str
    reason: str | None = None
    criteria: Mapping[str, float] | None = None

    @property
    def said(self) -> tuple[float, ...]:
        """What the judge stated; two judgments that differ in it are not one."""
        return (self.value,) if self.criteria is None else tuple(self.criteria.values())


Entries = list[tuple[int, Mark | None]]
"""Document numbers and their judgments, None for one that cannot be read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """What a judgment is measured in.

    Attributes:
        labels: the one-word answers, for log-probabilities.
        model: the reply as JSON; a field that cannot be read raises `ValueError` with a sentence for the judge.
        field: the field of `model` that holds the judgment.
        keys: the names under which models send it, in lower case.
        mark: the judgment in an instance of `model`.
        expected: the judgment in a distribution over `labels`; None where there are no labels.
        spoken: the judgment in plain text, None where there is none; raises `ValueError` with a sentence for the judge.
        claims: every value that a text beside the JSON of an answer states, however it is put.
        wanted: a sentence that says what an answer looks like.
    """

    labels: tuple[str, ...]
    model: type[ReplyModel]
    field: str
    keys: frozenset[str]
    mark: Callable[[ReplyModel], Mark]
    expected: Callable[[LabelDistribution], Mark] | None
    spoken: Callable[[ReplyText], Mark | None]
    claims: Callable[[str], set[float]]
    wanted: str


def read_scores(reply: ChatReply, n: int, scale: Scale, *, explain: bool) -> Scores | Failed:
    """The judgments of `n` documents in a reply, or why there are none."""
    answer = open_reply(reply)
    if isinstance(answer, Failed):
        return answer
    if n != 1:
        return _read_batch(answer, n, scale)
    at_once = not answer.thought and answer.text[:1] not in {"{", "[", "`", "<"}
    if scale.expected is not None and reply.branches.get("") and at_once and not explain:
        spread = distribution(reply.branches, scale.labels)
        if spread.answered:
            return _expected(scale.expected(spread), exact=spread.exact)
        # A reply that opens with a quote or a line break has its answer in a later token; a word was the answer.
        if not answer.text or reply.text[:1].isalnum():
            return failed_reading(answer, f"Your reply began with something else than an answer. {scale.wanted}")
    return _read_one(answer, scale, explain=explain)


def _expected(mark: Mark, *, exact: bool) -> Scores:
    repairs = () if exact else ("answers with the same beginning were distinguished by an estimate",)
    return Scores(values=(mark.value,), labels=(mark.label,), reasons=(None,), repairs=repairs)


def _read_one(answer: ReplyText, scale: Scale, *, explain: bool) -> Scores | Failed:
    """One document's judgment: JSON first, then plain words. What the judge only cites counts as nothing."""
    repairs = list(answer.repairs)
    own = own_words(answer.text)
    marks, problem = _marks(json_values(own), scale)
    if not marks and problem is None and _mendable(answer):
        marks, problem = _marks(repaired_json(without_objects(own)), scale)
        repairs.append("damaged JSON repaired")
    elif marks and not (answer.text.startswith("{") and answer.text.endswith("}")):
        repairs.append("text around the answer ignored")
    stated = {mark.said for mark in marks}
    if marks:
        stated |= {(value,) for value in scale.claims(without_objects(own))}
    elif problem is None and (_mendable(answer) or own.rfind("{") <= own.rfind("}")):
        repairs = list(answer.repairs)
        try:
            spoken = scale.spoken(answer)
        except ValueError as error:
            spoken, problem = None, str(error)
        marks = [spoken] if spoken is not None else []
    if len(stated) > 1:
        problem, marks = f"Your reply gave more than one answer. {scale.wanted}", []
    if not marks:
        return failed_reading(answer, problem or f"No answer was found in {excerpt(answer.text)}. {scale.wanted}")
    mark = marks[-1] if explain else replace(marks[-1], reason=None)
    return _scores([mark], repairs)


def _scores(marks: Sequence[Mark | None], repairs: Sequence[str]) -> Scores:
    criteria = tuple(mark.criteria if mark else None for mark in marks)
    return Scores(
        values=tuple(mark.value if mark else None for mark in marks),
        labels=tuple(mark.label if mark else None for mark in marks),
        reasons=tuple(mark.reason if mark else None for mark in marks),
        repairs=tuple(repairs),
        criteria=criteria if any(each is not None for each in criteria) else (),
    )


def _mendable(answer: ReplyText) -> bool:
    """Whether damaged JSON may be repaired: an end that may have been cut off must not become a value."""
    return not answer.cut and (answer.ended or answer.text.endswith(("}", "]", "```")))


def _marks(values: list[Any], scale: Scale) -> tuple[list[Mark], str | None]:
    """Every judgment in the objects among `values`, and what was wrong with the first that could not be read."""
    marks: list[Mark] = []
    problem: str | None = None
    for found in objects(values):
        if scale.keys.isdisjoint(found):
            continue
        try:
            marks.append(scale.mark(scale.model.model_validate(found)))
        except ValidationError as error:
            problem = problem or _first_problem(error, scale)
    return (marks, None) if problem is None else ([], problem)


def _first_problem(error: ValidationError, scale: Scale) -> str:
    cause = error.errors(include_url=False, include_input=False)[0].get("ctx", {}).get("error")
    return str(cause) if isinstance(cause, ValueError) else scale.wanted


def _read_batch(answer: ReplyText, n: int, scale: Scale) -> Scores | Failed:
    """The judgments of several documents by id. One that cannot be read leaves the others where they are."""
    own = own_words(answer.text)
    beside = without_objects(own)
    entries, repaired = list(_entries(json_values(own), scale)), Entries()
    if len(dict(entries)) < n and _mendable(answer):
        repaired = list(_entries(repaired_json(beside), scale))
    lines = list(_lines(beside, scale, cut=answer.cut))
    first = first_number(dict([*entries, *repaired] or lines), n)
    if first is None:
        return failed_reading(answer, not_from_zero(n))
    repairs = [*answer.repairs, *([SHIFTED] if first == 0 else [])]
    book = _Book(n=n, first=first)
    book.enter(entries)
    if book.adopt(repaired):
        repairs.append("damaged JSON repaired")
    if book.marks:
        book.contradict(lines)
    else:
        book.enter(lines)
    marks = [book.marks.get(place) for place in range(n)]
    if n and not any(marks):
        return failed_reading(answer, f"No judgment by document number was found. {scale.wanted}")
    return _scores(marks, [*repairs, *(["reply cut off"] if answer.cut else []), *book.repairs(marks)])


class _Book:
    """Judgments by the place of their document, with what was wrong with them.

    Attributes:
        first: the number of the first document.
    """

    def __init__(self, *, n: int, first: int) -> None:
        self.n = n
        self.first = first
        self.marks: dict[int, Mark | None] = {}
        self.invented = 0
        self.contradicted: set[int] = set()

    def enter(self, entries: Entries) -> None:
        """Take these judgments; two of one document that differ are none."""
        for number, mark in entries:
            place = number - self.first
            if not 0 <= place < self.n:
                self.invented += 1
                continue
            self._compare(place, mark)
            if place in self.contradicted:
                self.marks[place] = None
            elif self.marks.get(place) is None:
                self.marks[place] = mark

    def adopt(self, entries: Entries) -> bool:
        """Take those that are not here at all; whether there were any."""
        other = _Book(n=self.n, first=self.first)
        other.enter(entries)
        new = {place: mark for place, mark in other.marks.items() if place not in self.marks and mark is not None}
        self.marks.update(new)
        return bool(new)

    def contradict(self, entries: Entries) -> None:
        """Drop the judgments that these differ from, and take none of them."""
        for number, mark in entries:
            self._compare(number - self.first, mark)
        self.marks.update(dict.fromkeys(self.contradicted))

    def _compare(self, place: int, mark: Mark | None) -> None:
        known = self.marks.get(place)
        if known is not None and mark is not None and known.said != mark.said:
            self.contradicted.add(place)

    def repairs(self, marks: list[Mark | None]) -> Iterator[str]:
        """What was wrong, one sentence each."""
        missing = sum(mark is None for mark in marks)
        if missing:
            yield f"{missing} of {self.n} judgments missing or unreadable"
        if self.contradicted:
            yield f"{len(self.contradicted)} documents judged twice with different results"
        if self.invented:
            yield f"{self.invented} judgments of documents that were not shown ignored"


def _entries(values: list[Any], scale: Scale) -> Iterator[tuple[int, Mark | None]]:
    """Document numbers and their judgments, None for one that cannot be read."""
    for found in objects(values):
        number = _number(found.get("id", found.get("document", found.get("doc"))))
        if number is not None:
            yield number, _mark_or_none(found, scale)
        elif scale.keys.isdisjoint(found):
            # {"1": true, "2": {"relevant": false}}; objects inside bring no id of their own
            for key, value in found.items():
                if _DIGITS.fullmatch(key):
                    inner = cast("dict[str, Any]", value if isinstance(value, dict) else {scale.field: value})
                    yield int(key), _mark_or_none(inner, scale)


def _mark_or_none(found: object, scale: Scale) -> Mark | None:
    try:
        return scale.mark(scale.model.model_validate(found))
    except ValidationError:
        return None


def _number(value: object) -> int | None:
    if isinstance(value, str):
        digits = _DIGITS.fullmatch(value.strip().strip("[]#").strip())
        return int(digits.group()) if digits else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _lines(own: str, scale: Scale, *, cut: bool) -> Iterator[tuple[int, Mark | None]]:
    """Judgments in lines such as `[2]: yes`; in a cut reply the last line may lack its end."""
    text = without_fences(own)
    for line in _LINE.finditer(text):
        complete = not cut or line.end() < len(text)
        rest = ReplyText(text=line.group(3).strip(), cut=False, ended=True, thought=False)
        try:
            mark = scale.spoken(rest) if complete and rest.text else None
        except ValueError:
            mark = None
        yield int(line.group(1) or line.group(2)), Mark(value=mark.value, label=mark.label) if mark else None
