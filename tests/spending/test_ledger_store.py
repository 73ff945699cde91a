"""A ledger in a database: leases, lost connections, many beginners, and what is wrong with a store."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import pytest

from judge_rerank import Budget, InputError, LedgerError, MissingExtra
from judge_rerank.spending.budget import Cap
from judge_rerank.spending.ledger import Ledger, LedgerCap
from judge_rerank.spending.ledger_book import Totals
from tests.postgres import Proxy, query

CENT = 10_000


def run(work: Callable[[], Awaitable[Any]]) -> Any:
    async def limited() -> Any:
        async with asyncio.timeout(40):
            return await work()

    return asyncio.run(limited())


async def buy(ledger: Ledger, most: int, billed: int, **options: Any) -> None:
    with await ledger.reserve(most, **options) as reservation:
        await reservation.sent()
        reservation.settle(billed)


def other_address(store: str, **parts: str) -> str:
    """The store under another user, database or host."""
    base, _, query_ = store.partition("?")
    user, database = parts.get("user", "postgres"), parts.get("database", base.rpartition("/")[2])
    host = base.rpartition("@")[2].partition("/")[0]
    return f"postgresql://{user}:hunter2secret@{host}/{database}?{query_}"


@pytest.mark.parametrize("answered", [False, True], ids=["before it commits", "after it committed"])
@pytest.mark.parametrize("cut_at", [b"COMMIT", b"ledger_accounts", b"ledger_calls"])
def test_a_connection_that_is_lost_in_a_reservation_counts_it_once(proxy: Proxy, cut_at: bytes, answered: bool) -> None:
    cap = Cap("limit", usd="1")

    async def work() -> None:
        await buy(ledger, CENT, CENT, caps=[cap])
        proxy.cut_at, proxy.answered, proxy.cuts = cut_at, answered, 2
        reservation = await ledger.reserve(3 * CENT, caps=[cap])
        assert ledger.totals() == Totals(spent=CENT, held=3 * CENT)
        proxy.cuts = 1
        await reservation.sent()
        proxy.cuts = 1
        reservation.settle(2 * CENT)
        assert ledger.totals() == Totals(spent=3 * CENT)
        assert (cap.spent.micro_usd, cap.held.micro_usd) == (3 * CENT, 0)

    with Ledger(proxy.store, budget=Budget(usd="0.05")) as ledger:
        run(work)
        assert ledger.verify() == []
    assert proxy.made > 2
    assert query(proxy.store, "SELECT state, count(*) FROM ledger_calls GROUP BY state") == [("settled", 2)]


def test_connections_that_are_ended_at_random_lose_and_double_nothing(store: str) -> None:
    async def work() -> None:
        async def one() -> None:
            for _ in range(10):
                await buy(ledger, CENT, CENT // 2)

        async def ends() -> None:
            for _ in range(12):
                await asyncio.sleep(0.05)
                await asyncio.to_thread(
                    query,
                    store,
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = 'judge-rerank' AND pid <> pg_backend_pid()",
                )

        await asyncio.gather(ends(), *(one() for _ in range(12)))

    with Ledger(store, budget=Budget(usd="5")) as ledger:
        ledger.flush()
        run(work)
        assert ledger.totals() == Totals(spent=120 * CENT // 2)
        assert ledger.verify() == []


def test_a_session_that_was_paused_does_not_send_what_it_lost_and_settles_once(store: str) -> None:
    async def work() -> None:
        reserved, sent = await paused.reserve(2 * CENT), await paused.reserve(CENT)
        await sent.sent()
        query(store, "UPDATE ledger_writers SET expires = now() - interval '1 second'")
        await buy(ours, CENT, CENT)  # a new session sweeps
        assert ours.totals() == Totals(spent=2 * CENT)
        with pytest.raises(LedgerError, match="was given back"):
            await reserved.sent()
        reserved.release()
        sent.settle(CENT // 2)
        paused.flush()
        sent.settle(CENT // 2)
        await buy(paused, CENT, CENT)  # it goes on as a new session
        paused.flush()

    with Ledger(store) as paused:
        paused.flush()
        with Ledger(store, budget=Budget(usd="0.05")) as ours:
            run(work)
            assert ours.totals() == Totals(spent=2 * CENT + CENT // 2)
            assert ours.verify() == []


def test_a_call_that_takes_longer_than_a_lease_is_kept(store: str) -> None:
    async def work() -> None:
        reservation = await theirs.reserve(CENT)
        await reservation.sent()
        await asyncio.sleep(1.2)
        await buy(ours, CENT, CENT)
        assert ours.totals() == Totals(spent=CENT, held=CENT)
        reservation.settle(0)

    with Ledger(store, lease_s=0.5) as theirs, Ledger(store) as ours:
        theirs.flush()
        run(work)
        assert ours.spend()[0].unconfirmed_usd == 0


def test_many_that_begin_at_once_make_the_tables_once(store: str) -> None:
    def begin(_: int) -> int:
        with Ledger(store, budget=Budget(usd=1)) as ledger:
            run(lambda: buy(ledger, CENT, CENT))
            return ledger.totals().spent

    with ThreadPoolExecutor(8) as pool:
        assert max(pool.map(begin, range(8))) == 8 * CENT


def test_accounts_in_one_store_are_ledgers_of_their_own(store: str) -> None:
    budgets = [Budget(usd="0.02", store=store, account=name) for name in ("", "a", "b")]
    with ExitStack() as stack:
        first, *rest = [stack.enter_context(Ledger.of(budget)) for budget in budgets]
        run(lambda: buy(first, CENT, CENT, caps=[LedgerCap(ledger) for ledger in rest]))
        run(lambda: buy(rest[0], CENT, CENT))
        assert [ledger.totals().spent for ledger in (first, *rest)] == [CENT, 2 * CENT, CENT]
        assert [ledger.spend()[0].cost_usd for ledger in (first, *rest)] == [
            Decimal("0.01"),
            Decimal("0.02"),
            Decimal("0.01"),
        ]
        assert all(ledger.verify() == [] for ledger in (first, *rest))


@pytest.mark.parametrize("kind", ["file", "store"])
def test_calls_that_are_paid_from_the_same_two_ledgers_never_wait_for_each_other(
    kind: str, request: pytest.FixtureRequest, tmp_path: Any
) -> None:
    """Each is the other's limit, and there is room for one call: whoever takes the first gets the second."""
    if kind == "store":
        at = request.getfixturevalue("store")
        places = [(at, "a"), (at, "b")]
    else:
        places = [(tmp_path / "a.db", ""), (tmp_path / "b.db", "")]
    budget = Budget(usd="0.01")

    async def work() -> None:
        async def one(own: Ledger, other: Ledger) -> None:
            for _ in range(20):
                with await own.reserve(CENT, caps=[LedgerCap(other)]) as reservation:
                    await asyncio.sleep(0)
                    reservation.release()

        await asyncio.gather(one(a, b), one(b2, a2))

    with ExitStack() as stack:
        a, b, a2, b2 = (
            stack.enter_context(Ledger(place, budget=budget, account=account)) for place, account in places * 2
        )
        run(work)


