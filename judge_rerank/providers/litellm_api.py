"""What the APIs that are no chat have in common, reached through LiteLLM."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

from judge_rerank.core import (
    ChatReply,
    ChatRequest,
    DocumentRefused,
    InputError,
    ModelInfo,
    ProviderError,
    RequestTooLarge,
)
from judge_rerank.prompting import COUNT_MARGIN
from judge_rerank.providers.api_limits import Refusal, refusal
from judge_rerank.providers.errors import translated
from judge_rerank.providers.http_transport import Exchange
from judge_rerank.providers.litellm import LiteLLMBackend

_log = logging.getLogger(__name__)

_MOST_TOKENS = 10_000_000  # no API says how much it takes in one request; its own error does
_TIMEOUT_S = 120.0


class LiteLLMApi(LiteLLMBackend, ABC):
    """An API that has no prompt, and from which no text comes back.

    To the engine it is a backend like any other, so that its calls are cached, paid for, retried and traced as the
    others are.

    An API that refuses a request because it holds too many documents, or a document that is too long, usually says how
    many or how long they may be. That is learnt for the life of the backend and stands in `info`, by which later
    requests are made smaller before they are sent. The request that was refused is not divided here, where its parts
    would hide behind one reservation and one attempt: the strategy asks again in smaller calls, of which each is
    reserved, cached and traced by itself.

    Attributes:
        strategy: the strategy that asks it.
        own_client: providers whose code in LiteLLM takes no client, so that nobody can see whether a request was sent.
        session: providers whose code takes the session of the connections instead of a client.
    """

    strategy: ClassVar[str]
    own_client: ClassVar[frozenset[str]] = frozenset()
    session: ClassVar[frozenset[str]] = frozenset()

    _max_documents: int | None = None
    _input_tokens: int | None = None

    @cached_property
    def _found(self) -> dict[int, Refusal]:
        """Refusals by exchange, from where the error is read to where the request is known."""
        return {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._model!r})"

    @property
    def info(self) -> ModelInfo:
        """What is known of the API, which is little."""
        return ModelInfo(
            name=self._model,
            context_tokens=_MOST_TOKENS,
            concurrency=int(self._own.get("concurrency", 8)),
            max_tokens_per_doc=self._max_tokens_per_doc,
            max_documents=self._max_documents,
            input_tokens=self._input_tokens,
            timeout_s=_TIMEOUT_S,
            strategy=self.strategy,
            endpoint=self._public_address,
            params=self._params,
        )

    @property
    @abstractmethod
    def _max_tokens_per_doc(self) -> int:
        """Where a document is cut when the caller does not say."""

    @property
    def _takes_client(self) -> bool:
        return self._route.provider not in self.own_client | self.session

    def _sending(
        self,
        litellm: Any,
        asked: Mapping[str, Any],
        session: Any,
        exchange: Exchange,
    ) -> Coroutine[Any, Any, Any]:
        if self._route.provider in self.session:
            return self._calling(litellm, {**asked, "shared_session": session})
        if not self._takes_client:
            exchange.sent = True  # as far as anybody knows
        return self._calling(litellm, asked)

    def _translated(self, error: Exception, exchange: Exchange) -> ProviderError | InputError:
        """The error as one of ours, with what to do where the documents are the reason."""
        found = refusal(exchange.status, str(error))
        if found is None:
            return super()._translated(error, exchange)
        self._found[id(exchange)] = found
        ours = translated(error, exchange, model=self._model, secrets=self._secrets, advice=found.advice)
        if isinstance(ours, InputError):
            return ours
        kind = DocumentRefused if found.what == "empty" else RequestTooLarge
        return kind(str(ours), model=self._model, status=ours.status, sent=ours.sent)

    async def _try(self, request: ChatRequest, exchange: Exchange) -> ChatReply | None:
        try:
            return await super()._try(request, exchange)
        finally:
            found = self._found.pop(id(exchange), None)
            if found is not None:
                self._learn(found, found.limit, request)

    def _learn(self, found: Refusal, limit: int | None, request: ChatRequest) -> None:
        """Keep a limit for the next requests; a lower one of tokens where the API counts more than is counted here.

        Not below half: what the API counts twice is a document of another kind than most.
        """
        if limit is None:
            return
        if found.what == "many":
            self._max_documents = limit = min(limit, self._max_documents or limit)
        else:
            lowest = -(-limit // COUNT_MARGIN)
            longest = max(map(self.count_tokens, self._inputs(request)))
            fitting = limit if longest >= limit else max(lowest, longest * 3 // 4)
            self._input_tokens = limit = min(fitting, self._input_tokens or limit)
        unit = "documents a request" if found.what == "many" else "tokens an input"
        _log.info("%s accepts at most %d %s, and later requests keep to that.", self._model, limit, unit)

    @abstractmethod
    def _inputs(self, request: ChatRequest) -> Sequence[str]:
        """The texts of a request, each as the model reads it."""

    @abstractmethod
    def _calling(self, litellm: Any, asked: Mapping[str, Any]) -> Coroutine[Any, Any, Any]:
        """LiteLLM's coroutine for this kind of API."""

    @property
    def _common(self) -> dict[str, Any]:
        """What every request has."""
        common = {
            "model": self._model,
            "max_retries": 0,
            "num_retries": 0,
            **self._address,
            **self._params,
            **self._authorized,
        }
        if "extra_headers" in common:  # what LiteLLM calls them in a chat
            common["headers"] = common.pop("extra_headers")
        return common
