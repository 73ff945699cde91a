"""Gemini's decisions over real sockets: Google's wire, which LiteLLM does not speak."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from judge_rerank import AuthenticationError, Budget, InputError, Judge, PricingUnknown, ProviderError, Ranking
from judge_rerank.core import (
    ChatReply,
    ChatRequest,
    Message,
    ProviderTimeout,
    ProviderUnavailable,
    Question,
    QuotaExhausted,
    RateLimited,
    RequestRejected,
    RequestTooLarge,
)
from judge_rerank.providers import open_backend
from judge_rerank.providers.decisions import LiteLLMDecisions
from judge_rerank.providers.gemini_decisions import GeminiDecisions
from judge_rerank.spending import Price as GivenPrice
from judge_rerank.spending import metered
from tests.provider import Fault, Price, Provider, QrelsJudge
from tests.providers.asking import KEY
from tests.providers.test_decisions import DOCS, GRADES, IDEAL, QUERY, complain_above

MODEL = "gemini/gemini-decision-1"
GIVEN = {MODEL: GivenPrice(input_usd_per_mtok="0.1", output_usd_per_mtok=0)}


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider(QrelsJudge(GRADES), default_price=Price(input=100_000, output=0)) as running:
        yield running


def judge(provider: Provider, **options: Any) -> Judge:
    given = {"api_base": f"{provider.url}/v1beta", "api_key": KEY, "cache_dir": None, "concurrency": 1, **options}
    return Judge(MODEL, **given)


def ranked(provider: Provider, strategy: str = "score(batch_size=4)", **options: Any) -> Ranking:
    with judge(provider, **options) as opened:
        return opened.rerank(QUERY, DOCS, strategy)


def asked(*questions: Question, text: str = "[1] " + DOCS[1]) -> ChatRequest:
    given = questions or (Question(kind="predicate", instructions="Does document [1] fit?"),)
    return ChatRequest(
        messages=(Message(role="user", content=text),), max_output_tokens=0, questions=given, timeout_s=5.0
    )


def backend_for(provider: Provider, **options: Any) -> GeminiDecisions:
    return GeminiDecisions(MODEL, **{"api_base": f"{provider.url}/v1beta", "api_key": KEY, **options})


def reply(backend: GeminiDecisions, request: ChatRequest | None = None) -> ChatReply:
    async def run() -> ChatReply:
        try:
            return await backend.complete(request or asked())
        finally:
            await backend.aclose()

    return asyncio.run(run())


def failure(backend: GeminiDecisions, request: ChatRequest | None = None) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        reply(backend, request)
    return caught.value


# What is sent, and what is read


def test_a_request_has_the_shape_that_google_documents(provider: Provider) -> None:
    """The body is the one that google-genai 3.6.1 sends for the same questions."""
    labels = ("nothing", "all")
    reply(
        backend_for(provider),
        asked(
            Question(kind="predicate", instructions="Does document [1] fit?"),
            Question(kind="score", instructions="How well does document [1] fit?", labels=labels),
            Question(kind="choice", instructions="Which fits?", labels=("1", "none")),
            text="the text",
        ),
    )
    (sent,) = provider.received
    assert sent.path == "/v1beta/decisions"
    assert sent.headers["x-goog-api-key"] == KEY
    assert "authorization" not in sent.headers
    assert sent.body == {
        "model": "gemini-decision-1",
        "input": "the text",
        "questions": {
            "0": {"type": "noul", "instructions": "Does document [1] fit?"},
            "1": {"type": "score", "instructions": "How well does document [1] fit?", "criteria": ["nothing", "all"]},
            "2": {"type": "choice", "instructions": "Which fits?", "criteria": {"1": "", "none": ""}},
        },
    }


@pytest.mark.parametrize(
    "strategy", ["binary(batch_size=4)", "score(batch_size=4)", "listwise", "first", "setwise", "pairwise"]
)
def test_every_kind_of_question(provider: Provider, strategy: str) -> None:
    ranking = ranked(provider, strategy)
    assert ranking.order == IDEAL
    assert ranking.status == "complete"
    assert ranking.usage.calls == provider.requests
    assert ranking.usage.input_tokens == provider.bill.input_tokens
    assert ranking.usage.output_tokens == 0
    if strategy.startswith(("binary", "score")):
        values = [result.relevance_score for result in ranking]
        assert values == [pytest.approx(value, abs=0.01) for value in (1, 0.667, 0.333, 0)]
        assert provider.requests == 1


def test_choices_may_be_asked_in_both_orders(provider: Provider) -> None:
    assert ranked(provider, "first", params={"both_orders": True}).order == IDEAL
    first, second = provider.received[0].body["questions"].values()
    assert list(first["criteria"]) == list(second["criteria"])[::-1]


def test_it_is_told_by_its_name() -> None:
    assert isinstance(open_backend(MODEL), GeminiDecisions)
    assert isinstance(open_backend("gemini/gemini-2.5-flash", api="decisions"), GeminiDecisions)
    assert not isinstance(open_backend("gemini/gemini-2.5-flash"), LiteLLMDecisions)


def test_the_model_says_what_it_is() -> None:
    info = open_backend(MODEL).info
    assert (info.most_questions, info.context_tokens, info.strategy) == (1_000, 262_144, "score(batch_size=30)")
    assert open_backend(MODEL, params={"most_questions": 50}).info.most_questions == 50


@pytest.mark.parametrize("base", ["", "/", "/v1beta", "/v1beta/", "/proxy/v1"])
def test_an_address_may_have_its_version_or_not(provider: Provider, base: str) -> None:
    reply(backend_for(provider, api_base=provider.url + base))
    assert provider.received[0].path == ("/proxy/v1/decisions" if "proxy" in base else "/v1beta/decisions")


def test_an_address_and_a_key_of_the_environment(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_BASE", provider.url)
    monkeypatch.setenv("GOOGLE_API_KEY", "key-of-the-environment")
    reply(GeminiDecisions(MODEL, params={"extra_headers": {"x-team": "search"}}))
    headers = provider.received[0].headers
    assert (headers["x-goog-api-key"], headers["x-team"]) == ("key-of-the-environment", "search")


def test_a_user_in_the_address_is_sent_as_a_header(provider: Provider) -> None:
    reply(GeminiDecisions(MODEL, api_base=provider.url.replace("//", "//me:secret@")))
    headers = provider.received[0].headers
    assert headers["authorization"].startswith("Basic ")
    assert "x-goog-api-key" not in headers


# Price, usage, cache


def test_the_price_is_unknown_until_it_is_given(provider: Provider) -> None:
    assert ranked(provider).usage.cost_usd is None
    with pytest.raises(PricingUnknown):
        ranked(provider, budget=Budget(usd="1.00"))
    assert provider.requests == 1
    before = provider.bill.usd
    ranking = ranked(provider, budget=Budget(usd="1.00"), prices=GIVEN)
    exact = provider.bill.usd - before
    assert ranking.usage.cost_usd is not None
    assert exact <= ranking.usage.cost_usd < exact + Decimal("0.000001")


def test_a_price_of_litellms_table_counts() -> None:
    with Provider(QrelsJudge(GRADES), default_price=Price(input=300_000, output=2_500_000)) as provider:
        with Judge(
            "gemini/gemini-2.5-flash", api="decisions", api_base=provider.url, api_key=KEY, cache_dir=None
        ) as opened:
            ranking = opened.rerank(QUERY, DOCS, "score(batch_size=4)")
        assert ranking.usage.cost_usd is not None
        assert provider.bill.usd <= ranking.usage.cost_usd < provider.bill.usd + Decimal("0.000001")


def test_usage_that_is_missing_is_not_zero(provider: Provider) -> None:
    provider.misbehave(Fault(kind="no_usage"))
    ranking = ranked(provider, budget=Budget(usd="1.00"), prices=GIVEN)
    assert ranking.order == IDEAL
    assert ranking.usage.cost_usd is not None
    assert ranking.usage.cost_usd > 0


def test_cached_and_thought_tokens_are_counted(provider: Provider) -> None:
    usage = {"total_input_tokens": 100, "total_cached_tokens": 60, "total_thought_tokens": 7, "total_tokens": 107}
    provider.misbehave(Fault.says({"answers": {"0": {"type": "noul", "noul": 0.5}}, "usage": usage}))
    used = metered(reply(backend_for(provider)), decided=True)
    assert used is not None
    assert (used.input_tokens, used.output_tokens, used.cached_input_tokens) == (100, 7, 60)


@pytest.mark.parametrize("usage", [{"total_input_tokens": "many"}, {"total_input_tokens": -5}, [], "none", {}])
def test_counts_that_cannot_be_are_charged_at_the_most(provider: Provider, usage: object) -> None:
    answers = {str(place): {"type": "score", "score": 3.0, "probabilities": {}} for place in range(4)}
    provider.misbehave(Fault.says({"answers": answers, "usage": usage}))
    ranking = ranked(provider, budget=Budget(usd="1.00"), prices=GIVEN)
    assert ranking.status == "complete"
    assert ranking.usage.cost_usd is not None
    assert ranking.usage.cost_usd > 0


def test_an_answer_is_paid_for_once(provider: Provider, tmp_path: Any) -> None:
    for _ in range(2):
        ranking = ranked(provider, cache_dir=tmp_path)
        assert ranking.order == IDEAL
    assert (provider.requests, ranking.usage.cached_calls) == (1, 1)


# Refusals


def test_a_refused_question_leaves_its_document_unjudged() -> None:
    with Provider(QrelsJudge(GRADES), refuses_document=lambda text: "Herbert" in text) as provider:
        ranking = ranked(provider)
    assert ranking.order == (3, 2, 0, 1)
    assert ranking.status == "partial"
    assert ranking.integrity.unjudged == (1,)
    assert ranking[-1].relevance_score is None


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (None, '[{"refused": true}]'),
        ({"type": "blocked", "reason": "safety"}, '[{"refused": true}]'),
        ({"type": "score", "score": 1.0}, "[{}]"),
        ("yes", "[{}]"),
        ({"type": "noul", "noul": "high"}, '[{"probability": "high"}]'),
    ],
)
def test_an_answer_that_is_none(provider: Provider, answer: object, text: str) -> None:
    provider.misbehave(Fault.says({"answers": {"0": answer}}))
    assert reply(backend_for(provider)).text == text


def test_a_blocked_text_is_no_judgment_and_no_error(provider: Provider) -> None:
    provider.misbehave(Fault(kind="refusal"))
    got = reply(backend_for(provider))
    assert (got.finish_reason, got.text) == ("filter", "")
    assert got.input_tokens == provider.bill.input_tokens


def test_a_blocked_group_is_asked_apart(provider: Provider) -> None:
    provider.misbehave(Fault(kind="refusal"))
    ranking = ranked(provider)
    assert ranking.order == IDEAL
    assert ranking.usage.calls == provider.requests > 1


# What goes wrong


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "API key not valid. Please pass a valid API key.", AuthenticationError),
        (401, "Request had invalid authentication credentials.", AuthenticationError),
        (403, "Permission denied on resource project.", AuthenticationError),
        (404, "models/gemini-decision-9 is not found for API version v1beta.", RequestRejected),
        (400, "Invalid value at 'questions[0]'.", RequestRejected),
        (413, "Request payload size exceeds the limit: 20971520 bytes.", RequestTooLarge),
        (429, "You exceeded your current quota, please check your plan and billing details.", QuotaExhausted),
        (500, "An internal error has occurred.", ProviderUnavailable),
        (503, "The model is overloaded. Please try again later.", ProviderUnavailable),
        (504, "Deadline expired before operation could complete.", ProviderTimeout),
    ],
)
def test_every_status_is_an_error_of_ours(provider: Provider, status: int, message: str, kind: type) -> None:
    provider.misbehave(Fault(kind="status", status=status, message=message))
    error = failure(backend_for(provider))
    assert isinstance(error, kind)
    assert (error.status, provider.requests) == (status, 1)
    assert message.split(".", maxsplit=1)[0] in str(error)


def test_a_page_in_place_of_an_answer(provider: Provider) -> None:
    provider.misbehave(Fault.says("<html><title>502 Bad Gateway</title>nginx</html>", status=502))
    error = failure(backend_for(provider))
    assert isinstance(error, ProviderUnavailable)
    assert "502 Bad Gateway" in str(error)
    assert "<html>" not in str(error)


def test_a_rate_limit_says_when_to_come_back(provider: Provider) -> None:
    provider.misbehave(Fault.too_many("7"))
    error = failure(backend_for(provider))
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == 7
    delay = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3s"}
    words = {"code": 429, "message": "Quota exceeded.", "status": "RESOURCE_EXHAUSTED", "details": [delay]}
    provider.misbehave(Fault.says({"error": words}, status=429))
    assert failure(backend_for(provider)).retry_after_s == 3


def test_a_rate_limit_is_waited_out(provider: Provider) -> None:
    provider.misbehave(Fault.too_many("0.1"))
    ranking = ranked(provider)
    assert ranking.order == IDEAL
    assert (ranking.usage.retries, provider.requests) == (1, 2)


@pytest.mark.parametrize("kind", ["half_body", "bad_json", "wrong_type", "no_choices", "reset", "drop"])
def test_a_broken_answer_is_one_request_and_tried_again(provider: Provider, kind: Any) -> None:
    provider.misbehave(Fault(kind=kind))
    error = failure(backend_for(provider))
    assert isinstance(error, ProviderUnavailable)
    assert (error.retryable, error.sent, provider.requests) == (True, True, 1)
    provider.misbehave(Fault(kind=kind))
    ranking = ranked(provider)
    assert ranking.order == IDEAL
    assert (ranking.usage.retries, provider.requests) == (1, 3)


@pytest.mark.parametrize("body", [{}, {"answers": []}, {"answers": "none"}, [], "", None, {"prompt_feedback": {}}])
def test_a_reply_without_answers(provider: Provider, body: object) -> None:
    provider.misbehave(Fault.says(body))
    assert isinstance(failure(backend_for(provider)), ProviderUnavailable)


def test_an_error_inside_an_answer(provider: Provider) -> None:
    words = {"code": 503, "message": "The service is currently unavailable.", "status": "UNAVAILABLE"}
    provider.misbehave(Fault.says({"error": words}))
    assert isinstance(failure(backend_for(provider)), ProviderUnavailable)


def test_the_timeout_is_ours(provider: Provider) -> None:
    provider.misbehave(Fault(kind="hang"))
    ranking = ranked(provider, timeout_s=0.5, max_attempts=1)
    assert ranking.status == "partial"
    assert provider.requests == 1


def test_nobody_there() -> None:
    with Provider() as gone:
        base = gone.url
    error = failure(GeminiDecisions(MODEL, api_base=base, api_key=KEY))
    assert isinstance(error, ProviderUnavailable)
    assert not error.sent


def test_a_ceiling_on_questions_is_learnt() -> None:
    words = "The number of questions exceeds the maximum of 2."
    with Provider(QrelsJudge(GRADES), refuses=complain_above(2, words)) as provider:
        with judge(provider) as opened:
            opened.rerank(QUERY, DOCS, "score(batch_size=4)")
            assert opened.rerank(QUERY, DOCS, "score(batch_size=4)").order == IDEAL
        assert [len(each.body["questions"]) for each in provider.received][-2:] == [2, 2]


def test_a_ceiling_on_tokens_is_learnt() -> None:
    words = "The input token count (300000) exceeds the maximum number of tokens allowed (262144)."
    with Provider(QrelsJudge(GRADES), refuses=complain_above(0, words)) as provider:
        backend = backend_for(provider)
        before = backend.info.context_tokens
        assert isinstance(failure(backend), RequestTooLarge)
        assert backend.info.context_tokens < before


# Keys and options


def test_a_missing_key_is_named_before_anything_is_sent() -> None:
    with pytest.raises(AuthenticationError, match="GEMINI_API_KEY") as caught:
        Judge(MODEL).rerank(QUERY, DOCS)
    assert "GOOGLE_API_KEY" in str(caught.value)


@pytest.mark.parametrize("variable", [None, "GEMINI_API_KEY", "GOOGLE_API_KEY"])
def test_a_wrong_key_is_an_error_that_does_not_show_it(monkeypatch: pytest.MonkeyPatch, variable: str | None) -> None:
    secret = "AIzaSyD-not-the-right-key-0123456789abc"
    if variable is not None:
        monkeypatch.setenv(variable, secret)
    with (
        Provider(QrelsJudge(GRADES), keys=frozenset({"right"})) as provider,
        pytest.raises(AuthenticationError) as caught,
    ):
        ranked(provider, api_key=None if variable else secret)
    assert provider.received[0].headers["x-goog-api-key"] == secret
    assert secret not in str(caught.value)
    assert secret not in repr(caught.value.__cause__)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"temperature": 0.2}, "temperature, which a decision model does not take"),
        ({"aws_region_name": "eu"}, r"aws_region_name.*concurrency, extra_headers\."),
        ({"most_questions": 1_001}, "at most 1000"),
    ],
)
def test_options_that_are_not_for_it(params: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Judge(MODEL, params=params)


def test_reasons_are_refused_before_anything_is_sent(provider: Provider) -> None:
    with pytest.raises(InputError, match="gives no reasons"):
        ranked(provider, "score(explain=True)")
    assert provider.requests == 0
