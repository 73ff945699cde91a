"""Errors of LiteLLM and of the wire, as ours.

| On the wire                                                     | Ours                  |
|-----------------------------------------------------------------|-----------------------|
| 401, 403, no key; 400 that speaks of an invalid key             | `AuthenticationError` |
| 402; 400, 403 or 429 that speak of credit, billing or quota     | `QuotaExhausted`      |
| 400, 413, 422 that speak of the context length                  | `ContextTooLong`      |
| other 4xx                                                       | `RequestRejected`     |
| 429                                                             | `RateLimited`         |
| 408, 504, no complete answer in time                            | `ProviderTimeout`     |
| 409, 425, 5xx, lost connection, 2xx with a malformed answer     | `ProviderUnavailable` |
| never sent: LiteLLM refused it, or a package is missing         | `InputError`          |

An error inside an answer of HTTP 200 counts as the status that it stands for. What a content filter withheld is no
error but a reply (`judge_rerank.providers.content_filter`).

The status is the one that came over the wire where it is known: LiteLLM reports some others (a malformed answer of
Gemini as 422, of Anthropic as 500). Errors are told apart by their fields, so this module needs no LiteLLM.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast

from judge_rerank.core import (
    AuthenticationError,
    ContextTooLong,
    InputError,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
    RequestRejected,
    redact,
)
from judge_rerank.providers.body_errors import BodyError, error_in, parsed
from judge_rerank.providers.failure_chain import chain, completed, never_sent, refused_by_litellm
from judge_rerank.providers.http_transport import Exchange
from judge_rerank.providers.remedies import is_page, page_text, remedy

_LONGEST_DETAIL = 400

_LITELLM_PREFIX = re.compile(
    r"^(?:litellm\.)?(?:\w+(?:Error|Exception|Timeout)\b\s*[:.-]?\s*(?:litellm\.)?)+", re.ASCII
)
_LITELLM_ADVICE = re.compile(
    r"[,.]? *(?:Handle with `litellm\.\w+`|File an issue if litellm error|Original Response:).*", re.S
)
_TRACEBACK = re.compile(r"\s*Traceback \(most recent call last\)|\s+File \"[^\"]+\", line \d+")
_CHECK_SETUP = "Check the model's name, params, api_base and the packages that its provider needs."
_NO_CREDIT = (
    "insufficient_quota",
    "insufficient balance",
    "credit balance is too low",
    "billing_hard_limit",
    "no credit",
)
_WRONG_KEY = ("key not valid", "api_key_invalid")
"""How Google says with a status of 400 that it does not accept a key."""
_TOO_LONG = (
    "context length",
    "context window",
    "context_length",
    "prompt is too long",
    "maximum number of tokens",
    "context limit",
    "context size",
)

_ADVICE: Mapping[type[ProviderError], str] = {
    AuthenticationError: "Check the key and what it may use.",
    QuotaExhausted: "Add credit to the account, or use another model.",
    ContextTooLong: "Show fewer or shorter documents (a smaller window, a lower max_tokens_per_doc).",
    RequestRejected: "Check the model's name and params.",
    RateLimited: "Lower the concurrency or wait.",
    ProviderTimeout: "Raise timeout_s, or use a faster model.",
    ProviderUnavailable: "Try again later, or check api_base.",
}


def translated(
    error: BaseException,
    exchange: Exchange,
    *,
    model: str,
    secrets: Iterable[str] = (),
    advice: str = "",
    api_base: str | None = None,
) -> ProviderError | InputError:
    """The error as one of ours, without a key in its message.

    Args:
        error: what LiteLLM raised, or what stood in the body of an answer.
        exchange: what happened on the wire.
        model: the model that was asked.
        secrets: keys that must not appear, whatever they look like.
        advice: what to do, instead of the general advice for this kind of error.
        api_base: the address that was asked, if it was the caller's.

    Returns:
        An `InputError` where the request was refused before it was sent, for it would be refused again; else a
        `ProviderError` with the status that came, or the one that an error inside HTTP 200 stands for.
    """
    exchange = completed(exchange, error)
    body = parsed(bytes(exchange.raw))
    inside = error if isinstance(error, BodyError) else error_in(body)
    status, told = _statuses(error, exchange, inside, body)
    headers = exchange.headers or _headers(error)
    retry_after_s = wait_asked_for(headers, said(error, exchange)) if status in {429, 503, 529} else None
    kind = _kind(error, exchange, status, retry_after_s, text=f"{error} {inside.text if inside else ''}".lower())
    detail = redact(_detail(inside or error, exchange), secrets)
    unsent = never_sent(exchange, error)
    if unsent and kind is not AuthenticationError:
        return InputError(
            f"{model} cannot be called with these settings, and nothing was sent: {detail} {advice or _CHECK_SETUP}"
        )
    advice = advice or remedy(said(error, exchange), exchange, status, api_base) or _ADVICE[kind]
    return kind(
        f"{model}: {_what(kind, exchange, told, status)}: {detail} {advice}",
        model=model,
        status=told,
        retry_after_s=retry_after_s,
        sent=not (exchange.unreachable or unsent or refused_by_litellm(exchange, error)),
    )


def said(error: BaseException, exchange: Exchange) -> str:
    """All that the body of the answer says, or the errors where there is none; not scrubbed, for looking for signs."""
    if exchange.raw:
        return exchange.raw.decode("utf-8", "replace")
    return "\n".join(str(link) for link in chain(error))


def status_of(error: BaseException, exchange: Exchange) -> int | None:
    """The status that an error stands for: that of the answer, or of the error inside it."""
    exchange = completed(exchange, error)
    body = parsed(bytes(exchange.raw))
    return _statuses(error, exchange, error if isinstance(error, BodyError) else error_in(body), body)[1]


def _statuses(
    error: BaseException, exchange: Exchange, inside: BodyError | None, body: object
) -> tuple[int | None, int | None]:
    """The status to judge the error by, and the one that really came or is said to; LiteLLM makes some up.

    An answer that counts what was used may be billed, whatever error stands in it, so its status stays as it came.
    """
    came = exchange.status
    if inside is not None and (came is None or came < 400):
        counts = cast("dict[str, Any]", body).get("usage") if isinstance(body, dict) else None
        numbers = cast("dict[str, Any]", counts).values() if isinstance(counts, dict) else ()
        used = any(isinstance(number, int) and number > 0 for number in numbers)
        return inside.status, came if used else inside.status
    return came if came is not None else _status(error), came


def wait_asked_for(headers: Mapping[str, str], body: str = "") -> float | None:
    """The seconds that a provider asks to wait, from its headers or, for Gemini, its message; None where it does not.

    `x-ratelimit-reset-*` counts only beside an `x-ratelimit-remaining-*` of 0: the other limits are not the reason.
    """
    lowered = {name.lower(): value.strip() for name, value in headers.items()}
    milliseconds = _number(lowered.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    if "retry-after" in lowered:
        waited = _seconds_or_date(lowered["retry-after"])
        if waited is not None:
            return waited
    resets = [
        _duration_s(lowered.get(f"x-ratelimit-reset-{name.removeprefix('x-ratelimit-remaining-')}", ""))
        for name, value in lowered.items()
        if name.startswith("x-ratelimit-remaining-") and value == "0"
    ]
    known = [reset for reset in resets if reset is not None]
    if known:
        return max(known)
    told = re.search(r'"?retryDelay"?\s*:\s*"(\d+(?:\.\d+)?)s"', body)
    return float(told[1]) if told else None


def _kind(
    error: BaseException, exchange: Exchange, status: int | None, retry_after_s: float | None, *, text: str
) -> type[ProviderError]:
    answered = exchange.status is not None
    if answered and status is not None and status < 400:
        return ProviderTimeout if _timed_out(error) else ProviderUnavailable
    if not answered and (exchange.sent or exchange.unreachable):
        return ProviderTimeout if _timed_out(error) else ProviderUnavailable
    if _name(error) == "AuthenticationError":
        return AuthenticationError
    return _kind_of_status(status, text, retry_after_s)


def _kind_of_status(status: int | None, text: str, retry_after_s: float | None) -> type[ProviderError]:
    if status == 402 or (status in {400, 403, 429} and any(sign in text for sign in _NO_CREDIT)):
        return QuotaExhausted
    if status == 400 and any(sign in text for sign in _WRONG_KEY):
        return AuthenticationError
    if status == 429:
        # Gemini says "exceeded your current quota" for its limit by the minute too, but then it says when to come back.
        return QuotaExhausted if "exceeded your current quota" in text and retry_after_s is None else RateLimited
    if status in {400, 413, 422} and any(sign in text for sign in _TOO_LONG):
        return ContextTooLong
    named: dict[int | None, type[ProviderError]] = {
        401: AuthenticationError,
        403: AuthenticationError,
        408: ProviderTimeout,
        504: ProviderTimeout,
        # Another request is in the way, or it is too early: the providers' own clients come back as well.
        409: ProviderUnavailable,
        425: ProviderUnavailable,
    }
    rejected = status is not None and 400 <= status < 500
    return named.get(status, RequestRejected if rejected else ProviderUnavailable)


def _what(kind: type[ProviderError], exchange: Exchange, told: int | None, status: int | None) -> str:
    if exchange.unreachable:
        return "no connection to the provider"
    if kind is ProviderUnavailable and told is not None and told < 400 and (status or 0) < 400:
        return "the provider's answer cannot be read"
    if kind is ProviderUnavailable and exchange.status is None:
        return "the connection was lost before the answer was complete"
    if kind is ProviderTimeout:
        return "no complete answer in time"
    where = f" (HTTP {status})" if exchange.status is not None and (told or 0) >= 400 else ""
    names: dict[type[ProviderError], str] = {
        AuthenticationError: "the provider does not accept the key",
        QuotaExhausted: "the account has no credit left",
        ContextTooLong: "the request is longer than the model's context",
        RequestRejected: "the request was rejected",
        RateLimited: "too many requests",
    }
    return names.get(kind, "the provider failed") + where


def _detail(error: BaseException, exchange: Exchange) -> str:
    """What the provider said, without LiteLLM's wrapping, a traceback or a web page around it."""
    body = getattr(error, "body", None)
    told = page_text(exchange.raw) if is_page(exchange.raw) else _message_in(body) or _message_in(_json_in(str(error)))
    text = told or _LITELLM_PREFIX.sub("", _LITELLM_ADVICE.sub("", _TRACEBACK.split(str(error))[0]))
    if isinstance(error, LookupError):
        text = f"there is no reply at {text} where it should be"
    text = " ".join(text.split()).strip(" -") or "it gave no reason"
    if len(text) > _LONGEST_DETAIL:
        text = text[:_LONGEST_DETAIL] + "…"
    return text + ("" if text.endswith((".", "!", "?", "…")) else ".")


