"""A model that is an object in this process: a chat model of a framework, as its user configured it."""

from __future__ import annotations

import asyncio
import contextvars
from abc import ABC, abstractmethod
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from judge_rerank.core import (
    ChatReply,
    ChatRequest,
    FinishReason,
    ModelInfo,
    ProviderTimeout,
    RequestRejected,
    redact,
    redact_params,
)
from judge_rerank.providers import chat_reply
from judge_rerank.providers.catalog import REASONING_TOKENS
from judge_rerank.providers.content_filter import withheld
from judge_rerank.providers.errors import said, status_of, translated
from judge_rerank.providers.failure_chain import chain, completed, never_sent
from judge_rerank.providers.http_transport import Exchange
from judge_rerank.providers.tokens import counter

_LIMITS = ("max_tokens", "max_output_tokens", "max_completion_tokens", "num_predict", "max_new_tokens")
_MOST_THREADS = 256
"""Threads are made when they are needed: one for each request under way, and for each that was given up and goes on."""
_BROKEN = (TypeError, AttributeError, NameError, NotImplementedError, AssertionError, RecursionError)
"""Errors of the object's own code, which would come again."""
_FINISH: Mapping[str, FinishReason] = {
    "stop": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_calls": "stop",
    "length": "length",
    "max_tokens": "length",
    "content_filter": "filter",
    "safety": "filter",
    "refusal": "refusal",
}


class ObjectBackend(ABC):
    """A backend that asks an object, each request in a thread.

    Threads, because the object's own connections may belong to the event loop of its user, and ours is another. A
    request that takes too long is given up; its thread ends when the object answers.

    Args:
        model: the object, a model of pydantic. Its plain settings are part of whose answer a reply is.
        name: what the model is called in prices, the cache and the trace.
        context_tokens: prompt and reply together.
        concurrency: how many requests at once.
        reasoning_tokens: head room for thinking before the answer; it grows where a reply shows that it is needed.
    """

    def __init__(
        self, model: Any, name: str, *, context_tokens: int, concurrency: int = 8, reasoning_tokens: int = 0
    ) -> None:
        self._model = model
        self._limits = [each for each in _LIMITS if each in type(model).model_fields]
        settings = {each: value for each, value in model if isinstance(value, (str, int, float))}
        self.info = ModelInfo(
            name=name,
            context_tokens=context_tokens,
            concurrency=concurrency,
            reasoning_tokens=reasoning_tokens,
            params=redact_params({each: settings[each] for each in settings.keys() - set(self._limits)}),
        )
        bare = name.rpartition("/")[2]
        self._count = counter(bare, openai=bare.startswith(("gpt-", "o1", "o3", "o4")))
        self._threads: ThreadPoolExecutor | None = None

    @abstractmethod
    def ask(self, request: ChatRequest) -> ChatReply:
        """The reply to one request; whatever the object raises is translated."""

    def limited(self, request: ChatRequest) -> Any:
        """A copy of the object whose reply is no longer than asked for; the object, where it has no such setting."""
        update = dict.fromkeys(self._limits, request.max_output_tokens)
        return self._model.model_copy(update=update) if update else self._model

    @staticmethod
    def finish(reason: object) -> FinishReason:
        """Why the reply ended, from what the provider calls it; "stop" where it does not say."""
        return _FINISH.get(str(reason).lower(), "other") if reason else "stop"

    def count_tokens(self, text: str) -> int:
        """Exact for OpenAI's models, for others a little above."""
        return self._count(text)

    async def complete(self, request: ChatRequest) -> ChatReply:
        """One attempt at one request."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="judge_rerank-model")
        context = contextvars.copy_context()

        def ask() -> ChatReply:
            return context.run(self.ask, request)

        asked = asyncio.get_running_loop().run_in_executor(self._threads, ask)
        try:
            done, _ = await asyncio.wait({asked}, timeout=request.timeout_s)
        finally:
            asked.cancel()  # what still waits for a thread is not sent
        if not done:
            late = f"{self.info.name}: no complete answer in {request.timeout_s:g} seconds."
            raise ProviderTimeout(f"{late} Raise timeout_s, or use a faster model.", model=self.info.name)
        error = asked.exception()
        if error is None:
            return self._looked_at(asked.result(), request)
        return self._come_of(error)

    async def aclose(self) -> None:
        """Let the threads go; the object is its owner's."""
        if self._threads is not None:
            self._threads.shutdown(wait=False)
            self._threads = None

    def _looked_at(self, reply: ChatReply, request: ChatRequest) -> ChatReply:
        """The reply; where thinking took all of the limit, there is more room from now on."""
        if not reply.thought_only or reply.finish_reason != "length":
            return replace(reply, thought_only=False)
        room = max(self.info.reasoning_tokens, 2 * request.max_output_tokens, REASONING_TOKENS)
        self.info = replace(self.info, reasoning_tokens=room)
        return reply

    def _come_of(self, error: BaseException) -> ChatReply:
        """What an error amounts to: a reply that was withheld, or an error of ours, which is raised."""
        exchange = _exchange(error)
        if withheld(status_of(error, exchange), said(error, exchange)):
            return chat_reply.withheld(self.info.name)
        if isinstance(error, _BROKEN):
            told = redact(f"{type(error).__name__}: {error}")
            raise RequestRejected(f"{self.info.name} failed in this process: {told}", model=self.info.name)
        raise translated(error, exchange, model=self.info.name)


def _exchange(error: BaseException) -> Exchange:
    """What came over the wire, as the errors of the object's client tell."""
    for link in chain(error):
        response: Any = getattr(link, "response", None)
        told = (getattr(each, name, None) for each in (link, response) for name in ("status_code", "code"))
        status = next((each for each in told if isinstance(each, int) and 400 <= each < 600), None)
        if status is not None:
            headers: Mapping[str, str] = getattr(response, "headers", None) or {}
            return Exchange(sent=True, status=status, headers={name.lower(): headers[name] for name in headers})
    exchange = completed(Exchange(), error)
    known = exchange.unreachable or never_sent(exchange, error)
    return exchange if known else replace(exchange, sent=True)
