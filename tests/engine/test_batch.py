"""Rounds as batch jobs, over real sockets: the rankings of single requests, at half the bill."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from judge_rerank import Judge, Price
from tests.provider import Provider, QrelsJudge
from tests.provider.batches import BatchProvider

DOCS = [f"Passage number {n} is about matter {n * 7 % 11}." for n in range(8)]
GRADES: Mapping[str, float] = {text: (n * 5 % 8) / 2.4 for n, text in enumerate(DOCS)}
QUERIES = [f"what is matter {n}?" for n in range(3)]
PAIRS = [(query, DOCS[n:] + DOCS[:n]) for n, query in enumerate(QUERIES)]
SHAPES = {"openai/gpt-4.1-mini": "/v1", "anthropic/claude-haiku-4-5": "", "gemini/gemini-2.5-flash": "/v1beta"}
PRICE = Price(input_usd_per_mtok="0.15", output_usd_per_mtok="0.60")


def judging(model: str, url: str, folder: Path, **more: Any) -> Judge:
    return Judge(
        model,
        api_base=url + SHAPES[model],
        api_key="sk-loopback",
        cache_dir=folder,
        prices={model: PRICE},
        **more,
    )


@pytest.mark.parametrize("model", SHAPES)
@pytest.mark.parametrize("strategy", ["score(batch_size=3)", "listwise(window_size=4, stride=2)", "binary"])
def test_the_same_rankings_at_half_the_bill(model: str, strategy: str, tmp_path: Path) -> None:
    judge_model = QrelsJudge(GRADES)
    with Provider(judge_model) as provider, judging(model, provider.url, tmp_path / "one") as judge:
        direct = judge.rerank_many(PAIRS, strategy)
        full = provider.bill.usd
    with BatchProvider(judge_model) as provider, judging(model, provider.url, tmp_path / "two") as judge:
        batch = judge.rerank_many(PAIRS, strategy, mode="batch")
        assert provider.direct.requests == 0
        assert provider.bill.usd == full / 2
        assert len(provider.jobs) == max(ranking.usage.rounds for ranking in batch)
        again = judge.rerank_many(PAIRS, strategy, mode="batch")
        assert len(provider.jobs) == max(ranking.usage.rounds for ranking in batch)
    assert [ranking.order for ranking in batch] == [ranking.order for ranking in direct]
    assert [ranking.order for ranking in again] == [ranking.order for ranking in direct]
    assert all(ranking.status == "complete" for ranking in batch)
    cost = sum((ranking.usage.cost_usd or Decimal(0) for ranking in batch), Decimal(0))
    assert 0 <= cost - full / 2 <= Decimal("0.000001") * sum(ranking.usage.calls for ranking in batch)
