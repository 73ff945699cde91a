"""Several criteria of each document: a number for each of them, in one reply."""

# Every task takes the same arguments, whether it needs them or not.
# ruff: noqa: ARG002

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, cast

from pydantic import AliasChoices, BeforeValidator, Field, WithJsonSchema, create_model

from judge_rerank.core import ChatReply, Criterion, Failed, OutputSchema, Scores, weighed
from judge_rerank.prompting.escaping import quote
from judge_rerank.prompting.replies.numbers import Numbers
from judge_rerank.prompting.replies.pointwise import Mark, Scale, read_scores
from judge_rerank.prompting.replies.schemas import Reason, ReplyModel, asked_reason, output_schema
from judge_rerank.prompting.replies.text import ReplyText
from judge_rerank.prompting.tasks.base import ScoringTask

_USUAL = {"relevance": "how well the document answers the query"}
"""What criteria mean that nobody has described."""


class NumbersByCriteria(ScoringTask):
    """A number for each criterion; the score is their weighted mean. A document that lacks one has no score.

    Args:
        numbers: the scale of each.
        criteria: what is judged.
    """

    name = "score"

    def __init__(self, numbers: Numbers, criteria: tuple[Criterion, ...]) -> None:
        self._numbers, self._criteria = numbers, criteria
        self._names = [each.name for each in criteria]
        self._model = _reply_model(numbers, criteria)
        self._scale = Scale(
            labels=(),
            model=self._model,
            field=self._names[0],
            keys=frozenset(name.lower() for name in self._names),
            mark=self._mark,
            expected=None,
            spoken=_nothing_spoken,
            claims=_no_claims,
            wanted=f"Give {', '.join(self._names)}, each as a number from {numbers.lowest} to {numbers.highest}.",
        )

    def labels(self, n: int, *, options: tuple[str, ...] = (), explain: bool = False) -> tuple[str, ...]:
        """None: several numbers are more than a word."""
        return ()

    def reply_format(
        self, n: int, *, options: tuple[str, ...] = (), explain: bool = False, labels: bool = False
    ) -> str:
        """JSON with each criterion, and what each means."""
        numbers = self._numbers
        reason, about_it = asked_reason(explain=explain)
        wanted = ", ".join(f'"{name}": <number>' for name in self._names)
        meant = "; ".join(meaning(each) for each in self._criteria)
        scale = (
            f"The numbers are whole, from {numbers.lowest} (not at all) to {numbers.highest} (fully), each criterion "
            f"by itself. They are {meant}.{about_it}"
        )
        if n == 1:
            return f"Answer with JSON only: {{{reason}{wanted}}}. {scale}"
        return (
            f'Answer with JSON only: {{"judgments": [{{"id": 1, {reason}{wanted}}}, ...]}}, one entry for each of the '
            f"{n} documents, by its number. {scale}"
        )

    def schema(self, n: int, *, options: tuple[str, ...] = (), explain: bool = False) -> OutputSchema:
        """The numbers, with the reason before them, in a list under "judgments" for several documents."""
        fields = [*(["id"] if n != 1 else []), *(["reason"] if explain else []), *self._names]
        return output_schema("criteria", self._model, fields, each_of="judgments" if n != 1 else None)

    def output_tokens(
        self, n: int, *, options: tuple[str, ...] = (), explain: bool = False, labels: bool = False
    ) -> int:
        """10 a document, 12 and the name for each criterion, 30 around them, and 120 for each reason."""
        names = sum(12 + len(name) // 2 for name in self._names)
        return 30 + n * (10 + names + (120 if explain else 0))

    def read(
        self, reply: ChatReply, n: int, *, options: tuple[str, ...] = (), explain: bool = False
    ) -> Scores | Failed:
        """The weighted mean of each document, with what it was weighed from."""
        return read_scores(reply, n, self._scale, explain=explain)

    def _mark(self, reply: ReplyModel) -> Mark:
        numbers = {name: cast("float", getattr(reply, _field(place))) for place, name in enumerate(self._names)}
        values = {name: self._numbers.mark(number).value for name, number in numbers.items()}
        return Mark(
            value=weighed(self._criteria, values),
            label=", ".join(f"{name} {number:g}" for name, number in numbers.items()),
            reason=cast("str | None", getattr(reply, "reason", None)),
            criteria=values,
        )


@lru_cache(maxsize=256)
def numbers_by_criteria(numbers: Numbers, criteria: tuple[Criterion, ...]) -> NumbersByCriteria:
    """The task that judges by these criteria."""
    return NumbersByCriteria(numbers, criteria)


def meaning(criterion: Criterion) -> str:
    """The name with what it means. It is the caller's own text, and may yet hold what looks like the prompt's marks."""
    description = criterion.description or _USUAL.get(criterion.name.lower(), "")
    return quote(f'"{criterion.name}" ({description})' if description else f'"{criterion.name}"')


def _field(place: int) -> str:
    return f"criterion_{place}"


def _reply_model(numbers: Numbers, criteria: tuple[Criterion, ...]) -> type[ReplyModel]:
    fields: Mapping[str, Any] = {
        _field(place): (
            Annotated[
                float,
                BeforeValidator(_reader(numbers, each.name)),
                WithJsonSchema(
                    {
                        "type": "integer",
                        "description": f"From {numbers.lowest} to {numbers.highest}. {each.description}".rstrip(),
                    }
                ),
            ],
            Field(validation_alias=AliasChoices(each.name, each.name.lower())),
        )
        for place, each in enumerate(criteria)
    }
    number = Annotated[object, WithJsonSchema({"type": "integer", "description": "The document's number."})]
    reasoned = Field(default=None, validation_alias=AliasChoices("reason", "explanation", "rationale"))
    made: Any = create_model(
        "CriteriaReply", __base__=ReplyModel, id=(number, None), reason=(Reason, reasoned), **fields
    )
    return made


def _reader(numbers: Numbers, name: str) -> Any:
    return numbers.called(name).read


def _nothing_spoken(answer: ReplyText) -> None:  # noqa: ARG001 - a number in plain words does not say of what it is
    return None


def _no_claims(text: str) -> set[float]:  # noqa: ARG001 - for the same reason
    return set()
