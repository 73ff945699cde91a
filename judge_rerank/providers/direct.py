"""Endpoints of OpenAI's shape, asked without LiteLLM: vLLM, SGLang, llama.cpp's server, gateways, OpenAI itself."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from judge_rerank.core import ChatReply, ChatRequest, InputError, to_usd, without_user
from judge_rerank.providers import chat_reply, direct_route, openai_format
from judge_rerank.providers.body_errors import error_in, parsed
from judge_rerank.providers.catalog import Route
from judge_rerank.providers.chat import ChatBackend
from judge_rerank.providers.http_transport import Connections, Exchange
from judge_rerank.spending import Price, Pricing, bill, read_usage

_HEADERS = ("extra_headers", "headers", "default_headers")
_NOT_IN_THE_BODY = frozenset(
    {"model", "timeout", "max_retries", "num_retries", "api_base", "api_key", "extra_body", "ssl_verify", *_HEADERS}
)
_LITELLMS_OWN = frozenset(
    {"custom_llm_provider", "mock_response", "allowed_openai_params", "cache", "caching", "tags", "guardrails"}
    | {"input_cost_per_token", "output_cost_per_token", "model_info", "base_model", "organization", "api_version"}
    | {"thinking", "request_timeout", "stream_timeout", "fallbacks", "custom_prompt_dict", "use_litellm_proxy"}
)
"""Parameters that LiteLLM reads itself, or turns into others, before it sends anything."""


def is_usual(model: str, params: Mapping[str, Any] | None) -> bool:
    """Whether a model is asked directly where nobody says how: self-hosted ones, unless a parameter is LiteLLM's."""
    provider = model.partition("/")[0]
    return provider in direct_route.SELF_HOSTED and not _LITELLMS_OWN & (params or {}).keys()


@dataclass(slots=True)
class _Failed(Exception):
    """An answer that is no reply: what it says, and its status."""

    said: str
    status_code: int | None = None

    def __str__(self) -> str:
        return self.said


async def _nothing_else(_loop: object) -> None:
    """Nothing else is kept open for a loop."""


_connections = Connections(_nothing_else, watching=False)


