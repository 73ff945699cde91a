"""A second model that answers what the first cannot: priced, cached and traced as its own."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from judge_rerank import Budget, Judge, Price
from judge_rerank.core.backend import ChatReply, ChatRequest, ModelInfo, prompt_text
from judge_rerank.core.errors import (
    AuthenticationError,
    InputError,
    ProviderError,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
    RequestRejected,
)
from judge_rerank.providers.litellm import LiteLLMBackend
from judge_rerank.spending.ledger import Ledger
from judge_rerank.testing import FakeBackend
from judge_rerank.tracing.trace import Trace
from tests.provider import Provider, QrelsJudge

YES, NO = '{"relevant": true}', '{"relevant": false}'
DOCS = [f"a document of always the same length, {n:02}" for n in range(6)]
PRICES = {
    "first": Price(input_usd_per_mtok=1, output_usd_per_mtok=1),
    "second": Price(input_usd_per_mtok=3, output_usd_per_mtok=3),
}
BILLED = Price(input_usd_per_mtok="0.15", cached_input_usd_per_mtok="0.075", output_usd_per_mtok="0.60")
"""What the loopback provider charges."""
DOWN = ProviderUnavailable("overloaded", status=503, retry_after_s=0.001)


class Named(FakeBackend):
    """A backend with a name of its own."""

    def __init__(self, name: str, replies: Any, **options: Any) -> None:
        super().__init__(replies, local=False, **options)
        self._name = name

    @property
    def info(self) -> ModelInfo:
        return replace(super().info, name=self._name)

    async def complete(self, request: ChatRequest) -> ChatReply:
        return replace(await super().complete(request), model=self._name)

    @property
    def tokens(self) -> int:
        """What it read and wrote, where it said yes each time."""
        read = sum(self.count_tokens(prompt_text(request.messages)) for request in self.requests)
        return read + len(self.requests) * self.count_tokens(YES)


def two(first: Any, second: Any = YES, **options: Any) -> tuple[Judge, Named, Named]:
    backends = Named("first", first), Named("second", second)
    judge = Judge(backends, **{"prices": PRICES, "strategy": "binary", "max_attempts": 2, **options})
    return judge, *backends


@pytest.mark.parametrize(
    "error",
    [
        DOWN,
        RateLimited("429", status=429, retry_after_s=0.001),
        AuthenticationError("no key", status=401),
        QuotaExhausted("no credit", status=429),
        RequestRejected("no such model", status=404),
    ],
)
def test_another_model_answers_what_the_first_cannot(error: ProviderError) -> None:
    judge, first, second = two(error)
    ranking = judge.rerank("q", DOCS)
    assert ranking.status == "complete"
    assert {result.judgments[0].model for result in ranking} == {"second"}
    assert len(second.requests) == 6
    assert len(first.requests) == (12 if error.retryable else 6)
    assert ranking.usage.retries == (6 if error.retryable else 0)
    assert ranking.usage.calls == 6
    assert ranking.usage.cost_usd == Decimal(3 * second.tokens).scaleb(-6)


def test_the_first_model_comes_first() -> None:
    judge, first, second = two(YES)
    assert judge.model == "first"
    assert judge.rerank("q", DOCS).status == "complete"
    assert (len(first.requests), second.requests) == (6, [])
    judge, first, second = two(lambda request: DOWN if ", 03" in request.messages[-1].content else YES)
    judge.rerank("q", DOCS)
    assert (len(first.requests), len(second.requests)) == (7, 1), "one call fell back, the others did not need to"


def test_what_the_first_may_have_billed_is_in_the_sum() -> None:
    judge, first, second = two(ProviderUnavailable("reset", retry_after_s=0.001), budget=Budget(usd=1))
    most = Judge(first, prices=PRICES).estimate("q", DOCS[:1], "binary").cost_usd
    assert most is not None
    ranking = judge.rerank("q", DOCS[:1])
    assert len(first.requests) == 2
    assert ranking.usage.cost_usd == 2 * most + Decimal(3 * second.tokens).scaleb(-6)


def test_each_model_is_in_the_ledger_and_the_trace_under_its_own_name(tmp_path: Path) -> None:
    trace = Trace(tmp_path / "trace.db")
    judge, _, second = two(DOWN, budget=Budget(usd=1, path=tmp_path / "spend.db"), trace=trace)
    with judge:
        judge.rerank("q", DOCS)
    with Ledger(tmp_path / "spend.db") as ledger:
        spent = {row.key: row for row in ledger.spend("model")}
    assert (spent["first"].calls, spent["first"].cost_usd) == (12, 0)
    assert (spent["second"].calls, spent["second"].cost_usd) == (6, Decimal(3 * second.tokens).scaleb(-6))
    calls = trace.calls()
    assert len([call for call in calls if call.error and call.model == "first"]) == 12
    assert len([call for call in calls if call.error is None]) == 6
    assert sum(call.cost_usd or 0 for call in calls) == spent["second"].cost_usd
    assert {call.call for call in calls} == {1, 2, 3, 4, 5, 6}


def test_answers_are_cached_as_those_of_the_model_that_gave_them(tmp_path: Path) -> None:
    judge, first, second = two([DOWN, DOWN, YES], NO, cache_dir=tmp_path, concurrency=1)
    with judge:
        assert judge.rerank("q", DOCS[:1])[0].relevance_score == 0
        assert judge.rerank("q", DOCS[:1])[0].relevance_score == 1, "the first model is asked again, not answered for"
        assert judge.rerank("q", DOCS[:1])[0].relevance_score == 1
    assert (len(first.requests), len(second.requests)) == (3, 1)
    with Judge(second, prices=PRICES, cache_dir=tmp_path) as alone:
        ranking = alone.rerank("q", DOCS[:1], "binary")
    assert (ranking[0].relevance_score, ranking.usage.cached_calls, ranking.usage.cost_usd) == (0, 1, 0)
    assert len(second.requests) == 1


def test_a_budget_that_is_used_up_is_no_reason_to_ask_another_model() -> None:
    judge, first, second = two(YES, budget=Budget(usd="0.000001"))
    assert judge.rerank("q", DOCS).integrity.failed == {"budget": 6}
    assert first.requests == second.requests == []


def test_a_dear_fallback_is_held_to_the_same_cap() -> None:
    judge, _, second = two(DOWN)
    most = Judge(second, prices=PRICES).estimate("q", DOCS[:1], "binary").cost_usd
    assert most is not None
    ranking = judge.rerank("q", DOCS, max_usd=most)
    assert 1 <= len(second.requests) < 6
    assert ranking.status == "partial"
    assert ranking.usage.cost_usd == Decimal(3 * second.tokens).scaleb(-6) <= most
    assert judge.estimate("q", DOCS[:1]).cost_usd == most, "the dearest of the models"


def test_when_all_fail_the_ranking_says_so() -> None:
    judge, _, _ = two(DOWN, DOWN)
    ranking = judge.rerank("q", DOCS)
    assert (ranking.status, ranking.order) == ("partial", (0, 1, 2, 3, 4, 5))
    assert "overloaded" in ranking.reasons[0]
    judge, _, _ = two(DOWN, AuthenticationError("no key", status=401))
    with pytest.raises(AuthenticationError, match="no key"):
        judge.rerank("q", DOCS)


def test_a_deadline_covers_all_models_together() -> None:
    judge, first, second = two(ProviderUnavailable("down", status=503, retry_after_s=0.3), max_attempts=50)
    ranking = judge.rerank("q", DOCS, deadline_s=0.5)
    assert sorted(ranking.order) == list(range(6))
    assert len(first.requests) <= 2 * 6, "0.3 s pass between two attempts at a document"
    assert all(request.timeout_s <= 0.5 for request in second.requests)


class Counted(Named):
    """One of several that count together how many requests they have at once."""

    inside = most = 0

    async def complete(self, request: ChatRequest) -> ChatReply:
        Counted.inside += 1
        Counted.most = max(Counted.most, Counted.inside)
        try:
            return await super().complete(request)
        finally:
            Counted.inside -= 1


@pytest.mark.parametrize(("names", "limit"), [(("one/a", "one/b"), 2), (("one/a", "two/b"), 4)])
def test_models_of_one_provider_share_its_limit(names: tuple[str, str], limit: int) -> None:
    Counted.most = 0
    half = iter([DOWN, YES] * 50)
    backends = [Counted(names[0], lambda _: next(half), latency_s=0.02), Counted(names[1], YES, latency_s=0.02)]
    docs = [f"document {n}" for n in range(40)]
    assert Judge(backends, strategy="binary", concurrency=2, max_attempts=1).rerank("q", docs).usage.calls == 40
    assert 2 <= Counted.most <= limit


def test_a_judge_closes_every_model_that_it_opened() -> None:
    models = [FakeBackend(ProviderUnavailable("503", retry_after_s=0.001)), FakeBackend('{"relevant": true}')]
    with Judge(models, max_attempts=1) as judge:
        assert judge.rerank("q", ["a"], "binary").status == "complete"
        assert not any(model.closed for model in models)
    assert [model.closed for model in models] == [True, True]


def test_an_empty_list_of_models_is_refused() -> None:
    with pytest.raises(InputError, match="list of models is empty"):
        Judge([])


def test_over_sockets_from_one_provider_to_another(tmp_path: Path) -> None:
    judged = QrelsJudge({text: place % 3 for place, text in enumerate(DOCS)})
    trace = Trace(tmp_path / "trace.db")
    prices = {"openai/gpt-4o-mini": BILLED, "anthropic/claude-haiku-4-5": BILLED}
    with Provider(judged, keys=frozenset({"another key"})) as closed, Provider(judged) as opened:
        models = [
            LiteLLMBackend("openai/gpt-4o-mini", api_base=f"{closed.url}/v1", api_key="sk-loopback-0123456789"),
            LiteLLMBackend("anthropic/claude-haiku-4-5", api_base=opened.url, api_key="sk-loopback-0123456789"),
        ]
        with Judge(models, prices=prices, budget=Budget(usd=1), cache_dir=tmp_path / "cache", trace=trace) as judge:
            ranking, again = judge.rerank("q", DOCS, "listwise"), judge.rerank("q", DOCS, "listwise")
    assert (closed.requests, closed.bill.requests) == (2, 0), "it may have been repaired, so it is asked first again"
    assert opened.bill.requests == 1
    assert (ranking.status, again.status) == ("complete", "complete")
    assert ranking.usage.cost_usd is not None
    assert ranking.usage.cost_usd.scaleb(6) == opened.bill.microusd
    assert (again.usage.cost_usd, again.usage.cached_calls) == (0, 1)
    assert {judgment.model for result in ranking for judgment in result.judgments} == {"claude-haiku-4-5"}
    refused = [call for call in trace.calls() if call.error]
    assert [call.model for call in refused] == ["openai/gpt-4o-mini"] * 2
    assert all("AuthenticationError" in (call.error or "") for call in refused)
