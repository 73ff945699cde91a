"""Asking the loopback provider one thing after another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from judge_rerank.core.backend import ChatReply, ChatRequest, Message, OutputSchema
from judge_rerank.core.errors import ProviderError
from judge_rerank.providers.chat import ChatBackend
from judge_rerank.providers.direct import DirectBackend
from judge_rerank.providers.litellm import LiteLLMBackend
from tests.provider import Provider

KEY = "sk-loopback-0123456789abcdef"
OPENAI, ANTHROPIC, GEMINI = "openai/gpt-4.1-mini", "anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-flash"
VLLM = "hosted_vllm/my-model"
PATHS = {OPENAI: "/v1", ANTHROPIC: "", GEMINI: "/v1beta", VLLM: "/v1"}
_DIRECT = "direct:"
"""What a test's model begins with that is asked without LiteLLM."""
DIRECT_OPENAI, DIRECT_VLLM = _DIRECT + OPENAI, _DIRECT + VLLM
EVERY_WIRE = pytest.mark.parametrize("model", [*PATHS, DIRECT_OPENAI, DIRECT_VLLM])
OPENAIS = pytest.mark.parametrize("model", [OPENAI, VLLM, DIRECT_OPENAI, DIRECT_VLLM])
BOTH = pytest.mark.parametrize("model", [OPENAI, DIRECT_OPENAI])

SCORE = OutputSchema(
    name="score",
    schema={
        "type": "object",
        "properties": {"score": {"type": "integer", "minimum": 1, "maximum": 10}},
        "required": ["score"],
        "additionalProperties": False,
    },
)


def opened(model: str, **options: Any) -> ChatBackend:
    """The backend of a model, or of one that is asked without LiteLLM ("direct:openai/gpt-4.1-mini")."""
    return (DirectBackend if model.startswith(_DIRECT) else LiteLLMBackend)(name_of(model), **options)


def name_of(model: str) -> str:
    """The model's own name."""
    return model.removeprefix(_DIRECT)


def backend_for(provider: Provider, model: str = OPENAI, **options: Any) -> ChatBackend:
    base = provider.url + PATHS.get(name_of(model), "/v1")
    return opened(model, api_base=base, **{"api_key": KEY, **options})


def request(text: str = "Is alpha relevant? Answer yes or no.", **options: Any) -> ChatRequest:
    messages = (Message(role="system", content="You judge."), Message(role="user", content=text))
    return ChatRequest(messages=messages, **{"max_output_tokens": 50, "timeout_s": 10.0, **options})


def using(backend: ChatBackend, work: Callable[[ChatBackend], Awaitable[Any]]) -> Any:
    """What `work` gives, in an event loop of its own, the backend closed at the end."""

    async def run() -> Any:
        try:
            return await work(backend)
        finally:
            await backend.aclose()

    return asyncio.run(run())


def ask(backend: ChatBackend, *requests: ChatRequest) -> ChatReply:
    """The reply to the last of these requests, sent one after the other."""

    async def work(one: ChatBackend) -> ChatReply:
        return [await one.complete(each) for each in requests or (request(),)][-1]

    return using(backend, work)


def failure(backend: ChatBackend, one: ChatRequest | None = None) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        ask(backend, one or request())
    return caught.value
