"""Paid for once: identical requests through the judge, within a run, across judges, processes and restarts."""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from eval.bench.kills import DOCS as SHARED_DOCS
from eval.bench.kills import Nursery, Trial, Work
from judge_rerank import Binary, Budget, Judge, Price
from judge_rerank.cache.reply_cache import ReplyCache
from judge_rerank.core.backend import ChatReply, ModelInfo
from judge_rerank.core.cancel import CancelToken
from judge_rerank.core.errors import ProviderUnavailable
from judge_rerank.testing import FakeBackend
from tests.provider import Faults, Provider, QrelsJudge

YES, NO = '{"relevant": true}', '{"relevant": false}'
DOCS = [f"document number {n}" for n in range(6)]
PRICES = {"fake": Price(input_usd_per_mtok=1, output_usd_per_mtok=1)}


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JUDGE_RERANK_BUDGET_USD", "JUDGE_RERANK_TRACE", "JUDGE_RERANK_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)


def judge_of(backend: FakeBackend, folder: Path | None, **options: Any) -> Judge:
    return Judge(backend, **{"prices": PRICES, "strategy": "binary", "cache_dir": folder, **options})


def paid(replies: Any = YES, **options: Any) -> FakeBackend:
    return FakeBackend(replies, local=False, **options)


def test_a_hit_costs_nothing_and_keeps_the_usage_of_the_original(tmp_path: Path) -> None:
    backend = paid()
    with judge_of(backend, tmp_path) as judge:
        bought, again = judge.rerank("q", DOCS), judge.rerank("q", DOCS)
    assert (bought.usage.calls, bought.usage.cached_calls) == (6, 0)
    assert (again.usage.calls, again.usage.cached_calls, again.usage.cost_usd) == (0, 6, 0)
    assert again.usage.saved_usd == bought.usage.cost_usd != 0
    assert again.usage.saved_input_tokens == bought.usage.input_tokens > 0
    assert again.usage.saved_output_tokens == bought.usage.output_tokens > 0
    assert (bought.usage.saved_usd, bought.usage.saved_input_tokens) == (0, 0)
    assert len(backend.requests) == 6
    assert again.order == bought.order
    for old, new in zip(bought, again, strict=True):
        assert (old.judgments[0].cached, new.judgments[0].cached) == (False, True)
        assert new.judgments[0].input_tokens == old.judgments[0].input_tokens > 0
        assert new.judgments[0].reply == old.judgments[0].reply
        assert new.judgments[0].cost_usd == 0


def test_it_survives_restarts_and_is_shared(tmp_path: Path) -> None:
    with judge_of(paid(), tmp_path) as judge:
        judge.rerank("q", DOCS)
    late = paid(NO)
    with judge_of(late, tmp_path) as judge:
        assert judge.rerank("q", DOCS)[0].relevance_score == 1
    assert late.requests == []


def test_how_much_is_kept_and_for_how_long_can_be_said(tmp_path: Path) -> None:
    small = ReplyCache(tmp_path / "small", size_limit_bytes=200_000)
    with Judge(paid(), prices=PRICES, cache_dir=small) as judge:
        judge.rerank("q", [f"document {n}" for n in range(1000)], "binary")
    assert 0 < small.info().entries < 1000
    small.close()
    old = ReplyCache(tmp_path / "old", expire_s=0.000_001)
    with Judge(paid(), prices=PRICES, cache_dir=old) as judge:
        assert [judge.rerank("q", DOCS, "binary").usage.cached_calls for _ in range(2)] == [0, 0]


def test_no_cache_asks_every_time() -> None:
    backend = paid()
    judge = judge_of(backend, None)
    judge.rerank("q", DOCS)
    judge.rerank("q", DOCS)
    assert len(backend.requests) == 12


def test_a_named_model_has_the_users_cache_and_a_backend_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_RERANK_CACHE_DIR", str(tmp_path))
    backend = paid()
    judge = Judge(backend, strategy="binary")
    judge.rerank("q", DOCS)
    judge.rerank("q", DOCS)
    assert len(backend.requests) == 12
    with Provider(QrelsJudge(dict.fromkeys(DOCS, 1.0))) as provider:
        for _ in range(2):
            with Judge("openai/gpt-4o-mini", api_base=f"{provider.url}/v1", api_key="sk-loopback-0123456789") as judge:
                judge.rerank("q", DOCS, "listwise")
        assert provider.requests == 1


