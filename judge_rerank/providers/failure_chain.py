"""What happened on the wire, read from the errors behind an error.

LiteLLM gives some ten providers no pool of ours, so nobody sees their requests. Its own errors carry statuses that it
made up; the errors of the HTTP clients behind them carry those that came.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from judge_rerank.providers.http_transport import Exchange

_NO_CONNECTION = frozenset(
    {
        ("aiohttp", "ClientConnectorError"),
        ("httpcore", "ConnectError"),
        ("httpcore", "ConnectTimeout"),
        ("aiohttp", "ConnectionTimeoutError"),
        ("botocore", "EndpointConnectionError"),
    }
)
_LOST = frozenset(
    {("aiohttp", "ServerDisconnectedError"), ("aiohttp", "ClientPayloadError"), ("httpcore", "ReadError")}
)
"""A connection that was lost on the way: LiteLLM may have tried a second one, which tells nothing of the first."""
_CLIENTS = ("aiohttp", "httpx", "httpcore", "openai", "requests", "botocore", "urllib3")
_NEVER_SENT = frozenset(
    {
        ("httpx", "UnsupportedProtocol"),
        ("httpx", "InvalidURL"),
        ("httpx", "LocalProtocolError"),
        ("httpcore", "LocalProtocolError"),
        ("httpcore", "UnsupportedProtocol"),
        ("aiohttp", "InvalidURL"),
        ("litellm", "UnsupportedParamsError"),
        ("botocore", "NoCredentialsError"),
        ("botocore", "PartialCredentialsError"),
        ("botocore", "NoRegionError"),
        ("builtins", "ModuleNotFoundError"),
        ("builtins", "ImportError"),
        ("builtins", "UnicodeEncodeError"),
    }
)
_SAYS_NEVER_SENT = re.compile(
    r"(?i)unmapped llm provider|unsupported provider|no module named|does not support param|"
    r"\bmissing (?:required )?\w+|invalid \w+ api[ _]base|environment variable|"
    r"chat completions require|unexpected keyword argument"
)


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error, and all that it came from, each once."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop(0)
        if one is not None and not any(one is other for other in seen):
            seen.append(one)
            waiting += [one.__cause__, one.__context__]
            yield one


def completed(exchange: Exchange, error: BaseException) -> Exchange:
    """The exchange as the connections saw it; where they saw nothing, as the errors tell."""
    if exchange.sent or exchange.status is not None or exchange.unreachable:
        return exchange
    links = list(chain(error))
    for link in links:
        response = getattr(link, "response", None)
        status = getattr(response, "status_code", None) if _is(link, ("httpx", "HTTPStatusError")) else None
        if _is(link, ("aiohttp", "ClientResponseError")):
            status, response = getattr(link, "status", None), link
        if isinstance(status, int) and status:
            headers = dict(getattr(response, "headers", None) or {})
            return Exchange(sent=True, status=status, headers={name.lower(): str(v) for name, v in headers.items()})
    lost = any(_is(link, kind) for link in links for kind in _LOST)
    if not lost and any(_is(link, kind) for link in links for kind in _NO_CONNECTION):
        return Exchange(unreachable=True)
    return exchange


def never_sent(exchange: Exchange, error: BaseException) -> bool:
    """Whether LiteLLM, or the client under it, certainly refused the request before it was sent."""
    if exchange.sent or exchange.status is not None or exchange.unreachable:
        return False
    links = list(chain(error))
    if any(_is(link, kind) for link in links for kind in _NEVER_SENT):
        return True
    return not any(_package(link) in _CLIENTS for link in links[1:]) and bool(_SAYS_NEVER_SENT.search(str(error)))


def refused_by_litellm(exchange: Exchange, error: BaseException) -> bool:
    """Whether an error is LiteLLM's own finding, or one that it found in the body of an answer: none is billed."""
    if exchange.sent or exchange.status is not None or exchange.unreachable:
        return False
    status = getattr(error, "status_code", None)
    refused = isinstance(status, int) and 400 <= status < 500 and status != 408
    return refused and not any(_package(link) in _CLIENTS for link in list(chain(error))[1:])


def _package(error: BaseException) -> str:
    return type(error).__module__.partition(".")[0]


def _is(error: BaseException, kind: tuple[str, str]) -> bool:
    package, name = kind
    return any(cls.__name__ == name and cls.__module__.partition(".")[0] == package for cls in type(error).__mro__)
