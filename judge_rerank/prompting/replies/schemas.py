"""From the pydantic model of a reply to the JSON schema that a provider is given."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

from judge_rerank.core import OutputSchema
from judge_rerank.prompting.replies.text import as_reason


class ReplyModel(BaseModel):
    """One JSON object of a reply. What the model adds to it is ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def read_reason(value: object) -> str | None:
    """An explanation, trimmed; None for what is none."""
    return as_reason(value) if isinstance(value, str) else None


Reason = Annotated[
    str | None,
    BeforeValidator(read_reason),
    WithJsonSchema({"type": "string", "description": "One or two short sentences."}),
]
"""An explanation. A reply without one is still a judgment."""


def asked_reason(*, explain: bool) -> tuple[str, str]:
    """The place for a reason in the JSON that is asked for, and the sentence about it; nothing where none is wanted.

    The place holds no words that would pass for a reason, because small models copy them.
    """
    if not explain:
        return "", ""
    return '"reason": "<why>", ', " In place of <why>, say in one sentence what in the text decides it."


def object_schema(model: type[ReplyModel], fields: Sequence[str]) -> dict[str, Any]:
    """The schema of an object with these fields of `model`, in this order.

    Strict providers want every property required and no other allowed, and refuse limits on numbers and lists; the
    limits stand in the descriptions and are checked on reading.
    """
    properties: dict[str, dict[str, Any]] = _json_schema(model)["properties"]
    left_out = {"title", "default"}
    return {
        "type": "object",
        "properties": {
            field: {key: value for key, value in properties[field].items() if key not in left_out} for field in fields
        },
        "required": list(fields),
        "additionalProperties": False,
    }


@cache
def _json_schema(model: type[ReplyModel]) -> dict[str, Any]:
    return model.model_json_schema()  # half a millisecond, and wanted for every call


def output_schema(
    name: str, model: type[ReplyModel], fields: Sequence[str], *, each_of: str | None = None
) -> OutputSchema:
    """An `OutputSchema` for one object, or for a list of them under the key `each_of`."""
    schema = object_schema(model, fields)
    if each_of is not None:
        schema = {
            "type": "object",
            "properties": {each_of: {"type": "array", "items": schema}},
            "required": [each_of],
            "additionalProperties": False,
        }
    return OutputSchema(name=name, schema=schema)