def test_what_is_cached_can_be_had_when_the_budget_is_used_up(tmp_path: Path) -> None:
    backend = paid()
    with judge_of(backend, tmp_path / "cache") as judge:
        spent = judge.rerank("q", DOCS).usage.cost_usd
    assert spent is not None
    with judge_of(backend, tmp_path / "cache", budget=Budget(usd="0.000001")) as judge:
        assert judge.rerank("q", DOCS).status == "complete"
        assert judge.rerank("another", DOCS).status == "partial"
    assert len(backend.requests) == 6


@pytest.mark.parametrize(
    ("change", "asked"),  # cut to two tokens, all documents are the same
    [
        ({}, 0),
        ({"timeout_s": 5.0, "max_attempts": 2, "concurrency": 1}, 0),
        ({"strategy": "score"}, 6),
        ({"strategy": Binary(explain=True)}, 6),
        ({"strategy": "binary(prompt='rubric')"}, 6),
        ({"max_tokens_per_doc": 2}, 1),
    ],
)
def test_what_changes_the_request_is_asked_anew(change: dict[str, Any], asked: int, tmp_path: Path) -> None:
    with judge_of(paid(), tmp_path) as judge:
        judge.rerank("q", DOCS)
    backend = paid('{"relevant": true, "score": 5, "reason": "because it is so"}')
    with judge_of(backend, tmp_path, **change) as judge:
        judge.rerank("q", DOCS)
    assert len(backend.requests) == asked


class Elsewhere(FakeBackend):
    """The same model, with another endpoint or other parameters."""

    def __init__(self, **changes: Any) -> None:
        super().__init__(NO, local=False)
        self._changes = changes

    @property
    def info(self) -> ModelInfo:
        return replace(super().info, **self._changes)


@pytest.mark.parametrize(
    "changes", [{"name": "another"}, {"endpoint": "http://elsewhere"}, {"params": {"reasoning_effort": "low"}}]
)
def test_another_model_endpoint_or_parameter_is_another_question(changes: dict[str, Any], tmp_path: Path) -> None:
    with judge_of(paid(), tmp_path) as judge:
        judge.rerank("q", DOCS)
    with judge_of(Elsewhere(**changes), tmp_path) as judge:
        assert judge.rerank("q", DOCS)[0].relevance_score == 0


BAD_REPLIES = {
    "truncated": ChatReply(text='{"relevant": tr', finish_reason="length"),
    "refused": ChatReply(text="I can't help with that.", finish_reason="refusal"),
    "filtered": ChatReply(text="", finish_reason="filter"),
    "unreadable": ChatReply(text="It depends on what you mean by it."),
    "failed": ProviderUnavailable("overloaded", status=503, retry_after_s=0.001),
}


@pytest.mark.parametrize("kind", BAD_REPLIES)
def test_a_reply_without_a_judgment_is_not_kept(kind: str, tmp_path: Path) -> None:
    bad = BAD_REPLIES[kind]
    with judge_of(paid(bad), tmp_path, max_attempts=1) as judge:
        judge.rerank("q", DOCS[:1])
    backend = paid(NO)
    with judge_of(backend, tmp_path) as judge:
        ranking = judge.rerank("q", DOCS[:1])
    assert len(backend.requests) == 1
    assert (ranking.status, ranking[0].relevance_score, ranking.usage.cached_calls) == ("complete", 0, 0)


@pytest.mark.parametrize(
    ("replies", "calls"),
    [
        (["Sure! Here it is: {'relevant': true,}"], 1),
        (["It depends on what you mean by it.", YES], 2),
        ([ChatReply(text='{"relevant": tr', finish_reason="length"), YES], 2),
    ],
    ids=["repaired", "unreadable first", "truncated first"],
)
def test_the_judgment_that_a_call_ended_with_is_kept(replies: list[Any], calls: int, tmp_path: Path) -> None:
    with judge_of(paid(replies), tmp_path) as judge:
        first = judge.rerank("q", DOCS[:1])
    backend = paid(NO)
    with judge_of(backend, tmp_path) as judge:
        second = judge.rerank("q", DOCS[:1])
    assert (first.usage.calls, first[0].relevance_score, first.status) == (calls, 1, "complete")
    assert (len(backend.requests), second[0].relevance_score, second.usage.cached_calls) == (0, 1, 1)


