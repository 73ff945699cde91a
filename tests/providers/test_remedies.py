"""Errors name the remedy, and nothing unscrubbed hides behind them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from judge_rerank.providers.failure_chain import chain
from judge_rerank.providers.http_transport import Exchange
from judge_rerank.providers.remedies import remedy
from tests.provider import Fault, Provider
from tests.providers.asking import BOTH, DIRECT_VLLM, KEY, OPENAI, VLLM, backend_for, failure, opened

PAGE = "<!doctype html><html><head><title>502 Bad Gateway</title></head><body><h1>nginx</h1></body></html>"


@pytest.mark.parametrize("model", [OPENAI, VLLM, DIRECT_VLLM])
@pytest.mark.parametrize(
    ("path", "advice"),
    [
        ("", "/v1'"),
        ("/v1/v1", "appears twice"),
        ("/v1/chat/completions", "before the API's path"),
        ("/v2", "missing or superfluous"),
    ],
)
def test_an_address_with_too_little_or_too_much(provider: Provider, model: str, path: str, advice: str):
    provider.misbehave(Fault.says(PAGE, status=404))
    error = failure(opened(model, api_base=provider.url + path, api_key=KEY))
    assert advice in str(error)
    assert "<" not in str(error)


@BOTH
@pytest.mark.parametrize("status", [200, 502, 503])
def test_a_page_is_told_by_its_title(provider: Provider, status: int, model: str):
    provider.misbehave(Fault.says(PAGE, status=status))
    said = str(failure(backend_for(provider, model)))
    assert "502 Bad Gateway" in said
    assert "web page" in said
    assert "<" not in said


def test_a_certificate_that_is_not_trusted():
    said = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:1006)"
    assert "SSL_CERT_FILE" in remedy(said, Exchange(unreachable=True), None, None)
    assert "REQUESTS_CA_BUNDLE" in remedy(said, Exchange(unreachable=True), None, None)


def test_https_where_there_is_none():
    said = "Cannot connect to host 127.0.0.1:8000 ssl:default [[SSL: WRONG_VERSION_NUMBER] wrong version number]"
    assert "http://" in remedy(said, Exchange(unreachable=True), None, "https://127.0.0.1:8000/v1")


@BOTH
def test_a_batch_that_is_too_large(provider: Provider, model: str):
    provider.misbehave(Fault(kind="status", status=422, message="batch size 40 > maximum allowed batch size 32"))
    assert "batch_size" in str(failure(backend_for(provider, model)))


BROKEN: list[Fault] = [
    Fault(kind="bad_json"),
    Fault.says({"choices": None}),
    Fault.says({"choices": [{"message": 3}]}),
    Fault.says([1, 2]),
    Fault(kind="half_body"),
]


@pytest.fixture(params=[OPENAI, VLLM, "azure/gpt-4.1-mini", "anthropic/claude-sonnet-4-5"])
def model(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("AZURE_API_VERSION", "2024-10-21")
    return request.param


def test_no_traceback_and_no_key_anywhere(provider: Provider, model: str):
    said = Fault(kind="status", status=401, message=f"Bad key {KEY}")
    provider.misbehave(*BROKEN, said)
    for _ in range(len(BROKEN) + 1):
        error = failure(backend_for(provider, model))
        for link in chain(error):
            assert KEY not in str(link)
        assert "Traceback" not in str(error)
        assert 'File "' not in str(error)