def _message_in(body: object) -> str | None:
    if not isinstance(body, dict):
        return None
    fields = cast("dict[str, Any]", body)
    inner = fields.get("error", fields)
    message = cast("dict[str, Any]", inner).get("message") if isinstance(inner, dict) else inner
    return message if isinstance(message, str) and message else None


def _json_in(text: str) -> object:
    start, end = text.find("{"), text.rfind("}")
    try:
        return json.loads(text[start : end + 1]) if 0 <= start < end else None
    except ValueError:
        return None


def _status(error: BaseException) -> int | None:
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) else None


def _headers(error: BaseException) -> Mapping[str, str]:
    headers = getattr(error, "litellm_response_headers", None)
    return dict(headers) if headers else {}


def _name(error: BaseException) -> str:
    return type(error).__name__


def _timed_out(error: BaseException) -> bool:
    return _name(error) in {"Timeout", "TimeoutError", "APITimeoutError"}


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None


def _seconds_or_date(text: str) -> float | None:
    seconds = _number(text)
    if seconds is not None:
        return seconds
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _duration_s(text: str) -> float | None:
    """Seconds in "1s", "6m0s", "120ms" or "1h2m3.5s"; None for anything else."""
    if not re.fullmatch(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+", text):
        return None
    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
    return sum(float(value) * units[unit] for value, unit in re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", text))
