"""Rounds as batch jobs, over real sockets: the rankings of single requests, at half the bill."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest

from judge_rerank import AuthenticationError, Budget, CancelToken, InputError, Judge, Price, Ranking, RequestRejected
from judge_rerank.providers import BatchPauses, api_of
from judge_rerank.testing import FakeBackend
from tests.provider import Provider, QrelsJudge
from tests.provider.batches import BatchProvider, Fate

DOCS = [f"Passage number {n} is about matter {n * 7 % 11}." for n in range(8)]
GRADES: Mapping[str, float] = {text: (n * 5 % 8) / 2.4 for n, text in enumerate(DOCS)}
QUERIES = [f"what is matter {n}?" for n in range(3)]
PAIRS = [(query, DOCS[n:] + DOCS[:n]) for n, query in enumerate(QUERIES)]
SHAPES = {
    "openai/gpt-4.1-mini": "/v1",
    "azure/gpt-4.1-mini": "",
    "anthropic/claude-haiku-4-5": "",
    "gemini/gemini-2.5-flash": "/v1beta",
}
PRICE = Price(input_usd_per_mtok="0.15", output_usd_per_mtok="0.60")


def judging(model: str, url: str, folder: Path, **more: Any) -> Judge:
    return Judge(
        model,
        api_base=url + SHAPES[model],
        api_key="sk-loopback",
        cache_dir=folder,
        params={"api_version": "2024-10-21"} if model.startswith("azure/") else None,
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


def interrupted(
    provider: BatchProvider, judge: Judge, pairs: Sequence[tuple[str, Sequence[str]]], strategy: str
) -> None:
    """A run that is ended while its first job is under way."""
    provider.held = True
    cancel = CancelToken()

    def end() -> None:
        while not (provider.jobs and provider.jobs[0].polls):
            time.sleep(0.01)
        cancel.cancel()

    threading.Thread(target=end).start()
    rankings = judge.rerank_many(pairs, strategy, mode="batch", cancel=cancel)
    assert {ranking.status for ranking in rankings} == {"partial"}


def asked_at_most_once(provider: BatchProvider) -> bool:
    """Whether no request that was answered was asked again."""
    good = [
        name for job in provider.jobs for (name, _), fate in zip(job.requests, job.fates, strict=True) if fate == "ok"
    ]
    return len(good) == len(set(good))


def fated(*fates: str) -> Fate:
    """These fates for the first requests that are asked for the first time; all goes well with the others."""
    left = list(fates)

    def fate(_asked: str, before: int) -> str:
        return left.pop(0) if left and not before else "ok"

    return fate


@pytest.mark.parametrize("model", SHAPES)
@pytest.mark.parametrize("fallback", ["batch", "direct"])
def test_what_failed_or_expired_is_asked_again(model: str, fallback: Any, tmp_path: Path) -> None:
    fate = fated("expired", "429", "500", "missing", "expired")
    with (
        BatchProvider(QrelsJudge(GRADES), fate=fate) as provider,
        judging(model, provider.url, tmp_path, budget=Budget(usd=1, path=tmp_path / "spend.db")) as judge,
    ):
        rankings = judge.rerank_many(PAIRS, "score(batch_size=3)", mode="batch", batch_fallback=fallback)
        assert [ranking.status for ranking in rankings] == ["complete"] * 3
        assert (provider.direct.requests > 0) == (fallback == "direct")
        assert (len(provider.jobs) > 1) == (fallback == "batch")
        assert sum(ranking.usage.retries for ranking in rankings) == (0 if fallback == "direct" else 5)
        assert asked_at_most_once(provider)
        billed = provider.bill.usd + provider.direct.usd
        spent = Decimal(judge._records.ledger.totals().spent).scaleb(-6)  # pyright: ignore[reportPrivateUsage]
        assert billed <= spent <= 1


def test_a_cap_holds_by_the_price_of_the_job(tmp_path: Path) -> None:
    model = "openai/gpt-4.1-mini"
    with BatchProvider(QrelsJudge(GRADES)) as provider, judging(model, provider.url, tmp_path) as judge:
        estimate = judge.estimate(*PAIRS[0], "score(batch_size=3)", mode="batch")
        direct = judge.estimate(*PAIRS[0], "score(batch_size=3)")
        assert estimate.cost_usd is not None
        assert direct.cost_usd is not None
        assert direct.cost_usd / 2 <= estimate.cost_usd <= direct.cost_usd / 2 + Decimal("0.00001")
        assert estimate.longest_wait_s == 24 * 3600
        assert direct.longest_wait_s == 0
        with judge.limit(usd=estimate.cost_usd * 2) as cap:
            rankings = judge.rerank_many(PAIRS, "score(batch_size=3)", mode="batch")
        spent = Decimal(cap.spent.micro_usd).scaleb(-6)
    assert provider.bill.usd <= spent <= estimate.cost_usd * 2
    assert any(ranking.status == "complete" for ranking in rankings)


def test_a_cap_too_small_for_one_call_sends_nothing(tmp_path: Path) -> None:
    with BatchProvider(QrelsJudge(GRADES)) as provider, judging("openai/gpt-4.1-mini", provider.url, tmp_path) as judge:
        with judge.limit(usd="0.000001"):
            (ranking, *_) = judge.rerank_many(PAIRS, "score(batch_size=3)", mode="batch")
        assert ranking.status == "partial"
        assert "budget" in ranking.reasons[0] or "limit" in ranking.reasons[0]
        assert not provider.jobs


def test_a_round_larger_than_a_job_is_several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_of("openai"), "most_requests", 4)
    with BatchProvider(QrelsJudge(GRADES)) as provider, judging("openai/gpt-4.1-mini", provider.url, tmp_path) as judge:
        judge.rerank_many(PAIRS, "score(batch_size=3)", mode="batch")
        assert sorted(len(job.requests) for job in provider.jobs) == [1, 4, 4]
    monkeypatch.setattr(api_of("openai"), "most_requests", 50_000)
    monkeypatch.setattr(api_of("openai"), "most_bytes", 6_000)
    with BatchProvider(QrelsJudge(GRADES)) as provider, judging("openai/gpt-4.1-mini", provider.url, tmp_path) as judge:
        judge.rerank_many([(query + " at all", docs) for query, docs in PAIRS], "score(batch_size=3)", mode="batch")
        assert len(provider.jobs) > 1
        assert all(len(file) <= 6_000 for file in provider.uploads)


def test_a_job_has_one_model(tmp_path: Path) -> None:
    """The longer list is still with the first model when the shorter one has come to the second."""
    models = ["openai/gpt-4.1-mini", "openai/gpt-4.1-nano"]
    strategy = f"listwise(window_size=4, stride=2, model='{models[0]}') % 3 >> binary(model='{models[1]}')"
    with BatchProvider(QrelsJudge(GRADES)) as provider, judging(models[0], provider.url, tmp_path) as judge:
        rankings = judge.rerank_many([(QUERIES[0], DOCS), (QUERIES[1], DOCS[:4])], strategy, mode="batch")
        assert [ranking.status for ranking in rankings] == ["complete"] * 2
        asked = [{body["model"] for _, body in job.requests} for job in provider.jobs]
        assert all(len(each) == 1 for each in asked)
        assert len(asked) > max(ranking.usage.rounds for ranking in rankings)


def test_a_file_that_azure_cannot_use(tmp_path: Path) -> None:
    model = "azure/gpt-4.1-mini"
    with (
        BatchProvider(QrelsJudge(GRADES)) as provider,
        judging(model, provider.url, tmp_path, budget=Budget(usd=1)) as judge,
    ):
        provider.bad_files = True
        with pytest.raises(RequestRejected, match="Azure cannot use the file of requests: A line is too long"):
            judge.rerank_many(PAIRS, "score(batch_size=3)", mode="batch")
        assert not provider.jobs
        assert judge._records.ledger.totals().spent == 0  # pyright: ignore[reportPrivateUsage]


def test_azure_by_its_api_without_versions(tmp_path: Path) -> None:
    model = "azure/gpt-4.1-mini"
    more = {"api_key": "sk-loopback", "params": {"api_version": "v1"}, "prices": {model: PRICE}}
    with (
        BatchProvider(QrelsJudge(GRADES), keys=frozenset({"sk-loopback"})) as provider,
        Judge(model, api_base=provider.url, cache_dir=tmp_path, **more) as judge,
    ):
        rankings = judge.rerank_many(PAIRS, "score(batch_size=3)", mode="batch")
        assert [ranking.status for ranking in rankings] == ["complete"] * 3
        assert len(provider.jobs) == 1
        assert provider.direct.requests == 0


def test_a_full_queue_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BatchPauses, "__init__", partialmethod(BatchPauses.__init__, full_s=0.2))
    with (
        BatchProvider(QrelsJudge(GRADES), full=2) as provider,
        judging("openai/gpt-4.1-mini", provider.url, tmp_path) as judge,
    ):
        rankings = judge.rerank_many(PAIRS, "score(batch_size=3)", mode="batch")
        assert [ranking.status for ranking in rankings] == ["complete"] * 3
        assert len(provider.jobs) == 3
        assert all(ranking.usage.retries == 0 for ranking in rankings)


@pytest.mark.parametrize("model", SHAPES)
def test_a_key_that_is_refused_at_submission(model: str, tmp_path: Path) -> None:
    with (
        BatchProvider(QrelsJudge(GRADES), keys=frozenset({"sk-other"})) as provider,
        judging(model, provider.url, tmp_path, budget=Budget(usd=1)) as judge,
    ):
        with pytest.raises(AuthenticationError) as caught:
            judge.rerank_many(PAIRS, "score(batch_size=3)", mode="batch")
        assert "sk-loopback" not in str(caught.value)
        assert judge._records.ledger.totals().spent == 0  # pyright: ignore[reportPrivateUsage]


def test_a_job_that_is_not_accepted(tmp_path: Path) -> None:
    with (
        BatchProvider(QrelsJudge(GRADES), refuse=(400, "This model has no batch jobs.")) as provider,
        judging("openai/gpt-4.1-mini", provider.url, tmp_path, budget=Budget(usd=1)) as judge,
        pytest.raises(RequestRejected, match="This model has no batch jobs"),
    ):
        judge.rerank_many(PAIRS, "score(batch_size=3)", mode="batch")


@pytest.mark.parametrize(
    ("model", "more", "strategy", "message"),
    [
        ("typesafe/jev-latest", {}, "score", "decision endpoints have no batch jobs"),
        ("mistral/mistral-small-latest", {}, "score", "models of 'mistral'"),
        ("openai/gpt-4.1-mini", {}, "api('cohere/rerank-v3.5')", "rerank and embedding APIs have no batch jobs"),
    ],
)
def test_what_has_no_batch_jobs_is_said_before_anything_is_sent(
    model: str, more: Mapping[str, Any], strategy: str, message: str
) -> None:
    with Judge(model, api_key="sk-loopback", cache_dir=None, **more) as judge:
        with pytest.raises(InputError, match=message):
            judge.rerank_many(PAIRS, strategy, mode="batch")
        with pytest.raises(InputError, match=message):
            judge.estimate(*PAIRS[0], strategy, mode="batch")


def test_a_backend_of_ones_own_has_no_batch_jobs() -> None:
    with Judge(FakeBackend([], local=False)) as judge, pytest.raises(InputError, match="asked request by request"):
        judge.rerank_many(PAIRS, "score", mode="batch")


def test_modes_that_are_none() -> None:
    judge = Judge(FakeBackend([]))
    with pytest.raises(InputError, match="mode is 'batches'; expected 'direct' or 'batch'"):
        judge.rerank_many(PAIRS, mode="batches")  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="batch_fallback is 'never'"):
        judge.rerank_many(PAIRS, mode="batch", batch_fallback="never")  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="mode is 'batches'"):
        judge.plan(20, mode="batches")  # pyright: ignore[reportArgumentType]


def test_a_record_of_another_program(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "batches.db") as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
    connection.close()
    with (
        judging("openai/gpt-4.1-mini", "http://127.0.0.1:9", tmp_path) as judge,
        pytest.raises(InputError, match="another program"),
    ):
        judge.rerank_many(PAIRS, "score", mode="batch")


def test_plan_puts_fewer_rounds_first() -> None:
    with Judge("openai/gpt-4.1-mini", api_key="sk-loopback") as judge:
        direct, batch = judge.plan(40), judge.plan(40, mode="batch")
        ranked = [batch.best, *batch.alternatives]
        assert [each.rounds for each in ranked] == sorted(each.rounds for each in ranked)
        assert batch.best.latency_s == batch.best.rounds * 24 * 3600
        costs = {each.strategy: each.cost_usd or 0 for each in (direct.best, *direct.alternatives)}
        assert all((each.cost_usd or 9) < costs[each.strategy] for each in ranked)
        with pytest.raises(InputError, match="takes 86400 seconds"):
            judge.plan(40, mode="batch", latency_s=3600)


def test_many_at_a_time_for_asynchronous_code(tmp_path: Path) -> None:
    async def collected(judge: Judge) -> list[Ranking]:
        many = judge.arerank_many(iter(PAIRS), "listwise(window_size=4, stride=2)", mode="batch")
        return [ranking async for ranking in many]

    with BatchProvider(QrelsJudge(GRADES)) as provider, judging("openai/gpt-4.1-mini", provider.url, tmp_path) as judge:
        rankings = asyncio.run(collected(judge))
        assert len(provider.jobs) == rankings[0].usage.rounds
        assert judge.rerank(*PAIRS[0], "binary", mode="batch").status == "complete"
