"""Contexts shorter than the prompt: asked for long enough, and noticed where they cut."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from judge_rerank import Judge
from judge_rerank.providers.litellm import LiteLLMBackend
from tests.provider import Fault, Provider, ScriptedJudge
from tests.providers.asking import KEY, OPENAI, VLLM, ask, backend_for, request

OLLAMA = pytest.mark.parametrize("model", ["ollama/llama3.1", "ollama_chat/llama3.1"])
LONG = "The dune at the edge of the desert moves a little every year. " * 600


def ollama(provider: Provider, model: str, **options: Any) -> LiteLLMBackend:
    return LiteLLMBackend(model, api_base=provider.url, **{"params": {"context_tokens": 32_768}, **options})


def contexts(provider: Provider) -> list[int]:
    return [each.body["options"]["num_ctx"] for each in provider.received if "options" in each.body]


@OLLAMA
def test_the_context_is_asked_for_and_does_not_shrink(provider: Provider, model: str):
    backend = ollama(provider, model)
    ask(backend, request(), request(LONG), request())
    assert contexts(provider) == [4096, 16_384, 16_384]


@OLLAMA
def test_no_more_than_the_model_has(provider: Provider, model: str):
    ask(ollama(provider, model, params={"context_tokens": 6_000}), request(LONG))
    assert contexts(provider) == [6_000]


@OLLAMA
def test_the_users_context_is_the_context(provider: Provider, model: str):
    backend = ollama(provider, model, params={"num_ctx": 2_048})
    ask(backend)
    assert (contexts(provider), backend.info.context_tokens) == ([2_048], 2_048)


def test_others_are_not_asked_for_a_context(provider: Provider):
    ask(backend_for(provider, VLLM))
    assert "num_ctx" not in str(provider.received[0].body)


@OLLAMA
def test_a_reply_cut_by_length_is_seen(provider: Provider, model: str):
    provider.judge = ScriptedJudge("[3] > [1] > [2] and so on " * 20)
    assert ask(ollama(provider, model), request(max_output_tokens=20)).finish_reason == "length"


def cut(read: int, model: str) -> Fault:
    usage = {"prompt_tokens": read, "completion_tokens": 5, "total_tokens": read + 5}
    message = {"role": "assistant", "content": '{"ranking": [2, 1]}'}
    if model.startswith("ollama"):
        said = {"model": "m", "done": True, "message": message, "response": message["content"]}
        return Fault.says({**said, "done_reason": "stop", "prompt_eval_count": read, "eval_count": 5})
    return Fault.says({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage})


@pytest.mark.parametrize("model", ["ollama/llama3.1", "ollama_chat/llama3.1", VLLM, OPENAI])
def test_far_fewer_tokens_than_were_sent(provider: Provider, model: str, caplog: pytest.LogCaptureFixture):
    provider.misbehave(cut(4_096, model))
    backend = ollama(provider, model) if "ollama" in model else backend_for(provider, model)
    assert ask(backend, request(LONG)).input_cut
    assert "cut off" in caplog.text
    assert backend.info.context_tokens == 4_096


@pytest.mark.parametrize("read", [10, 400, 7_000, 9_000])
def test_counts_that_can_be_true(provider: Provider, read: int):
    provider.misbehave(cut(read, VLLM))
    assert not ask(backend_for(provider, VLLM), request(LONG)).input_cut


def test_a_judgment_of_a_part_does_not_count(provider: Provider, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.CRITICAL)
    provider.misbehave(cut(4_096, VLLM))
    options: dict[str, Any] = {"params": {"context_tokens": 32_768}, "max_tokens_per_doc": 8_000}
    with Judge(VLLM, api_base=provider.url + "/v1", api_key=KEY, **options) as judge:
        ranking = judge.rerank("alpha", [LONG, "beta"], strategy="listwise")
    assert (provider.requests, ranking.status) == (1, "partial")
    assert [place.index for place in ranking.results] == [0, 1]
