"""Where a model is really asked is part of whose answer a reply is."""

from __future__ import annotations

from pathlib import Path

import pytest

from judge_rerank import Judge
from judge_rerank.providers.litellm import LiteLLMBackend
from tests.provider import Provider, QrelsJudge
from tests.providers.asking import KEY, OPENAI

VARIABLES = [
    ("openai/m", "OPENAI_BASE_URL"),
    ("openai/m", "OPENAI_API_BASE"),
    ("gpt-4.1-mini", "OPENAI_BASE_URL"),
    ("hosted_vllm/m", "HOSTED_VLLM_API_BASE"),
    ("azure/m", "AZURE_API_BASE"),
    ("anthropic/claude-sonnet-4-5", "ANTHROPIC_API_BASE"),
    ("ollama/m", "OLLAMA_API_BASE"),
    ("ollama_chat/m", "OLLAMA_API_BASE"),
    ("groq/m", "GROQ_API_BASE"),
    ("mistral/m", "MISTRAL_AZURE_API_BASE"),
    ("together_ai/m", "TOGETHER_AI_API_BASE"),
    ("fireworks_ai/m", "FIREWORKS_API_BASE"),
    ("huggingface/m", "HF_API_BASE"),
    ("litellm_proxy/m", "LITELLM_PROXY_API_BASE"),
    ("lm_studio/m", "LM_STUDIO_API_BASE"),
    ("openrouter/m", "OPENROUTER_API_BASE"),
]


@pytest.mark.parametrize(("model", "name"), VARIABLES)
def test_an_address_of_the_environment(monkeypatch: pytest.MonkeyPatch, model: str, name: str):
    backend = LiteLLMBackend(model, api_key=KEY)
    assert backend.info.endpoint is None
    monkeypatch.setenv(name, "http://user:secret-pw@server-a/v1?api_key=secret-key")
    assert backend.info.endpoint == "http://server-a/v1"
    monkeypatch.setenv(name, "http://server-b/v1")
    assert backend.info.endpoint == "http://server-b/v1"
    given = LiteLLMBackend(model, api_key=KEY, api_base="http://server-c/v1")
    assert given.info.endpoint == "http://server-c/v1"


def test_the_address_of_another_provider_does_not_count(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GROQ_API_BASE", "http://server-a/v1")
    monkeypatch.setenv("AZURE_API_BASE", "http://server-a/v1")
    assert LiteLLMBackend(OPENAI, api_key=KEY).info.endpoint is None
    assert LiteLLMBackend("azure_ai/m", api_key=KEY).info.endpoint is None


@pytest.mark.parametrize("field", ["extra_headers", "headers"])
def test_headers_that_route_count_and_secrets_do_not(field: str):
    headers = {
        "X-Portkey-Config": "pc-fast-1",
        "Helicone-Target-URL": "https://other",
        "Helicone-Auth": "Bearer sk-helicone-0123456789",
        "x-portkey-api-key": "pk-0123456789abcdef",
        "X-Plain": "sk-0123456789abcdef0123",
        "Helicone-Session-Id": "b2",
        "X-Request-Id": "a1",
    }
    endpoint = LiteLLMBackend(OPENAI, api_key=KEY, params={field: headers}).info.endpoint
    assert endpoint == "[helicone-target-url: https://other] [x-portkey-config: pc-fast-1]"


@pytest.mark.parametrize("name", ["OPENAI_BASE_URL", "OPENAI_API_BASE"])
def test_another_server_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with (
        Provider(QrelsJudge({"alpha": 3, "beta": 0})) as first,
        Provider(QrelsJudge({"alpha": 0, "beta": 3})) as second,
    ):
        tops: list[int] = []
        for server in (first, first, second):
            monkeypatch.setenv(name, server.url + "/v1")
            with Judge(OPENAI, cache_dir=tmp_path) as judge:
                tops.append(judge.rerank("q", ["alpha", "beta"], strategy="listwise").results[0].index)
        assert (first.requests, second.requests) == (1, 1)
        assert tops == [0, 0, 1]


def test_the_same_model_routed_elsewhere_is_asked_again(tmp_path: Path, provider: Provider):
    for route in ("fast", "fast", "cheap"):
        params = {"extra_headers": {"x-portkey-config": route}}
        with Judge(OPENAI, api_base=provider.url + "/v1", api_key=KEY, params=params, cache_dir=tmp_path) as judge:
            judge.rerank("q", ["alpha", "beta"], strategy="listwise")
    assert provider.requests == 2
