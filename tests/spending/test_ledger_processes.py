"""One ledger and many processes, some of which are killed at random moments."""

from __future__ import annotations

import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from judge_rerank.spending.budget import Budget
from judge_rerank.spending.ledger import Ledger
from judge_rerank.storage import is_store_url
from tests.postgres import query

BUDGET_USD = "1.50"
BUDGET = 1_500_000
MOST = 1000
LEASE_S = 1.5
"""Of sessions in a database; a file knows at once that a process is gone."""

# What a provider would bill is written down at the moment when a request arrives, by one append for each: that is the
# meter which the ledger is held against.
WORKER = """
import asyncio, os, random, sys
from judge_rerank.spending.budget import Budget
from judge_rerank.core.errors import BudgetExceeded
from judge_rerank.spending.ledger import Label, Ledger

path, meter, seed, budget, most = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5])
lease_s = float(sys.argv[6])
chance = random.Random(seed)
bill = os.open(meter, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

async def call(ledger):
    with await ledger.reserve(most, label=Label(run=str(seed), model="m")) as reservation:
        if chance.random() < 0.05:
            return
        await reservation.sent()
        billed = chance.randint(most // 2, most)
        os.write(bill, b"%d\\n" % billed)
        await asyncio.sleep(chance.random() * 0.01)
        if chance.random() < 0.9:
            reservation.settle(billed)

async def worker(ledger):
    try:
        while True:
            await call(ledger)
    except BudgetExceeded:
        pass

async def main():
    with Ledger(path, budget=Budget(usd=budget), lease_s=lease_s) as ledger:
        await asyncio.gather(*(worker(ledger) for _ in range(8)))

asyncio.run(main())
"""


@pytest.fixture(params=["file", "store"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A ledger that processes share: a file, or a database."""
    return request.getfixturevalue("store") if request.param == "store" else str(tmp_path / "spend.db")


def start(place: str, folder: Path, seed: int) -> subprocess.Popen[bytes]:
    arguments = [place, str(folder / f"meter-{seed}"), str(seed), BUDGET_USD, str(MOST), str(LEASE_S)]
    return subprocess.Popen([sys.executable, "-c", WORKER, *arguments], stderr=subprocess.PIPE)


def finish(worker: subprocess.Popen[bytes]) -> None:
    _, errors = worker.communicate(timeout=300)
    assert worker.returncode in (0, -signal.SIGKILL), errors.decode()


def metered(folder: Path) -> int:
    return sum(int(line) for meter in folder.glob("meter-*") for line in meter.read_text().split())


def states(place: str) -> dict[str, int]:
    return dict(rows(place, "SELECT state, count(*) FROM calls GROUP BY state"))


def rows(place: str, statement: str) -> list[tuple[Any, ...]]:
    """What a statement reads of the ledger's tables."""
    if is_store_url(place):
        return list(query(place, re.sub(r"\b(calls|events)\b(?!\.)", r"ledger_\1 AS \1", statement)))
    with closing(sqlite3.connect(place)) as connection:
        return connection.execute(statement).fetchall()


def test_processes_share_a_budget(place: str, tmp_path: Path) -> None:
    workers = [start(place, tmp_path, seed) for seed in range(4)]
    for worker in workers:
        finish(worker)
    with Ledger(place, budget=Budget(usd=BUDGET_USD)) as ledger:
        totals = ledger.totals()
        assert ledger.verify() == []
    assert metered(tmp_path) <= totals.spent <= BUDGET
    assert totals.held == 0
    assert totals.spent > BUDGET - MOST
    assert not {"reserved", "sent", "orphaned"} & states(place).keys()


@pytest.mark.slow
def test_kills_at_random_moments_cost_no_more_than_the_cap(place: str, tmp_path: Path) -> None:
    chance = random.Random(20)
    workers = {seed: start(place, tmp_path, seed) for seed in range(4)}
    for seed in range(4, 16):
        victim = chance.choice(list(workers))
        meter = tmp_path / f"meter-{victim}"
        while not (meter.exists() and meter.read_text()) and workers[victim].poll() is None:
            time.sleep(0.005)  # until it is at work
        time.sleep(chance.uniform(0.0, 0.2))
        workers[victim].kill()
        finish(workers.pop(victim))
        workers[seed] = start(place, tmp_path, seed)
    for worker in workers.values():
        finish(worker)
    if is_store_url(place):
        time.sleep(LEASE_S)
    last = start(place, tmp_path, 99)
    finish(last)
    assert last.returncode == 0

    with Ledger(place, budget=Budget(usd=BUDGET_USD)) as ledger:
        totals = ledger.totals()
        assert ledger.verify() == []
    assert metered(tmp_path) <= totals.spent <= BUDGET
    assert totals.held == 0
    assert totals.spent > BUDGET - MOST
    assert not {"reserved", "sent"} & states(place).keys()
    assert states(place)["orphaned"] > 0
    free = rows(
        place,
        "SELECT count(*) FROM calls WHERE state = 'released' AND EXISTS "
        "(SELECT 1 FROM events WHERE events.call = calls.id AND events.state = 'sent')",
    )
    assert free == [(0,)]


def test_what_a_killed_process_sent_stays_charged_and_what_it_did_not_is_given_back(place: str) -> None:
    code = """
import asyncio, sys
from judge_rerank.spending.ledger import Ledger

async def main():
    ledger = Ledger(sys.argv[1], lease_s=float(sys.argv[2]))
    kept, sent = await ledger.reserve(10_000), await ledger.reserve(500)
    await sent.sent()
    print("ready", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", code, place, str(LEASE_S)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        with Ledger(place) as ledger:
            assert (ledger.totals().held, ledger.totals().spent) == (10_500, 0)
        child.kill()
    if is_store_url(place):
        time.sleep(LEASE_S)
    with Ledger(place) as ledger:
        assert (ledger.totals().held, ledger.totals().spent) == (0, 500)
        assert ledger.verify() == []
    assert states(place) == {"released": 1, "orphaned": 1}
