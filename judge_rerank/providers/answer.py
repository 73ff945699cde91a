"""Where the answer stands in a reply of OpenAI's shape: mostly in `content`, and sometimes elsewhere.

Rule: the content is the answer. Only where it is empty is the answer looked for elsewhere (tool arguments, content
parts, `reasoning_content`, `reasoning`, `thinking`, thinking blocks), and taken only where exactly what was asked for
stands there: the JSON object that the schema describes and nothing beside it, or one of the labels. Thinking out loud
is no answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from judge_rerank.core import ChatRequest

_FENCED = re.compile(r"\A```[\w+-]*\s*(.*?)\s*```\Z", re.S)
_ORDER = re.compile(r"\A\s*\[?\d{1,4}\]?(?:\s*>\s*\[?\d{1,4}\]?)+\s*\Z")
_THOUGHTS = ("reasoning_content", "reasoning", "thinking", "thought", "thinking_blocks", "reasoning_details")


def text_of(message: Mapping[str, Any], request: ChatRequest) -> str:
    """The answer in a message; "" where there is none."""
    content = joined(without_thinking(message.get("content")))
    if content.strip():
        return content
    elsewhere = (*_arguments(message), *(joined(message.get(name)) for name in _THOUGHTS))
    return next((text for text in elsewhere if _is_asked_for(text, request)), content)


def has_thoughts(message: Mapping[str, Any]) -> bool:
    """Whether a message holds thinking."""
    return any(joined(message.get(name)).strip() for name in _THOUGHTS)


def joined(content: object) -> str:
    """Content as one text: its parts put together; an object is the JSON that it stands for."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(_part(part) for part in cast("list[Any]", content))
    return json.dumps(content) if isinstance(content, dict) else ""


def _part(part: Any) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, Mapping):
        return ""
    fields = cast("Mapping[str, Any]", part)
    found = next((fields[name] for name in ("text", "content", "summary") if fields.get(name)), None)
    if found is None and _is_thinking(fields):
        found = fields.get("thinking")
    return joined(found)


def without_thinking(content: object) -> object:
    """Content parts without those that are thinking; anything else as it is."""
    if not isinstance(content, list):
        return content
    return [part for part in cast("list[Any]", content) if not _is_thinking(part)]


def _is_thinking(part: Any) -> bool:
    kind = cast("Mapping[str, Any]", part).get("type") if isinstance(part, Mapping) else None
    return str(kind).startswith(("thinking", "reasoning"))


def _arguments(message: Mapping[str, Any]) -> Iterator[str]:
    calls = cast("list[Any]", message.get("tool_calls") or [])
    functions: list[Any] = [call.get("function") for call in calls if isinstance(call, dict)]
    for function in (*functions, message.get("function_call")):
        if isinstance(function, Mapping):
            yield joined(cast("Mapping[str, Any]", function).get("arguments"))


def _is_asked_for(text: str, request: ChatRequest) -> bool:
    """Whether a text is exactly what was asked for, and nothing else."""
    stripped = text.strip()
    if not stripped:
        return False
    bare = stripped.strip(" .\"'`*").casefold()
    if any(bare == label.casefold() for label in request.labels):
        return True
    fenced = _FENCED.match(stripped)
    try:
        value = json.loads(fenced[1] if fenced else stripped)
    except ValueError:
        return request.schema is None and not request.labels and bool(_ORDER.match(stripped))
    if not isinstance(value, dict):
        return False
    required = request.schema.schema.get("required", ()) if request.schema is not None else ()
    return all(name in value for name in required)
