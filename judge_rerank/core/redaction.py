"""Keeps secrets out of whatever is written down: traces, logs, errors, reports, run folders, `repr`.

The one place that knows what a secret looks like. A secret is known in one of four ways:

- the caller passed it (`secrets_in` collects those of parameters and addresses);
- a variable of the environment that names a key holds it;
- it stands beside a name such as api_key, Authorization or password: in a mapping, in a header, in a query string;
- it has the shape of a known provider's key, or stands in an address as its user and password.

In doubt a text loses a harmless word rather than keeps a secret. Texts that have to stay as they are (prompts,
documents, replies) lose the secrets that are known, and nothing for its shape alone: see `without`.
"""

from __future__ import annotations

import os
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, cast
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit

REDACTED = "[redacted]"

_SHORTEST = 6  # "none" and "EMPTY" stand where a server wants some key; they are no secrets

_NAMES = (
    r"(?:api[-_ ]?)?key|secret|passw(?:or)?d|passphrase|pwd|token|auth|authorization|credentials?|cookie"
    r"|signature|sig|jwt"
)
_SECRET_NAME = re.compile(rf"(?:^|[-_ .]|(?-i:(?<=[a-z])(?=[A-Z])))(?:{_NAMES})$", re.IGNORECASE)
_OF_ENVIRONMENT = ("API_KEY", "APIKEY", "_TOKEN", "_ACCESS_KEY", "_SECRET")

