"""Prices: what LiteLLM would bill, what users say, what is unknown, and the worst case."""

from __future__ import annotations

import importlib
import math
import os
import subprocess
import sys
import warnings
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from judge_rerank.core import ChatReply
from judge_rerank.core.errors import InputError
from judge_rerank.spending.cost_map import bundled, find_price
from judge_rerank.spending.metering import Metered, metered, read_usage
from judge_rerank.spending.price import Price, Tier, bill, worst_case
from judge_rerank.spending.pricing import Pricing, read_prices


@pytest.fixture(scope="module")
def litellm() -> ModuleType:
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS", "True")
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("litellm")


def litellm_bill(litellm: ModuleType, model: str, usage: Any, **options: Any) -> Decimal:
    """LiteLLM's own bill, in micro-dollars."""
    provider, _, name = model.partition("/")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cost = litellm.cost_per_token(model=name, custom_llm_provider=provider, usage_object=usage, **options)
    return Decimal(repr(math.fsum(cost))) * 1_000_000


def assert_same(ours: int, theirs: Decimal) -> None:
    """Ours is theirs rounded up to a micro-dollar; theirs is a float, with the error of one."""
    slack = max(Decimal("1e-6"), theirs * Decimal("1e-12"))
    assert theirs - slack <= ours < theirs + 1 + slack


OPENAI = {
    "plain": {"prompt_tokens": 1234, "completion_tokens": 56, "total_tokens": 1290},
    "cached": {
        "prompt_tokens": 4321,
        "completion_tokens": 17,
        "total_tokens": 4338,
        "prompt_tokens_details": {"cached_tokens": 4096, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    },
    "reasoning": {
        "prompt_tokens": 911,
        "completion_tokens": 1333,
        "total_tokens": 2244,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 1280, "accepted_prediction_tokens": 0},
    },
    "cache written": {
        "prompt_tokens": 5000,
        "completion_tokens": 12,
        "total_tokens": 5012,
        "prompt_tokens_details": {"cached_tokens": 1024, "cache_write_tokens": 2048},
    },
    "long": {
        "prompt_tokens": 300_001,
        "completion_tokens": 801,
        "total_tokens": 300_802,
        "prompt_tokens_details": {"cached_tokens": 128},
        "completion_tokens_details": {"reasoning_tokens": 700},
    },
}


@pytest.mark.parametrize("usage", OPENAI.values(), ids=OPENAI)
@pytest.mark.parametrize(
    "model",
    ["openai/gpt-4.1-mini", "openai/gpt-4o", "openai/gpt-5-mini", "openai/o3-mini", "openai/gpt-5.6", "azure/gpt-4.1"],
)
def test_openai_usage_is_billed_as_litellm_does(litellm: ModuleType, model: str, usage: dict[str, Any]) -> None:
    price = Pricing().price(model)
    used = read_usage(usage)
    assert price is not None
    assert used is not None
    assert_same(bill(price, used), litellm_bill(litellm, model, litellm.Usage(**usage)))


ANTHROPIC = {
    "plain": {"input_tokens": 2095, "output_tokens": 503},
    "read": {
        "input_tokens": 50,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 18_800,
        "output_tokens": 39,
        "service_tier": "standard",
    },
    "written for five minutes": {
        "input_tokens": 21,
        "cache_creation_input_tokens": 1883,
        "cache_read_input_tokens": 7,
        "cache_creation": {"ephemeral_5m_input_tokens": 1883, "ephemeral_1h_input_tokens": 0},
        "output_tokens": 393,
    },
    "written for an hour": {
        "input_tokens": 2048,
        "cache_read_input_tokens": 1800,
        "cache_creation_input_tokens": 556,
        "cache_creation": {"ephemeral_5m_input_tokens": 456, "ephemeral_1h_input_tokens": 100},
        "output_tokens": 503,
    },
    "in the United States": {
        "input_tokens": 1001,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 11,
        "output_tokens": 7,
        "inference_geo": "us",
    },
    "long": {
        "input_tokens": 210_007,
        "cache_creation_input_tokens": 5,
        "cache_read_input_tokens": 9,
        "output_tokens": 3,
    },
}


