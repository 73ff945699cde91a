"""What a call can cost at most, by the bound that is set aside for it, against providers that count as they like."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from judge_rerank import Budget, Judge, Price
from judge_rerank.core import ModelInfo
from judge_rerank.core.backend import ChatReply, ChatRequest
from judge_rerank.testing import FakeBackend

PRICES = {"fake": Price(input_usd_per_mtok=1, output_usd_per_mtok=1)}
"""A micro-dollar a token."""
FRAME_TOKENS = 12
"""What the provider counts for each message, beside its text."""
DOCS = ["沙丘是弗兰克·赫伯特写的。" * 8, "Дюну написал Фрэнк Герберт. " * 8, "Frank Herbert wrote Dune. " * 8]


def tokens(text: str) -> int:
    """As `FakeBackend` counts."""
    return -(-len(text) // 4)


def in_bytes(text: str) -> int:
    """A vocabulary that knows no word of the text."""
    return len(text.encode())


class Provider(FakeBackend):
    """Counts frames, messages and schema by a vocabulary of its own, and every reply as long as it may be."""

    def __init__(self, count: Callable[[str], int], *, exact: bool) -> None:
        super().__init__(self._counted, local=False, concurrency=1)
        self._count, self._exact = count, exact
        self.billed = 0

    @property
    def info(self) -> ModelInfo:
        return replace(super().info, exact_tokens=self._exact)

    def _counted(self, request: ChatRequest) -> ChatReply:
        texts = [message.content for message in request.messages]
        schema = json.dumps(request.schema.schema) if request.schema else ""
        read = sum(map(self._count, texts)) + FRAME_TOKENS * (1 + len(texts)) + self._count(schema)
        self.billed += read + request.max_output_tokens
        return ChatReply(text='{"score": 7}', input_tokens=read, output_tokens=request.max_output_tokens, model="fake")


COUNTING = pytest.mark.parametrize(
    ("count", "exact"),
    [(tokens, True), (in_bytes, False)],
    ids=["by the vocabulary that we know", "by one that knows no word"],
)


@COUNTING
def test_no_reply_costs_more_than_the_estimate(count: Callable[[str], int], exact: bool) -> None:
    backend = Provider(count, exact=exact)
    with Judge(backend, prices=PRICES, strategy="score") as judge:
        most = judge.estimate("who wrote Dune?", DOCS).cost_usd
        cost = judge.rerank("who wrote Dune?", DOCS).usage.cost_usd
    assert most is not None
    assert cost == Decimal(backend.billed).scaleb(-6) <= most
    assert most < cost * 2, "a bound that is far too high refuses what could be paid for"


@COUNTING
def test_a_cap_holds_to_the_last_token(count: Callable[[str], int], exact: bool) -> None:
    for cap in range(0, 4_000, 170):
        backend = Provider(count, exact=exact)
        with Judge(backend, prices=PRICES, strategy="score", budget=Budget(usd=Decimal(cap + 1).scaleb(-6))) as judge:
            ranking = judge.rerank("who wrote Dune?", DOCS)
        assert backend.billed <= cap + 1
        assert ranking.usage.calls == len(backend.requests)


class Thinking(FakeBackend):
    """A model that may think long before it answers."""

    @property
    def info(self) -> ModelInfo:
        return replace(super().info, reasoning_tokens=8_000)


def test_a_judge_is_not_expected_to_think_as_long_as_it_may() -> None:
    prices = {"fake": Price(input_usd_per_mtok=0, output_usd_per_mtok=1)}
    with Judge(Thinking("", local=False), prices=prices, strategy="score") as judge:
        estimate = judge.estimate("who wrote Dune?", DOCS)
    assert estimate.output_tokens > 3 * 8_000
    assert 3 * 8_000 * 0.05 < estimate.expected_output_tokens < 3 * 8_000 * 0.3
    assert estimate.expected_cost_usd == Decimal(estimate.expected_output_tokens).scaleb(-6)
    assert estimate.cost_usd == Decimal(estimate.output_tokens).scaleb(-6)


@pytest.mark.parametrize(("said", "billed"), [(None, 52), (Decimal(0), 0), (Decimal("0.5"), 52)])
def test_what_a_filter_refused_is_free_only_where_the_provider_says_so(said: Decimal | None, billed: int) -> None:
    reply = ChatReply(text="", finish_reason="filter", input_tokens=50, output_tokens=2, cost_usd=said)
    with Judge(FakeBackend(reply, local=False), prices=PRICES, strategy="score", budget=Budget(usd=1)) as judge:
        ranking = judge.rerank("q", ["a"])
    assert ranking.integrity.failed == {"refused": 1}
    assert ranking.usage.cost_usd == Decimal(billed).scaleb(-6)


def test_a_reply_that_cost_nothing_by_its_providers_word_is_priced_by_ours() -> None:
    reply = ChatReply(text='{"score": 7}', input_tokens=50, output_tokens=2, cost_usd=Decimal(0))
    with Judge(FakeBackend(reply, local=False), prices=PRICES, strategy="score") as judge:
        assert judge.rerank("q", ["a"]).usage.cost_usd == Decimal(52).scaleb(-6)
