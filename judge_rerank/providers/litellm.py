"""Any provider that LiteLLM speaks to, as a backend."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable, Coroutine, Mapping
from difflib import get_close_matches
from functools import cached_property, lru_cache
from typing import Any

from judge_rerank.core import (
    AuthenticationError,
    ChatReply,
    ChatRequest,
    InputError,
    MissingExtra,
    ModelInfo,
    ProviderError,
    ProviderTimeout,
    RequestRejected,
    basic_auth,
    public_url,
    redact,
    secrets_in,
    without_user,
)
from judge_rerank.providers import catalog, openai_format, tokens
from judge_rerank.providers.errors import translated
from judge_rerank.providers.features import Features
from judge_rerank.providers.http_transport import Connections, Exchange, watched
from judge_rerank.providers.log_redaction import keep_out_of_logs

_log = logging.getLogger(__name__)

OWN_PARAMS = frozenset({"context_tokens", "reasoning_tokens", "concurrency", "logprobs"})
"""Keys of `params` that are meant for this package and never sent."""

_MANAGED_PARAMS = frozenset(
    {"model", "messages", "api_base", "api_key", "base_url", "client", "shared_session", "acompletion", "stream", "n"}
    | {"max_tokens", "max_completion_tokens", "response_format", "top_logprobs", "timeout"}
    | {"max_retries", "num_retries", "fallbacks", "drop_params"}
)

_ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_MODE": "PRODUCTION",
}

_TAKES_CLIENT = frozenset(
    {"anthropic", "bedrock", "databricks", "gemini", "huggingface", "vertex_ai", "vertex_ai_beta"}
)
"""Providers whose code in LiteLLM ignores `shared_session` and takes a client instead."""

_LITELLM_TIMEOUT_S = 3600.0
"""Constant, because LiteLLM keeps a client for each value; `timeout_s` is enforced here, over the whole reply."""

_LAST_WAIT_S = 5.0
"""How long an abandoned call may take to notice."""

_connections = Connections()
_import_lock = threading.Lock()


class LiteLLMBackend:
    """A hosted model, or one behind a compatible server, through LiteLLM.

    A reply is asked for as JSON in the strictest way that the model takes: by schema, else as any JSON object, else by
    the prompt alone. A request that the provider turns away because of such a feature (HTTP 400, which is not billed)
    is sent again without it, and the model is not asked for it again. Apart from that an attempt is one HTTP request.

    Args:
        model: LiteLLM's name for it ("openai/gpt-4.1-mini", "anthropic/claude-sonnet-4-5", "hosted_vllm/my-model").
        api_base: another address than the provider's own; a user and password in it are sent as a header.
        api_key: the key; by default the provider's environment variable.
        params: LiteLLM's own parameters for every call ("temperature", "reasoning_effort", "extra_headers"), and for
            this package `context_tokens`, `reasoning_tokens`, `concurrency` and `logprobs`, which overrule what is
            known of the model. A model that is not known is taken to have a context of 8,192 tokens.

    Raises:
        InputError: a parameter that the package sets itself.
    """

    def __init__(
        self,
        model: str,
        *,
        api_base: str | None = None,
        api_key: str | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> None:
        params = dict(params or {})
        managed = sorted(_MANAGED_PARAMS & params.keys())
        if managed:
            raise InputError(
                f"params cannot have {', '.join(managed)}: the judge sets that itself. "
                "It is for the model's own settings, such as temperature or reasoning_effort."
            )
        self._model, self._api_base, self._api_key = model, api_base, api_key
        self._own = {name: params.pop(name) for name in OWN_PARAMS & params.keys()}
        self._params = params
        self._features = Features()
        keep_out_of_logs(self._secrets)
        self._client: Any = None
        self._abandoned: set[asyncio.Task[Any]] = set()

    def __repr__(self) -> str:
        return f"LiteLLMBackend({self._model!r})"

    @property
    def info(self) -> ModelInfo:
        """What LiteLLM's table says of the model, as far as `params` does not overrule it.

        Raises:
            UnknownName: LiteLLM knows no provider by that name.
        """
        table = self._route.table
        context = self._own.get("context_tokens") or table.get("max_input_tokens") or table.get("max_tokens")
        return ModelInfo(
            name=self._model,
            context_tokens=int(context or catalog.UNKNOWN_CONTEXT_TOKENS),
            max_output_tokens=table.get("max_output_tokens"),
            logprobs=self._top_logprobs > 0,
            reasoning_tokens=int(self._own.get("reasoning_tokens", catalog.REASONING_TOKENS if self._reasons else 0)),
            concurrency=int(self._own.get("concurrency", 8)),
            endpoint=self._public_address,
            params=self._params,
        )

    def count_tokens(self, text: str) -> int:
        """Tokens in `text`: exact for OpenAI's models, for others a little above."""
        return self._counter(text)

    async def complete(self, request: ChatRequest) -> ChatReply:
        """One attempt at one request.

        Raises:
            ProviderError: of the kind that `judge_rerank.providers.errors` lists.
        """
        if not _litellm.cache_info().currsize:
            await asyncio.to_thread(_litellm)
        self._check_key()
        exchange = Exchange()
        try:
            async with asyncio.timeout(request.timeout_s):
                reply = None
                while reply is None:
                    with watched() as exchange:
                        reply = await self._try(request, exchange)
                return reply
        except TimeoutError:
            raise ProviderTimeout(
                f"{self._model}: no complete answer in {request.timeout_s:g} s. "
                "Raise timeout_s, or use a faster model.",
                model=self._model,
                status=exchange.status,
            ) from None

    async def aclose(self) -> None:
        """Close the connections, once no other backend uses them."""
        if self._abandoned:
            await asyncio.wait(self._abandoned, timeout=_LAST_WAIT_S)
        self._client = None
        await _connections.release(self)

    async def _try(self, request: ChatRequest, exchange: Exchange) -> ChatReply | None:
        """The reply, or None where the request was turned away for a feature that it can do without."""
        asked = self._asked(request)
        try:
            return self._reply(await self._send(asked, exchange), request)
        except Exception as error:
            ours = self._translated(error, exchange)
            if type(ours) is not RequestRejected or not self._features.learn(str(error), asked, keep=self._params):
                raise ours from None
            _log.info("%s will be asked without what it refused. %s", self._model, ours)
            return None

    async def _send(self, asked: Mapping[str, Any], exchange: Exchange) -> Any:
        """LiteLLM's response, from a task of its own that is never cut off half-way through its preparations.

        LiteLLM prepares a request in a thread that gives back a coroutine; a cancellation in between would leave that
        coroutine without anyone to await it. So before the request is sent, cancelling only keeps it from being sent.
        """
        litellm = _litellm()
        session = await _connections.session(self, lambda loop: _forget_clients(litellm, loop))
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

    def _asked(self, request: ChatRequest) -> dict[str, Any]:
        supported = self._route.supported - self._features.refused
        asked: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": m.role, "content": m.content} for m in request.messages],
            "max_tokens": request.max_output_tokens,
            "timeout": _LITELLM_TIMEOUT_S,
            "max_retries": 0,
            "num_retries": 0,
        }
        asked |= self._address
        if "temperature" in supported:
            asked["temperature"] = request.temperature
        if request.seed is not None and "seed" in supported:
            asked["seed"] = request.seed
        if request.labels and self._top_logprobs:
            asked |= {"logprobs": True, "top_logprobs": self._top_logprobs}
        elif request.schema is not None and "response_format" in supported:
            asked |= openai_format.response_format(self._features.formats[0], request)
        return asked | self._params | self._authorized

    def _reply(self, response: Any, request: ChatRequest) -> ChatReply:
        choice = response.choices[0]
        usage = openai_format.usage(response)
        return ChatReply(
            text=openai_format.text(choice),
            finish_reason=openai_format.finish(choice, self._model),
            branches=openai_format.branches(choice) if request.labels else {},
            input_tokens=usage.get("prompt_tokens"),
            output_tokens=usage.get("completion_tokens"),
            cached_input_tokens=openai_format.cached_tokens(usage),
            cost_usd=openai_format.cost_usd(response, priced=self._route.priced) if usage else None,
            model=response.model or self._model,
            usage=usage,
        )

    def _translated(self, error: Exception, exchange: Exchange) -> ProviderError:
        _log.debug("%s failed: %s", self._model, redact(repr(error), self._secrets))
        advice = ""
        if exchange.status == 404 and not self._api_base:
            names: list[str] = _litellm().model_list
            near = get_close_matches(self._model, names, n=3, cutoff=0.6)
            advice = f"Did you mean {' or '.join(near)}?" if near and self._model not in near else ""
        return translated(error, exchange, model=self._model, secrets=self._secrets, advice=advice)

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
        return public_url(self._api_base) if self._api_base else None

    @cached_property
    def _authorized(self) -> dict[str, Any]:
        """The user and password of `api_base` as the header that they stand for, unless there is such a header."""
        given: Mapping[str, str] = self._params.get("extra_headers") or {}
        if not self._api_base or any(name.lower() == "authorization" for name in given):
            return {}
        header = basic_auth(self._api_base)
        return {"extra_headers": {**given, **header}} if header else {}

    @property
    def _top_logprobs(self) -> int:
        known = {"logprobs", "top_logprobs"} <= self._route.supported
        return self._features.top_logprobs[0] if self._own.get("logprobs", known) else 0

    @cached_property
    def _reasons(self) -> bool:
        """Whether the model reasons before it answers; Claude does so only when it is asked to."""
        if self._params.get("reasoning_effort") in {"none", "disable"}:
            return False
        if "claude" in self._route.model and not {"thinking", "reasoning_effort"} & self._params.keys():
            return False
        return bool(self._route.table.get("supports_reasoning")) or "reasoning_effort" in self._params

    @cached_property
    def _counter(self) -> Callable[[str], int]:
        model = self._route.model.rsplit("/", 1)[-1]
        return tokens.counter(model, openai=self._route.provider in {"openai", "azure", "text-completion-openai"})

    @cached_property
    def _route(self) -> catalog.Route:
        return catalog.route(_litellm(), self._model, self._api_base)

    @cached_property
    def _keyless(self) -> bool:
        """Whether a server of the user's own is asked without a key, which LiteLLM does not allow."""
        return bool(self._api_base) and not self._api_key and bool(catalog.missing_keys(_litellm(), self._model))

    def _check_key(self) -> None:
        if self._api_key or self._api_base or _litellm().api_key:
            return
        missing = catalog.missing_keys(_litellm(), self._model)
        if missing:
            raise AuthenticationError(
                f"{self._model} needs a key. Set the environment variable {' or '.join(missing)}; "
                "in Python, api_key= does as well.",
                model=self._model,
                sent=False,
            )


