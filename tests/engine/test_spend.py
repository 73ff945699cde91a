"""Caps, prices and bills through the judge: what may be sent, what it is charged, and what comes back at the end."""

from __future__ import annotations

import asyncio
import json
import math
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from eval.bench.overshoot import MEMORY, in_process_run
from judge_rerank import Budget, BudgetExceeded, CancelToken, Judge, Price, PricingUnknown, Ranking
from judge_rerank.cli import run as command_line
from judge_rerank.core.backend import ChatReply, prompt_text
from judge_rerank.core.errors import InputError, LedgerError, ProviderTimeout, ProviderUnavailable, RateLimited
from judge_rerank.spending.ledger import Ledger
from judge_rerank.testing import FakeBackend
from tests.provider import Fault, Provider, QrelsJudge

YES = '{"relevant": true}'
DOCS = [f"a document of always the same length, {n:02}" for n in range(12)]
PRICES = {"fake": Price(input_usd_per_mtok=1, output_usd_per_mtok=1)}
"""A micro-dollar a token, so that a bill in micro-dollars is a number of tokens."""


@pytest.fixture(autouse=True)
def _no_budget_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JUDGE_RERANK_BUDGET_USD", "JUDGE_RERANK_TRACE"):
        monkeypatch.delenv(name, raising=False)


def paid(replies: Any = YES, **options: Any) -> FakeBackend:
    """A backend that costs something."""
    return FakeBackend(replies, local=False, **{"concurrency": 1, **options})


def judge_of(backend: FakeBackend, **options: Any) -> Judge:
    return Judge(backend, **{"prices": PRICES, "strategy": "binary", **options})


def bill(backend: FakeBackend, reply: str = YES) -> Decimal:
    """What a provider would charge for all that it was asked."""
    read = sum(backend.count_tokens(prompt_text(request.messages)) for request in backend.requests)
    return Decimal(read + len(backend.requests) * backend.count_tokens(reply)).scaleb(-6)


def one_call(docs: list[str] | None = None) -> tuple[Decimal, Decimal, int]:
    """What one call costs, the most that it could, and the most tokens."""
    backend = paid()
    judge = judge_of(backend)
    most = judge.estimate("q", docs or DOCS[:1]).cost_usd
    cost = judge.rerank("q", docs or DOCS[:1]).usage.cost_usd
    assert most is not None
    assert cost == bill(backend)
    assert cost < most
    return cost, most, int(most * 1_000_000)


COST, MOST, MOST_TOKENS = one_call()

Capped = Callable[[FakeBackend, Decimal, pytest.MonkeyPatch], Ranking]


def by_budget(
    backend: FakeBackend, room: Decimal, _env: pytest.MonkeyPatch, docs: Any = DOCS, **options: Any
) -> Ranking:
    return judge_of(backend, budget=Budget(usd=room), **options).rerank("q", docs)


def by_limit(
    backend: FakeBackend, room: Decimal, _env: pytest.MonkeyPatch, docs: Any = DOCS, **options: Any
) -> Ranking:
    judge = judge_of(backend, **options)
    with judge.limit(usd=room):
        return judge.rerank("q", docs)


def by_tokens(
    backend: FakeBackend, room: Decimal, _env: pytest.MonkeyPatch, docs: Any = DOCS, **options: Any
) -> Ranking:
    judge = judge_of(backend, **options)
    with judge.limit(tokens=int(room * 1_000_000)):
        return judge.rerank("q", docs)


def by_query(
    backend: FakeBackend, room: Decimal, _env: pytest.MonkeyPatch, docs: Any = DOCS, **options: Any
) -> Ranking:
    return judge_of(backend, **options).rerank("q", docs, max_usd=room)


def by_environment(
    backend: FakeBackend, room: Decimal, env: pytest.MonkeyPatch, docs: Any = DOCS, **options: Any
) -> Ranking:
    env.setenv("JUDGE_RERANK_BUDGET_USD", str(room))
    return judge_of(backend, **options).rerank("q", docs)


