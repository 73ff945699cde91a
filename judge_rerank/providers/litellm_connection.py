"""The way to a model through LiteLLM: address, key, headers, and one request over a pool of our own."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Coroutine, Mapping
from functools import cached_property
from typing import Any

from judge_rerank.core import AuthenticationError, InputError, basic_auth, secrets_in, without_user
from judge_rerank.providers import catalog, endpoint
from judge_rerank.providers.features import Features, features_of
from judge_rerank.providers.http_transport import Connections, Exchange
from judge_rerank.providers.litellm_module import close_clients, forget_clients
from judge_rerank.providers.litellm_module import load as _litellm
from judge_rerank.providers.log_redaction import keep_out_of_logs

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


class LiteLLMConnection:
    """One model of one provider, and how it is reached.

    Args:
        model: LiteLLM's name for it.
        api_base: another address than the provider's own.
        api_key: the key; by default the provider's environment variable.
        params: what goes along with every request.

    Raises:
        InputError: an address, a key or a header that cannot be sent.
    """

    def __init__(self, model: str, *, api_base: str | None, api_key: str | None, params: Mapping[str, Any]) -> None:
        if api_base:
            endpoint.check_address(api_base)
        if api_key:
            endpoint.check_key(api_key)
        endpoint.check_headers(params)
        self._model, self._api_base, self._api_key, self._params = model, api_base, api_key, params
        keep_out_of_logs(self._secrets)
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

    @property
    def _address(self) -> dict[str, Any]:
        """Where the model is asked, and as whom, if not as LiteLLM does by itself."""
        address: dict[str, Any] = {"api_base": without_user(self._api_base)} if self._api_base else {}
        if self._api_key or self._keyless:
            address["api_key"] = self._api_key or "none"
        return address

    @property
    def _secrets(self) -> tuple[str, ...]:
        named = secrets_in(self._params, self._api_base)
        return (self._api_key, *named) if self._api_key else named

    @property
    def _public_address(self) -> str | None:
        """Where the model is really asked, as far as the cache has to know; None for the provider's usual address."""
        default = getattr(_litellm(), "api_base", None)
        return endpoint.resolved(self._api_base, self._route.provider, self._params, default=default)

    @property
    def _features(self) -> Features:
        """What the model was found to refuse or to need at this address."""
        return features_of(self._model, self._public_address)

    @cached_property
    def _authorized(self) -> dict[str, Any]:
        """The user and password of `api_base` as the header that they stand for, unless there is such a header."""
        given: Mapping[str, str] = self._params.get("extra_headers") or {}
        if not self._api_base or any(name.lower() == "authorization" for name in given):
            return {}
        header = basic_auth(self._api_base)
        return {"extra_headers": {**given, **header}} if header else {}

    @cached_property
    def _route(self) -> catalog.Route:
        return catalog.route(_litellm(), self._model, self._api_base)

    @property
    def _own_server(self) -> bool:
        """Whether another address than the provider's own is asked."""
        return bool(self._api_base or endpoint.in_environment(self._route.provider))

    @property
    def _keyless(self) -> bool:
        """Whether a server of the user's own is asked without a key, which LiteLLM does not allow."""
        return self._own_server and not self._api_key and bool(catalog.missing_keys(_litellm(), self._model))

    def _check_setup(self) -> None:
        """Raise where no request can be sent: nothing is, and nothing is tried again.

        Raises:
            InputError: a package is missing, or the environment sets an address or a key that cannot be used.
        """
        provider = self._route.provider
        module, package = _NEEDS_PACKAGE.get(provider, ("", ""))
        if module and not _is_installed(module):
            raise InputError(
                f"{self._model} needs the package {package!r}, which is not installed. Run: pip install {package}"
            )
        if not self._api_base:
            for name, address in endpoint.in_environment(provider).items():
                if name.endswith(("_API_BASE", "_BASE_URL")):
                    endpoint.check_address(address, name=name)
        if not self._api_key:
            for name, key in endpoint.keys_in_environment(provider).items():
                endpoint.check_key(key, name=name)

    def check_ready(self) -> None:
        """Raise what the first request would raise before anything is sent.

        Raises:
            AuthenticationError: there is no key.
            InputError: a package is missing, or the environment sets an address or a key that cannot be used.
        """
        self._check_setup()
        self._check_key()

    def _check_key(self) -> None:
        """Raise where a key is needed and there is none.

        Raises:
            AuthenticationError: it says which environment variable to set.
        """
        if self._api_key or self._own_server or _litellm().api_key:
            return
        missing = catalog.missing_keys(_litellm(), self._model)
        if missing:
            raise AuthenticationError(
                f"{self._model} needs a key. Set the environment variable {' or '.join(missing)}, or pass api_key= in "
                "Python.",
                model=self._model,
                sent=False,
            )


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _ignore_outcome(call: asyncio.Task[Any]) -> None:
    """Look at how an abandoned call ended, so that asyncio does not report it as never looked at."""
    if not call.cancelled():
        call.exception()
