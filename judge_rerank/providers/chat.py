"""A hosted chat model as a backend, whatever carries its requests: what is asked, and what comes of the answer."""

from __future__ import annotations

import asyncio
import logging
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

from judge_rerank.core import (
    ChatReply,
    ChatRequest,
    DocumentRefused,
    InputError,
    Message,
    ModelInfo,
    ProviderError,
    ProviderTimeout,
    RequestRejected,
    RequestTooLarge,
    redact,
)
from judge_rerank.providers import catalog, chat_reply, context_window, openai_format, reasoning, request_shape, tokens
from judge_rerank.providers.connection import Connection
from judge_rerank.providers.content_filter import withheld
from judge_rerank.providers.errors import said, status_of, translated
from judge_rerank.providers.features import unexplained
from judge_rerank.providers.http_transport import Exchange, watched

_log = logging.getLogger(__name__)

_REFUSING_STATUSES = frozenset({404, 405, 415, 422, 424, 501})
"""Statuses besides 400 by which a provider turns away a request for something in it."""

_MOST_REASONING_TOKENS = 32_768

_TOKENS_PER_MESSAGE = 16
"""What a chat template adds to each message."""

_FAILURES_BEFORE_STEP_DOWN = 2
"""So many answers of 500 to one request, and the next attempt does without all that it can do without."""


