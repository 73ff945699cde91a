"""What workers share: the concurrency limit, the ledger, and what scorers said; here without other processes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge_rerank import Budget, BudgetExceeded, Document, Judge, Ranking
from judge_rerank.bulk import shared_ledger, shared_slots
from judge_rerank.bulk.recorded_scores import Recorded, Recording, ScoresRecorded, together
from judge_rerank.bulk.shared_ledger import Answer, LedgerOwner, Order, SharedLedger
from judge_rerank.bulk.shared_slots import SharedSlots, SlotShares
from judge_rerank.core import Query
from judge_rerank.spending import Ledger
from judge_rerank.strategies import parse
from judge_rerank.testing import FakeBackend
from tests.bulk.wire import Lengths

TEXTS = [f"text {'x' * (place * 7 % 23)} {place}" for place in range(40)]


class Worker:
    """A worker as the one who keeps the slots knows it: it may hear an answer late, and use what it had until then."""

    def __init__(self) -> None:
        self.used = self.may_use = 0


@given(st.integers(1, 20), st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30), st.integers(0, 30)), max_size=60))
def test_shares_never_add_up_to_more_than_the_limit(limit: int, steps: Sequence[tuple[int, int, int]]) -> None:
    shares, workers = SlotShares(limit, clock=lambda: 0.0), [Worker() for _ in range(4)]
    for place, wanted, used in steps:
        worker = workers[place]
        worker.used = min(used, worker.may_use)
        worker.may_use = shares.renew(str(place), wanted=wanted, used=worker.used)
        assert sum(each.may_use for each in workers) <= limit


def test_slots_are_fair_and_those_of_the_dead_are_free_again() -> None:
    now = 0.0
    shares = SlotShares(10, clock=lambda: now)
    assert shares.renew("a", wanted=30, used=0) == 10
    assert shares.renew("b", wanted=30, used=0) == 0  # a has all of them
    assert shares.renew("a", wanted=30, used=10) == 10  # it uses them
    assert shares.renew("a", wanted=30, used=5) == 5
    assert shares.renew("b", wanted=30, used=0) == 0  # a may not have heard yet
    assert shares.renew("a", wanted=30, used=5) == 5
    assert shares.renew("b", wanted=30, used=0) == 5
    now = shared_slots.LEASE_S + 1
    assert shares.renew("b", wanted=30, used=5) == 10


def test_as_many_are_let_in_as_the_share_says() -> None:
    inside = most = 0

    async def one(slots: SharedSlots) -> None:
        nonlocal inside, most
        async with slots:
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.001)
            inside -= 1

    async def all_of_them() -> None:
        async def renew(wanted: int, used: int) -> int:
            return 3

        slots = SharedSlots(renew)
        await asyncio.gather(*(one(slots) for _ in range(20)))

    asyncio.run(all_of_them())
    assert most == 3


def test_a_shared_ledger_holds_the_cap_and_what_a_dead_worker_sent_stays_charged(tmp_path: Path) -> None:
    now = 0.0
    budget = Budget(usd="0.001", path=tmp_path / "spend.db")
    owner = LedgerOwner(budget, clock=lambda: now)

    async def apply(worker: str, orders: Sequence[Order]) -> list[Answer]:
        return await owner.apply(worker, orders)

    async def steps() -> None:
        nonlocal now
        alive, dead = SharedLedger(budget, apply), SharedLedger(budget, apply)
        first = await alive.reserve(300)
        await first.sent()
        first.settle(200)
        await alive.written()
        sent = await dead.reserve(300)
        await sent.sent()
        await dead.reserve(300)  # never sent
        waiting = asyncio.create_task(alive.reserve(400))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        now = shared_ledger.LEASE_S + 1
        last = await waiting
        await last.sent()
        last.settle(400)
        await alive.written()
        with pytest.raises(BudgetExceeded, match=r"budget is used up: \$0.0009 of \$0.001 spent"):
            await alive.reserve(101)

    asyncio.run(steps())
    owner.close()
    with Ledger(tmp_path / "spend.db", budget=budget) as ledger:
        assert (ledger.totals().spent, ledger.totals().held, ledger.verify()) == (900, 0, [])


def test_an_owner_that_closes_charges_what_workers_had_sent_that_were_killed(tmp_path: Path) -> None:
    budget = Budget(usd="0.001", path=tmp_path / "spend.db")
    owner = LedgerOwner(budget)

    async def steps() -> None:
        killed = SharedLedger(budget, owner.apply)
        sent = await killed.reserve(300)
        await sent.sent()
        await killed.reserve(400)  # never sent

    asyncio.run(steps())
    owner.close()
    with Ledger(tmp_path / "spend.db", budget=budget) as ledger:
        assert (ledger.totals().spent, ledger.totals().held, ledger.verify()) == (300, 0, [])


def test_an_owner_that_is_gone_is_an_error_and_no_call_is_sent(tmp_path: Path) -> None:
    async def apply(worker: str, orders: Sequence[Order]) -> list[Answer]:
        raise ConnectionError("gone")

    async def steps() -> None:
        await SharedLedger(Budget(usd="1"), apply).reserve(1)

    with pytest.raises(Exception, match="The ledger of the run cannot be reached: gone"):
        asyncio.run(steps())


SPECS = [
    "lengths % 10 >> score",
    "lengths",
    "lengths % 20 >> lengths(modulo=5) % 5 >> listwise",
    "bm25 % 30 >> lengths",
]


@pytest.mark.parametrize("spec", SPECS)
def test_a_ranking_with_recorded_scores_is_the_ranking(spec: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    strategy = parse(spec.replace("lengths", f"lengths(log={str(log)!r})", 1))
    query, documents = Query(text="x text", id="q1"), [Document(text=text, id=text) for text in TEXTS]

    def judge() -> Judge:
        return Judge(FakeBackend("7"), strategy=strategy)

    with judge() as alone:
        expected = alone.rerank(query, documents)
    log.unlink()
    recording = Recording(strategy=strategy)
    with Judge(None, cache_dir=None) as scoring:
        scoring.rerank(query, documents, recording)
    before = log.read_text()
    with judge() as judging:
        known = ScoresRecorded(strategy=strategy)
        with known.knowing(recording.found):
            made = judging.rerank(query, documents, known)
        assert not known.table
    assert log.read_text() == before  # nothing was scored again
    assert _without_times(made) == _without_times(expected)
    assert (made.strategy, made.kept, made.status) == (expected.strategy, expected.kept, expected.status)


def _without_times(ranking: Ranking) -> list[tuple[object, ...]]:
    return [(each.index, each.relevance_score, [j.score for j in each.judgments]) for each in ranking]


def test_shards_together_are_what_one_would_say() -> None:
    strategy = parse("lengths % 10 >> score")
    query, documents = Query(text="x", id="q1"), [Document(text=text, id=text) for text in TEXTS]

    def recorded(first: int, end: int) -> list[Recorded]:
        recording = Recording(strategy=strategy, rounds=1)
        with Judge(None, cache_dir=None) as scoring:
            scoring.rerank(query, documents[first:end], recording)
        return [each.shifted(first) for each in recording.found]

    shards = [*recorded(30, 40), *recorded(0, 15), *recorded(15, 30)]
    assert together(shards) == recorded(0, 40)
    assert Lengths().by_itself