def unreachable(_: str) -> str:
    return "postgresql://postgres:hunter2secret@127.0.0.1:9/db"


def unknown_host(_: str) -> str:
    return "postgresql://postgres:hunter2secret@nowhere.invalid/db"


def no_database(store: str) -> str:
    return other_address(store, database="no_such_database")


def unknown_user(store: str) -> str:
    return other_address(store, user="nobody_known")


def newer(store: str) -> str:
    Ledger(store).verify()
    query(store, "UPDATE judge_rerank_versions SET version = 99")
    return store


def read_only(store: str) -> str:
    return f"{store}&options=-c%20default_transaction_read_only%3Don"


def unknown_option(store: str) -> str:
    return f"{store}&colour=blue"


def without_rights(store: str) -> str:
    query(store, "DO $$ BEGIN CREATE ROLE weak LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    return other_address(store, user="weak")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (unreachable, "cannot be reached"),
        (unknown_host, "cannot be reached"),
        (no_database, "Create the database"),
        (unknown_user, "Check the user|cannot be used"),
        (newer, "newer version"),
        (read_only, "can only be read"),
        (unknown_option, "address of the shared store cannot be read"),
        (without_rights, "right to create"),
    ],
)
def test_a_store_that_cannot_be_used_is_never_unlimited(store: str, harm: Callable[[str], str], message: str) -> None:
    address = harm(store)
    began = time.monotonic()
    with Ledger(address, budget=Budget(usd=1)) as ledger:
        for _ in range(2):
            with pytest.raises(LedgerError, match=message) as caught:
                run(lambda: buy(ledger, CENT, CENT))
            assert "/" in str(caught.value)
            assert "hunter2secret" not in str(caught.value)
    assert time.monotonic() - began < 20


def test_an_address_that_is_none_is_refused_in_the_callers_words() -> None:
    for address in ("mysql://a:hunter2secret@b/c", "postgresql://a:hunter2secret@b:port/c", "somewhere"):
        with pytest.raises(InputError, match=r"store is .*expected the address") as caught:
            Budget(usd=1, store=address)
        assert "hunter2secret" not in str(caught.value)
    with pytest.raises(InputError, match="schema="):
        Budget(usd=1, store="postgresql://b/c?schema=a;b")
    with pytest.raises(InputError, match="path or store"):
        Budget(usd=1, store="postgresql://b/c", path="a.db")
    assert "hunter2secret" not in repr(Budget(usd=1, store="postgresql://a:hunter2secret@b/c"))


def test_without_the_driver_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtra, match=r"pip install 'judge-rerank\[postgres\]'"):
        Ledger("postgresql://b/c")