class DirectBackend(ChatBackend):
    """A model behind an endpoint of OpenAI's shape, without LiteLLM; arguments as for `ChatBackend`.

    The address and the key are read from the variables that LiteLLM reads (`HOSTED_VLLM_API_BASE`, `OPENAI_API_KEY`).
    What `params` has besides `extra_headers` and `extra_body` goes into the body as it is. Proxies are those of the
    environment; `ssl_verify` is False or a file of certificates.

    Raises:
        InputError: the provider has another API, or a parameter is LiteLLM's own.
    """

    def __init__(
        self,
        model: str,
        *,
        api_base: str | None = None,
        api_key: str | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> None:
        self._endpoint = direct_route.endpoint_of(model)
        others = sorted(_LITELLMS_OWN & (params or {}).keys())
        if others:
            raise InputError(f"params has {', '.join(others)}, which only LiteLLM knows; use transport='litellm'.")
        super().__init__(model, api_base=api_base, api_key=api_key, params=params)

    async def aclose(self) -> None:
        """Close the connections, once no other backend uses them."""
        await _connections.release(self)

    @cached_property
    def _route(self) -> Route:
        return direct_route.route(self._model)

    def _rows(self) -> Mapping[str, Mapping[str, Any]]:
        return direct_route.rows()

    def _load(self) -> None:
        import aiohttp as aiohttp  # noqa: PLC0414 - takes a quarter of a second

    def _missing_keys(self) -> list[str]:
        return [] if self._endpoint.key() or not self._endpoint.needs_key else [self._endpoint.key_variable]

    def _check_setup(self) -> None:
        super()._check_setup()
        if not (self._api_base or self._endpoint.address()):
            raise InputError(
                f"{self._model} has no address. Set api_base, or the environment variable "
                f"{self._endpoint.address_variables[0]}."
            )
        if self._route.table.get("mode") not in {None, "chat"}:
            raise InputError(f"{self._model} has no chat completions; leave transport out, so that LiteLLM asks it.")

    async def _answer(self, asked: Mapping[str, Any], exchange: Exchange) -> tuple[Any, object]:
        from aiohttp import ClientConnectorError

        session = await _connections.session(self, lambda: None)
        url, data = self._url, _encoded(self._body(asked))
        exchange.sent, exchange.path = True, urlsplit(url).path
        try:
            posting = session.post(url, data=data, headers=self._headers(asked), proxy=self._proxy, ssl=self._trusted)
            async with posting as response:
                exchange.status = response.status
                if response.status != 200:
                    exchange.headers = {name.lower(): value for name, value in response.headers.items()}
                exchange.raw += await response.read()
        except ClientConnectorError:
            exchange.sent, exchange.unreachable = False, True
            raise
        return _read(exchange)

    def _reply(self, response: Any, request: ChatRequest) -> ChatReply:
        return chat_reply.read(response, request, self._route, self._model, cost_usd=self._cost)

    def _cost(self, response: Any) -> Any:
        """What the reply costs by the table of prices; None where that does not have the model."""
        used = None if self._price is None else read_usage(openai_format.usage(response), worded=True)
        return None if self._price is None or used is None else to_usd(bill(self._price, used))

    @cached_property
    def _price(self) -> Price | None:
        return Pricing().price(self._model)

    def _body(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        body = {name: value for name, value in asked.items() if name not in _NOT_IN_THE_BODY}
        if self._endpoint.renames_limit and self._route.table.get("supports_reasoning") and "max_tokens" in body:
            body["max_completion_tokens"] = body.pop("max_tokens")
        return {"model": self._route.model, **body, **(asked.get("extra_body") or {})}

    def _headers(self, asked: Mapping[str, Any]) -> dict[str, str]:
        key = self._api_key or self._endpoint.key()
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
        for name in _HEADERS:
            given = cast("Mapping[str, Any]", asked.get(name) or {})
            names = {header.lower() for header in given}
            headers = {header: value for header, value in headers.items() if header.lower() not in names}
            headers |= {header: str(value) for header, value in given.items()}
        return headers

    @property
    def _url(self) -> str:
        base = without_user(self._api_base) if self._api_base else self._endpoint.address() or ""
        return f"{base.rstrip('/')}/chat/completions"

    @cached_property
    def _proxy(self) -> str | None:
        parts = urlsplit(self._url)
        proxies = getproxies()
        proxy = proxies.get(parts.scheme) or proxies.get("all")
        return None if proxy is None or proxy_bypass(parts.netloc) else proxy

    @cached_property
    def _trusted(self) -> Any:
        """What aiohttp is told of certificates: True for the usual ones, False for any, else those of a file."""
        given = self._params.get("ssl_verify", os.environ.get("SSL_VERIFY", ""))
        if isinstance(given, bool) or str(given).lower() in {"true", "false", ""}:
            return str(given).lower() != "false"
        import ssl

        return ssl.create_default_context(cafile=str(given))


def _encoded(body: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(body, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise InputError(f"params cannot be sent as JSON: {error}.") from None


def _read(exchange: Exchange) -> tuple[Any, object]:
    """The answer as JSON, twice: it is the response as well as the body behind it.

    Raises:
        BodyError: it says what went wrong.
        _Failed: it is no reply.
        LookupError: it has no choices.
    """
    body = parsed(bytes(exchange.raw))
    inside = error_in(body)
    if inside is not None:
        raise inside
    if exchange.status is None or exchange.status >= 400 or not isinstance(body, dict):
        text = exchange.raw.decode("utf-8", "replace") or "the answer is empty"
        raise _Failed(text, exchange.status)
    fields = cast("dict[str, Any]", body)
    choices = cast("list[Any]", fields.get("choices") or [])
    if not choices:
        raise LookupError("'choices'")
    first = cast("dict[str, Any]", choices[0]) if isinstance(choices[0], dict) else {}
    if "message" not in first:
        raise LookupError("'message'")
    return fields, fields
