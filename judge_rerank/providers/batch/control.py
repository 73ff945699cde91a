"""The requests that make, watch and read jobs: few, small, and repeated where that is safe."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, cast

from judge_rerank.core import InputError, ProviderError, ProviderUnavailable
from judge_rerank.providers.errors import translated
from judge_rerank.providers.http_transport import Exchange

_KEY_HEADERS = ("authorization", "x-api-key", "api-key", "x-goog-api-key", "openai-organization", "openai-project")
_TIMEOUT_S = 300.0
_ATTEMPTS = 5


class JobControl:
    """Asks a provider about jobs, as whoever made their requests.

    Args:
        model: the model's name, for messages.
        headers: of a request that the backend made; those that say who asks are sent along.
        first_wait_s: the wait before a second attempt.
    """

    def __init__(self, model: str, headers: Mapping[str, str], *, first_wait_s: float = 1.0) -> None:
        self.model = model
        self._headers = {name: value for name, value in headers.items() if name in _KEY_HEADERS}
        self._secrets = [value.removeprefix("Bearer ") for value in self._headers.values()]
        self._first_wait_s = first_wait_s

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The JSON at a URL.

        Raises:
            ProviderError: as in `judge_rerank.providers.errors`.
        """
        return _json(await self._asked("GET", url, headers=headers or {}))

    async def post(
        self,
        url: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        form: Callable[[], Any] | None = None,
    ) -> dict[str, Any]:
        """What a POST gives. It is sent once: whoever sends it again has to look first whether it has done its work."""
        return _json(await self._asked("POST", url, headers=headers or {}, json=body, form=form, attempts=1))

    async def lines(self, url: str, headers: Mapping[str, str] | None = None) -> AsyncIterator[dict[str, Any]]:
        """The JSON of each line of a file; a line that is none is left out."""
        for line in json_lines(await self._asked("GET", url, headers=headers or {})):
            yield line

    async def _asked(self, method: str, url: str, *, attempts: int = _ATTEMPTS, **sent: Any) -> bytes:
        for attempt in range(attempts):
            try:
                return await self._once(method, url, **sent)
            except ProviderError as error:
                if not error.retryable or attempt == attempts - 1:
                    raise
                await asyncio.sleep(error.retry_after_s or self._first_wait_s * 2**attempt)
        raise AssertionError

    async def _once(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        json: object = None,
        form: Callable[[], Any] | None = None,
    ) -> bytes:
        import aiohttp

        exchange = Exchange(sent=True)
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S)) as session,
                session.request(
                    method, url, headers={**self._headers, **headers}, json=json, data=form() if form else None
                ) as response,
            ):
                raw = await response.read()
                if response.status < 300:
                    return raw
                exchange.status, exchange.raw = response.status, bytearray(raw)
                exchange.headers = {name.lower(): value for name, value in response.headers.items()}
                cause: Exception = RuntimeError(raw[:400].decode("utf-8", "replace") or f"HTTP {response.status}")
        except aiohttp.ClientConnectorError as error:
            exchange.sent, exchange.unreachable, cause = False, True, error
        except (aiohttp.ClientError, TimeoutError) as error:
            cause = error
        raise self.translated(cause, exchange) from None

    def translated(self, error: Exception, exchange: Exchange, advice: str = "") -> ProviderError:
        """The error of a request about a job, as one of ours; `advice` says what to do in place of the usual one."""
        ours = translated(error, exchange, model=f"{self.model} (batch job)", secrets=self._secrets, advice=advice)
        if isinstance(ours, InputError):
            return ProviderUnavailable(str(ours), model=self.model, sent=False)
        return ours


def json_lines(raw: bytes) -> Iterator[dict[str, Any]]:
    """The JSON object of each line; a line that is none is left out."""
    for line in raw.splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            yield cast("dict[str, Any]", found)


def table(value: object) -> dict[str, Any]:
    """A JSON object; an empty one for anything else, since what a provider sends may be of any kind."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def tables(value: object) -> list[dict[str, Any]]:
    """The JSON objects of a list; none for anything else."""
    return [table(each) for each in cast("list[object]", value)] if isinstance(value, list) else []


def number(value: object) -> int:
    """A count; 0 for anything else."""
    return int(str(value)) if isinstance(value, (int, str)) and str(value).isdecimal() else 0


def made_at(value: object) -> float:
    """When something was made, in seconds since 1970, which providers say as a number or in words; 0 for neither."""
    if isinstance(value, (int, float)):
        return float(value)
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except ValueError:
        return 0.0


def _json(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw or b"{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ProviderUnavailable("The provider answered a question about a batch job with something else than JSON.")
    return cast("dict[str, Any]", found)
