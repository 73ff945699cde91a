"""Asking without LiteLLM: which models are, and what is the transport's own; what both share is in `test_litellm`."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from judge_rerank import Judge
from judge_rerank.core.errors import InputError
from judge_rerank.providers import open_backend
from judge_rerank.providers.direct import DirectBackend
from judge_rerank.providers.http_transport import Connections
from judge_rerank.providers.litellm import LiteLLMBackend
from tests.provider import Fault, Provider
from tests.providers.asking import (
    DIRECT_OPENAI,
    DIRECT_VLLM,
    KEY,
    OPENAI,
    SCORE,
    VLLM,
    ask,
    backend_for,
    opened,
    request,
)


@pytest.mark.parametrize("model", [VLLM, "llamafile/m", "lm_studio/m", "openai_like/m", "litellm_proxy/m"])
def test_servers_of_ones_own_are_asked_directly(model: str):
    assert isinstance(open_backend(model), DirectBackend)
    assert isinstance(open_backend(model, transport="litellm"), LiteLLMBackend)


@pytest.mark.parametrize("model", [OPENAI, "anthropic/claude-sonnet-4-5", "gpt-4.1-mini", "ollama/qwen3"])
def test_all_others_are_asked_through_litellm(model: str):
    assert isinstance(open_backend(model), LiteLLMBackend)


def test_openai_is_asked_directly_where_the_caller_says_so():
    assert isinstance(open_backend(OPENAI, transport="direct"), DirectBackend)


def test_a_parameter_of_litellms_own_keeps_to_litellm():
    params = {"mock_response": "yes"}
    assert isinstance(open_backend(VLLM, params=params), LiteLLMBackend)
    with pytest.raises(InputError, match=r"mock_response.*transport='litellm'"):
        open_backend(VLLM, transport="direct", params=params)


@pytest.mark.parametrize("model", ["anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-flash", "gpt-4.1-mini", "openai/"])
def test_another_api_is_refused_in_words_that_help(model: str):
    with pytest.raises(InputError, match=r"transport='direct'.*hosted_vllm/.*openai/"):
        Judge(model, transport="direct")


def test_a_transport_that_there_is_not():
    with pytest.raises(InputError, match=r"'fast'; expected 'direct'.*'litellm'"):
        Judge(OPENAI, transport="fast")  # pyright: ignore[reportArgumentType]


def test_a_model_without_a_chat_api_has_no_transport():
    with pytest.raises(InputError, match="no transport to choose"):
        open_backend("typesafe/jev-latest", transport="direct")


def test_a_server_without_an_address_is_said_before_anything_is_sent():
    with pytest.raises(InputError, match=r"no address.*HOSTED_VLLM_API_BASE"):
        _ = opened(DIRECT_VLLM).info


def test_the_address_and_the_key_are_those_of_the_environment(provider: Provider, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOSTED_VLLM_API_BASE", f"{provider.url}/v1/")
    monkeypatch.setenv("HOSTED_VLLM_API_KEY", KEY)
    backend = opened(DIRECT_VLLM)
    assert ask(backend).text == "yes"
    (received,) = provider.received
    assert (received.path, received.headers["authorization"]) == ("/v1/chat/completions", f"Bearer {KEY}")
    assert backend.info.endpoint == f"{provider.url}/v1/"


@pytest.mark.parametrize("model", [OPENAI, VLLM, "openai/gpt-5-mini", "openai/o3-mini"])
def test_the_cache_knows_no_difference(model: str):
    direct, through = (
        open_backend(model, transport=each, api_base="http://127.0.0.1:1/v1") for each in ("direct", "litellm")
    )
    assert direct.info == through.info


def test_headers_bodies_and_other_parameters_go_along(provider: Provider):
    params = {
        "extra_headers": {"X-Team": "ranking", "authorization": "Bearer mine"},
        "extra_body": {"chat_template_kwargs": {"enable_thinking": False}},
        "top_k": 20,
    }
    ask(backend_for(provider, DIRECT_VLLM, params=params))
    (received,) = provider.received
    assert (received.headers["x-team"], received.headers["authorization"]) == ("ranking", "Bearer mine")
    assert (received.body["top_k"], received.body["chat_template_kwargs"]) == (20, {"enable_thinking": False})
    assert not {"timeout", "api_base", "api_key", "max_retries", "num_retries", "extra_headers"} & received.body.keys()


def test_a_user_in_the_address_is_sent_as_a_header(provider: Provider):
    address = provider.url.replace("//", "//user:secret-password@") + "/v1"
    ask(opened(DIRECT_VLLM, api_base=address))
    assert provider.received[0].headers["authorization"].startswith("Basic ")


def test_a_parameter_that_is_no_json_is_an_error_of_the_callers(provider: Provider):
    with pytest.raises(InputError, match="JSON"):
        ask(backend_for(provider, DIRECT_VLLM, params={"top_p": float("nan")}))
    assert provider.requests == 0


def test_a_proxy_of_the_environment_is_used(provider: Provider, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("http_proxy", provider.url)
    monkeypatch.setenv("no_proxy", "localhost")
    assert ask(opened(DIRECT_VLLM, api_base="http://judge.example/v1", api_key=KEY)).text == "yes"
    assert provider.received[0].headers["host"] == "judge.example"


def test_usage_with_reasoning_and_cached_tokens(provider: Provider):
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 30,
        "prompt_tokens_details": {"cached_tokens": 60, "audio_tokens": None},
        "completion_tokens_details": {"reasoning_tokens": 20},
    }
    choice = {"message": {"content": [{"type": "text", "text": '{"score": 3}'}]}, "finish_reason": "stop"}
    provider.misbehave(Fault.says({"model": "m", "choices": [choice], "usage": usage}))
    reply = ask(backend_for(provider, DIRECT_OPENAI), request(schema=SCORE))
    assert (reply.text, reply.model) == ('{"score": 3}', "m")
    assert (reply.input_tokens, reply.output_tokens, reply.cached_input_tokens) == (100, 30, 60)
    assert reply.usage["completion_tokens_details"] == {"reasoning_tokens": 20}


def test_litellm_is_never_imported():
    code = (
        "import sys; from judge_rerank import Judge;"
        "judge = Judge('hosted_vllm/m', api_base='http://127.0.0.1:1/v1', max_attempts=1, cache_dir=None);"
        "print(judge.rerank('q', ['a', 'b'], strategy='score').status);"
        "sys.exit('litellm' in sys.modules or 'openai' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "partial\n"), done.stderr


def test_no_time_limit_but_that_of_the_attempt_ends_one() -> None:
    async def nothing(_loop: asyncio.AbstractEventLoop) -> None:
        pass

    async def limits() -> tuple[object, object]:
        user = DirectBackend("hosted_vllm/judge", api_base="http://127.0.0.1:9/v1")
        connections = Connections(nothing, watching=False)
        session = await connections.session(user, lambda: None)
        await connections.release(user)
        return session.timeout.total, session.timeout.sock_read

    assert asyncio.run(limits()) == (None, None)
