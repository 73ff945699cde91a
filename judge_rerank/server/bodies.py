"""The body of a request: read up to a limit, and refused before anything is spent where there is too much in it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from starlette.requests import ClientDisconnect, Request

from judge_rerank.server.config import LimitsSpec
from judge_rerank.server.problems import Problem
from judge_rerank.server.request import Asked

_READING_S = 60.0
"""How long a body may take to come."""


class Gone(Exception):
    """The client has closed the connection."""


async def json_body(request: Request, limits: LimitsSpec) -> Any:
    """The body, as JSON.

    Raises:
        Problem: it is too large, or not JSON.
        Gone: the client left before it was complete.
    """
    try:
        async with asyncio.timeout(_READING_S):
            raw = await _bytes(request, limits.body_bytes)
    except TimeoutError:
        raise Problem(408, f"The body did not come within {_READING_S:g} seconds.") from None
    try:
        return json.loads(raw, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Problem(400, "The body is not JSON.") from None


def check(asked: Asked, limits: LimitsSpec) -> None:
    """Raises `Problem` where a request has more documents or tokens than are taken."""
    count = len(asked.documents)
    if count > limits.documents:
        raise Problem(422, f"There are too many documents: {count}. At most {limits.documents} are allowed.")
    tokens = asked.tokens
    if tokens > limits.tokens:
        message = (
            f"Query and documents have about {tokens} tokens, which is too long. At most {limits.tokens} are taken."
        )
        raise Problem(422, message)


async def _bytes(request: Request, most: int) -> bytes:
    too_large = Problem(413, f"The body is too large. At most {most} bytes are taken.")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > most:
        raise too_large
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > most:
                raise too_large
            parts.append(part)
    except ClientDisconnect:
        raise Gone from None
    return b"".join(parts)


def _no_number(word: str) -> float:
    msg = f"{word} is not JSON"
    raise ValueError(msg)
