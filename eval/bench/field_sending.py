"""The field's cases of what is sent, where to, and what is charged for it."""

from __future__ import annotations

import tempfile
from typing import Any

from field_cases import DEAR, DOCS, QUERY, case, need, refused
from field_serving import AZURE, GRADES, KEY, OPENAI, VLLM, environment, judging

from judge_rerank import Budget, Judge, Price, RerankAPI
from judge_rerank.testing import FakeBackend
from tests.provider import Fault, Provider, QrelsJudge
from tests.provider import Price as Charge

# Nothing sent

ADDRESSES = (
    "localhost:8000/v1",
    "127.0.0.1:8000",
    "//host/v1",
    "http:///v1",
    "ftp://host/v1",
    "http://ho st/v1",
    "http://host:port/v1",
    "https://",
    "host.example",
    " http://host/v1",
    "http://host/v1\n",
    "http://[::1/v1",
)
KEYS = ("sk-0123456789\n", "sk-01\r\n23", "sk-ключ", "sk-0123…", "sk 0123", "\tsk-0123", "sk-0123\x00", "“sk-0123”")


@case("nothing sent", *(("chat", each) for each in ADDRESSES), *(("api", each) for each in ADDRESSES))
def an_address_that_cannot_be_asked(given: tuple[str, str]) -> None:
    kind, address = given
    with environment(), refused():
        if kind == "api":
            Judge(FakeBackend("no")).rerank(QUERY, DOCS, RerankAPI("cohere/rerank-v3.5", api_base=address, api_key=KEY))
        else:
            Judge(OPENAI, api_base=address, api_key=KEY).rerank(QUERY, DOCS)


@case(
    "nothing sent",
    *(
        (how, each)
        for how in ("given", "environment", "api")
        for each in KEYS
        if "\0" not in each or how != "environment"
    ),
)
def a_key_that_cannot_be_sent(given: tuple[str, str]) -> None:
    how, key = given
    with Provider() as provider:
        values = {"OPENAI_API_KEY": key} if how == "environment" else {}
        with environment(**values), refused():
            if how == "api":
                api = RerankAPI("cohere/rerank-v3.5", api_base=provider.url, api_key=key)
                Judge(FakeBackend("no")).rerank(QUERY, DOCS, api)
            else:
                known = None if how == "environment" else key
                Judge(OPENAI, api_base=provider.url + "/v1", api_key=known).rerank(QUERY, DOCS)
        need(provider.requests == 0, f"{provider.requests} requests came")


@case("nothing sent", "openai/x", "anthropic/x", "gemini/x", "no-such-provider/x", "x", "groq/x", "ollama/x")
def a_provider_without_reranking(model: str) -> None:
    with Provider() as provider, environment(), Judge(FakeBackend("no")) as judge, judge.limit(calls=100) as cap:
        with refused():
            judge.rerank(QUERY, DOCS, RerankAPI(model, api_base=provider.url, api_key=KEY))
        need(provider.requests == 0, f"{provider.requests} requests came")
        need(cap.spent.micro_usd == 0, f"charged {cap.spent.micro_usd} micro-dollars")


@case(
    "nothing sent",
    "no-such-provider/x",
    "openai_like/m",
    "triton/m",
    "vertex_ai/gemini-2.5-flash",
    "jina_ai/m",
    "voyage/m",
    "predibase/m",
    "vllm/m",
    "sagemaker/m",
)
def a_provider_without_chat_or_its_package(model: str) -> None:
    with Provider() as provider:
        options: dict[str, Any] = {"api_base": provider.url, "api_key": KEY, "prices": {model: DEAR}}
        with environment(), refused(), Judge(model, **options) as judge:
            judge.rerank(QUERY, DOCS, strategy="listwise", max_usd=1)
        need(provider.requests == 0, f"{provider.requests} requests came")


# Refused, charged

REFUSERS = (
    AZURE,
    OPENAI,
    VLLM,
    "ovhcloud/m",
    "maritalk/m",
    "amazon_nova/m",
    "lemonade/m",
    "compactifai/m",
    "groq/m",
    "deepseek/deepseek-chat",
    "mistral/m",
    "xai/m",
    "together_ai/m",
    "anthropic/claude-sonnet-4-5",
)


@case("refused, charged", *((model, status) for model in REFUSERS for status in (429, 500, 503)))
def only_what_answered_is_charged(given: tuple[str, int]) -> None:
    model, status = given
    dear = Price(input_usd_per_mtok=1000, output_usd_per_mtok=1000)
    dearest = Charge(input=10**9, output=10**9, cached_input=10**9)
    with Provider(QrelsJudge(GRADES), default_price=dearest) as provider:
        headers = {"retry-after": "0.001", "retry-after-ms": "1"}
        provider.misbehave(*[Fault(kind="status", status=status, headers=headers)] * 2)
        options: dict[str, Any] = {"budget": Budget(usd="20"), "prices": {model: dear}}
        with judging(provider, model, **options, params={"context_tokens": 32_768}) as judge:
            ranking = judge.rerank(QUERY, DOCS, strategy="listwise")
        billed, cost = provider.bill.usd, ranking.usage.cost_usd
    need(ranking.order == (1, 0, 2), f"order {ranking.order}: {ranking.reasons}")
    need(cost == billed, f"charged ${cost}, billed ${billed}")


# Endpoint by environment

VARIABLES = (
    (OPENAI, "OPENAI_BASE_URL"),
    (OPENAI, "OPENAI_API_BASE"),
    (VLLM, "HOSTED_VLLM_API_BASE"),
    ("groq/m", "GROQ_API_BASE"),
    ("lm_studio/m", "LM_STUDIO_API_BASE"),
    ("litellm_proxy/m", "LITELLM_PROXY_API_BASE"),
    ("openrouter/m", "OPENROUTER_API_BASE"),
    ("deepseek/m", "DEEPSEEK_API_BASE"),
    ("xai/m", "XAI_API_BASE"),
    ("mistral/m", "MISTRAL_AZURE_API_BASE"),
)


@case("endpoint by environment", *VARIABLES)
def another_server_is_asked(given: tuple[str, str]) -> None:
    model, name = given
    first, second = QrelsJudge(GRADES), QrelsJudge({DOCS[2]: 3, DOCS[0]: 1, DOCS[1]: 0})
    keys = {f"{model.partition('/')[0].upper()}_API_KEY": KEY, "TOGETHERAI_API_KEY": KEY}
    with Provider(first) as one, Provider(second) as other, tempfile.TemporaryDirectory() as folder:
        tops: list[int] = []
        for server in (one, one, other):
            options: dict[str, Any] = {"cache_dir": folder, "params": {"context_tokens": 32_768}}
            with environment(**{name: server.url + "/v1", **keys}), Judge(model, **options) as judge:
                tops.append(judge.rerank(QUERY, DOCS, strategy="listwise").order[0])
        requests = (one.requests, other.requests)
    need(requests == (1, 1), f"the servers were asked {requests} times")
    need(tops == [1, 1, 2], f"first were {tops}")