@pytest.mark.parametrize("block", ANTHROPIC.values(), ids=ANTHROPIC)
@pytest.mark.parametrize(
    "model", ["anthropic/claude-sonnet-4-5", "anthropic/claude-haiku-4-5", "anthropic/claude-opus-4-6"]
)
def test_anthropic_usage_is_billed_as_litellm_does(litellm: ModuleType, model: str, block: dict[str, Any]) -> None:
    transformation = importlib.import_module("litellm.llms.anthropic.chat.transformation")
    usage = transformation.AnthropicConfig().calculate_usage(usage_object=block, reasoning_content=None)
    price = Pricing().price(model)
    assert price is not None
    theirs = litellm_bill(litellm, model, usage)
    for shape in (block, usage.model_dump()):
        used = read_usage(shape)
        assert used is not None
        assert_same(bill(price, used), theirs)


GEMINI = {
    "plain": {"promptTokenCount": 1207, "candidatesTokenCount": 44, "totalTokenCount": 1251},
    "thinking": {
        "promptTokenCount": 15,
        "candidatesTokenCount": 9,
        "thoughtsTokenCount": 812,
        "totalTokenCount": 836,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 15}],
    },
    "cached": {
        "promptTokenCount": 40_000,
        "cachedContentTokenCount": 38_000,
        "candidatesTokenCount": 100,
        "totalTokenCount": 40_100,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 40_000}],
        "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 38_000}],
    },
    "above 200k": {
        "promptTokenCount": 200_001,
        "cachedContentTokenCount": 100_000,
        "candidatesTokenCount": 301,
        "thoughtsTokenCount": 99,
        "totalTokenCount": 200_401,
    },
    "at 200k": {"promptTokenCount": 200_000, "candidatesTokenCount": 1, "totalTokenCount": 200_001},
}


@pytest.mark.parametrize("block", GEMINI.values(), ids=GEMINI)
@pytest.mark.parametrize("model", ["gemini/gemini-2.5-pro", "gemini/gemini-2.5-flash", "gemini/gemini-2.5-flash-lite"])
def test_gemini_usage_is_billed_as_litellm_does(litellm: ModuleType, model: str, block: dict[str, Any]) -> None:
    module = importlib.import_module("litellm.llms.vertex_ai.gemini.vertex_and_google_ai_studio_gemini")
    usage = module.VertexGeminiConfig._calculate_usage({"usageMetadata": block})
    price = Pricing().price(model)
    assert price is not None
    theirs = litellm_bill(litellm, model, usage)
    for shape in (block, usage.model_dump()):
        used = read_usage(shape)
        assert used is not None
        assert_same(bill(price, used), theirs)


@pytest.mark.parametrize("tier", ["flex", "priority"])
def test_service_tiers_are_billed_as_litellm_does(litellm: ModuleType, tier: str) -> None:
    price = Pricing().price("openai/gpt-5.6", service_tier=tier)
    used = read_usage(OPENAI["long"])
    assert price is not None
    assert used is not None
    usage = litellm.Usage(**OPENAI["long"])
    assert_same(bill(price, used), litellm_bill(litellm, "openai/gpt-5.6", usage, service_tier=tier))


