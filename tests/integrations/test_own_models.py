"""The clients of LangChain and LlamaIndex as judges, unchanged, against the provider on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from judge_rerank import AuthenticationError, Judge, RateLimited
from judge_rerank.core import Backend
from tests.provider import Fault, Provider, QrelsJudge, Script
from tests.providers.asking import request

TEXTS = ("A bell is loud.", "Brakes squeal when oil has reached the rotor.", "Rim brakes squeal less with toe-in.")
GRADES = dict(zip(TEXTS, (0, 3, 2), strict=True))
KEY = "sk-loopback-0123456789abcdef"


def langchain_openai(url: str, closing: ExitStack, **more: Any) -> Backend:
    pytest.importorskip("langchain_core")
    models = pytest.importorskip("langchain_openai")
    from judge_rerank.integrations.langchain import ChatModelBackend

    return ChatModelBackend(
        models.ChatOpenAI(
            model="gpt-4.1-mini",
            base_url=f"{url}/v1",
            api_key=KEY,
            http_client=closing.enter_context(httpx.Client()),
            **more,
        )
    )


def langchain_anthropic(url: str, closing: ExitStack, **more: Any) -> Backend:
    pytest.importorskip("langchain_core")
    models = pytest.importorskip("langchain_anthropic")
    from judge_rerank.integrations.langchain import ChatModelBackend

    model = models.ChatAnthropic(model="claude-tests", base_url=url, api_key=KEY, max_tokens=9, **more)
    closing.callback(model._client.close)
    return ChatModelBackend(model)


def llama_index_openai(url: str, closing: ExitStack, **more: Any) -> Backend:
    pytest.importorskip("llama_index.core")
    models = pytest.importorskip("llama_index.llms.openai")
    from judge_rerank.integrations.llama_index import LLMBackend

    return LLMBackend(
        models.OpenAI(
            model="gpt-4.1-mini",
            api_base=f"{url}/v1",
            api_key=KEY,
            http_client=closing.enter_context(httpx.Client()),
            **more,
        )
    )


EVERY_CLIENT = pytest.mark.parametrize("make", [langchain_openai, langchain_anthropic, llama_index_openai])
Make = Callable[..., Backend]


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    """Closes the connections of the frameworks' clients, which nobody else does."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider(QrelsJudge(GRADES)) as running:
        yield running


@EVERY_CLIENT
def test_it_ranks_and_its_tokens_are_those_of_the_bill(make: Make, provider: Provider, closing: ExitStack) -> None:
    with Judge(make(provider.url, closing)) as judge:
        ranking = judge.rerank("why do my brakes squeal?", TEXTS, "score")
    assert [each.index for each in ranking] == [1, 2, 0]
    assert ranking.usage.calls == 3
    assert ranking.usage.input_tokens == provider.bill.input_tokens
    assert ranking.usage.output_tokens == provider.bill.output_tokens
    assert ranking.usage.cost_usd is None


@EVERY_CLIENT
def test_every_reply_is_limited(make: Make, provider: Provider, closing: ExitStack) -> None:
    asyncio.run(make(provider.url, closing).complete(request(max_output_tokens=77)))
    body = provider.received[0].body
    assert 77 in (body.get("max_tokens"), body.get("max_completion_tokens"))


@EVERY_CLIENT
def test_errors_over_the_wire_are_ours(make: Make, closing: ExitStack) -> None:
    refused = {401: AuthenticationError, 429: RateLimited}
    for status, kind in refused.items():
        with Provider(QrelsJudge(GRADES), faults=Script([Fault(kind="status", status=status)])) as failing:
            with pytest.raises(kind) as caught:
                asyncio.run(make(failing.url, closing, max_retries=0).complete(request()))
            assert caught.value.status == status
            assert KEY not in str(caught.value)
