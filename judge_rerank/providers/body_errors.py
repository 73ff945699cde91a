"""Errors that stand in the body of an answer, whatever its status: providers and gateways say many with HTTP 200."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

_STATUSES: Mapping[str, int] = {
    "authentication": 401,
    "unauthorized": 401,
    "invalid_api_key": 401,
    "insufficient": 402,
    "permission": 403,
    "not_found": 404,
    "rate": 429,
    "too_many": 429,
    "throttl": 429,
    "resource_exhausted": 429,
    "overloaded": 529,
    "unavailable": 503,
    "invalid": 400,
    "context_length": 400,
    "content": 400,
    "sensitive": 400,
    "inspection": 400,
    "timeout": 504,
}
"""The status that a code in words stands for, by the start of one of its words."""

_NUMBERS: Mapping[int, int] = {1002: 429, 1004: 401, 1008: 402, 1026: 400, 1027: 400, 1039: 429, 2013: 400, 2049: 401}
"""MiniMax's own numbers, which it sends with HTTP 200."""


@dataclass(frozen=True, slots=True)
class BodyError(Exception):
    """What a body says went wrong.

    Attributes:
        message: in the provider's words.
        status: the HTTP status that it stands for; 500 where it does not say.
        text: message and code, to look for signs in.
    """

    message: str
    status: int
    text: str

    def __str__(self) -> str:
        return self.message


def error_in(body: object) -> BodyError | None:
    """The error that an answer's body holds; None where it holds none."""
    if not isinstance(body, dict):
        return None
    fields = cast("dict[str, Any]", body)
    for found in (*_at_top(fields), *_in_choices(fields)):
        error = _read(found)
        if error is not None:
            return error
    return None


def parsed(raw: bytes) -> object:
    """The body as JSON; None where it is none."""
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return None


def _at_top(fields: Mapping[str, Any]) -> Iterator[object]:
    yield fields.get("error")
    base = fields.get("base_resp")
    if isinstance(base, dict) and cast("dict[str, Any]", base).get("status_code"):
        yield {"code": base["status_code"], "message": base.get("status_msg")}
    if isinstance(fields.get("errors"), list) and fields["errors"] and not fields.get("choices"):
        yield fields["errors"][0]
    answers = ("choices", "results", "data", "output", "candidates", "content", "message", "embeddings", "response")
    if not any(fields.get(name) for name in answers if name != "message") and _says_error(fields):
        yield fields


def _says_error(fields: Mapping[str, Any]) -> bool:
    """Whether a body without an answer has a code and a message of its own, as DashScope's and vLLM's have."""
    said = isinstance(fields.get("message"), str) or isinstance(fields.get("detail"), str)
    return said and (
        fields.get("object") == "error" or any(name in fields for name in ("code", "status_code", "detail"))
    )


def _in_choices(fields: Mapping[str, Any]) -> Iterator[object]:
    choices = fields.get("choices")
    for choice in cast("list[Any]", choices) if isinstance(choices, list) else []:
        if isinstance(choice, dict):
            yield cast("dict[str, Any]", choice).get("error")
            if choice.get("finish_reason") == "error":
                yield {"message": "The model's provider failed before the reply was complete."}


def _read(found: object) -> BodyError | None:
    if isinstance(found, str) and found:
        return BodyError(found, _of_words(found) or 500, found)
    if not isinstance(found, dict) or not found:
        return None
    fields = cast("dict[str, Any]", found)
    codes = [fields.get(name) for name in ("code", "status_code", "status", "http_code", "type")]
    message = next((fields[name] for name in ("message", "msg", "detail") if isinstance(fields.get(name), str)), "")
    status = next((status for code in codes if (status := _status(code)) is not None), None)
    text = " ".join(str(part) for part in (*codes, message, json.dumps(fields, default=str)) if part)
    if status is None and not message and not any(codes):
        return None
    return BodyError(message or text[:200], status or _of_words(message) or 500, text)


def _status(code: object) -> int | None:
    if isinstance(code, str) and code.isdigit():
        code = int(code)
    if isinstance(code, bool) or not isinstance(code, (int, str)):
        return None
    if isinstance(code, int):
        return _NUMBERS.get(code, code if 400 <= code < 600 else None)
    return _of_words(code)


def _of_words(code: str) -> int | None:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", code).lower().replace(" ", "_").replace("-", "_").replace(".", "_")
    return next((status for sign, status in _STATUSES.items() if re.search(rf"(?:^|_){sign}", words)), None)
