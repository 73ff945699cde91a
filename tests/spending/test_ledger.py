"""The ledger in one process: waiting, refusing, periods, damage, and what is left when things go wrong."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from judge_rerank.core.errors import BudgetExceeded, LedgerError, PricingUnknown
from judge_rerank.spending.budget import Budget, Cap, Charge
from judge_rerank.spending.ledger import Label, Ledger, LedgerCap
from judge_rerank.spending.ledger_book import Totals
from judge_rerank.spending.ledger_file import STALE_S, LedgerFile
from judge_rerank.spending.ledger_report import audit

CENT = 10_000


class Clock:
    """Seconds since the epoch, as the test says: 2026-01-31 23:59:00 UTC."""

    def __init__(self) -> None:
        self.now = 1_769_903_940.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=["memory", "file", "store"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str | None:
    """Where a ledger is kept: nowhere, in a file, in a database."""
    if request.param == "store":
        return request.getfixturevalue("store")
    return tmp_path / "spend.db" if request.param == "file" else None


@pytest.fixture(params=["file", "store"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a ledger is kept that others can open."""
    return request.getfixturevalue("store") if request.param == "store" else tmp_path / "spend.db"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "spend.db"


def run(work: Callable[[], Awaitable[Any]]) -> Any:
    async def limited() -> Any:
        async with asyncio.timeout(20):
            return await work()

    return asyncio.run(limited())


async def buy(ledger: Ledger, most: int, billed: int, **options: Any) -> None:
    with await ledger.reserve(most, **options) as reservation:
        await reservation.sent()
        reservation.settle(billed, input_tokens=100, output_tokens=10)


async def settled(task: asyncio.Task[Any]) -> bool:
    """Whether the task is done once the ledger has had time for it."""
    await asyncio.wait([task], timeout=0.15)
    return task.done()


def test_a_call_is_reserved_then_settled(path: Path | str | None) -> None:
    async def work() -> None:
        reservation = await ledger.reserve(3 * CENT, tokens=5)
        assert (ledger.totals().held, ledger.totals().spent) == (3 * CENT, 0)
        await reservation.sent()
        assert ledger.totals().held == 3 * CENT
        reservation.settle(CENT)
        assert (ledger.totals().held, ledger.totals().spent) == (0, CENT)

    with Ledger(path, budget=Budget(usd="0.05")) as ledger:
        run(work)
        assert ledger.verify() == []


def test_what_was_spent_outlives_the_process(shared: Path | str) -> None:
    for spent in (2 * CENT, 4 * CENT):
        with Ledger(shared, budget=Budget(usd="0.05")) as ledger:
            run(lambda ledger=ledger: buy(ledger, 2 * CENT, 2 * CENT))
            assert ledger.totals().spent == spent
    with (
        Ledger(shared, budget=Budget(usd="0.05")) as ledger,
        pytest.raises(BudgetExceeded, match=r"budget is used up: \$0.04 of \$0.05 spent"),
    ):
        run(lambda: buy(ledger, 2 * CENT, CENT))


def test_it_waits_while_calls_under_way_may_leave_room(path: Path | str | None) -> None:
    async def work() -> None:
        first = await ledger.reserve(3 * CENT)
        second = asyncio.create_task(ledger.reserve(3 * CENT))
        assert not await settled(second)
        await first.sent()
        first.settle(CENT)
        (await second).release()

    with Ledger(path, budget=Budget(usd="0.05")) as ledger:
        run(work)
        assert (ledger.totals().spent, ledger.totals().held) == (CENT, 0)


def test_it_refuses_when_what_is_under_way_leaves_no_room(path: Path | str | None) -> None:
    async def work() -> None:
        first = await ledger.reserve(3 * CENT)
        second = asyncio.create_task(ledger.reserve(3 * CENT))
        await first.sent()
        first.forfeit()
        with pytest.raises(BudgetExceeded):
            await second
        first.settle(CENT)
        (await ledger.reserve(3 * CENT)).release()

    with Ledger(path, budget=Budget(usd="0.05")) as ledger:
        run(work)
        assert ledger.verify() == []


