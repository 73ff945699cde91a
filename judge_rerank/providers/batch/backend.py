"""A backend whose requests go into jobs: it makes each request and reads each reply as it always does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from judge_rerank.cache import request_key
from judge_rerank.core import Backend, ChatReply, ChatRequest, InputError, ModelInfo, ProviderError
from judge_rerank.prompting import PARSER_VERSION
from judge_rerank.providers.batch.api import BatchApi, api_of
from judge_rerank.providers.batch.http_exchange import Answered, Posted, Unanswered, answering

_LOCAL_TIMEOUT_S = 600.0
_AT_ONCE = 32
"""Requests made or replies read at once: each takes a few milliseconds of work, and memory meanwhile."""

Ask = Callable[[str, Posted, int], Awaitable[tuple[str, Answered]]]
"""Has a request answered by a job: its `question`, the request as it would be sent, and which of several that are the
same it is. Gives its name in the job, and the answer."""

Used = Callable[[list[str], ChatReply | None], None]
"""Told of what was answered, and which reply came of it, if any."""


def question_of(request: ChatRequest, info: ModelInfo) -> str:
    """By what a request is known before it is written down as it is sent: the key of its reply in the cache."""
    return request_key(
        request, model=info.name, endpoint=info.endpoint, params=info.params, parser_version=PARSER_VERSION
    )


def batch_api_of(backend: Backend) -> tuple[str, type[BatchApi]]:
    """The provider of a backend, and its batch API.

    Raises:
        InputError: there is none, in the words of a caller who asked for it.
    """
    info = backend.info
    if info.local:
        raise InputError(
            f"mode='batch' cannot be used with {info.name}, which runs on this machine: batch jobs are what a provider "
            "sells at half the price. Use mode='direct'."
        )
    if info.most_questions is not None:
        raise InputError(
            f"mode='batch' cannot be used with {info.name}: decision endpoints have no batch jobs. Use mode='direct', "
            "or a chat model of a provider that has them (api='chat' where the model does both)."
        )
    provider = getattr(backend, "provider", None)
    if not isinstance(provider, str):
        raise InputError(
            f"mode='batch' cannot be used with {info.name}: {type(backend).__name__} is asked request by request. Use "
            "mode='direct', or name a model as LiteLLM does ('openai/gpt-6-luna')."
        )
    return provider, api_of(provider)


class BatchBackend:
    """A backend whose attempts wait for jobs.

    Args:
        inner: the backend that makes the requests and reads the replies. It sends nothing.
        api: the provider's, which knows what a job would turn away.
        ask: has a request answered.
        used: is told what became of the answer.
    """

    def __init__(self, inner: Backend, *, api: type[BatchApi], ask: Ask, used: Used) -> None:
        self._inner, self._api, self._ask, self._used = inner, api, ask, used
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._same: dict[str, set[int]] = {}

    @property
    def info(self) -> ModelInfo:
        """What is known of the model."""
        return self._inner.info

    def count_tokens(self, text: str) -> int:
        """As the backend counts."""
        return self._inner.count_tokens(text)

    def warm_up(self) -> None:
        """Load what the first request would."""
        getattr(self._inner, "warm_up", lambda: None)()

    async def complete(self, request: ChatRequest) -> ChatReply:
        """One attempt, in the next job.

        Where a reply shows that the provider takes the request in another form only, that form goes into another job.

        Raises:
            ProviderError: as the backend's own; also where the job expired, was cancelled or was not accepted.
        """
        question = question_of(request, self.info)
        same = self._same.setdefault(question, set())
        occurrence = next(n for n in range(len(same) + 1) if n not in same)
        same.add(occurrence)
        answers: dict[str, Answered] = {}
        try:
            reply = await self._completed(request, question, occurrence, answers)
        except ProviderError:
            self._used(list(answers), None)
            raise
        finally:
            same.discard(occurrence)
            if not same:
                self._same.pop(question, None)
        self._used(list(answers), reply)
        return reply

    async def _completed(
        self, request: ChatRequest, question: str, occurrence: int, answers: dict[str, Answered]
    ) -> ChatReply:
        quick = replace(request, timeout_s=_LOCAL_TIMEOUT_S)
        while True:
            async with self._gate:
                try:
                    with answering(answers, occurrence):
                        return await self._inner.complete(quick)
                except Unanswered as unanswered:
                    posted = unanswered.posted
            refused = self._api.refused(posted)
            if refused is not None:
                answers[posted.custom_id(occurrence)] = refused
                continue
            name, answered = await self._ask(question, posted, occurrence)
            answers[name] = answered

    async def aclose(self) -> None:
        """Close the backend."""
        await self._inner.aclose()
