"""What a provider's content filter withholds is a reply of that call, whatever shape the provider gives it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from judge_rerank import Budget, Judge, Price
from judge_rerank.core.errors import AuthenticationError, RequestRejected
from tests.provider import Fault, Provider
from tests.providers.asking import ANTHROPIC, BOTH, GEMINI, KEY, OPENAI, VLLM, ask, backend_for, failure

AZURE_BODY = {
    "error": {
        "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
        "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {}},
    }
}
FILTERED: list[tuple[str, int, Any]] = [
    (OPENAI, 400, AZURE_BODY),
    (OPENAI, 400, {"error": {"message": "Rejected by our safety system.", "code": "content_policy_violation"}}),
    (OPENAI, 400, {"error": {"message": "Invalid prompt: it was flagged as violating our usage policies."}}),
    (OPENAI, 400, {"error": {"code": "data_inspection_failed", "message": "Input data may be inappropriate."}}),
    (OPENAI, 400, {"code": "DataInspectionFailed", "message": "Output data may contain inappropriate content."}),
    (OPENAI, 400, {"error": {"code": "1301", "message": "系统检测到输入或生成内容可能包含不安全或敏感内容"}}),
    (OPENAI, 400, {"error": {"code": "SensitiveContentDetected.Violence", "message": "may contain violence"}}),
    (OPENAI, 400, {"error": {"message": "Content Exists Risk", "type": "invalid_request_error"}}),
    (OPENAI, 400, {"error": {"type": "content_filter", "message": "rejected because it was considered high risk"}}),
    (OPENAI, 403, {"error": {"code": 403, "message": "Input was flagged", "metadata": {"reasons": ["violence"]}}}),
    (OPENAI, 200, {"base_resp": {"status_code": 1026, "status_msg": "input new_sensitive"}, "choices": None}),
    (OPENAI, 200, {"error": {"code": "content_filter", "message": "The prompt was filtered"}}),
    (VLLM, 400, {"error": {"message": "Guardrail blocked the request", "code": 400}}),
    (ANTHROPIC, 400, {"type": "error", "error": {"message": "Output blocked by content filtering policy"}}),
    (GEMINI, 400, {"error": {"code": 400, "message": "blocked due to PROHIBITED_CONTENT", "status": "INVALID"}}),
    (GEMINI, 200, {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "modelVersion": "gemini"}),
    (GEMINI, 200, {"candidates": [{"finishReason": "SAFETY", "index": 0}], "modelVersion": "gemini"}),
]


@pytest.mark.parametrize(("model", "status", "body"), FILTERED)
def test_a_filtered_request_is_a_reply_that_was_withheld(provider: Provider, model: str, status: int, body: Any):
    provider.misbehave(Fault.says(body, status=status))
    reply = ask(backend_for(provider, model))
    assert reply.finish_reason == "filter"
    assert reply.text == ""
    assert provider.requests == 1


def test_azure_says_so_with_its_own_client(provider: Provider, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AZURE_API_VERSION", "2024-10-21")
    provider.misbehave(Fault.says(AZURE_BODY, status=400))
    reply = ask(backend_for(provider, "azure/gpt-4.1-mini"))
    assert (reply.finish_reason, reply.input_tokens, reply.cost_usd) == ("filter", 0, Decimal(0))


@BOTH
@pytest.mark.parametrize("said", ["Unknown parameter: 'guardrail_id'.", "Your account was deactivated for abuse."])
def test_other_rejections_that_speak_of_filters_are_errors(provider: Provider, said: str, model: str):
    provider.misbehave(Fault(kind="status", status=400, message=said))
    assert isinstance(failure(backend_for(provider, model)), RequestRejected)


@BOTH
def test_a_key_that_may_not_is_no_filter(provider: Provider, model: str):
    provider.misbehave(Fault(kind="status", status=403, message="You may not use this model."))
    assert isinstance(failure(backend_for(provider, model)), AuthenticationError)


def test_nothing_is_raised_tried_again_or_charged(provider: Provider):
    provider.misbehave(*[Fault.says(AZURE_BODY, status=400)] * 20)
    price = Price(input_usd_per_mtok=1000, output_usd_per_mtok=1000)
    with Judge(
        OPENAI, api_base=provider.url + "/v1", api_key=KEY, budget=Budget(usd="5"), prices={OPENAI: price}
    ) as judge:
        ranking = judge.rerank("alpha", ["alpha", "beta"], strategy="listwise")
    assert (ranking.status, ranking.usage.retries, ranking.usage.cost_usd) == ("partial", 0, Decimal(0))
    assert sorted(place.index for place in ranking.results) == [0, 1]
