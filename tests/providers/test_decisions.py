"""Decision models over real sockets, through LiteLLM, on the wires that providers speak."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from judge_rerank import (
    AuthenticationError,
    Budget,
    InputError,
    Judge,
    PricingUnknown,
    ProviderError,
    Ranking,
    UnknownName,
)
from judge_rerank.core import ChatRequest, Message, Question, RateLimited, RequestTooLarge
from judge_rerank.providers import open_backend
from judge_rerank.providers.decisions import LiteLLMDecisions
from tests.provider import Fault, Price, Provider, QrelsJudge
from tests.provider.server import Received
from tests.providers.asking import KEY

GRADES = {
    "Sand dunes are hills of loose sand that the wind has built.": 0,
    "Frank Herbert wrote the novel Dune, published in 1965.": 3,
    "Denis Villeneuve directed the film Dune of 2021.": 1,
    "A desert planet is the scene of the novel Dune.": 2,
}
DOCS = list(GRADES)
IDEAL = (1, 3, 2, 0)
QUERY = "who wrote the novel Dune?"
TYPESAFE, OPENAI = "typesafe/jev-latest", "openai/gpt-6-luna"
WIRES = {
    TYPESAFE: "",
    OPENAI: "/v1",
    "perplexity/pplx-decider-latest": "",
    "cloudflare/clef": "/ai/run",
    "openrouter/typesafe/jev": "",
    "hosted_vllm/mine": "",
}
EVERY_WIRE = pytest.mark.parametrize("model", WIRES)


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider(QrelsJudge(GRADES)) as running:
        yield running


def judge(provider: Provider, model: str = TYPESAFE, **options: Any) -> Judge:
    return Judge(
        model,
        **{
            "api": "decisions",
            "api_base": provider.url + WIRES[model],
            "api_key": KEY,
            "cache_dir": None,
            "concurrency": 1,
            **options,
        },
    )


def ranked(provider: Provider, strategy: str | None = None, model: str = TYPESAFE, **options: Any) -> Ranking:
    with judge(provider, model, **options) as opened:
        return opened.rerank(QUERY, DOCS, strategy)


@EVERY_WIRE
@pytest.mark.parametrize("strategy", ["binary(batch_size=4)", "score(batch_size=4)", "listwise", "first", "setwise"])
def test_every_wire_and_every_kind_of_question(provider: Provider, model: str, strategy: str) -> None:
    ranking = ranked(provider, strategy, model)
    assert ranking.order == IDEAL
    assert ranking.status == "complete"
    assert ranking.usage.calls == provider.requests
    assert ranking.usage.input_tokens == provider.bill.input_tokens
    if strategy.startswith(("binary", "score")):
        assert [result.relevance_score for result in ranking] == [
            pytest.approx(value, abs=0.01) for value in (1, 0.667, 0.333, 0)
        ]
        assert provider.requests == 1


@pytest.mark.parametrize(("model", "usd_per_mtok"), [(TYPESAFE, "0.042"), (OPENAI, "0.1")])
def test_the_price_is_that_of_what_was_read(provider: Provider, model: str, usd_per_mtok: str) -> None:
    ranking = ranked(provider, "score(batch_size=4)", model)
    exact = Decimal(usd_per_mtok) * provider.bill.input_tokens / 1_000_000
    assert ranking.usage.cost_usd is not None
    assert exact <= ranking.usage.cost_usd < exact + Decimal("0.000001")


def test_a_price_that_nobody_knows_is_unknown(provider: Provider) -> None:
    assert ranked(provider, "score(batch_size=4)", "hosted_vllm/mine").usage.cost_usd is None
    with pytest.raises(PricingUnknown):
        ranked(provider, "score(batch_size=4)", "hosted_vllm/mine", budget=Budget(usd="1.00"))
    assert provider.requests == 1


def test_the_cap_holds(provider: Provider) -> None:
    with judge(provider, budget=Budget(usd="0.0001")) as opened:
        estimate = opened.estimate(QUERY, DOCS, "score(batch_size=4)")
        assert estimate.cost_usd is not None
        assert estimate.cost_usd >= (opened.rerank(QUERY, DOCS, "score(batch_size=4)").usage.cost_usd or 0)
    ranking = ranked(provider, "score(batch_size=1)", budget=Budget(usd="0.00002"))
    assert ranking.status == "partial"
    assert ranking.usage.cost_usd is not None
    assert ranking.usage.cost_usd <= Decimal("0.00002")


def test_an_answer_is_paid_for_once(provider: Provider, tmp_path: Any) -> None:
    for _ in range(2):
        ranking = ranked(provider, "score(batch_size=4)", cache_dir=tmp_path)
        assert ranking.order == IDEAL
    assert provider.requests == 1
    assert ranking.usage.cached_calls == 1
    assert ranking.usage.cost_usd == 0


@pytest.mark.parametrize("model", [TYPESAFE, OPENAI])
def test_a_refused_question_leaves_its_document_unjudged(model: str) -> None:
    with Provider(QrelsJudge(GRADES), refuses_document=lambda text: "Herbert" in text) as provider:
        ranking = ranked(provider, "score(batch_size=4)", model)
    assert ranking.order == (3, 2, 0, 1)
    assert ranking[-1].relevance_score is None
    assert ranking.status == "partial"
    assert ranking.integrity.unjudged == (1,)
    assert [r.relevance_score is None for r in ranking] == [False, False, False, True]


@pytest.mark.parametrize("model", [TYPESAFE, OPENAI])
def test_half_of_the_answers_is_half_a_judgment(provider: Provider, model: str) -> None:
    provider.misbehave(Fault(kind="truncated"))
    ranking = ranked(provider, "score(batch_size=4)", model)
    scores = {r.index: r.relevance_score for r in ranking}
    assert scores[0] == pytest.approx(0.0)
    assert scores[1] == pytest.approx(1.0)


def test_a_rate_limit_is_waited_out(provider: Provider) -> None:
    provider.misbehave(Fault.too_many(0.1))
    ranking = ranked(provider, "score(batch_size=4)")
    assert ranking.order == IDEAL
    assert (ranking.usage.retries, provider.requests) == (1, 2)


@pytest.mark.parametrize("kind", ["half_body", "bad_json", "wrong_type", "no_choices", "reset", "drop"])
@pytest.mark.parametrize("model", [TYPESAFE, OPENAI])
def test_a_broken_answer_is_one_request_and_tried_again(provider: Provider, model: str, kind: Any) -> None:
    provider.misbehave(Fault(kind=kind))
    ranking = ranked(provider, "score(batch_size=4)", model)
    assert ranking.order == IDEAL
    assert (ranking.usage.retries, provider.requests) == (1, 2)


def test_usage_that_is_missing_is_not_zero(provider: Provider) -> None:
    provider.misbehave(Fault(kind="no_usage"))
    ranking = ranked(provider, "score(batch_size=4)")
    assert ranking.order == IDEAL
    assert ranking.usage.cost_usd is not None
    assert ranking.usage.cost_usd > 0


def asked(n: int = 4) -> ChatRequest:
    text = "\n".join(f"[{place}] {text}\n" for place, text in enumerate(DOCS[:n], start=1))
    questions = [
        Question(kind="score", instructions=f"How well does document [{place}] fit?", labels=("not", "well"))
        for place in range(1, n + 1)
    ]
    messages = (Message(role="user", content=text),)
    return ChatRequest(messages=messages, max_output_tokens=0, questions=tuple(questions), timeout_s=10.0)


def complain_above(questions: int, words: str) -> Any:
    def refuses(request: Received) -> tuple[int, str] | None:
        return (400, words) if len(request.body.get("questions", ())) > questions else None

    return refuses


@pytest.mark.parametrize(
    ("words", "limit"),
    [
        ("At most 3 questions are allowed in a request.", 3),
        ("At most 2 questions are allowed in a request.", 2),
        ("Too many questions.", 2),
    ],
)
def test_a_ceiling_on_questions_is_learnt(words: str, limit: int) -> None:
    with Provider(QrelsJudge(GRADES), refuses=complain_above(2, words)) as provider:
        backend = LiteLLMDecisions(TYPESAFE, api_base=provider.url, api_key=KEY)
        with pytest.raises(RequestTooLarge):
            asyncio.run(_completed(backend, asked()))
        assert backend.info.max_documents == limit
        assert provider.requests == 1


def test_groups_become_as_small_as_the_model_wants_them() -> None:
    refuses = complain_above(2, "At most 2 questions are allowed in a request.")
    with Provider(QrelsJudge(GRADES), refuses=refuses) as provider, judge(provider) as opened:
        ranking = opened.rerank(QUERY, DOCS, "score")
        assert ranking.order == IDEAL
        assert ranking.status == "complete"
        assert [len(request.body["questions"]) for request in provider.received] == [4, 2, 2]
        opened.rerank(QUERY, DOCS[::-1], "score")
        assert [len(request.body["questions"]) for request in provider.received[3:]] == [2, 2]
        assert provider.bill.requests == 4


def test_a_group_is_as_large_as_the_model_takes(provider: Provider) -> None:
    ranked(provider, "score")
    ranked(provider, "binary")
    ranked(provider, "score(batch_size=1)")
    assert [len(request.body["questions"]) for request in provider.received] == [4, 4, 1, 1, 1, 1]


def test_a_ceiling_on_tokens_is_learnt() -> None:
    words = "The request has too many tokens: 5000 > 4096. The maximum is 4096 tokens."
    with Provider(QrelsJudge(GRADES), refuses=complain_above(0, words)) as provider:
        backend = LiteLLMDecisions(TYPESAFE, api_base=provider.url, api_key=KEY)
        before = backend.info.context_tokens
        with pytest.raises(RequestTooLarge):
            asyncio.run(_completed(backend, asked()))
        assert backend.info.context_tokens < before


async def _completed(backend: LiteLLMDecisions, request: ChatRequest) -> None:
    try:
        await backend.complete(request)
    finally:
        await backend.aclose()


@pytest.mark.parametrize("model", [TYPESAFE, OPENAI])
def test_a_timeout_and_a_limit_are_ours(provider: Provider, model: str) -> None:
    provider.misbehave(Fault(kind="hang"))
    ranking = ranked(provider, "score(batch_size=4)", model, timeout_s=0.5, max_attempts=1)
    assert ranking.status == "partial"
    provider.misbehave(Fault.too_many())
    backend = open_backend(model, api="decisions", api_base=provider.url + WIRES[model], api_key=KEY)
    with pytest.raises(RateLimited):
        asyncio.run(_completed(backend, asked()))  # type: ignore[arg-type]


# How it is named


def test_which_models_decide() -> None:
    assert isinstance(open_backend(TYPESAFE), LiteLLMDecisions)
    assert isinstance(open_backend("typesafe/jev-of-tomorrow"), LiteLLMDecisions)
    assert not isinstance(open_backend(OPENAI), LiteLLMDecisions)
    assert isinstance(open_backend(OPENAI, api="decisions"), LiteLLMDecisions)
    assert not isinstance(open_backend("openai/gpt-4.1-mini"), LiteLLMDecisions)


def test_the_model_says_what_it_is() -> None:
    info = open_backend(TYPESAFE).info
    assert info.most_questions == 128
    assert info.context_tokens == 65_536
    assert Judge(TYPESAFE).model == TYPESAFE


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (TYPESAFE, {"params": {"temperature": 0.2}}, "temperature, which a decision model does not take"),
        (TYPESAFE, {"params": {"reasoning_effort": "low", "logprobs": 5}}, "logprobs, reasoning_effort"),
        (TYPESAFE, {"params": {"both_orders": "yes"}}, "expected True or False"),
        (TYPESAFE, {"params": {"most_questions": 400}}, "at most 128"),
        (TYPESAFE, {"params": {"most_questions": 0}}, "at least 1"),
        (TYPESAFE, {"api": "decision"}, "expected 'chat' or 'decisions'"),
        ("local", {"api": "decision"}, "expected 'chat' or 'decisions'"),
    ],
)
def test_options_that_are_not_for_it(model: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Judge(model, **options)


def test_a_provider_without_decisions_is_named() -> None:
    with pytest.raises(InputError, match=r"has none of the provider 'anthropic'.*typesafe"):
        Judge("anthropic/claude-haiku-4-5", api="decisions", api_key=KEY).rerank(QUERY, DOCS)
    with pytest.raises(UnknownName, match="Did you mean 'typesafe/jev-latest'"):
        Judge("typsafe/jev-latest", api="decisions", api_key=KEY).rerank(QUERY, DOCS)
    with pytest.raises(InputError, match="cannot be called"):
        Judge(TYPESAFE, api="chat", api_key=KEY).rerank(QUERY, DOCS)


@pytest.mark.parametrize(("model", "variable"), [(TYPESAFE, "TYPESAFE_API_KEY"), (OPENAI, "OPENAI_API_KEY")])
def test_a_missing_key_is_named_before_anything_is_sent(model: str, variable: str) -> None:
    with pytest.raises(AuthenticationError, match=variable):
        Judge(model, api="decisions").rerank(QUERY, DOCS)


def test_a_wrong_key_is_an_error_that_does_not_show_it() -> None:
    with (
        Provider(QrelsJudge(GRADES), keys=frozenset({"sk-right"})) as provider,
        pytest.raises(AuthenticationError) as caught,
    ):
        ranked(provider, api_key="sk-wrong-secret")
    assert "sk-wrong-secret" not in str(caught.value)


def test_a_model_that_is_not_there_is_an_error(provider: Provider) -> None:
    provider.misbehave(Fault(kind="status", status=404, message="There is no model jev-9."))
    with pytest.raises(ProviderError, match="no model jev-9"):
        ranked(provider, api_base=provider.url)


def test_reasons_are_refused_before_anything_is_sent(provider: Provider) -> None:
    with pytest.raises(InputError, match="gives no reasons"):
        ranked(provider, "score(explain=True)")
    assert provider.requests == 0


def test_a_chat_prompt_is_refused_before_anything_is_sent(provider: Provider) -> None:
    with pytest.raises(InputError, match="not for a decision model"):
        ranked(provider, "score(prompt='score/rubric')")
    assert provider.requests == 0


def test_a_decision_model_and_a_chat_model_stand_in_for_each_other(provider: Provider) -> None:
    with Judge(
        [OPENAI, "openai/gpt-4.1-mini"], api_base=f"{provider.url}/v1", api_key=KEY, cache_dir=None, max_attempts=1
    ) as opened:
        provider.misbehave(Fault(kind="status", status=503))
        assert opened.rerank(QUERY, DOCS, "score(batch_size=4)")[0].index == 1


def test_one_judge_after_another_sees_its_requests(provider: Provider) -> None:
    """LiteLLM keeps a client for the provider and the loop, which must not be that of a pool that is closed."""
    ranked(provider, "score(batch_size=4)")
    refuses = complain_above(2, "At most 2 questions are allowed in a request.")
    with Provider(QrelsJudge(GRADES), refuses=refuses) as other:
        assert ranked(other, "score").order == IDEAL


def test_nothing_is_sent_a_second_time_for_a_lost_connection(provider: Provider) -> None:
    provider.misbehave(Fault(kind="reset"))
    ranking = ranked(provider, "score(batch_size=4)", max_attempts=1)
    assert ranking.status == "partial"
    assert provider.requests == 1


def test_the_price_of_a_request_is_counted_where_it_is_by_request() -> None:
    from judge_rerank.spending import Pricing

    price = Pricing().price("parallel_ai/decision", decides=True)
    assert price is not None
    assert price.per_call_usd == Decimal("0.001")
    luna = Pricing().price(OPENAI, decides=True)
    assert luna is not None
    assert (luna.input_usd_per_mtok, luna.output_usd_per_mtok) == (Decimal("0.1"), 0)
    words = Pricing().price(OPENAI)
    assert words is not None
    assert words.output_usd_per_mtok == Decimal("0.5")


def test_providers_bill_is_within_what_was_set_aside() -> None:
    dear = Price(input=42_000, output=0)
    with Provider(QrelsJudge(GRADES), default_price=dear) as provider:
        with judge(provider, budget=Budget(usd="0.01")) as opened:
            ranking = opened.rerank(QUERY, DOCS, "score(batch_size=4)")
        assert ranking.usage.cost_usd is not None
        assert provider.bill.microusd <= ranking.usage.cost_usd * 1_000_000
