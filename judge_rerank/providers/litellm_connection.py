"""The way to a model through LiteLLM: one request over a pool of our own."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Coroutine, Mapping
from functools import cached_property
from typing import Any

from judge_rerank.core import InputError
from judge_rerank.providers import catalog
from judge_rerank.providers.connection import Connection
from judge_rerank.providers.http_transport import Connections, Exchange
from judge_rerank.providers.litellm_module import azure_client, close_clients, forget_clients
from judge_rerank.providers.litellm_module import load as _litellm

_TAKES_CLIENT = frozenset(
    {"anthropic", "bedrock", "databricks", "gemini", "huggingface", "vertex_ai", "vertex_ai_beta", "watsonx"}
)
"""Providers whose code in LiteLLM ignores `shared_session` and takes a client instead."""

_NEEDS_PACKAGE: Mapping[str, tuple[str, str]] = {
    "vertex_ai": ("google.auth", "google-auth"),
    "vertex_ai_beta": ("google.auth", "google-auth"),
    "gdc": ("google.auth", "google-auth"),
    "sagemaker": ("boto3", "boto3"),
    "sagemaker_chat": ("boto3", "boto3"),
    "vllm": ("vllm", "vllm"),
}
"""Providers whose code in LiteLLM needs a module that LiteLLM does not bring, and the package that has it."""

_LAST_WAIT_S = 5.0
"""How long an abandoned call may take to notice."""

_connections = Connections(close_clients)


class LiteLLMConnection(Connection):
    """One model of one provider, and how it is reached through LiteLLM; arguments as for `Connection`."""

    def __init__(self, model: str, *, api_base: str | None, api_key: str | None, params: Mapping[str, Any]) -> None:
        super().__init__(model, api_base=api_base, api_key=api_key, params=params)
        self._client: Any = None
        self._abandoned: set[asyncio.Task[Any]] = set()

    async def aclose(self) -> None:
        """Close the connections, once no other backend uses them."""
        if self._abandoned:
            await asyncio.wait(self._abandoned, timeout=_LAST_WAIT_S)
        self._client = None
        await _connections.release(self)

    async def _send(self, asked: Mapping[str, Any], exchange: Exchange) -> Any:
        """LiteLLM's response, from a task of its own that is never cut off half-way through its preparations.

        LiteLLM prepares a request in a thread that gives back a coroutine; a cancellation in between would leave that
        coroutine without anyone to await it. So before the request is sent, cancelling only keeps it from being sent.
        """
        litellm = _litellm()
        session = await _connections.session(self, lambda: forget_clients(litellm))
        if self._takes_client:
            if self._client is None or self._client.shared_session is not session:
                self._client = litellm.AsyncHTTPHandler(shared_session=session)
            asked = {**asked, "client": self._client}
        elif self._route.provider == "azure":
            asked = {**asked, "client": azure_client(session, model=self._route.model, asked=asked)}
        call = asyncio.create_task(self._sending(litellm, asked, session, exchange))
        try:
            return await asyncio.shield(call)
        except asyncio.CancelledError:
            exchange.abandoned = True
            self._abandoned.add(call)
            call.add_done_callback(self._abandoned.discard)
            call.add_done_callback(_ignore_outcome)
            if exchange.sent:
                call.cancel()
            else:
                asyncio.get_running_loop().call_later(_LAST_WAIT_S, call.cancel)
            raise

    def _sending(
        self,
        litellm: Any,
        asked: Mapping[str, Any],
        session: Any,
        exchange: Exchange,  # noqa: ARG002
    ) -> Coroutine[Any, Any, Any]:
        """LiteLLM's coroutine that sends the request."""
        return litellm.acompletion(**asked, shared_session=session)

    @property
    def _takes_client(self) -> bool:
        return self._route.provider in _TAKES_CLIENT

    @cached_property
    def _route(self) -> catalog.Route:
        return catalog.route(_litellm(), self._model, self._api_base)

    def _missing_keys(self) -> list[str]:
        return [] if _litellm().api_key else catalog.missing_keys(_litellm(), self._model)

    @property
    def _usual_address(self) -> str | None:
        return getattr(_litellm(), "api_base", None)

    @property
    def _address(self) -> dict[str, Any]:
        return {**super()._address, "api_key": "none"} if self._keyless else super()._address

    @property
    def _keyless(self) -> bool:
        """Whether a server of the user's own is asked without a key, which LiteLLM does not allow."""
        return self._own_server and not self._api_key and bool(catalog.missing_keys(_litellm(), self._model))

    def _check_setup(self) -> None:
        module, package = _NEEDS_PACKAGE.get(self._route.provider, ("", ""))
        if module and not _is_installed(module):
            raise InputError(
                f"{self._model} needs the package {package!r}, which is not installed. Run: pip install {package}"
            )
        super()._check_setup()


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _ignore_outcome(call: asyncio.Task[Any]) -> None:
    """Look at how an abandoned call ended, so that asyncio does not report it as never looked at."""
    if not call.cancelled():
        call.exception()
