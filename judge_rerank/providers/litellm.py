"""Any provider that LiteLLM speaks to, as a backend."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from judge_rerank.core import InputError
from judge_rerank.providers import catalog, chat_reply
from judge_rerank.providers.body_errors import error_in, parsed
from judge_rerank.providers.chat import ChatBackend
from judge_rerank.providers.http_transport import Exchange
from judge_rerank.providers.litellm_connection import LiteLLMConnection
from judge_rerank.providers.litellm_module import load as _litellm
from judge_rerank.providers.litellm_module import load_client


class LiteLLMBackend(ChatBackend, LiteLLMConnection):
    """A hosted model, or one behind a compatible server, through LiteLLM; arguments as for `ChatBackend`."""

    def _load(self) -> None:
        """LiteLLM, and what it loads at its first request."""
        load_client(own=self._takes_client)

    def _rows(self) -> Mapping[str, Mapping[str, Any]]:
        return _litellm().model_cost

    def _near_names(self) -> list[str]:
        names: list[str] = _litellm().model_list
        return get_close_matches(self._model, names, n=3, cutoff=0.6)

    async def _answer(self, asked: Mapping[str, Any], exchange: Exchange) -> tuple[Any, object]:
        """LiteLLM's response and the body behind it; an error inside an answer of HTTP 200 is raised."""
        try:
            response = await self._send(asked, exchange)
        except Exception:
            body = parsed(bytes(exchange.raw))
            response = chat_reply.repaired(_litellm(), body, self._model) if exchange.status == 200 else None
            if response is None:
                raise
        else:
            body = parsed(bytes(exchange.raw))
        inside = error_in(body)
        if inside is not None:
            raise inside
        return response, body

    def _check_provider(self) -> None:
        """Raise where LiteLLM cannot ask the model anything.

        Raises:
            InputError: why it cannot.
        """
        super()._check_provider()
        if self._route.provider in catalog.without_chat():
            raise InputError(
                f"{self._model} cannot be called: LiteLLM has no chat for the provider {self._route.provider!r}. "
                "Name a chat model, as in 'openai/gpt-6-luna'."
            )