def _ignore_outcome(call: asyncio.Task[Any]) -> None:
    """Look at how an abandoned call ended, so that asyncio does not report it as never looked at."""
    if not call.cancelled():
        call.exception()


@lru_cache(maxsize=1)
def _litellm() -> Any:
    """LiteLLM, imported once (4 s), without a network, and with nothing to say on the terminal."""
    first = "litellm" not in sys.modules
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import litellm
    except ImportError as error:
        raise MissingExtra("Asking a hosted model", "litellm", error.name or "litellm") from None
    quiet: Any = litellm
    quiet.suppress_debug_info = True
    with _import_lock, warnings.catch_warnings():
        # Pydantic warns of LiteLLM's types when the first response is built; that is nothing that a user can mend.
        warnings.simplefilter("ignore")
        litellm.ModelResponse()
    if first:
        for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
            logger = logging.getLogger(name)
            logger.handlers[:] = [logging.NullHandler()]
            logger.propagate = True
    return litellm


def _forget_clients(litellm: Any, loop: asyncio.AbstractEventLoop) -> None:
    """Make LiteLLM drop the clients that it keeps for this loop: they hold a pool that is closed by now.

    It files them under the loop's `id`, which a later loop may have again.
    """
    cache = litellm.in_memory_llm_clients_cache
    for key in [key for key in cache.cache_dict if str(key).endswith(f"-{id(loop)}")]:
        cache.delete_cache(key)