def test_a_call_that_can_never_fit_is_refused_at_once_though_others_are_under_way(path: Path | str | None) -> None:
    async def work() -> None:
        with await ledger.reserve(CENT):
            with pytest.raises(BudgetExceeded) as caught:
                await ledger.reserve(6 * CENT)
            assert caught.value.needed == Decimal("0.06")

    with Ledger(path, budget=Budget(usd="0.05")) as ledger:
        run(work)


def test_it_waits_for_another_process_by_looking_again(shared: Path | str) -> None:
    async def work() -> None:
        reservation = await theirs.reserve(3 * CENT)
        waiting = asyncio.create_task(ours.reserve(3 * CENT))
        assert not await settled(waiting)
        reservation.release()
        (await waiting).release()

    with Ledger(shared) as theirs, Ledger(shared, budget=Budget(usd="0.05")) as ours:
        run(work)


def test_leaving_the_block_gives_back_what_was_not_sent_and_keeps_what_was(path: Path | str | None) -> None:
    async def work() -> None:
        with await ledger.reserve(CENT):
            pass
        assert ledger.totals().spent == 0
        with suppress(TimeoutError), await ledger.reserve(CENT) as reservation:
            await reservation.sent()
            raise TimeoutError
        assert ledger.totals().spent == CENT

    with Ledger(path) as ledger:
        run(work)
        assert ledger.totals().held == 0
        assert ledger.spend()[0].unconfirmed_usd == Decimal("0.01")


def test_what_leaves_at_once_is_reserved_and_sent_in_one_write(path: Path | str | None) -> None:
    async def work() -> None:
        with await ledger.reserve(40, leaves=True) as reservation:
            await reservation.sent()
        assert (ledger.totals().spent, ledger.totals().held) == (40, 0)  # sent, and its bill is not known
        with await ledger.reserve(50, leaves=True) as reservation:
            assert ledger.totals().held == 50
            reservation.release()
        await buy(ledger, 60, 6, leaves=True)
        assert (ledger.totals().spent, ledger.totals().held) == (46, 0)
        with await ledger.reserve(70, leaves=True, caps=[LedgerCap(second)]):
            pass  # the other ledger could have kept it waiting, so it was not sent
        assert ledger.totals().spent == 46
        assert second.totals().spent == second.totals().held == 0
        assert ledger.verify() == []

    with Ledger(path) as ledger, Ledger(budget=Budget(usd=1)) as second:
        run(work)


