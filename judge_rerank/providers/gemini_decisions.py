"""Gemini's decisions, which LiteLLM does not have: one POST to `/v1beta/decisions` over LiteLLM's HTTP client.

Google's own package sends the same request. It is not used here, because the rules for an attempt are kept where the
connections are: one request, whatever happens to it, and a status, headers and body that somebody saw.
"""

from __future__ import annotations

import json
import re
from collections.abc import Coroutine, Mapping
from typing import Any

from judge_rerank.core import ChatReply, ChatRequest
from judge_rerank.providers import endpoint, system_one
from judge_rerank.providers.body_errors import error_in, parsed
from judge_rerank.providers.decisions import TIMEOUT_S, LiteLLMDecisions
from judge_rerank.providers.http_transport import Exchange
from judge_rerank.providers.litellm_connection import LiteLLMConnection
from judge_rerank.providers.litellm_module import load as _litellm
from judge_rerank.providers.system_one import as_object

_HOME = "https://generativelanguage.googleapis.com"
_VERSIONED = re.compile(r"/v\d+\w*$")


class GeminiDecisions(LiteLLMDecisions):
    """A decision model of Google's Gemini API ("gemini/gemini-decision-1").

    Args:
        model: the name, with `gemini/` in front.
        api_base: another address than Google's, with its version (`/v1beta`) or without.
        api_key: by default what GOOGLE_API_KEY or GEMINI_API_KEY says.
        params: as in `LiteLLMDecisions`; of what is sent, `extra_headers` alone.

    Raises:
        InputError: a parameter that is for chat models; an address, a key or a header that cannot be sent.
    """

    ceiling = 1_000
    sent = ("extra_headers",)

    @property
    def _takes_client(self) -> bool:
        return True

    def _check_decides(self) -> None:
        """Nothing: whether Google asks this model decisions, only Google knows."""

    def _check_key(self) -> None:
        LiteLLMConnection._check_key(self)

    def _asked(self, request: ChatRequest) -> dict[str, Any]:
        common = self._common
        headers: Mapping[str, str] = common.get("headers", {})
        key = self._api_key or _litellm().api_key or _key_in_environment()
        return {
            "url": self._url,
            "headers": {**({"x-goog-api-key": key} if key else {}), **headers},
            "json": {
                "model": self._route.model,
                "input": "\n\n".join(self._inputs(request)),
                "questions": system_one.questions(request.questions),
            },
            "timeout": TIMEOUT_S,
        }

    @property
    def _url(self) -> str:
        found = endpoint.in_environment(self._route.provider)
        variables = (value for name, value in found.items() if name.endswith(("_API_BASE", "_BASE_URL")))
        base: str = self._address.get("api_base") or _litellm().api_base or next(variables, _HOME)
        base = base.rstrip("/")
        return f"{base}/decisions" if _VERSIONED.search(base) else f"{base}/v1beta/decisions"

    def _sending(
        self,
        litellm: Any,  # noqa: ARG002
        asked: Mapping[str, Any],
        session: Any,  # noqa: ARG002
        exchange: Exchange,
    ) -> Coroutine[Any, Any, Any]:
        return _posted(asked, exchange)

    def _reply(self, response: Any, request: ChatRequest) -> ChatReply:
        body = as_object(response)
        usage = _usage(as_object(body.get("usage")))
        answers = body.get("answers")
        blocked = as_object(body.get("prompt_feedback")).get("block_reason")
        if not blocked and not isinstance(answers, Mapping):
            raise self._unanswered(request)
        found = [] if blocked else system_one.answers(as_object(answers), request.questions)
        return ChatReply(
            text="" if blocked else json.dumps(found),
            finish_reason="filter" if blocked else "stop",
            input_tokens=usage.get("input_tokens"),
            output_tokens=usage.get("output_tokens"),
            cached_input_tokens=as_object(usage.get("input_tokens_details")).get("cached_tokens"),
            model=self._model,
            usage=usage,
        )


async def _posted(asked: Mapping[str, Any], exchange: Exchange) -> Any:
    """The body of the answer.

    Raises:
        BodyError: what the body says went wrong.
    """
    given = dict(asked)
    client = given.pop("client")
    try:
        response = await client.post(**given)
    except Exception:
        inside = error_in(parsed(bytes(exchange.raw)))
        if inside is None:
            raise
        raise inside from None
    return response.json()


def _key_in_environment() -> str | None:
    from litellm.llms.gemini.common_utils import get_api_key_from_env

    return get_api_key_from_env()


def _usage(block: Mapping[str, Any]) -> dict[str, Any]:
    """The counts as they came, under OpenAI's names for them; empty where nothing was counted."""
    if not block.get("total_input_tokens"):
        return {}
    return {
        "input_tokens": block["total_input_tokens"],
        "output_tokens": block.get("total_output_tokens"),
        "total_tokens": block.get("total_tokens"),
        "input_tokens_details": {"cached_tokens": block.get("total_cached_tokens")},
        "output_tokens_details": {"reasoning_tokens": block.get("total_thought_tokens")},
    }
