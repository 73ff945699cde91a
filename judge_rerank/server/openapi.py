"""The server's description of its rerank paths, for clients that are generated from it."""

from __future__ import annotations

from typing import Any, cast

from judge_rerank.server.shapes import Shape, shapes_at

_STATUSES = {
    "400": "The body is not JSON.",
    "401": "There is no key, or none that is known.",
    "402": "The budget is used up.",
    "403": "The key may not do this, or the server answers its own machine only.",
    "404": "There is no such model.",
    "408": "The body did not come in time.",
    "413": "The body is too large.",
    "422": "The request cannot be used.",
    "429": "The key has sent too many requests; Retry-After says when to try again.",
    "500": "The ranking failed.",
    "502": "The model's provider failed.",
    "503": "The server is busy; Retry-After says when to try again.",
    "504": "The model's provider did not answer in time.",
}
SECURITY: dict[str, Any] = {"key": {"type": "http", "scheme": "bearer"}}


def operation(path: str, *, secured: bool) -> dict[str, Any]:
    """What FastAPI is to say of a rerank path beside its name."""
    shapes = shapes_at(path)
    errors = _any([dict(shape.error) for shape in shapes])
    replies = {"200": _content("The ranking.", _any([dict(shape.reply) for shape in shapes]))}
    return {
        "requestBody": {"required": True, **_content("", _any([_body(shape) for shape in shapes]))},
        "responses": replies | {status: _content(text, errors) for status, text in _STATUSES.items()},
        **secured_by(secured=secured),
    }


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The descriptions of these statuses, for other paths."""
    return {status: {"description": _STATUSES[str(status)]} for status in statuses}


def secured_by(*, secured: bool) -> dict[str, Any]:
    """Which key a path wants."""
    return {"security": [{"key": []}]} if secured else {}


def _body(shape: Shape) -> dict[str, Any]:
    """The schema of a request, with what it refers to written out."""
    schema = shape.body.model_json_schema()
    parts = schema.pop("$defs", {})
    return _written_out({**schema, "title": f"{shape.name} request"}, parts)


def _written_out(value: Any, parts: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        found = cast("dict[str, Any]", value)
        if "$ref" in found:
            return _written_out(parts[found["$ref"].rpartition("/")[2]], parts)
        return {key: _written_out(item, parts) for key, item in found.items()}
    return [_written_out(item, parts) for item in cast("list[Any]", value)] if isinstance(value, list) else value


def _any(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    different = [schema for place, schema in enumerate(schemas) if schema not in schemas[:place]]
    return different[0] if len(different) == 1 else {"anyOf": different}


def _content(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    described = {"description": description} if description else {}
    return {**described, "content": {"application/json": {"schema": schema}}}