@settings(max_examples=150, deadline=None)
@given(
    model=st.sampled_from(["openai/gpt-5.6", "gemini/gemini-2.5-pro", "xai/grok-4.3", "dashscope/qwen-plus-latest"]),
    prompt=st.integers(0, 600_000),
    cached=st.integers(0, 600_000),
    output=st.integers(0, 100_000),
    reasoning=st.integers(0, 100_000),
)
def test_any_usage_is_billed_as_litellm_does(
    litellm: ModuleType, model: str, prompt: int, cached: int, output: int, reasoning: int
) -> None:
    price = Pricing().price(model)
    assume(price is not None)
    assert price is not None
    block = {
        "prompt_tokens": max(prompt, 1),
        "completion_tokens": output,
        "total_tokens": max(prompt, 1) + output,
        "prompt_tokens_details": {"cached_tokens": min(cached, prompt)},
        "completion_tokens_details": {"reasoning_tokens": min(reasoning, output)},
    }
    used = read_usage(block)
    assert used is not None
    usage = litellm.Usage(**block)
    assert_same(bill(price, used), litellm_bill(litellm, model, usage))


def test_the_cost_map_is_read_without_importing_litellm() -> None:
    code = (
        "import sys; from judge_rerank.spending.pricing import Pricing;"
        "assert Pricing().price('gpt-4.1-mini') is not None; assert 'litellm' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_name_counts_with_and_without_its_provider() -> None:
    pricing = Pricing()
    assert pricing.price("openai/gpt-4.1-mini") == pricing.price("gpt-4.1-mini") == pricing.price("OpenAI/GPT-4.1-mini")
    assert pricing.price("gpt-4.1-mini-2099-01-01") == pricing.price("gpt-4.1-mini")
    assert pricing.price("ft:gpt-4o-mini-2024-07-18:acme::id") == pricing.price("ft:gpt-4o-mini-2024-07-18")
    assert pricing.price("vertex_ai/gemini-2.5-pro") is not None
    assert pricing.price("anthropic/gpt-4.1-mini") is None


def test_the_users_prices_come_first() -> None:
    mine = Price(input_usd_per_mtok="0.1", output_usd_per_mtok=0.2)
    pricing = Pricing({"gpt-4.1-mini": mine, "hosted_vllm/qwen": mine})
    assert pricing.price("openai/gpt-4.1-mini") == mine
    assert pricing.price("qwen") == mine
    assert pricing.price("other/qwen") is None


def test_unknown_is_not_free() -> None:
    assert Pricing().price("openai/no-such-model") is None
    zeros = {"input_cost_per_token": 0.0, "output_cost_per_token": 0.0, "mode": "chat"}
    assert find_price("m", {"m": zeros}) is None
    assert find_price("m", {"m": {"max_tokens": 5, "mode": "chat"}}) is None
    assert find_price("m", {"m": {"input_cost_per_token": 1e-6, "mode": "chat"}}) is None
    assert read_usage({}) is None
    assert read_usage({"prompt_tokens": None}) is None


WORDS = {"completion_tokens": 9, "total_tokens": 9}


@pytest.mark.parametrize(
    "block",
    [
        *({"prompt_tokens": count, **WORDS} for count in (0, None, -5, 10**15, math.nan, math.inf, "12", True)),
        *({"input_tokens": count, "output_tokens": 9} for count in (0, None, -1, 2e9, "x")),
        *({"prompt_tokens": 50, "completion_tokens": count} for count in (0, None, -1, 1e15, math.nan, "9", True)),
        *({"promptTokenCount": 0, "candidatesTokenCount": 3}, {"candidatesTokenCount": 3}, {"prompt_tokens": 50}),
        *({"prompt_tokens": 50, "completion_tokens": 5, "total_tokens": count} for count in (-1, "55", math.nan)),
        {"prompt_tokens": 50, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": -3}},
        *(
            {"prompt_tokens": 50, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": count}}
            for count in (51, 100, 10**9)
        ),
        {"prompt_tokens": 50, "completion_tokens": 5, "prompt_cache_hit_tokens": 60},
        *({"input_tokens": count, "cache_read_input_tokens": 80, "output_tokens": 3} for count in (0, None)),
        {"cache_read_input_tokens": 80, "output_tokens": 3},
        {"total_tokens": 0},
    ],
    ids=str,
)
def test_a_block_that_says_nothing_of_a_worded_reply_is_no_evidence_that_it_was_free(block: dict[str, Any]) -> None:
    assert read_usage(block, worded=True) is None
    assert metered(ChatReply(text="yes", usage=block)) is None


def test_what_a_block_does_say_is_read() -> None:
    assert read_usage({"prompt_tokens": 0, "completion_tokens": 5, "total_tokens": 105}) == Metered(
        input_tokens=100, output_tokens=5
    )
    assert read_usage({"prompt_tokens": 12, "total_tokens": 12}) == Metered(input_tokens=12), "of an embedding API"
    cached = {"input_tokens": 2, "cache_read_input_tokens": 800, "output_tokens": 3}
    assert metered(ChatReply(text="yes", usage=cached)) == Metered(
        input_tokens=802, cached_input_tokens=800, output_tokens=3
    )
    told = ChatReply(text="yes", input_tokens=7, output_tokens=2, cached_input_tokens=3, usage={"queue_time": 0.1})
    assert metered(told) == Metered(input_tokens=7, output_tokens=2, cached_input_tokens=3)
    averaged = read_usage({"prompt_tokens": 10.2, "completion_tokens": 3.0})
    assert averaged == Metered(input_tokens=11, output_tokens=3), "rounded up"
    scores = ChatReply(text="[...]", usage={"meta": {"billed_units": {"search_units": 1}}})
    assert metered(scores, documents=4) == Metered(search_units=1, documents=4)


@pytest.mark.parametrize("model", ["local", "ollama/llama3.2", "ollama_chat/qwen3:4b", "lm_studio/x"])
def test_local_models_cost_nothing_and_say_so(model: str) -> None:
    price = Pricing().price(model)
    assert price is not None
    assert price.source == "local"
    assert price.is_free
    assert bill(price, Metered(input_tokens=10**6, output_tokens=10**6)) == 0


def test_cloud_models_behind_a_local_server_are_not_free() -> None:
    price = Pricing().price("ollama/gpt-oss:120b-cloud")
    assert price is None or not price.is_free


def test_rerank_apis_are_billed_by_search_call_and_document() -> None:
    price = Pricing().price("cohere/rerank-v3.5")
    used = read_usage({"meta": {"billed_units": {"search_units": 2}}})
    assert price is not None
    assert used is not None
    assert bill(price, used) == 4000
    assert worst_case(price, 0, 0, search_units=3) == 6000
    own = Price(per_call_usd="0.001", per_document_usd="0.00002")
    assert bill(own, Metered(documents=100)) == worst_case(own, 0, 0, documents=100) == 3000
    voyage = Pricing().price("voyage/rerank-2.5")
    tokens = read_usage({"total_tokens": 100})
    assert voyage is not None
    assert tokens is not None
    assert bill(voyage, tokens) == 5


def test_reasoning_that_is_left_out_of_the_output_is_billed() -> None:
    used = read_usage(
        {
            "prompt_tokens": 32,
            "completion_tokens": 9,
            "total_tokens": 274,
            "completion_tokens_details": {"reasoning_tokens": 233},
        }
    )
    assert used == Metered(input_tokens=32, output_tokens=242, reasoning_tokens=233)


def test_bills_are_rounded_up_to_a_micro_dollar() -> None:
    price = Price(input_usd_per_mtok="0.000001")
    assert bill(price, Metered(input_tokens=1)) == 1
    assert bill(price, Metered()) == 0


AMOUNTS = st.decimals(0, 100, places=4)


@given(
    price=st.builds(
        Price,
        input_usd_per_mtok=AMOUNTS,
        output_usd_per_mtok=AMOUNTS,
        cached_input_usd_per_mtok=st.none() | AMOUNTS,
        cache_write_usd_per_mtok=st.none() | AMOUNTS,
        cache_write_1h_usd_per_mtok=st.none() | AMOUNTS,
        reasoning_usd_per_mtok=st.none() | AMOUNTS,
        per_call_usd=AMOUNTS,
        per_search_unit_usd=AMOUNTS,
        tiers=st.lists(
            st.builds(
                Tier,
                above_input_tokens=st.integers(0, 3000),
                input_usd_per_mtok=st.none() | AMOUNTS,
                output_usd_per_mtok=st.none() | AMOUNTS,
            ),
            max_size=3,
        ).map(tuple),
        regions=st.dictionaries(st.sampled_from(["us", "eu"]), st.decimals(0, 2, places=2), max_size=2),
    ),
    bound=st.integers(0, 4000),
    limit=st.integers(0, 500),
    share=st.tuples(*[st.floats(0, 1)] * 5),
    region=st.sampled_from([None, "us", "eu", "asia"]),
)
def test_no_call_costs_more_than_its_worst_case(
    price: Price, bound: int, limit: int, share: tuple[float, ...], region: str | None
) -> None:
    tokens = int(bound * share[0])
    cached = int(tokens * share[1])
    write = int((tokens - cached) * share[2])
    output = int(limit * share[3])
    used = Metered(
        input_tokens=tokens,
        cached_input_tokens=cached,
        cache_write_tokens=write // 2,
        cache_write_1h_tokens=write - write // 2,
        output_tokens=output,
        reasoning_tokens=int(output * share[4]),
        search_units=1,
        region=region,
    )
    assert 0 <= bill(price, used) <= worst_case(price, bound, limit, search_units=1)


def test_the_worst_case_is_that_of_the_dearest_tier_that_can_apply() -> None:
    steep = Price(input_usd_per_mtok=1, tiers=(Tier(above_input_tokens=100, input_usd_per_mtok=3),))
    assert [worst_case(steep, tokens, 0) for tokens in (100, 101)] == [100, 303]
    falling = Price(input_usd_per_mtok=3, tiers=(Tier(above_input_tokens=100, input_usd_per_mtok=1),))
    assert worst_case(falling, 101, 0) == 303
    written = Price(input_usd_per_mtok=2, cache_write_usd_per_mtok="2.5", reasoning_usd_per_mtok=7)
    assert worst_case(written, 10, 10) == 95


def test_every_price_of_the_cost_map_can_be_used() -> None:
    prices = [price for name in bundled() if (price := find_price(name)) is not None]
    assert len(prices) > 1000
    for price in prices:
        assert worst_case(price, 300_000, 1000, search_units=1) > 0


@pytest.mark.parametrize("amount", ["-1", "nan", "inf", "a lot", True])
def test_prices_that_are_no_amounts_are_refused(amount: Any) -> None:
    with pytest.raises(InputError, match="input_usd_per_mtok"):
        Price(input_usd_per_mtok=amount)


def test_prices_from_a_file(tmp_path: Any) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(
        "my-model:\n  input_usd_per_mtok: 0.4\n  output_usd_per_mtok: '1.6'\n"
        "  tiers:\n    - {above_input_tokens: 1000, input_usd_per_mtok: 0.8}\n"
    )
    price = Pricing(path).price("openai/my-model")
    assert price is not None
    assert bill(price, Metered(input_tokens=1000, output_tokens=10)) == 416
    assert bill(price, Metered(input_tokens=1001, output_tokens=10)) == 817


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "must hold model names"),
        ("m: 5", "must have prices"),
        ("m: {cost: 5}", "cost is not a field of a price"),
        ("m: {input_usd_per_mtok: -5}", "must be an amount"),
        ("m: {tiers: [{input_usd_per_mtok: 5}]}", "above_input_tokens"),
        ("m: [", "not YAML"),
    ],
)
def test_files_that_hold_no_prices_are_refused(tmp_path: Any, text: str, message: str) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_prices(path)


def test_a_file_of_prices_that_is_missing_is_named(tmp_path: Any) -> None:
    with pytest.raises(InputError, match=r"none.yaml: There is no such file"):
        Pricing(tmp_path / "none.yaml")
