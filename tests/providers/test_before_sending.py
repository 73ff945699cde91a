"""What cannot be sent is said at once: nothing leaves this machine, nothing is charged, nothing is tried again."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from judge_rerank import Judge, Price, RerankAPI
from judge_rerank.core import Backend
from judge_rerank.core.errors import AuthenticationError, InputError, ProviderError, ProviderUnavailable, RateLimited
from judge_rerank.providers import open_backend
from judge_rerank.providers.litellm import LiteLLMBackend
from judge_rerank.testing import FakeBackend
from tests.provider import Fault, Provider
from tests.providers.asking import BOTH, KEY, OPENAI, ask, backend_for, failure

BAD_ADDRESSES = [
    "localhost:8000/v1",
    "127.0.0.1:8000/v1",
    "//host/v1",
    "http:///v1",
    "http://host /v1",
    " http://host/v1",
    "http://host/v1\n",
    "htp://host/v1",
    "https://",
    "http://host:port/v1",
    "http://[::1/v1",
    "http://user:secret-password@[::1/v1",
]
BAD_KEYS = [
    "sk-0123456789\n",
    "sk-01234\r\n56789",
    "sk-ключ-0123456789",
    "sk-0123456789…",
    "sk-0123 456789",
    "\tsk-01234",
]


@pytest.mark.parametrize("address", BAD_ADDRESSES)
def test_an_address_that_cannot_be_asked(address: str):
    with pytest.raises(InputError, match="api_base"):
        open_backend(OPENAI, api_base=address, api_key=KEY)


def test_an_address_is_shown_without_its_password():
    with pytest.raises(InputError) as caught:
        LiteLLMBackend(OPENAI, api_base="user:secret-password@host/v1")
    assert "secret-password" not in str(caught.value)


@pytest.mark.parametrize("key", BAD_KEYS)
def test_a_key_that_cannot_be_sent(key: str):
    with pytest.raises(InputError, match="api_key") as caught:
        open_backend(OPENAI, api_key=key)
    assert key.strip() not in str(caught.value)


@pytest.mark.parametrize("key", BAD_KEYS)
def test_a_key_of_the_environment_that_cannot_be_sent(monkeypatch: pytest.MonkeyPatch, key: str):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(InputError, match="OPENAI_API_KEY"):
        _ = LiteLLMBackend(OPENAI).info


@pytest.mark.parametrize("name", ["OPENAI_BASE_URL", "OPENAI_API_BASE"])
def test_an_address_of_the_environment_that_cannot_be_asked(monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.setenv(name, "localhost:8000/v1")
    with pytest.raises(InputError, match=name):
        _ = LiteLLMBackend(OPENAI, api_key=KEY).info


def test_a_header_with_a_line_break():
    with pytest.raises(InputError, match="x-team"):
        LiteLLMBackend(OPENAI, params={"extra_headers": {"X-Team": "a\nb"}})


@pytest.mark.parametrize("model", ["jina_ai/m", "voyage/m", "infinity/m", "deepgram/m", "milvus/m", "topaz/m"])
def test_a_provider_without_chat(model: str):
    with pytest.raises(InputError, match="no chat"):
        _ = LiteLLMBackend(model, api_key=KEY).info


@pytest.mark.parametrize(("model", "package"), [("vertex_ai/gemini-2.5-flash", "google-auth"), ("vllm/m", "vllm")])
def test_a_package_that_is_missing(model: str, package: str):
    pytest.importorskip("litellm")
    with pytest.raises(InputError, match=package):
        _ = LiteLLMBackend(model, api_key=KEY).info


def spent(model: str, provider: Provider, run: Callable[[Judge], object]) -> int:
    """Micro-dollars that a dear model costs when `run` has had its way, by a cap that would hold it."""
    price = Price(input_usd_per_mtok=1000, output_usd_per_mtok=1000)
    base = provider.url + ("" if model.startswith("azure") else "/v1")
    with Judge(model, api_base=base, api_key=KEY, prices={model: price}) as judge, judge.limit(usd="20") as cap:
        run(judge)
        patient_until = time.monotonic() + 30  # the ledger has a thread of its own, which may come to it later
        while cap.held.micro_usd and time.monotonic() < patient_until:
            time.sleep(0.005)
        assert cap.held.micro_usd == 0
        return cap.spent.micro_usd


@pytest.mark.parametrize("model", ["predibase/m", "triton/m"])
def test_what_litellm_refuses_is_raised_at_once_and_not_charged(provider: Provider, model: str):
    def run(judge: Judge) -> None:
        with pytest.raises(InputError):
            judge.rerank("alpha", ["alpha", "beta"], strategy="listwise")

    assert spent(model, provider, run) == 0
    assert provider.requests == 0


def test_credentials_that_are_missing_are_said_at_once_and_not_charged(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("boto3")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    def run(judge: Judge) -> None:
        with pytest.raises(InputError, match="nothing was sent"):
            judge.rerank("alpha", ["alpha", "beta"], strategy="listwise")

    assert spent("sagemaker/m", provider, run) == 0


@pytest.mark.parametrize("model", ["openai/m", "ollama/m", "gemini/m"])
def test_a_provider_without_reranking(provider: Provider, model: str):
    with Judge(FakeBackend("no")) as judge, judge.limit(calls=9) as cap:
        with pytest.raises(InputError, match="Unsupported provider"):
            judge.rerank("alpha", ["alpha", "beta"], RerankAPI(model, api_base=provider.url, api_key=KEY))
        assert (cap.spent.micro_usd, cap.spent.calls, provider.requests) == (0, 0, 0)


UNWATCHED = ["azure/gpt-4.1-mini", "amazon_nova/m", "compactifai/m", "lemonade/m", "maritalk/m", "ovhcloud/m"]


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
@pytest.mark.parametrize("model", [*UNWATCHED, "datarobot/m"])
def test_the_status_is_known_for_providers_with_a_client_of_their_own(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, model: str, status: int
):
    monkeypatch.setenv("AZURE_API_VERSION", "2024-10-21")
    headers = {"retry-after": "7"} if status == 429 else {}
    provider.misbehave(*[Fault(kind="body", status=status, body={"error": {"message": "No"}}, headers=headers)] * 2)
    base = provider.url + ("" if model.startswith("azure") else "/v1")
    backend: Backend = LiteLLMBackend(model, api_base=base, api_key=KEY)
    error = failure(backend)  # pyright: ignore[reportArgumentType]
    assert (error.status, error.sent) == (status, True)
    assert error.retry_after_s == (7 if status == 429 else None)


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_the_status_of_watsonx(provider: Provider, status: int):
    headers = {"retry-after": "7"} if status == 429 else {}
    provider.misbehave(Fault(kind="body", status=status, body={"errors": [{"message": "No"}]}, headers=headers))
    params = {"token": "token-0123456789", "project_id": "p"}
    model = "watsonx/ibm/granite-3-8b-instruct"
    error = failure(LiteLLMBackend(model, api_base=provider.url, api_key=KEY, params=params))
    assert (error.status, error.sent) == (status, True)
    assert error.retry_after_s == (7 if status == 429 else None)


def test_what_azure_refused_is_not_charged(provider: Provider, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AZURE_API_VERSION", "2024-10-21")
    limited = Fault(kind="status", status=429, headers={"retry-after-ms": "1"}, message="Slow down")
    provider.misbehave(limited, limited)
    seen: list[object] = []
    cost = spent("azure/gpt-4.1-mini", provider, lambda judge: seen.append(judge.rerank("a", ["alpha", "beta"])))
    assert provider.requests == 3
    assert cost == (provider.bill.input_tokens + provider.bill.output_tokens) * 1000


def test_azure_is_asked_once_where_the_connection_is_lost(provider: Provider, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AZURE_API_VERSION", "2024-10-21")
    backend = LiteLLMBackend("azure/gpt-4.1-mini", api_base=provider.url, api_key=KEY)
    provider.misbehave(Fault(kind="reset"))
    error = failure(backend)
    assert (type(error), error.sent, provider.requests) == (ProviderUnavailable, True, 1)


@pytest.mark.parametrize(
    ("base", "path"),
    [
        ("", "/openai/deployments/gpt-4.1-mini/chat/completions"),
        ("/openai/deployments/other", "/openai/deployments/other/chat/completions"),
        (
            "/gateway.ai.cloudflare.com/v1/azure-openai/r",
            "/gateway.ai.cloudflare.com/v1/azure-openai/r/gpt-4.1-mini/chat/completions",
        ),
    ],
)
def test_where_azure_is_asked(provider: Provider, monkeypatch: pytest.MonkeyPatch, base: str, path: str):
    monkeypatch.setenv("AZURE_API_VERSION", "2024-10-21")
    ask(LiteLLMBackend("azure/gpt-4.1-mini", api_base=provider.url + base, api_key=KEY))
    assert [request.path for request in provider.received] == [path]


@pytest.mark.parametrize("model", ["azure/gpt-4.1-mini", "maritalk/m"])
def test_an_address_where_nobody_listens_costs_nothing(monkeypatch: pytest.MonkeyPatch, model: str):
    monkeypatch.setenv("AZURE_API_VERSION", "2024-10-21")
    error = failure(LiteLLMBackend(model, api_base="http://127.0.0.1:1", api_key=KEY))
    assert (type(error), error.sent) == (ProviderUnavailable, False)


# Errors inside HTTP 200

INSIDE: list[tuple[object, type[ProviderError], int]] = [
    ({"error": {"message": "Slow down", "code": 429}}, RateLimited, 429),
    ({"error": {"message": "Slow down", "type": "rate_limit_error"}}, RateLimited, 429),
    ({"error": {"message": "Who are you?", "code": "invalid_api_key"}}, AuthenticationError, 401),
    ({"error": "boom"}, ProviderUnavailable, 500),
    ({"error": {"message": "Provider returned error"}}, ProviderUnavailable, 500),
    ({"base_resp": {"status_code": 1002, "status_msg": "rate limit"}, "choices": None}, RateLimited, 429),
    ({"success": False, "errors": [{"code": 429, "message": "Slow down"}]}, RateLimited, 429),
    ({"choices": [{"index": 0, "message": {"content": ""}, "error": {"code": 429, "message": "x"}}]}, RateLimited, 429),
    ({"choices": [{"index": 0, "message": {"content": ""}, "finish_reason": "error"}]}, ProviderUnavailable, 500),
    ({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 0}}, ProviderUnavailable, 200),
    ({}, ProviderUnavailable, 200),
]


@BOTH
@pytest.mark.parametrize(("body", "kind", "status"), INSIDE)
def test_an_error_inside_an_answer_is_an_error(
    provider: Provider, body: object, kind: type[ProviderError], status: int, model: str
):
    provider.misbehave(Fault.says(body))
    error = failure(backend_for(provider, model))
    assert (type(error), error.status) == (kind, status)


@BOTH
def test_an_answer_with_an_error_field_that_is_empty_is_an_answer(provider: Provider, model: str):
    message = {"role": "assistant", "content": "yes"}
    provider.misbehave(Fault.says({"error": None, "choices": [{"index": 0, "message": message, "error": None}]}))
    assert ask(backend_for(provider, model)).text == "yes"