SOURCES = {
    "budget": by_budget,
    "limit": by_limit,
    "limit in tokens": by_tokens,
    "max_usd": by_query,
    "JUDGE_RERANK_BUDGET_USD": by_environment,
}
EVERY_SOURCE = pytest.mark.parametrize("source", SOURCES)


# --- caps --------------------------------------------------------------------------------------------------------


@EVERY_SOURCE
def test_a_cap_ends_the_ranking_and_the_rest_follows_in_order(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = paid()
    ranking = SOURCES[source](backend, 3 * COST + MOST, monkeypatch)
    judged = [result.index for result in ranking if result.relevance_score is not None]
    assert judged == list(range(len(judged))), "what there is room for goes to the first"
    assert len(judged) == len(backend.requests) >= 4
    assert bill(backend) == ranking.usage.cost_usd <= 3 * COST + MOST
    assert ranking.status == "partial"
    assert ranking.reasons[0].startswith("budget: the last judgment of ")
    assert source.partition(" ")[0] in ranking.reasons[0]
    rest = [index for index in range(12) if index not in judged]
    assert list(ranking.order) == judged + rest
    assert ranking.integrity.unjudged == tuple(rest)
    assert ranking.integrity.failed == {"budget": len(rest)}


@EVERY_SOURCE
def test_a_query_whose_first_call_cannot_be_afforded_spends_nothing(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = paid(concurrency=8)
    ranking = SOURCES[source](backend, MOST - Decimal("0.000001"), monkeypatch)
    assert backend.requests == []
    assert (ranking.status, ranking.order, ranking.usage.calls) == ("partial", tuple(range(12)), 0)
    assert ranking.usage.cost_usd == 0


@EVERY_SOURCE
@pytest.mark.parametrize("cached", [True, False])
def test_it_spends_nothing_on_smaller_calls_either(
    source: str, cached: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    backend, docs = paid(concurrency=8), [DOCS[0] * 60, *DOCS]
    options = {"cache_dir": tmp_path} if cached else {}
    ranking = SOURCES[source](backend, 2 * MOST, monkeypatch, docs=docs, **options)
    assert backend.requests == []
    assert (ranking.status, ranking.order, ranking.usage.cost_usd) == ("partial", tuple(range(13)), 0)
    assert ranking.integrity.failed == {"budget": 13}


@EVERY_SOURCE
def test_exhaustion_can_raise_with_the_ranking_so_far(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    backend, room = paid(), 3 * COST + MOST
    with pytest.raises(BudgetExceeded, match="used up") as caught:
        SOURCES[source](backend, room, monkeypatch, on_exhausted="raise")
    error = caught.value
    assert error.source == source.partition(" ")[0]
    expected = (bill(backend), room)
    if error.unit == "tokens":
        expected = tuple(amount * 1_000_000 for amount in expected)
    assert (error.spent, error.limit) == expected
    assert error.ranking is not None
    assert error.ranking.status == "partial"
    assert sorted(error.ranking.order) == list(range(12))


def test_on_exhausted_of_one_ranking_overrules_the_judge() -> None:
    judge = judge_of(paid(), budget=Budget(usd=MOST), on_exhausted="raise")
    assert judge.rerank("q", DOCS, on_exhausted="partial").status == "partial"
    with pytest.raises(BudgetExceeded):
        judge.rerank("q", DOCS)
    with pytest.raises(InputError, match="on_exhausted"):
        judge.rerank("q", DOCS, on_exhausted="ignore")  # type: ignore[arg-type]


def test_a_budget_that_suffices_is_not_felt() -> None:
    backend = paid(concurrency=8)
    ranking = judge_of(backend, budget=Budget(usd=8 * MOST + 4 * COST)).rerank("q", DOCS)
    assert ranking.status == "complete"
    assert ranking.usage.cost_usd == bill(backend)


def test_calls_under_way_are_waited_for_rather_than_refused() -> None:
    """Room for one worst case at a time: each call waits until the one before has settled for less."""
    backend = paid(concurrency=12, latency_s=0.005)
    ranking = judge_of(backend).rerank("q", DOCS, max_usd=11 * COST + MOST)
    assert ranking.status == "complete"
    assert backend.most_at_once < 12


def test_a_limit_in_calls_counts_every_attempt() -> None:
    backend = paid(RateLimited("429", status=429, retry_after_s=0.001))
    judge = judge_of(backend)
    with judge.limit(calls=3) as limit:
        ranking = judge.rerank("q", DOCS)
    assert len(backend.requests) == limit.spent.calls == 3
    assert (ranking.status, ranking.usage.cost_usd) == ("partial", 0)
    with judge.limit(calls=100):
        judge.rerank("q", DOCS[:1])
    assert len(backend.requests) == 8, "five attempts, as without a limit"


def test_limits_nest_and_the_tightest_holds() -> None:
    backend = paid()
    judge = judge_of(backend, budget=Budget(usd=1))
    with judge.limit(calls=7) as outer:
        with judge.limit(usd="0.5", calls=4):
            assert judge.rerank("q", DOCS).usage.calls == 4
        assert judge.rerank("other", DOCS, max_usd=2 * MOST).usage.calls >= 2
        assert judge.rerank("third", DOCS).status == "partial"
        assert outer.spent.calls == len(backend.requests) == 7
    assert judge.rerank("q", DOCS).status == "complete"


def test_a_limit_holds_in_the_threads_of_a_pool() -> None:
    backend = paid(concurrency=8, latency_s=0.002)
    judge = judge_of(backend)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(time.sleep, [0.001] * 4))  # its threads are there before the block is
        with judge.limit(calls=10) as limit:
            rankings = list(pool.map(lambda n: judge.rerank(f"query {n}", DOCS), range(6)))
        assert limit.spent.calls == len(backend.requests) == 10
        assert "partial" in {ranking.status for ranking in rankings}
        assert pool.submit(judge.rerank, "q", DOCS).result().status == "complete"


def test_threads_and_tasks_with_limits_of_their_own_do_not_count_in_each_others() -> None:
    backend = paid(concurrency=16, latency_s=0.002)
    judge, together = judge_of(backend), threading.Barrier(4)

    def limited(calls: int) -> int:
        with judge.limit(calls=calls) as limit:
            together.wait(300)
            judge.rerank(f"{calls}", DOCS)
            return limit.spent.calls

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(limited, [1, 2, 3, 50])) == [1, 2, 3, 12]

    async def task(calls: int) -> int:
        with judge.limit(calls=calls) as limit:
            await judge.arerank(f"task {calls}", DOCS)
            return limit.spent.calls

    async def tasks() -> list[int]:
        free = asyncio.create_task(judge.arerank("no limit", DOCS))
        found = await asyncio.gather(task(1), task(2), task(50))
        assert (await free).status == "complete"
        return found

    assert asyncio.run(tasks()) == [1, 2, 12]


def test_max_usd_is_for_each_query_of_many() -> None:
    backend = paid(concurrency=4)
    rankings = judge_of(backend).rerank_many(((f"query {n}", DOCS) for n in range(5)), max_usd=2 * COST + MOST)
    assert len(rankings) == 5
    for ranking in rankings:
        assert ranking.status == "partial"
        assert ranking.usage.calls >= 2
        assert ranking.usage.cost_usd is not None
        assert 0 < ranking.usage.cost_usd <= 2 * COST + MOST


def test_judges_share_a_ledger_file(tmp_path: Path) -> None:
    budget = Budget(usd=9 * COST + MOST, path=tmp_path / "spend.db")
    backends = [paid(concurrency=4, latency_s=0.002) for _ in range(3)]
    judges = [judge_of(backend, budget=budget) for backend in backends]
    with ThreadPoolExecutor(3) as pool:
        rankings = list(pool.map(lambda judge: judge.rerank("q", DOCS), judges))
    spent = sum(bill(backend) for backend in backends)
    assert 9 * COST < spent <= budget.usd
    assert sum(ranking.usage.cost_usd or 0 for ranking in rankings) == spent
    for judge in judges:
        judge.close()
    with Ledger(tmp_path / "spend.db") as ledger:
        assert sum(row.cost_usd for row in ledger.spend()) == spent
        assert ledger.verify() == []
    late = paid()
    assert judge_of(late, budget=budget).rerank("q", DOCS).usage.calls == 0


def test_a_budget_by_the_day_begins_afresh(tmp_path: Path) -> None:
    path = tmp_path / "spend.db"
    yesterday = Ledger(path, budget=Budget(usd=1), clock=lambda: time.time() - 86_400)

    async def spend() -> None:
        with await yesterday.reserve(500_000) as reservation:
            await reservation.sent()
            reservation.settle(500_000)

    asyncio.run(spend())
    yesterday.close()
    with judge_of(paid(), budget=Budget(usd="0.4", path=path, period="day")) as judge:
        assert judge.rerank("q", DOCS).status == "complete"
    with judge_of(paid(), budget=Budget(usd="0.4", path=path)) as judge:
        assert judge.rerank("q", DOCS).usage.calls == 0


def test_a_closed_judge_opens_again(tmp_path: Path) -> None:
    judge = judge_of(paid(), budget=Budget(usd=1, path=tmp_path / "spend.db"))
    for _ in range(2):
        with judge:
            assert judge.rerank("q", DOCS).status == "complete"
    judge = judge_of(paid())
    for _ in range(2):
        with judge, judge.limit(usd=1):
            assert judge.rerank("q", DOCS).status == "complete"
    judge = judge_of(paid(), budget=Budget(usd=1))
    with judge:
        judge.rerank("q", DOCS)
    with pytest.raises(LedgerError, match="was in memory"):
        judge.rerank("q", DOCS)


# --- prices ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["budget", "limit", "max_usd", "JUDGE_RERANK_BUDGET_USD"])
def test_an_unknown_price_under_a_cap_sends_nothing(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = paid(concurrency=8)
    with pytest.raises(PricingUnknown, match="'fake' is not known"):
        SOURCES[source](backend, Decimal(1), monkeypatch, prices={"another": Price()})
    assert backend.requests == []


def test_a_fallback_without_a_price_is_an_error_before_anything_is_sent() -> None:
    first, second = paid(ProviderUnavailable("503", status=503)), Unpriced(YES)
    with pytest.raises(PricingUnknown, match="'nobody-knows'"):
        Judge([first, second], prices=PRICES, budget=Budget(usd=1)).rerank("q", DOCS, "binary")
    assert first.requests == second.requests == []


class Unpriced(FakeBackend):
    """Another model, and nobody says what it costs."""

    def __init__(self, replies: Any) -> None:
        super().__init__(replies, local=False)

    @property
    def info(self) -> Any:
        from dataclasses import replace

        return replace(super().info, name="nobody-knows")


def test_without_a_cap_in_dollars_an_unknown_price_is_an_unknown_cost(caplog: pytest.LogCaptureFixture) -> None:
    judge = Judge(Unpriced(YES), strategy="binary")
    assert judge.rerank("q", DOCS).usage.cost_usd is None
    with judge.limit(calls=5, tokens=100_000) as limit:
        assert judge.rerank("other", DOCS).usage.calls == 5
    assert limit.spent.calls == 5
    own_price = ChatReply(text=YES, input_tokens=10, output_tokens=5, cost_usd=Decimal("0.001"))
    judge = Judge(Unpriced(own_price), strategy="binary")
    with judge.limit(calls=5):
        assert judge.rerank("q", DOCS).usage.cost_usd == Decimal("0.005")
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_prices_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text("fake:\n  input_usd_per_mtok: 2\n  output_usd_per_mtok: 2\n")
    backend = paid()
    ranking = judge_of(backend, prices=file, budget=Budget(usd=1)).rerank("q", DOCS)
    assert ranking.usage.cost_usd == 2 * bill(backend)
    assert judge_of(paid(), prices=str(file)).estimate("q", DOCS[:1]).cost_usd == 2 * MOST


def test_a_local_model_costs_nothing_and_needs_no_price() -> None:
    ranking = Judge(FakeBackend(YES), budget=Budget(usd="0.000001")).rerank("q", DOCS, "binary")
    assert (ranking.status, ranking.usage.cost_usd) == ("complete", 0)


# --- bills -------------------------------------------------------------------------------------------------------

Failure = Callable[[], Exception]
AGAIN = {"retry_after_s": 0.001}
FAILURES: dict[str, tuple[Failure, bool]] = {
    "timeout": (lambda: ProviderTimeout("too late", **AGAIN), True),
    "lost connection": (lambda: ProviderUnavailable("reset", **AGAIN), True),
    "half an answer": (lambda: ProviderUnavailable("half", status=200, **AGAIN), True),
    "gateway": (lambda: ProviderUnavailable("the model did not answer", status=504, **AGAIN), True),
    "not sent": (lambda: ProviderUnavailable("no connection", sent=False, **AGAIN), False),
    "rate limit": (lambda: RateLimited("slow down", status=429, **AGAIN), False),
    "overloaded": (lambda: ProviderUnavailable("overloaded", status=503, **AGAIN), False),
}


@pytest.mark.parametrize("capped", [True, False])
@pytest.mark.parametrize("failure", FAILURES)
def test_each_attempt_is_charged_for_what_it_can_have_cost(failure: str, capped: bool, tmp_path: Path) -> None:
    error, billed = FAILURES[failure]
    budget = Budget(usd=1, path=tmp_path / "spend.db") if capped else None
    with judge_of(paid([error(), error(), YES]), budget=budget) as judge:
        usage = judge.rerank("q", DOCS[:1]).usage
    assert (usage.calls, usage.retries) == (1, 2)
    expected = COST + 2 * MOST if billed else COST
    assert usage.cost_usd == expected
    if capped:
        with Ledger(tmp_path / "spend.db") as ledger:
            (row,) = ledger.spend()
            assert (row.cost_usd, row.unconfirmed_usd) == (expected, expected - COST)
            assert row.calls == (1 if failure == "not sent" else 3)


@pytest.mark.parametrize("capped", [True, False])
def test_what_a_deadline_cuts_off_stays_charged_in_full(capped: bool, tmp_path: Path) -> None:
    budget = Budget(usd=1, path=tmp_path / "spend.db") if capped else None
    backend = paid(latency_s=30, concurrency=5)
    with judge_of(backend, budget=budget) as judge:
        ranking = judge.rerank("q", DOCS, deadline_s=0.7)
    sent = len(backend.requests)  # five, unless the machine was busy
    assert sent <= 5
    assert (ranking.status, ranking.usage.cost_usd) == ("partial", sent * MOST)
    assert all(request.timeout_s <= 0.7 for request in backend.requests)
    if capped:
        with Ledger(tmp_path / "spend.db") as ledger:
            assert (ledger.totals().spent, ledger.totals().held) == (int(sent * MOST * 1_000_000), 0)


def test_what_a_caller_cancels_stays_charged_in_full(tmp_path: Path) -> None:
    budget = Budget(usd=1, path=tmp_path / "spend.db")
    backend, token = paid(latency_s=30, concurrency=3), CancelToken()

    def wait_for(requests: int) -> None:
        while len(backend.requests) < requests:
            time.sleep(0.005)

    def use_token() -> None:
        wait_for(3)
        token.cancel()

    async def cancelled_task(judge: Judge) -> None:
        task = asyncio.create_task(judge.arerank("p", DOCS))
        await asyncio.to_thread(wait_for, 6)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with judge_of(backend, budget=budget) as judge:
        threading.Thread(target=use_token).start()
        assert judge.rerank("q", DOCS, cancel=token).usage.cost_usd == 3 * MOST
        asyncio.run(cancelled_task(judge))
    with Ledger(tmp_path / "spend.db") as ledger:
        assert ledger.spend()[0].unconfirmed_usd == 6 * MOST
        assert ledger.totals().held == 0


def test_a_reply_that_does_not_say_what_it_used_is_charged_in_full() -> None:
    silent = ChatReply(text=YES)
    judge = judge_of(paid(silent))
    with judge.limit(usd=1, tokens=10**6) as limit:
        assert judge.rerank("q", DOCS).usage.cost_usd == 12 * MOST
    assert (limit.spent.micro_usd, limit.spent.tokens) == (12 * MOST_TOKENS, 12 * MOST_TOKENS)
    free = Judge(FakeBackend(silent), strategy="binary")
    with free.limit(tokens=2 * MOST_TOKENS) as limit:
        assert free.rerank("q", DOCS).usage.calls == 2
    assert limit.spent.tokens == 2 * MOST_TOKENS


def test_a_bill_above_its_reservation_stops_the_budget(caplog: pytest.LogCaptureFixture) -> None:
    dear = ChatReply(text=YES, usage={"prompt_tokens": 50_000, "completion_tokens": 10})
    backend = paid(dear)
    judge = judge_of(backend, budget=Budget(usd=1))
    ranking = judge.rerank("q", DOCS)
    assert len(backend.requests) == 1
    assert ranking.usage.cost_usd == Decimal("0.050010")
    assert "stopped" in ranking.reasons[0]
    assert "was billed $0.05001 " in caplog.text
    assert judge.rerank("other", DOCS).usage.calls == 0


@pytest.mark.parametrize("count", [0, None, -7, 10**15, math.nan, "12", True], ids=str)
def test_input_that_is_not_counted_costs_the_most_it_can(count: Any) -> None:
    silent = ChatReply(
        text=YES,
        input_tokens=count,
        output_tokens=2,
        usage={"prompt_tokens": count, "completion_tokens": 2, "total_tokens": 2},
    )
    backend = paid(silent)
    ranking = judge_of(backend).rerank("q", DOCS, max_usd=3 * MOST)
    assert len(backend.requests) == 3
    assert ranking.usage.cost_usd == 3 * MOST


def test_a_ledger_that_breaks_does_not_lose_what_was_paid_for(tmp_path: Path) -> None:
    def reply(_: Any) -> str:
        if len(backend.requests) == 3:
            with closing(sqlite3.connect(tmp_path / "spend.db", timeout=9)) as connection:
                connection.execute("DROP TABLE calls")
        return YES

    backend = paid(reply, concurrency=1)
    with judge_of(backend, budget=Budget(usd=1, path=tmp_path / "spend.db")) as judge:
        ranking = judge.rerank("q", DOCS)
        assert (ranking.status, ranking.usage.calls) == ("partial", 3)
        assert "the spending could not be recorded" in ranking.reasons[0]
        assert "no such table" in ranking.reasons[0]
        assert sum(judgment.score is not None for r in ranking for judgment in r.judgments) == 3
        with pytest.raises(LedgerError, match="no such table"):
            judge.rerank("another", DOCS)
    assert len(backend.requests) == 3, "nothing is sent that cannot be recorded"


def test_asking_again_is_paid_for_as_well() -> None:
    backend = paid(["no idea", YES])
    ranking = judge_of(backend).rerank("q", DOCS[:1], max_usd=COST + 2 * MOST)
    assert (ranking.usage.calls, ranking.usage.reasks) == (2, 1)
    read = sum(backend.count_tokens(prompt_text(request.messages)) for request in backend.requests)
    assert ranking.usage.cost_usd == Decimal(read + 2 + 5).scaleb(-6)
    poor = paid(["no idea", YES])
    ranking = judge_of(poor).rerank("q", DOCS[:1], max_usd=MOST)
    assert len(poor.requests) == 1
    assert (ranking.status, ranking.integrity.failed) == ("partial", {"budget": 1})


# --- over sockets ------------------------------------------------------------------------------------------------

GRADES = {f"text number {n} of the corpus": n % 4 for n in range(10)}


@contextmanager
def hosted(provider: Provider, **options: Any) -> Generator[Judge]:
    options = {"prices": None, "cache_dir": None, "timeout_s": 20.0, **options}
    with Judge("openai/gpt-4o-mini", api_base=f"{provider.url}/v1", api_key="sk-loopback-key-000", **options) as judge:
        yield judge


def test_spend_on_the_command_line_agrees_with_the_providers_meter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger, trace = tmp_path / "spend.db", tmp_path / "trace.db"
    with Provider(QrelsJudge(GRADES, noise=0.5), cached_share=0.3) as provider:
        provider.misbehave(Fault.too_many("0.01"), None, Fault(kind="truncated"), Fault(kind="bad_order"))
        with hosted(provider, budget=Budget(usd=1, path=ledger), trace=trace) as judge:
            rankings = [judge.rerank(q, list(GRADES), s) for q in ("one", "two") for s in ("score", "listwise")]
            rankings.append(judge.rerank("three", list(GRADES), "binary(batch_size=4)"))
        bill = provider.bill
    assert all(sorted(ranking.order) == list(range(10)) for ranking in rankings)
    assert bill.requests >= 25
    assert sum(ranking.usage.cost_usd or 0 for ranking in rankings).scaleb(6) == bill.microusd
    for by in ("model", "day", "strategy", "prompt"):
        for source in (("--ledger", ledger), ("--trace", trace)):
            capsys.readouterr()
            assert command_line([str(part) for part in ("spend", "--by", by, *source, "--format", "json")]) == 0
            rows = json.loads(capsys.readouterr().out)
            assert sum(Decimal(row["cost_usd"]) for row in rows).scaleb(6) == bill.microusd
            assert sum(row["input_tokens"] for row in rows) == bill.input_tokens
            assert sum(row["output_tokens"] for row in rows) == bill.output_tokens


def test_a_cap_holds_against_a_provider_that_misbehaves() -> None:
    faults = [Fault(kind=kind) for kind in ("drop", "no_usage", "half_body", "reset", "bad_json", "truncated")]
    with Provider(QrelsJudge(GRADES)) as provider:
        provider.misbehave(*faults, Fault.too_many("0.01"), *faults)
        with hosted(provider, concurrency=16) as judge, judge.limit(usd="0.0006") as limit:
            rankings = judge.rerank_many([(f"query {n}", list(GRADES)) for n in range(4)], "score")
        assert 0 < provider.bill.microusd <= limit.spent.micro_usd <= 600
    assert {ranking.status for ranking in rankings} >= {"partial"}
    assert sum(ranking.usage.cost_usd or 0 for ranking in rankings).scaleb(6) == limit.spent.micro_usd


# --- everything at once ------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [range(start, start + 15) for start in (0, 15, 30, 45)])
def test_no_run_ever_overshoots(seeds: range) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        for seed in seeds:
            assert in_process_run(seed, Path(folder)).violations == [], f"seed {seed}"


def test_most_of_an_exhausted_budget_bought_something(tmp_path: Path) -> None:
    result = in_process_run(3, tmp_path, clean=True)
    assert result.exhausted
    assert 0.95 <= result.utilisation <= 1