# Keys by their shape. A `*` belongs to them: providers quote a refused key with its middle starred out.
_SHAPED = re.compile(
    r"""
    \b(?:                                                      # OpenAI, Anthropic, OpenRouter, Stripe; Cerebras, xAI,
        (?:sk|pk|rk|csk|xai|pplx|gsk|hf|gh[opsur]|github_pat   # Perplexity, Groq, Hugging Face, GitHub, NVIDIA,
          |nvapi|tgp|jina|fw|lsv2|glpat|vck|xox[abeprs])[-_][\w*\-]{12,}   # Together, Jina, ...
      | r8[-_][\w*]{12,}                                       # Replicate
      | pa-(?=\w{20}|[a-z_\-]{0,40}[A-Z0-9*])[\w*\-]{16,}      # Voyage
      | AIza[\w*\-]{12,} | AQ\.[\w\-]{20,} | ya29\.[\w.\-]{20,}                                # Google
      | (?:AKIA|ASIA|ABIA)[A-Z0-9]{12,} | ABSK[\w+/=]{20,}                                     # AWS
      | dapi[0-9a-f]{32}                                       # Databricks
      | \w{40,90}JQQJ99\w{20,40}                               # Azure
      | eyJ[\w\-]{10,400}\.[\w\-]{10,}(?:\.[\w\-]*)?           # a JSON web token
    )
    | (?<![\w/+.\-])(?=[A-Za-z/+]{0,39}[0-9])(?=[a-z0-9/+]{0,39}[A-Z])(?=[A-Z0-9/+]{0,39}[a-z])[\w/+]{40}(?![\w/+=.\-])
    | -----BEGIN\ [A-Z ]{0,30}PRIVATE\ KEY-----.*?(?:-----END\ [A-Z ]{0,30}PRIVATE\ KEY-----|\Z)
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ORDINARY = r"(?!(?:missing|invalid|is|not|was|none|null|required|expired|incorrect|provided|unset|empty|\[redacted)\b)"
# What says that a secret follows; the first group stays.
_ANNOUNCED = tuple(
    re.compile(pattern, re.IGNORECASE | re.ASCII)
    for pattern in (
        r"(://)[^\s/@\"'<>]{1,500}(?=@)",
        rf"([?&](?:[\w.\-]{{0,40}}[-_.])?(?:{_NAMES})=)[^\s\"'&#<>]{{4,}}",
        r"(\bbearer\s+)(?!(?:token|auth|key|scheme|is)\w*\b)[\w.~+/=*\-]{6,}",
        r"(\bbasic\s+)(?=[a-z+/]{0,200}(?-i:[A-Z0-9=]))[\w+/=]{8,}",
        rf"(\b(?:[\w]{{1,40}}[-_])?(?:api[-_ ]?key|access[-_]?key|subscription[-_]key|secret|passw(?:or)?d|token"
        rf"|authorization|cookie)[\"']?\s{{0,3}}[=:]\s{{0,3}}[\"']?){_ORDINARY}(?!bearer\b|basic\b)[^\s\"'&,;}}\]<>]{{6,}}",
    )
)


def secrets_in(params: Mapping[str, Any], url: str | None = None) -> tuple[str, ...]:
    """What must not be written down of a caller's parameters and address: every value under a name such as api_key,
    headers included, and the user and password in the address."""
    found = [text for name, value in params.items() for text in _secret_texts(str(name), value)]
    if url:
        parts = _split(url)
        found += [text for part in (parts.username, parts.password) if part for text in {part, unquote(part)}]
        found += [text for header in basic_auth(url).values() for text in (header, header.rpartition(" ")[2])]
        found += [value for name, value in parse_qsl(parts.query) if _is_secret(name)]
    return tuple(found)


def basic_auth(url: str) -> dict[str, str]:
    """The header that says the user and password in an address; none where it has none."""
    parts = _split(url)
    if parts.username is None and parts.password is None:
        return {}
    named = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return {"Authorization": f"Basic {b64encode(named.encode()).decode()}"}


def without_user(url: str) -> str:
    """The address without the user and the password in it."""
    parts = _split(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if "@" in parts.netloc else url


def _split(url: str) -> SplitResult:
    """The parts of an address; of one that is none, such as an open bracket, those that it has without brackets."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit(re.sub(r"[\[\]]", "", url))


def public_url(url: str) -> str:
    """The address without the user, the password and the keys in it."""
    parts = _split(without_user(url))
    pairs = parts.query.split("&")
    public = [pair for pair in pairs if not _is_secret(pair.partition("=")[0])]
    return url if public == pairs and "@" not in url else urlunsplit(parts._replace(query="&".join(public)))


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without the given secrets, those of the environment, and what looks like one."""
    return _redacted(text, (*secrets, *_of_environment()))


def without(text: str, secrets: Iterable[str]) -> str:
    """The text without the given secrets; strings too short to be one are left alone."""
    return _without(text, _longest_first(secrets))


def plain_without(value: Any, secrets: Iterable[str]) -> Any:
    """The value in JSON types, without the given secrets; a dataclass as its fields."""
    return _plain_without(value, _longest_first(secrets))


def _longest_first(secrets: Iterable[str]) -> list[str]:
    """Those that are long enough, a secret before what it may contain."""
    return sorted((secret for secret in secrets if len(secret) >= _SHORTEST), key=len, reverse=True)


def _without(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    return text


def _plain_without(value: Any, secrets: Sequence[str]) -> Any:
    kind: type[object] = value.__class__  # a trace has many of these for each call, so the most usual come first
    if kind is str:
        return _without(value, secrets)
    if value is None or kind is int or kind is float or kind is bool:
        return value
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain_without(item, secrets) for item in cast("Iterable[Any]", value)]
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return {_without(str(name), secrets): _plain_without(item, secrets) for name, item in items}
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: _plain_without(getattr(value, each.name), secrets) for each in fields(value)}
    return value if isinstance(value, (int, float)) else _without(str(value), secrets)


def redact_params(params: Mapping[str, Any], secrets: Iterable[str] = ()) -> dict[str, Any]:
    """Parameters in JSON types, without secrets: known ones, key-shaped ones, and what stands under a secret's name."""
    return _redacted(params, (*secrets, *secrets_in(params), *_of_environment()))


def public_repr(self: Any) -> str:
    """A dataclass as `repr` shows it, without the secrets in its parameters and addresses: `__repr__ = public_repr`."""
    values = {each.name: getattr(self, each.name) for each in fields(self)}
    known = (*secrets_in(values), *_of_environment())
    shown = [each.name for each in fields(self) if each.repr]
    parts = (f"{name}={_redacted(values[name], known, plain=False)!r}" for name in shown)
    return f"{type(self).__qualname__}({', '.join(parts)})"


def _is_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


def _of_environment() -> list[str]:
    return [value for name, value in os.environ.items() if name.endswith(_OF_ENVIRONMENT)]


def _secret_texts(name: str, value: Any) -> Iterator[str]:
    """The secrets in a parameter; the provider may quote "Bearer abc" as "abc"."""
    if isinstance(value, str) and _is_secret(name):
        yield from {value, value.rpartition(" ")[2]}
    elif isinstance(value, str) and "://" in value:
        yield from secrets_in({}, value)
    elif isinstance(value, Mapping):
        for inner, held in cast("Mapping[str, Any]", value).items():
            yield from _secret_texts(str(inner) if not _is_secret(name) else name, held)
    elif isinstance(value, (list, tuple)):
        items = cast("Sequence[Any]", value)
        for item in items:
            yield from _secret_texts(*item) if _is_pair(item) else _secret_texts(name, item)


def _redacted(value: Any, secrets: Sequence[str], *, plain: bool = True) -> Any:
    """The value without secrets; in JSON types if it has to be `plain`."""
    if isinstance(value, str):
        value = _SHAPED.sub(REDACTED, without(value, secrets))
        for pattern in _ANNOUNCED:
            value = pattern.sub(rf"\g<1>{REDACTED}", value)
        return value
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return {str(name): _held(str(name), held, secrets, plain=plain) for name, held in items}
    if isinstance(value, (list, tuple)):
        return [_redacted_item(item, secrets, plain=plain) for item in cast("Sequence[Any]", value)]
    if value is None or isinstance(value, (bool, int, float)) or not plain:
        return value
    return _redacted(str(value), secrets)


def _held(name: str, value: Any, secrets: Sequence[str], *, plain: bool) -> Any:
    return REDACTED if value and _is_secret(name) else _redacted(value, secrets, plain=plain)


def _redacted_item(item: Any, secrets: Sequence[str], *, plain: bool) -> Any:
    if not _is_pair(item):
        return _redacted(item, secrets, plain=plain)
    name, value = item
    return [name, _held(name, value, secrets, plain=plain)]


def _is_pair(item: Any) -> bool:
    """Whether an item of a list is a name with its value, as in a list of headers."""
    if not isinstance(item, (list, tuple)):
        return False
    pair = cast("Sequence[Any]", item)
    return len(pair) == 2 and isinstance(pair[0], str)