class ChatBackend(Connection):
    """A hosted model, or one behind a compatible server. What carries its requests is in the classes made from it.

    A reply is asked for as JSON in the strictest way that the model takes: by schema, else as any JSON object, else by
    the prompt alone. A request that the provider turns away because of such a feature (which is not billed) is sent
    again without it, and the model is not asked for it again at this address. Apart from that an attempt is one HTTP
    request. What a content filter withholds is a reply with the finish reason "filter", not an error.

    Args:
        model: its name, the provider first ("openai/gpt-6-luna", "hosted_vllm/my-model").
        api_base: another address than the provider's own; a user and password in it are sent as a header.
        api_key: the key; by default the provider's environment variable.
        params: LiteLLM's own parameters for every call ("temperature", "reasoning_effort", "extra_headers"), and for
            this package the switches that `judge_rerank.providers.request_shape` lists (`context_tokens`, `logprobs`,
            `json_format` and others), which overrule what is known of the model. A model that is not known is taken to
            have a context of 8,192 tokens. Judges do not reason where the model lets one say so; `reasoning_effort`
            says otherwise, and None leaves it to the model.

    Raises:
        InputError: an address, a key, a header or a parameter that cannot be used; nothing is sent.
    """

    def __init__(
        self,
        model: str,
        *,
        api_base: str | None = None,
        api_key: str | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> None:
        sent, self._own = request_shape.split_params(params)
        super().__init__(model, api_base=api_base, api_key=api_key, params=sent)
        self._failures: dict[tuple[Message, ...], int] = {}
        self._asked_context = 0
        self._warm = False
        self._checked = False
        self._described: tuple[object, ModelInfo] | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._model!r})"

    @abstractmethod
    def _load(self) -> None:
        """Load what the first request needs; in a thread."""

    @abstractmethod
    async def _answer(self, asked: Mapping[str, Any], exchange: Exchange) -> tuple[Any, object]:
        """The response to one request, and the body behind it; an error inside an answer of HTTP 200 is raised."""

    @abstractmethod
    def _rows(self) -> Mapping[str, Mapping[str, Any]]:
        """The table of models, by name."""

    def _near_names(self) -> list[str]:
        """Models with a name much like this one's, where the provider does not know it."""
        return []

    @property
    def info(self) -> ModelInfo:
        """What is known of the model, by the table and by what was found, as far as `params` does not overrule it.

        Raises:
            UnknownName: there is no provider by that name.
            InputError: it has no chat, a package that it needs is missing, or the environment sets an address or a key
                that cannot be used.
        """
        state = (self._public_address, *self._features.state)
        if self._described is None or self._described[0] != state:
            self._check_provider()
            self._described = state, self._description()
        return self._described[1]

    def _description(self) -> ModelInfo:
        table = self._route.table
        known = self._own.get("context_tokens") or table.get("max_input_tokens") or table.get("max_tokens")
        contexts = (known or catalog.UNKNOWN_CONTEXT_TOKENS, self._features.context_tokens, self._params.get("num_ctx"))
        longest = (table.get("max_output_tokens"), self._features.most_output_tokens)
        return ModelInfo(
            name=self._model,
            context_tokens=min(int(context) for context in contexts if context),
            max_output_tokens=min((int(most) for most in longest if most), default=None),
            logprobs=self._top_logprobs > 0,
            reasoning_tokens=self._reasoning_tokens,
            concurrency=int(self._own.get("concurrency", 8)),
            endpoint=self._public_address,
            # With what keeps it from reasoning, a part of what is asked; also where a server was found to refuse it, so
            # that the same question is still known by the same key.
            params=request_shape.merged(self._quiet, self._params),
        )

    @property
    def provider(self) -> str:
        """LiteLLM's name for the provider."""
        return self._route.provider

    def count_tokens(self, text: str) -> int:
        """Tokens in `text`: exact for OpenAI's models, for others a little above."""
        return self._counter(text)

    def warm_up(self) -> None:
        """Load what the first request needs, and the vocabulary. Nothing is sent."""
        self._load()
        self.count_tokens("")
        self._warm = True

    async def complete(self, request: ChatRequest) -> ChatReply:
        """One attempt at one request.

        Raises:
            ProviderError: of the kind that `judge_rerank.providers.errors` lists.
            InputError: it was refused before it was sent, and would be again.
        """
        if not self._warm:
            await asyncio.to_thread(self.warm_up)
        if not self._checked:
            self.check_ready()
            self._checked = True
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
                f"{self._model}: no complete answer in {request.timeout_s:g} seconds. "
                "Raise timeout_s, or use a faster model.",
                model=self._model,
                status=exchange.status,
            ) from None

    async def _try(self, request: ChatRequest, exchange: Exchange) -> ChatReply | None:
        """The reply, or None where the request was turned away for a feature that it can do without."""
        asked = self._asked(request)
        try:
            response, body = await self._answer(asked, exchange)
            came: ChatReply | ProviderError | InputError | None = self._reply(response, request)
        except Exception as error:
            response, body = None, None
            came = self._come_of(error, exchange, request, asked)
        # Outside the handler, so that what was said of it is not kept as the context: it may hold a key.
        if isinstance(came, Exception):
            raise came
        if response is None or came is None:
            return came
        self._succeeded(request, asked)
        return self._looked_at(came, response, body, request) if openai_format.choices(response) else came

    def _come_of(
        self, error: Exception, exchange: Exchange, request: ChatRequest, asked: Mapping[str, Any]
    ) -> ChatReply | ProviderError | InputError | None:
        """What an error amounts to: a reply that was withheld, an error of ours, None for asking in another way."""
        _log.debug("%s failed: %s", self._model, redact(repr(error), self._secrets))
        if isinstance(error, InputError):
            return error
        status, told = status_of(error, exchange), said(error, exchange)
        if withheld(status, told):
            _log.info("%s: a content filter withheld the reply to one request.", self._model)
            return chat_reply.withheld(self._model)
        ours = self._translated(error, exchange)
        if self._learnt(ours, status, told, asked) and self._asked(request) != asked:
            _log.info("%s will be asked without the parameters that it refused. %s", self._model, ours)
            return None
        if status == 500:
            self._failures[request.messages] = self._failures.get(request.messages, 0) + 1
        return ours

    def _learnt(self, ours: Exception, status: int | None, told: str, asked: Mapping[str, Any]) -> bool:
        refused = type(ours) in {RequestRejected, InputError} or status in _REFUSING_STATUSES
        if not refused or isinstance(ours, (DocumentRefused, RequestTooLarge)):
            return False
        if self._features.learn(told, asked, keep=self._params):
            return True
        return unexplained(status, told) and self._features.step_down(asked)

    def _succeeded(self, request: ChatRequest, asked: Mapping[str, Any]) -> None:
        """Remember what an attempt did without, where those before it failed with it."""
        if self._failures.pop(request.messages, 0) < _FAILURES_BEFORE_STEP_DOWN:
            return
        full = self._asked(request)
        if full != asked and self._features.step_down(full):
            _log.info(
                "%s answers HTTP 500 to the parameters beside the prompt, and will be asked without them.", self._model
            )

    def _looked_at(self, reply: ChatReply, response: Any, body: object, request: ChatRequest) -> ChatReply:
        """The reply with what the response does not say: an answer that stands elsewhere, and what was cut off."""
        message = chat_reply.message(response, body)
        reply = chat_reply.found_elsewhere(reply, message, request)
        if reply.finish_reason == "stop" and context_window.ended_at_limit(self._route, request, reply.output_tokens):
            reply = replace(reply, finish_reason="length")
        if chat_reply.thought_only(reply, message):
            more = min(max(2 * request.max_output_tokens, catalog.REASONING_TOKENS), _MOST_REASONING_TOKENS)
            self._features.reasoning_tokens = max(self._features.reasoning_tokens, more)
            _log.info("%s reasoned up to the limit; it gets %d tokens for reasoning from now on.", self._model, more)
            reply = replace(reply, thought_only=True)
        if context_window.was_cut(request, reply.input_tokens, count=tokens.by_vocabulary):
            counted = sum(tokens.by_vocabulary(each.content) for each in request.messages)
            self._features.context_tokens = reply.input_tokens
            _log.warning(
                "%s read %s of about %d tokens: its context is shorter than the prompt, and the rest was cut off. The "
                "judgment does not count. Give the server a longer context, or params={'context_tokens': %s}.",
                *(self._model, reply.input_tokens, counted, reply.input_tokens),
            )
            reply = replace(reply, input_cut=True)
        return reply

    def _asked(self, request: ChatRequest) -> dict[str, Any]:
        plain = self._failures.get(request.messages, 0) >= _FAILURES_BEFORE_STEP_DOWN
        asked = request_shape.chat_request(
            request,
            model=self._model,
            supported=self._route.supported,
            own=self._own,
            features=self._features,
            alternatives=self._top_logprobs,
            plain=plain,
        )
        quiet = {} if plain else {k: v for k, v in self._quiet.items() if k not in self._features.refused}
        if context_window.takes_context(self._route):
            asked["num_ctx"] = self._context_for(request)
        given = {name: value for name, value in self._params.items() if value is not None}
        left_out = {name for name, value in self._params.items() if value is None}
        whole = request_shape.merged(asked, quiet, self._address, given, self._authorized)
        return {name: value for name, value in whole.items() if name not in left_out}

    def _context_for(self, request: ChatRequest) -> int:
        prompt = sum(self.count_tokens(message.content) + _TOKENS_PER_MESSAGE for message in request.messages)
        schema = self.count_tokens(str(request.schema.schema)) if request.schema is not None else 0
        wanted = prompt + schema + request.max_output_tokens
        known = self._own.get("context_tokens") or self._route.table.get("max_input_tokens")
        self._asked_context = context_window.context_for(wanted, int(known or 2**20), before=self._asked_context)
        return self._asked_context

    def _reply(self, response: Any, request: ChatRequest) -> ChatReply:
        return chat_reply.read(response, request, self._route, self._model)

    def _translated(self, error: Exception, exchange: Exchange) -> ProviderError | InputError:
        near = self._near_names() if exchange.status == 404 and not self._api_base else []
        return translated(
            error,
            exchange,
            model=self._model,
            secrets=self._secrets,
            advice=f"Did you mean {' or '.join(near)}?" if near and self._model not in near else "",
            api_base=self._api_base,
        )

    @property
    def _top_logprobs(self) -> int:
        known = {"logprobs", "top_logprobs"} <= self._route.supported
        return request_shape.top_logprobs(self._own, self._features, known=known)

    @cached_property
    def _quiet(self) -> Mapping[str, Any]:
        """What is sent to keep the model from reasoning; nothing where the caller says how much it does."""
        if reasoning.SETTINGS & self._params.keys() or "extra_body" in self._params:
            return {}
        return reasoning.least(self._rows(), self._route)

    @property
    def _reasoning_tokens(self) -> int:
        """Head room for thinking: as the caller says, else as the model needs by what is known and was found."""
        given = self._own.get("reasoning_tokens")
        if given is not None:
            return int(given)
        sent = {**self._quiet, **self._params}
        usual = reasoning.head_room(self._route, {k: v for k, v in sent.items() if k not in self._features.refused})
        return max(usual, self._features.reasoning_tokens)

    def _check_provider(self) -> None:
        """Raise where the model cannot be asked anything.

        Raises:
            InputError: why it cannot.
        """
        self._check_setup()

    @cached_property
    def _counter(self) -> Callable[[str], int]:
        model = self._route.model.rsplit("/", 1)[-1]
        return tokens.counter(model, openai=self._route.provider in {"openai", "azure", "text-completion-openai"})
