"""Keeps keys out of whatever is written down: traces, logs, errors."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

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
    r"(?:^|[-_])(?:api[-_]?key|key|secret|password|token|auth|authorization|credentials?|cookie)$", re.I
)


def secrets_in(params: Mapping[str, Any], url: str | None = None) -> tuple[str, ...]:
    """What must not be written down of a caller's parameters and address: every value under a name such as api_key,
    headers included, and the user and password in the address."""
    found = [text for name, value in params.items() for text in _secret_texts(name, value)]
    if url:
        parts = urlsplit(url)
        found += [text for part in (parts.username, parts.password) if part for text in {part, unquote(part)}]
        found += [text for header in basic_auth(url).values() for text in (header, header.rpartition(" ")[2])]
        found += [value for name, value in parse_qsl(parts.query) if _SECRET_NAME.search(name)]
    return tuple(found)


def basic_auth(url: str) -> dict[str, str]:
    """The header that says the user and password in an address; none where it has none."""
    parts = urlsplit(url)
    if parts.username is None and parts.password is None:
        return {}
    named = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return {"Authorization": f"Basic {b64encode(named.encode()).decode()}"}


def without_user(url: str) -> str:
    """The address without the user and the password in it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if "@" in parts.netloc else url


def public_url(url: str) -> str:
    """The address without the user, the password and the keys in it."""
    parts = urlsplit(without_user(url))
    pairs = parts.query.split("&")
    public = [pair for pair in pairs if not _SECRET_NAME.search(pair.partition("=")[0])]
    return url if public == pairs and "@" not in url else urlunsplit(parts._replace(query="&".join(public)))


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


def _secret_texts(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner, held in cast("Mapping[str, Any]", value).items():
            yield from _secret_texts(str(inner), held)
    elif isinstance(value, str) and _SECRET_NAME.search(name):
        # The provider may quote "Bearer abc" as "abc".
        yield from {value, value.rpartition(" ")[2]}


def _redacted(value: Any, secrets: tuple[str, ...]) -> Any:
    if isinstance(value, str):
        return redact(value, secrets)
    if isinstance(value, Mapping):
        return redact_params(cast("Mapping[str, Any]", value), secrets)
    if isinstance(value, (list, tuple)):
        return [_redacted(item, secrets) for item in cast("list[Any]", value)]
    return value if value is None or isinstance(value, (bool, int, float)) else redact(str(value), secrets)
