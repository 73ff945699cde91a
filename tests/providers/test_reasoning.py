"""Judges do not reason by default, where the model lets one say so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from judge_rerank import Judge
from judge_rerank.providers.features import forget_features
from judge_rerank.providers.litellm import LiteLLMBackend
from tests.provider import Provider, QrelsJudge
from tests.providers.asking import KEY, OPENAI, VLLM, ask

QUIET: list[tuple[str, str, dict[str, Any], int]] = [
    ("openai/gpt-5.1", "/v1", {"reasoning_effort": "none"}, 0),
    ("openai/gpt-5-mini", "/v1", {"reasoning_effort": "minimal"}, 1024),
    ("gpt-5-nano", "/v1", {"reasoning_effort": "minimal"}, 1024),
    ("deepseek/deepseek-v4-flash", "/v1", {"thinking": {"type": "disabled"}}, 0),
    ("zai/glm-4.6", "/v1", {"thinking": {"type": "disabled"}}, 0),
    ("ollama_chat/qwen3", "", {"think": False}, 0),
    ("ollama/qwen3", "", {"think": False}, 0),
]


@pytest.mark.parametrize(("model", "path", "sent", "head_room"), QUIET)
def test_a_model_that_can_be_told_not_to_reason(
    provider: Provider, model: str, path: str, sent: dict[str, Any], head_room: int
):
    backend = LiteLLMBackend(model, api_base=provider.url + path, api_key=KEY)
    ask(backend)
    assert sent.items() <= provider.received[0].body.items()
    assert backend.info.reasoning_tokens == head_room


@pytest.mark.parametrize(
    ("model", "budget", "head_room"), [("gemini/gemini-2.5-flash", 0, 0), ("gemini/gemini-2.5-pro", 128, 1024)]
)
def test_gemini_thinks_as_little_as_it_can(provider: Provider, model: str, budget: int, head_room: int):
    backend = LiteLLMBackend(model, api_base=provider.url + "/v1beta", api_key=KEY)
    ask(backend)
    assert provider.received[0].body["generationConfig"]["thinkingConfig"]["thinkingBudget"] == budget
    assert backend.info.reasoning_tokens == head_room


@pytest.mark.parametrize("model", [OPENAI, VLLM, "openai/o3", "deepseek/deepseek-reasoner", "groq/openai/gpt-oss-20b"])
def test_others_are_told_nothing(provider: Provider, model: str):
    ask(LiteLLMBackend(model, api_base=provider.url + "/v1", api_key=KEY))
    assert not {"reasoning_effort", "thinking", "extra_body"} & provider.received[0].body.keys()


def test_params_say_otherwise(provider: Provider):
    def asked(effort: str | None) -> tuple[object, int]:
        params = {"reasoning_effort": effort}
        backend = LiteLLMBackend("openai/gpt-5.1", api_base=provider.url + "/v1", api_key=KEY, params=params)
        ask(backend)
        return provider.received[-1].body.get("reasoning_effort"), backend.info.reasoning_tokens

    assert asked("high") == ("high", 4096)
    assert asked(None) == (None, 4096)
    assert asked("none") == ("none", 0)


def test_a_server_that_does_not_know_the_parameter():
    with Provider(rejects={"reasoning_effort": "Unknown parameter: 'reasoning_effort'"}) as provider:
        backend = LiteLLMBackend("openai/gpt-5.1", api_base=provider.url + "/v1", api_key=KEY)
        ask(backend)
        assert ["reasoning_effort" in each.body for each in provider.received] == [True, False]
        assert backend.info.reasoning_tokens == 4096


def test_how_much_it_reasons_is_part_of_what_was_asked(provider: Provider, tmp_path: Path):
    """A reply to a request that asked for no reasoning is not that to one that leaves it to the model."""
    for params in ({}, {}, {"reasoning_effort": None}, {"reasoning_effort": "high"}, {"reasoning_effort": "none"}):
        base = provider.url + "/v1"
        with Judge("openai/gpt-5.1", api_base=base, api_key=KEY, params=params, cache_dir=tmp_path) as judge:
            judge.rerank("alpha", ["alpha", "beta"], strategy="listwise")
    assert [each.body.get("reasoning_effort") for each in provider.received] == ["none", None, "high"]


def test_what_a_server_refuses_does_not_make_another_question(tmp_path: Path):
    refused = {"reasoning_effort": "Unknown parameter: 'reasoning_effort'"}
    with Provider(QrelsJudge({"alpha": 3, "beta": 0}), rejects=refused) as provider:
        for _ in range(2):
            forget_features()  # as in a process of its own
            with Judge("openai/gpt-5.1", api_base=provider.url + "/v1", api_key=KEY, cache_dir=tmp_path) as judge:
                judge.rerank("alpha", ["alpha", "beta"], strategy="listwise")
        assert provider.requests == 2, "one that is refused, and one that is answered and kept"
