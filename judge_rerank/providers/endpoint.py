"""Where a model is asked: addresses and keys that can be used, and the address that a call really goes to.

The address comes from `api_base`, else from the environment, as LiteLLM reads it. It is part of whose answer a reply
is: the same request at another address, or routed elsewhere by its headers, is another request.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, cast
from urllib.parse import urlsplit

from judge_rerank.core import InputError, public_url, redact_params

_EXAMPLE = "'http://localhost:8000/v1'"
_SUFFIXES = ("_BASE_URL", "_API_BASE", "_API_BASE_URL", "_ENDPOINT", "_URL", "_HOST")

_STEMS: Mapping[str, tuple[str, ...]] = {
    "azure_text": ("AZURE",),
    "bedrock": ("BEDROCK", "AWS_BEDROCK_RUNTIME"),
    "bedrock_converse": ("BEDROCK", "AWS_BEDROCK_RUNTIME"),
    "custom_openai": ("OPENAI",),
    "huggingface": ("HF", "HUGGINGFACE"),
    "meta_llama": ("LLAMA",),
    "mistral": ("MISTRAL", "MISTRAL_AZURE"),
    "text-completion-openai": ("OPENAI",),
    "vertex_ai": ("VERTEXAI", "VERTEX"),
    "vertex_ai_beta": ("VERTEXAI", "VERTEX"),
    "volcengine": ("VOLCENGINE", "ARK"),
    "watsonx": ("WATSONX", "WML", "WX"),
}
"""What the environment variables of a provider begin with, where that is not the provider's name."""

_NO_ROUTING = re.compile(
    r"(?i)request-?id|session|trace|correlation|idempotency|user|referer|title|^accept|^content-|^connection$"
)
"""Headers that say who asks, or differ from call to call; they choose no model."""


def check_address(url: str, *, name: str = "api_base") -> None:
    """Raise unless the address can be asked: `http://` or `https://`, a host, no blanks.

    Raises:
        InputError: what is wrong with it. Nothing is sent.
    """
    shown = public_url(url) if "://" in url else url.rpartition("@")[2]
    if re.search(r"[\s\x00-\x1f]", url):
        raise InputError(
            f"{name} is {shown!r}, which has a blank or a line break in it; expected one address, {_EXAMPLE}."
        )
    if not re.match(r"(?i)https?://", url):
        raise InputError(f"{name} is {shown!r}, which has no http:// or https:// in front; expected {_EXAMPLE}.")
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.port != 0 else None
    except ValueError:
        host = None
    if not host:
        raise InputError(f"{name} is {shown!r}, in which no host can be read; expected an address, {_EXAMPLE}.")


def check_key(key: str, *, name: str = "api_key") -> None:
    """Raise unless the key can be sent in a header. The message does not show it.

    Raises:
        InputError: what is wrong with it. Nothing is sent.
    """
    if not key.isascii():
        wrong = "a character that is not ASCII"
    elif re.search(r"[\x00-\x1f\x7f]", key):
        wrong = "a line break or another control character"
    elif key != key.strip() or " " in key.removeprefix("Bearer "):
        wrong = "a blank"
    else:
        return
    raise InputError(f"{name} has {wrong} in it, so it cannot be a key. Copy the key again, without what surrounds it.")


def check_headers(params: Mapping[str, Any]) -> None:
    """Raise unless the headers in a caller's parameters can be sent.

    Raises:
        InputError: which header cannot. Nothing is sent.
    """
    for name, value in _headers(params):
        if re.search(r"[\r\n\x00]", f"{name}{value}") or not f"{name}{value}".isascii():
            raise InputError(f"The header {name!r} has a line break or a character that is not ASCII in it.")


def in_environment(provider: str) -> dict[str, str]:
    """The addresses that the environment sets for a provider, by variable; `<PROVIDER>_API_BASE` and its like."""
    return {name: value for name in _addresses(provider) if (value := os.environ.get(name, "").strip())}


@lru_cache(maxsize=256)
def _addresses(provider: str) -> tuple[str, ...]:
    return tuple(stem + suffix for stem in _stems(provider) for suffix in _SUFFIXES)


def keys_in_environment(provider: str) -> dict[str, str]:
    """The keys that the environment sets for a provider, by variable."""
    names = [f"{stem}_API_KEY" for stem in _stems(provider)]
    return {name: value for name in names if (value := os.environ.get(name, ""))}


def resolved(
    api_base: str | None, provider: str, params: Mapping[str, Any], *, default: str | None = None
) -> str | None:
    """Where a call really goes, without secrets: the address, and the headers that may route it; None for the usual.

    Several variables that disagree all count, for what LiteLLM reads first differs by provider.

    Args:
        api_base: as the caller gave it; it beats the environment.
        provider: LiteLLM's name for the provider.
        params: the caller's parameters; `extra_headers` and `headers` are looked at.
        default: LiteLLM's own setting for all calls, if it has one.
    """
    given = [api_base or default] if api_base or default else list(dict.fromkeys(in_environment(provider).values()))
    addresses = [public_url(address) for address in given if address]
    public = redact_params(dict(_headers(params)))
    routing = [
        f"{name}: {value}"
        for name, value in sorted(_headers(params))
        if public[name] == value and not _NO_ROUTING.search(name)
    ]
    return " ".join([*addresses, *(f"[{header}]" for header in routing)]) or None


def _stems(provider: str) -> tuple[str, ...]:
    plain = provider.upper().replace("-", "_").replace(".", "_")
    short = re.sub(r"_(?:AI|CHAT|TEXT)$|(?<=[A-Z])AI$", "", plain)
    named = _STEMS.get(provider, (plain,) if provider.startswith("azure") else (plain, short))
    return tuple(dict.fromkeys(named))


def _headers(params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for field in ("extra_headers", "headers", "default_headers"):
        given = params.get(field)
        if isinstance(given, Mapping):
            for name, value in cast("Mapping[str, Any]", given).items():
                yield str(name).lower(), str(value)
