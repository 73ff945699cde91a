"""Contexts shorter than the prompt: asked for long enough where the server lets one ask, noticed where it cut.

A server such as Ollama reads the end of a prompt that is longer than its context, answers, and says nothing. What it
counts as read betrays it: far fewer tokens than any tokenizer would make of what was sent.
"""

from __future__ import annotations

from collections.abc import Callable

from judge_rerank.core import ChatRequest
from judge_rerank.providers.catalog import Route

_OLLAMA = frozenset({"ollama", "ollama_chat"})
_LEAST_CONTEXT = 4_096
_LEAST_READ = 1_000
"""No model that judges has a shorter context; smaller counts are of another kind, or made up."""
_CHARS_PER_TOKEN = 4
_CERTAIN_SHARE = 0.7


def takes_context(route: Route) -> bool:
    """Whether the context can be asked for with each request."""
    return route.provider in _OLLAMA


def context_for(tokens: int, limit: int, *, before: int = 0) -> int:
    """The context to ask for: a power of two, for every other length makes the server load the model anew.

    Args:
        tokens: prompt and reply together.
        limit: the longest context of the model.
        before: what was asked for last; never less than that.
    """
    wanted = max(_LEAST_CONTEXT, before)
    while wanted < tokens:
        wanted *= 2
    return min(wanted, limit)


def was_cut(request: ChatRequest, read: int | None, *, count: Callable[[str], int]) -> bool:
    """Whether a provider read far fewer tokens than were sent.

    Args:
        request: what was sent.
        read: the provider's count.
        count: counts tokens by OpenAI's vocabulary, which is about as fine as others for most texts; where another may
            be coarser, four characters count as a token. It takes time, so it is asked only where those say it is cut.
    """
    if read is None or read < _LEAST_READ:
        return False
    characters = sum(len(message.content) for message in request.messages)
    if read >= _CERTAIN_SHARE * characters / _CHARS_PER_TOKEN:
        return False
    return read < _CERTAIN_SHARE * sum(count(message.content) for message in request.messages)


def ended_at_limit(route: Route, request: ChatRequest, written: int | None) -> bool:
    """Whether a reply that claims to be complete is as long as it was allowed to be.

    LiteLLM calls every reply of Ollama's `/api/generate` complete; the count of its tokens tells.
    """
    return route.provider in _OLLAMA and written is not None and written >= request.max_output_tokens
