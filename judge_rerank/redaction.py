"""Keeps keys out of whatever is written down: traces, logs, errors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

REDACTED = "[redacted]"

_SHORTEST = 6  # "none" and "EMPTY" stand where a server wants some key; they are no secrets

_KEY_SHAPED = re.compile(
    r"""
    \b(?:sk|pk|rk|xai|pplx|gsk|hf|ghp|nvapi|tgp)[-_][A-Za-z0-9_\-]{16,}
    | \bAIza[A-Za-z0-9_\-]{20,}
    | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b
    | \beyJ[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{10,}(?:\.[A-Za-z0-9_\-]*)?
    | (?<=bearer\ )[A-Za-z0-9._~+/=\-]{6,}
    | (?<=basic\ )[A-Za-z0-9+/=]{12,}
    | (?<=api[-_]key[=:])[^\s"'&,;]{6,}
    | (?<=[?&]key=)[^\s"'&]{6,}
    """,
    re.VERBOSE | re.IGNORECASE,
)
_SECRET_NAME = re.compile(
    r"(?:^|[-_])(?:api[-_]?key|key|secret|password|token|authorization|credentials?|cookie)$", re.I
)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without the given secrets, and without what looks like a provider's key."""
    return _KEY_SHAPED.sub(REDACTED, without(text, secrets))


def without(text: str, secrets: Iterable[str]) -> str:
    """The text without the given secrets; strings too short to be one are left alone."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, REDACTED)
    return text


def redact_params(params: Mapping[str, Any], secrets: Iterable[str] = ()) -> dict[str, Any]:
    """Parameters without secrets: known ones, key-shaped ones, and whatever stands under a name such as api_key."""
    known = tuple(secrets)
    return {
        str(name): REDACTED if _SECRET_NAME.search(str(name)) and value else _redacted(value, known)
        for name, value in params.items()
    }


def _redacted(value: Any, secrets: tuple[str, ...]) -> Any:
    if isinstance(value, str):
        return redact(value, secrets)
    if isinstance(value, Mapping):
        return redact_params(cast("Mapping[str, Any]", value), secrets)
    if isinstance(value, (list, tuple)):
        return [_redacted(item, secrets) for item in cast("list[Any]", value)]
    return value if value is None or isinstance(value, (bool, int, float)) else redact(str(value), secrets)
