"""What a shape is, and the fields that several have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from judge_rerank.server.problems import Problem
from judge_rerank.server.request import Answer, Asked, document_text, text_of

_WORDS = {"true": True, "false": False}


def _flag(given: object) -> object:
    """True and false; RAGFlow sends them as words."""
    return _WORDS.get(given.lower(), given) if isinstance(given, str) else given


def _whole(given: object) -> object:
    """A whole number; JSON may write it with a fraction of 0."""
    return int(given) if isinstance(given, float) and given.is_integer() else given


Flag = Annotated[
    bool,
    Field(strict=True),
    BeforeValidator(_flag),
    WithJsonSchema({"anyOf": [{"type": "boolean"}, {"enum": ["true", "false"]}]}),
]
Count = Annotated[int, Field(strict=True, ge=1), BeforeValidator(_whole)]
Document = str | dict[str, Any]
"""A text, or an object with text in it: `{"text": …}`, `{"content": …}`, or parts of which some are text."""


_SOME_TEXT = {"type": "string", "pattern": r"[^\s\u001c-\u001f\u0085]"}
QueryText = Annotated[
    Document,
    Field(description="What the documents are judged against."),
    WithJsonSchema(
        {"anyOf": [_SOME_TEXT, {"type": "object", "properties": {"text": _SOME_TEXT}, "required": ["text"]}]}
    ),
]


class Body(BaseModel):
    """The body of a request. Fields that are not known here, or say nothing to a judge, are accepted."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class WithQuery(Body):
    """What every request has."""

    query: QueryText

    def text(self) -> str:
        """The text of the query.

        Raises:
            Problem: it is empty.
        """
        text = text_of(self.query)
        if not text.strip():
            raise Problem(422, "query is empty; expected what the documents are to be judged against.")
        return text


def texts_of(documents: list[Document]) -> tuple[str, ...]:
    """The texts of documents, in their order."""
    return tuple([document_text(document) for document in documents])


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Shape:
    """One API's way to ask and to be answered.

    Attributes:
        name: for logs and metrics.
        body: what a request has to be.
        asked: the request, from its body.
        answered: the reply's body.
        refused: the body of an error.
        reply: the JSON schema of a reply's body.
        error: the JSON schema of an error's body.
    """

    name: str
    body: type[Body]
    asked: Callable[[Any], Asked]
    answered: Callable[[Answer, Asked], Any]
    refused: Callable[[Problem], Any]
    reply: Mapping[str, Any]
    error: Mapping[str, Any]

    def read(self, given: object) -> Asked:
        """The request that a body holds.

        Raises:
            Problem: it is none of this shape; the first fault is named.
        """
        if not isinstance(given, dict):
            raise Problem(422, f"The body is {_kind(given)}; expected an object with query and documents.")
        try:
            body = self.body.model_validate(given)
        except ValidationError as invalid:
            raise Problem(422, _fault(invalid, cast("dict[str, Any]", given))) from None
        return self.asked(body)


def _fault(invalid: ValidationError, given: Mapping[str, Any]) -> str:
    """The first thing that is wrong with a body, without any text of it."""
    error = invalid.errors(include_url=False, include_input=False, include_context=False)[0]
    field, *inside = error["loc"]
    if error["type"] == "missing":
        return f"{field} is missing."
    place = next((f"[{part}]" for part in inside if isinstance(part, int)), "")
    if field == "query" or place:
        return f"{field}{place} is {_kind(_at(given[str(field)], place))}; expected a text, or an object with a text."
    return f"{field}: {error['msg']}."


def _at(value: Any, place: str) -> object:
    return cast("list[object]", value)[int(place[1:-1])] if place and isinstance(value, list) else value


_KINDS: Mapping[type[object], str] = {
    type(None): "null",
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "an object",
}


def _kind(value: object) -> str:
    return _KINDS.get(type(value), type(value).__name__)