def test_a_reply_that_was_bought_counts_though_the_ranking_ends_while_it_is_stored(tmp_path: Path) -> None:
    token = CancelToken()

    def reply(_request: object) -> str:
        if len(backend.requests) == len(DOCS):
            token.cancel()
        return YES

    backend = paid(reply)
    with judge_of(backend, tmp_path, concurrency=1) as judge:
        ranking = judge.rerank("q", DOCS, cancel=token)
        again = judge.rerank("q", DOCS)
    assert (ranking.usage.calls, ranking.integrity.unjudged, ranking.status) == (6, (), "complete")
    assert (again.usage.calls, again.usage.cached_calls) == (0, 6)


def test_twins_under_way_are_sent_once(tmp_path: Path) -> None:
    backend = paid(latency_s=0.05, concurrency=32)
    with judge_of(backend, tmp_path) as judge, ThreadPoolExecutor(8) as pool:
        rankings = list(pool.map(lambda _: judge.rerank("q", ["the same text"] * 4), range(8)))
    assert len(backend.requests) == 1
    assert sum(ranking.usage.calls for ranking in rankings) == 1
    assert sum(ranking.usage.cached_calls for ranking in rankings) == 31
    assert len({ranking.usage.cost_usd for ranking in rankings}) == 2, "one paid, the others did not"


def test_when_the_first_of_twins_fails_the_next_asks(tmp_path: Path) -> None:
    backend = paid([ProviderUnavailable("reset", status=503), YES], latency_s=0.02)
    with judge_of(backend, tmp_path, max_attempts=1) as judge:
        ranking = judge.rerank("q", ["the same text"] * 5)
    assert len(backend.requests) == 2
    assert [result.relevance_score for result in ranking].count(1.0) == 4


@pytest.mark.parametrize("damage", ["a file in its place", "a damaged file"])
def test_a_folder_that_cannot_be_used_is_a_warning(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "cache"
    if damage == "a file in its place":
        folder.write_text("not a folder")
    else:
        with judge_of(paid(), folder) as judge:
            judge.rerank("q", DOCS)
        for file in folder.rglob("cache.db*"):
            file.write_bytes(b"garbage" * 1000)
    backend = paid(NO)
    with caplog.at_level(logging.WARNING), judge_of(backend, folder) as judge:
        ranking = judge.rerank("q", DOCS)
    assert (ranking.status, ranking[0].relevance_score) == ("complete", 0)
    assert len(backend.requests) == 6
    assert "cache" in caplog.text


def test_an_empty_cache_is_opened_once(tmp_path: Path) -> None:
    with judge_of(paid("not to be stored"), tmp_path) as judge:
        judge.rerank("q", DOCS)
        opened = len(list(Path("/dev/fd").iterdir()))
        judge.rerank("another", [f"{text} again" for text in DOCS * 5])
        assert len(list(Path("/dev/fd").iterdir())) <= opened + 2


@pytest.mark.slow
def test_identical_requests_of_four_processes_reach_the_provider_once(tmp_path: Path) -> None:
    judged = QrelsJudge(dict.fromkeys(SHARED_DOCS, 2.0))
    with Provider(judged, faults=Faults(1, {}, latency_s=(0.3, 0.3))) as provider, Nursery() as nursery:
        work = Work(port=provider.port, folder=str(tmp_path), budget_usd="1", queries=["the one"], copies=16)
        codes = [nursery.wait(pid) for pid in [nursery.start(work) for _ in range(4)]]
        assert codes == [0] * 4
        asked = [json.dumps(received.body["messages"]) for received in provider.received]
        assert len(asked) == len(set(asked)) == len(SHARED_DOCS), "64 times each, sent once"


@pytest.mark.slow
def test_kills_lose_no_money_and_no_answers(tmp_path: Path) -> None:
    trial = Trial(tmp_path, kills=6, processes=3, pause_s=0.4, budget_usd=Decimal("0.05"))
    assert trial.run().violations == []
