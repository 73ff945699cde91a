"""What the APIs that are no chat have in common, reached through LiteLLM."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Coroutine, Mapping
from typing import Any, ClassVar

from judge_rerank.core import ModelInfo
from judge_rerank.providers.http_transport import Exchange
from judge_rerank.providers.litellm import LiteLLMBackend

_MOST_TOKENS = 10_000_000  # no API says how much it takes in one request; its own error does
_TIMEOUT_S = 120.0


class LiteLLMApi(LiteLLMBackend, ABC):
    """An API that has no prompt, and from which no text comes back.

    To the engine it is a backend like any other, so that its calls are cached, paid for, retried and traced as the
    others are.

    Attributes:
        strategy: the strategy that asks it.
        own_client: providers whose code in LiteLLM takes no client, so that nobody can see whether a request was sent.
        session: providers whose code takes the session of the connections instead of a client.
    """

    strategy: ClassVar[str]
    own_client: ClassVar[frozenset[str]] = frozenset()
    session: ClassVar[frozenset[str]] = frozenset()

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
