"""One attempt at one request: chat, decision, rerank and embedding APIs through LiteLLM, llama.cpp here, retries."""

from __future__ import annotations

from judge_rerank.providers.backends import BACKENDS, backend
from judge_rerank.providers.concurrency import ConcurrencyLimiter
from judge_rerank.providers.factory import (
    Api,
    Transport,
    listed,
    named_by_environment,
    open_api,
    open_backend,
    open_models,
)
from judge_rerank.providers.litellm import LiteLLMBackend
from judge_rerank.providers.object_backend import ObjectBackend
from judge_rerank.providers.retry import Retrier

__all__ = [
    "BACKENDS",
    "Api",
    "ConcurrencyLimiter",
    "LiteLLMBackend",
    "ObjectBackend",
    "Retrier",
    "Transport",
    "backend",
    "listed",
    "named_by_environment",
    "open_api",
    "open_backend",
    "open_models",
]