def test_a_dropped_reservation_is_not_lost(path: Path | str | None, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        reservation = await ledger.reserve(CENT)
        del reservation
        gc.collect()
        assert ledger.totals().held == 0

    with Ledger(path) as ledger, caplog.at_level(logging.WARNING):
        run(work)
    assert "discarded before its bill was recorded" in caplog.text


def test_cancelling_leaves_nothing_behind(path: Path | str | None) -> None:
    async def work() -> None:
        for delay in range(40):
            tasks = [asyncio.create_task(ledger.reserve(CENT)) for _ in range(4)]
            await asyncio.sleep(delay / 20_000)
            for task in tasks:
                task.cancel()
            for reservation in await asyncio.gather(*tasks, return_exceptions=True):
                if not isinstance(reservation, BaseException):
                    reservation.release()
        await ledger.written()  # what was granted to somebody who was gone is given back when the loop hears of it
        await ledger.written()
        assert ledger.totals().held == 0

    with Ledger(path, budget=Budget(usd="0.02")) as ledger:
        run(work)
        assert ledger.verify() == []


@pytest.mark.parametrize(
    ("bounds", "unit"), [({"usd": "0.02"}, "usd"), ({"calls": 2}, "calls"), ({"tokens": 250}, "tokens")]
)
def test_the_tightest_of_nested_caps_holds_and_is_named(
    path: Path | str | None, bounds: dict[str, Any], unit: str
) -> None:
    async def work() -> None:
        caps = (Cap("limit", usd="9", calls=99), Cap("max_usd", **bounds))
        for _ in range(2):
            await buy(ledger, CENT, CENT, tokens=110, caps=caps)
        with pytest.raises(BudgetExceeded) as caught:
            await buy(ledger, CENT, CENT, tokens=110, caps=caps)
        assert (caught.value.source, caught.value.unit) == ("max_usd", unit)
        await buy(ledger, CENT, CENT, tokens=110, caps=caps[:1])
        ledger.flush()
        assert caps[0].spent == Charge(micro_usd=3 * CENT, calls=3, tokens=330)

    with Ledger(path, budget=Budget(usd="5")) as ledger:
        run(work)
        assert ledger.totals().spent == 3 * CENT


def test_a_released_call_is_no_call(path: Path | str | None) -> None:
    async def work() -> None:
        cap = Cap("limit", calls=1)
        (await ledger.reserve(CENT, caps=[cap])).release()
        await buy(ledger, CENT, 0, caps=[cap])
        with pytest.raises(BudgetExceeded):
            await ledger.reserve(CENT, caps=[cap])

    with Ledger(path) as ledger:
        run(work)


def test_a_price_that_is_not_known_is_an_error_under_a_cap_in_dollars_only(path: Path | str | None) -> None:
    async def work() -> None:
        label = Label(model="mystery")
        await buy(ledger, None, 0, label=label, caps=[Cap("limit", calls=5)])  # type: ignore[arg-type]
        with pytest.raises(PricingUnknown, match="mystery"):
            await ledger.reserve(None, label=label, caps=[Cap("limit", usd=5)])

    with Ledger(path) as ledger:
        run(work)
        assert ledger.spend()[0].unpriced_calls == 1
    with Ledger(budget=Budget(usd=1)) as capped, pytest.raises(PricingUnknown):
        run(lambda: capped.reserve(None))


def test_a_bill_a_little_above_its_reservation_is_counted_and_stops_nothing(
    path: Path | str | None, caplog: pytest.LogCaptureFixture
) -> None:
    cap = Cap("limit", usd=3)

    async def work() -> None:
        await buy(ledger, 100, 110, label=Label(model="m"), caps=[cap])
        await buy(ledger, 100, 100, label=Label(model="m"), caps=[cap])

    with Ledger(path, budget=Budget(usd=5)) as ledger:
        run(work)
        assert (ledger.totals().spent, cap.spent.micro_usd) == (210, 210)
        assert not ledger.totals().stopped
        assert not cap.stopped
    assert "A call to m was billed $0.00011 " in caplog.text


def test_a_ledger_of_the_first_version_is_added_to(file: Path) -> None:
    with Ledger(file, budget=Budget(usd=5)) as ledger:
        run(lambda: buy(ledger, CENT, 2 * CENT, label=Label(model="liar")))
        run(lambda: buy(ledger, CENT, CENT, label=Label(model="m")))
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("DROP TABLE stopped")
        connection.execute("ALTER TABLE totals ADD COLUMN stopped INTEGER NOT NULL DEFAULT 0")
        connection.execute("UPDATE totals SET stopped = 1")
        connection.execute("PRAGMA user_version = 1")
    with Ledger(file, budget=Budget(usd=5)) as ledger:
        assert ledger.totals() == Totals(spent=3 * CENT, stopped=frozenset({"liar"}))
        run(lambda: buy(ledger, CENT, CENT, label=Label(model="m")))
        assert ledger.verify() == []
    assert file.stat().st_mode & 0o077 == 0


def test_a_bill_far_above_its_reservation_is_recorded_and_stops_its_model(
    path: Path | str | None, caplog: pytest.LogCaptureFixture
) -> None:
    cap = Cap("limit", usd=3)

    async def work() -> None:
        await buy(ledger, CENT, 2 * CENT, label=Label(model="liar"), caps=[cap])
        with pytest.raises(BudgetExceeded, match="stopped for liar") as caught:
            await ledger.reserve(1, label=Label(model="liar"))
        assert caught.value.stopped == "liar"
        await buy(ledger, CENT, CENT, label=Label(model="honest"), caps=[cap])

    with Ledger(path, budget=Budget(usd=5)) as ledger, caplog.at_level(logging.ERROR):
        run(work)
        assert ledger.totals().spent == 3 * CENT
        assert cap.stopped == {"liar"}
        assert "A call to liar was billed $0.02 " in caplog.text
        assert ledger.verify() == []
        ledger.resume()
        run(lambda: buy(ledger, CENT, CENT, label=Label(model="liar")))


@pytest.mark.parametrize("period", ["day", "month"])
def test_a_period_starts_afresh_by_utc(shared: Path | str, period: Any) -> None:
    clock = Clock()

    async def work() -> None:
        await buy(ledger, 5 * CENT, 5 * CENT)
        with pytest.raises(BudgetExceeded):
            await ledger.reserve(CENT)
        late = await uncapped.reserve(CENT)
        clock.now += 61
        await buy(ledger, 5 * CENT, 4 * CENT)
        # A call counts in the period in which it was reserved.
        await late.sent()
        late.settle(CENT)
        uncapped.flush()
        assert ledger.totals().spent == 4 * CENT
        clock.now += 86_400
        if period == "day":
            await buy(ledger, 5 * CENT, CENT)
        else:
            with pytest.raises(BudgetExceeded):
                await ledger.reserve(5 * CENT)

    with (
        Ledger(shared, budget=Budget(usd="0.05", period=period), clock=clock) as ledger,
        Ledger(shared, clock=clock) as uncapped,
    ):
        run(work)
        days = {row.key: row.cost_usd for row in ledger.spend("day")}
        assert days["2026-01-31"] == Decimal("0.06")
        assert days["2026-02-01"] == Decimal("0.04")
        assert ledger.verify() == []


def test_a_call_that_waits_is_granted_when_the_day_ends() -> None:
    clock = Clock()

    async def work() -> None:
        reservation = await ledger.reserve(4 * CENT)
        waiting = asyncio.create_task(ledger.reserve(4 * CENT))
        assert not await settled(waiting)
        clock.now += 61
        (await waiting).release()
        reservation.release()

    with Ledger(budget=Budget(usd="0.05", period="day"), clock=clock) as ledger:
        run(work)


def test_spend_is_summed_by_everything_a_call_is_for(path: Path | str | None) -> None:
    async def work() -> None:
        for strategy, cents in (("score", 1), ("listwise", 3), ("score", 1)):
            label = Label(run="r1", model="m", strategy=strategy, prompt=f"{strategy}/v1")
            await buy(ledger, 5 * CENT, cents * CENT, label=label)
        (await ledger.reserve(CENT, label=Label(strategy="never sent"))).release()

    with Ledger(path) as ledger:
        run(work)
        assert [(row.key, row.calls, row.cost_usd) for row in ledger.spend("strategy")] == [
            ("listwise", 1, Decimal("0.03")),
            ("score", 2, Decimal("0.02")),
        ]
        assert [row.key for row in ledger.spend("prompt")] == ["listwise/v1", "score/v1"]
        assert [(row.key, row.input_tokens, row.output_tokens) for row in ledger.spend("run")] == [("r1", 300, 30)]
        assert [row.key for row in ledger.spend("model")] == ["m"]


def test_threads_share_a_budget(path: Path | str | None) -> None:
    granted: list[int] = []

    async def work() -> None:
        async def one() -> None:
            try:
                await buy(ledger, CENT, CENT)
            except BudgetExceeded:
                return
            granted.append(CENT)

        await asyncio.gather(*(one() for _ in range(10)))

    with Ledger(path, budget=Budget(usd="0.25")) as ledger:
        threads = [threading.Thread(target=asyncio.run, args=(work(),)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(granted) == 25
        assert ledger.totals().spent == 25 * CENT
        assert ledger.verify() == []


def test_a_decision_is_made_alone_with_the_file(file: Path) -> None:
    """While another process writes, nothing is granted on what it was before; removing BEGIN IMMEDIATE fails here."""

    async def work() -> None:
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT INTO totals (period, spent, held) VALUES ('ever', ?, 0)", (5 * CENT,))
        reservation = asyncio.create_task(ledger.reserve(CENT))
        assert not await settled(reservation)
        other.execute("COMMIT")
        other.close()
        with pytest.raises(BudgetExceeded):
            await reservation

    with Ledger(file, budget=Budget(usd="0.05")) as ledger:
        ledger.flush()
        run(work)


def test_commits_are_synced_to_the_disk(file: Path) -> None:
    """Removing the sync fails here: on the live connection, and in what `verify` says."""

    ledger_file = LedgerFile(file, time.time)
    connection = ledger_file.connection
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert audit(ledger_file) == []
    connection.execute("PRAGMA synchronous = NORMAL")
    assert audit(ledger_file) == ["Writes are not synced to the disk, so a power cut can lose them."]
    ledger_file.close()


def test_the_record_is_only_appended_to(file: Path) -> None:
    with Ledger(file) as ledger:
        run(lambda: buy(ledger, CENT, CENT))
    connection = sqlite3.connect(file)
    with pytest.raises(sqlite3.IntegrityError, match="for good"):
        connection.execute("DELETE FROM events")
    with pytest.raises(sqlite3.IntegrityError, match="for good"):
        connection.execute("UPDATE events SET micro_usd = 0")
    connection.close()


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ("UPDATE totals SET spent = 0 WHERE period = 'ever'", "sums of ever are"),
        ("DELETE FROM totals WHERE period != 'ever'", "are missing"),
        ("UPDATE calls SET charged = 1", "its events contradict that"),
        ("DELETE FROM calls", "has events but no record"),
        ("INSERT INTO events (time_us, call, state, micro_usd) VALUES (0, 99, 'sent', 0)", "without a reservation"),
    ],
)
def test_verify_finds_what_was_changed(file: Path, change: str, finding: str) -> None:
    with Ledger(file) as ledger:
        run(lambda: buy(ledger, CENT, CENT))
    with sqlite3.connect(file) as connection:
        connection.execute(change)
    connection.close()
    with Ledger(file) as ledger:
        assert any(finding in sentence for sentence in ledger.verify())


def damage_header(file: Path) -> None:
    file.write_bytes(b"this is no database, and it is long enough to be one" * 100)


def damage_body(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[4096:40960] = b"\xff" * (40960 - 4096)
    file.write_bytes(bytes(content))


def make_newer(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()


def make_foreign(file: Path) -> None:
    file.unlink()
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE songs (title)")
    connection.close()


def make_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (damage_header, "damaged"),
        (damage_body, "damaged|cannot be used"),
        (make_newer, "newer version"),
        (make_foreign, "another program"),
        (make_folder, "cannot be written"),
    ],
)
def test_a_file_that_cannot_be_used_is_never_unlimited(file: Path, harm: Callable[[Path], None], message: str) -> None:
    with Ledger(file) as ledger:
        ledger.flush()
    harm(file)
    with Ledger(file, budget=Budget(usd=1)) as ledger:
        for _ in range(2):
            with pytest.raises(LedgerError, match=message) as caught:
                run(lambda: buy(ledger, CENT, CENT))
            assert str(file) in str(caught.value)


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with Ledger(tmp_path / "taken" / "spend.db") as ledger, pytest.raises(LedgerError, match="cannot be opened"):
        run(lambda: buy(ledger, CENT, CENT))


def test_what_cannot_be_written_is_not_granted(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    cap = Cap("limit", usd=1)
    connection = sqlite3.connect(file, isolation_level=None)
    with Ledger(file) as ledger, caplog.at_level(logging.ERROR):
        ledger.flush()
        connection.execute("CREATE TRIGGER harm BEFORE INSERT ON totals BEGIN SELECT RAISE(ABORT, 'no room'); END")
        with pytest.raises(LedgerError, match="no room"):
            run(lambda: ledger.reserve(CENT, caps=[cap]))
        assert (cap.held, cap.spent) == (Charge(), Charge())
        assert "could not be written" in caplog.text
        connection.execute("DROP TRIGGER harm")
        run(lambda: buy(ledger, CENT, CENT, caps=[cap]))
        assert ledger.totals().spent == cap.spent.micro_usd == CENT
        assert ledger.verify() == []
    connection.close()


def test_a_bill_that_cannot_be_written_is_charged_in_full_until_it_can(file: Path) -> None:
    connection = sqlite3.connect(file, isolation_level=None)

    async def work() -> None:
        with await ledger.reserve(3 * CENT) as reservation:
            await reservation.sent()
            connection.execute("CREATE TRIGGER harm BEFORE UPDATE ON calls BEGIN SELECT RAISE(ABORT, 'no room'); END")
            reservation.settle(CENT)
        with suppress(LedgerError):
            ledger.flush()
        waiting = asyncio.create_task(ledger.reserve(3 * CENT))
        assert not await settled(waiting)
        connection.execute("DROP TRIGGER harm")
        (await waiting).release()

    with Ledger(file, budget=Budget(usd="0.05")) as ledger:
        run(work)
        assert (ledger.totals().spent, ledger.totals().held) == (CENT, 0)
        assert ledger.verify() == []
    connection.close()


def test_memory_that_is_closed_does_not_start_again_at_nothing() -> None:
    ledger = Ledger(budget=Budget(usd=1))
    run(lambda: buy(ledger, CENT, CENT))
    ledger.close()
    with pytest.raises(LedgerError, match="was in memory"):
        run(lambda: buy(ledger, CENT, CENT))


def test_closing_ends_what_is_under_way(shared: Path | str) -> None:
    async def work() -> tuple[Any, Any]:
        reserved, sent = await ledger.reserve(CENT), await ledger.reserve(2 * CENT)
        await sent.sent()
        ledger.close()
        return reserved, sent

    ledger = Ledger(shared)
    holds = run(work)
    assert (ledger.totals().spent, ledger.totals().held) == (2 * CENT, 0)
    assert ledger.verify() == []
    del holds
    ledger.close()


def test_those_who_wait_are_told_when_it_closes() -> None:
    async def work() -> None:
        reservation = await ledger.reserve(CENT)
        waiting = asyncio.create_task(ledger.reserve(CENT))
        await asyncio.sleep(0.02)
        await asyncio.to_thread(ledger.close)
        with pytest.raises(LedgerError, match="closed"):
            await waiting
        reservation.release()

    ledger = Ledger(budget=Budget(usd="0.01"))
    run(work)


def test_calls_that_nobody_can_prove_dead_stop_counting_as_under_way(file: Path) -> None:
    clock = Clock()

    async def work() -> None:
        reservation = await theirs.reserve(4 * CENT)
        waiting = asyncio.create_task(ours.reserve(4 * CENT))
        assert not await settled(waiting)
        clock.now += STALE_S + 1
        with pytest.raises(BudgetExceeded):
            await waiting
        assert ours.spend()[0].unconfirmed_usd == Decimal("0.04")
        reservation.settle(CENT)
        theirs.flush()
        await buy(ours, 4 * CENT, CENT)

    with Ledger(file, clock=clock) as theirs, Ledger(file, budget=Budget(usd="0.05"), clock=clock) as ours:
        run(work)
        assert ours.verify() == []


def buy_in_a_fork(ledger: Ledger) -> int:
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 4
    try:
        run(lambda: buy(ledger, CENT, CENT))
        ledger.close()
        code = 0
    except LedgerError:
        code = 3
    finally:
        os._exit(code)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_refuses_what_it_cannot_know(file: Path) -> None:
    with Ledger(file) as ledger, Ledger() as memory:
        run(lambda: buy(ledger, CENT, CENT))
        run(lambda: buy(memory, CENT, CENT))
        assert buy_in_a_fork(ledger) == 3
        assert buy_in_a_fork(Ledger(file)) == 3
        assert buy_in_a_fork(memory) == 3
        run(lambda: buy(ledger, CENT, CENT))
        assert ledger.totals().spent == 2 * CENT
        assert ledger.verify() == []
    assert buy_in_a_fork(Ledger(file)) == 0
    with Ledger(file) as ledger:
        assert ledger.totals().spent == 3 * CENT
