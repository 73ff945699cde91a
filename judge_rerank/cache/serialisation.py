"""How a request becomes a cache key, and a reply a cache entry and back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, cast

from judge_rerank.core import ChatReply, ChatRequest

_NOT_IN_KEY = frozenset({"timeout_s", "subject"})
"""Fields of a request that do not change what is sent. Every other field counts, with those that come later."""

_IN_KEY_WHERE_SET = frozenset({"questions"})
"""Fields that most requests do not have. Where they are empty, the key is that of a request without such a field."""

_PARAMS_NOT_IN_KEY = frozenset(
    {
        *("api_key", "aws_access_key_id", "aws_secret_access_key", "aws_session_token", "azure_ad_token", "hf_token"),
        *("aws_bearer_token_bedrock", "azure_username", "azure_password", "client_secret", "azure_ad_token_provider"),
        *("headers", "extra_headers", "default_headers", "vertex_credentials"),
        *("timeout", "timeout_s", "request_timeout", "stream_timeout"),
        *("retries", "max_retries", "num_retries", "max_attempts", "concurrency"),
    }
)
"""Parameters that do not change an answer, or are secret. Every other parameter counts."""


_LEAVES = frozenset({str, bool, int, float, type(None)})
"""Types that are JSON as they stand."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A stored reply.

    Attributes:
        reply: as it came, with what it cost.
        stored: when, in seconds since 1970.
    """

    reply: ChatReply
    stored: float


def request_key(
    request: ChatRequest, *, model: str, endpoint: str | None, params: Mapping[str, Any], parser_version: int
) -> str:
    """The SHA-256 of everything that can change the answer, under which the cache keeps it.

    Args:
        request: as it would be sent. `timeout_s` and `subject` do not count.
        model: the model that is asked, resolved to its full name.
        endpoint: where it is asked, if not at the provider's usual address.
        params: the caller's own parameters. Keys, headers, timeouts and retries do not count.
        parser_version: of the code that reads the reply.
    """
    asked = {name: getattr(request, name) for name in _field_names(ChatRequest) or () if name not in _NOT_IN_KEY}
    asked = {name: value for name, value in asked.items() if value or name not in _IN_KEY_WHERE_SET}
    asked["temperature"] = float(request.temperature)
    counted = {name: value for name, value in params.items() if _normal(name) not in _PARAMS_NOT_IN_KEY}
    whole = {"request": asked, "model": model, "endpoint": endpoint, "params": counted, "parser": parser_version}
    return hashlib.sha256(json.dumps(plain(whole), separators=(",", ":")).encode("ascii")).hexdigest()


def write_entry(key: str, entry: Entry) -> dict[str, Any]:
    """The entry in JSON types, with the key of the request that it answers."""
    reply = {name: getattr(entry.reply, name) for name in _field_names(ChatReply) or ()}
    branches = {text: {str(k): float(v) for k, v in b.items()} for text, b in entry.reply.branches.items()}
    return {"key": key, "stored": entry.stored, "reply": plain(reply | {"branches": None}) | {"branches": branches}}


def read_entry(key: str, value: Any) -> Entry | None:
    """The entry under `key`, or None if `value` is nothing, or no reply to this request."""
    try:
        if value is None or value["key"] != key:
            return None
        reply = dict(value["reply"])
        cost = reply.pop("cost_usd")
        reply = ChatReply(**reply, cost_usd=None if cost is None else Decimal(cost))
        return Entry(reply=reply, stored=float(value["stored"]))
    except (TypeError, KeyError, ValueError, ArithmeticError):
        return None


def plain(value: Any) -> Any:
    """`value` in JSON types, always the same for the same content: mappings sorted by key, sets by text."""
    if type(value) in _LEAVES:  # nearly all that there is
        return value
    names = _field_names(value.__class__)
    if names is not None:
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        named = {str(key): item for key, item in cast("Mapping[Any, Any]", value).items()}
        return {name: plain(named[name]) for name in sorted(named)}
    if isinstance(value, (set, frozenset)):
        return sorted((plain(item) for item in cast("frozenset[Any]", value)), key=repr)
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, bytearray)):
        return [plain(item) for item in cast("Iterable[Any]", value)]
    return value if value is None or isinstance(value, (str, bool, int, float)) else str(value)


@lru_cache(maxsize=256)
def _field_names(kind: type) -> tuple[str, ...] | None:
    """The fields of a dataclass; None for any other type."""
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else None


def _normal(name: str) -> str:
    return name.lower().replace("-", "_")
