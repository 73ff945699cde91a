"""What the reply cache costs, and whether damage to its file can make it lie.

python eval/bench/cache.py                 # latencies
python eval/bench/cache.py --flips 1000    # that many damaged copies of a cache file, every entry read from each
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from judge_rerank.cache import ReplyCache, request_key
from judge_rerank.core import ChatReply, ChatRequest, Message

REPLY = ChatReply(
    text="[2] > [1] > [3]" * 5, input_tokens=4000, output_tokens=60, cost_usd=Decimal("0.0012"), model="m"
)
REQUEST = ChatRequest(
    messages=(Message(role="user", content="A passage of some length. " * 600),), max_output_tokens=100
)
ENTRIES, LOOKUPS = 2000, 5000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flips", type=int, default=0, metavar="N", help="damage N copies of a cache file")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return flips(Path(folder), arguments.flips, arguments.seed) if arguments.flips else latencies(Path(folder))


def latencies(folder: Path) -> int:
    chance = random.Random(0)
    keys = [f"{chance.getrandbits(256):064x}" for _ in range(ENTRIES)]
    with ReplyCache(folder) as cache:
        puts = timed(lambda n: cache.put(keys[n], REPLY), ENTRIES)
        gets = timed(lambda _: cache.get(chance.choice(keys)), LOOKUPS)
        hashing = timed(lambda _: request_key(REQUEST, model="m", endpoint=None, params={}, parser_version=1), LOOKUPS)
        hits, misses = asyncio.run(flights(cache, keys))
    with sqlite3.connect(folder / "replies" / "cache.db") as connection:
        statement = "SELECT value FROM Cache WHERE key = ? AND raw = 1"
        plain = timed(lambda _: connection.execute(statement, (chance.choice(keys),)).fetchone(), LOOKUPS)
    connection.close()
    base = statistics.median(plain)
    print(f"{'':34}{'p50 µs':>10}{'p99 µs':>10}{'× select':>10}")
    for name, values in (
        ("plain SQLite select", plain),
        ("hit, get()", gets),
        ("hit, flight() in the event loop", hits),
        ("miss, flight() with its lock row", misses),
        ("put()", puts),
        ("key() of a 16 kB request", hashing),
    ):
        p50, p99 = statistics.median(values), statistics.quantiles(values, n=100)[98]
        print(f"{name:34}{p50 * 1e6:10.1f}{p99 * 1e6:10.1f}{p50 / base:10.1f}")
    return 0 if statistics.median(hits) < 0.001 else 1


async def flights(cache: ReplyCache, keys: list[str]) -> tuple[list[float], list[float]]:
    async def ask(key: str) -> float:
        started = time.perf_counter()
        async with cache.single_flight(key) as flight:
            if flight.reply is None:
                flight.complete(REPLY, store=True)
        return time.perf_counter() - started

    hits = [await ask(keys[n % ENTRIES]) for n in range(LOOKUPS)]
    misses = [await ask(f"missing {n}") for n in range(ENTRIES)]
    return hits, misses


def timed(work: Callable[[int], object], times: int) -> list[float]:
    took: list[float] = []
    for number in range(times):
        started = time.perf_counter()
        work(number)
        took.append(time.perf_counter() - started)
    return took


def flips(folder: Path, trials: int, seed: int) -> int:
    """Flip bits in, or cut off, the database and its log; read every entry; compare with the truth."""
    chance = random.Random(seed)
    original = folder / "original"
    truth = {f"key-{n}": replace(REPLY, text=f"answer {n} " * 20, cost_usd=Decimal(0)) for n in range(50)}
    cache = ReplyCache(original)
    for key, reply in truth.items():
        cache.put(key, reply)
    shutil.copytree(original, folder / "with log")  # as a killed process leaves it
    cache.close()
    wrong = hits = aside = 0
    for trial in range(trials):
        copy = folder / "copy"
        shutil.copytree(folder / "with log" if trial % 3 == 0 else original, copy)
        damage(chance, copy / "replies")
        with ReplyCache(copy) as damaged:
            for key, reply in truth.items():
                found = damaged.get(key)
                hits += found is not None
                wrong += found is not None and found != reply
            aside += bool(damaged.info().set_aside)
        shutil.rmtree(copy)
    looked = trials * len(truth)
    print(f"{trials} damaged files, {looked} look-ups: {hits} right, {looked - hits - wrong} missed, {wrong} wrong")
    print(f"{aside} files set aside")
    return 1 if wrong else 0


def damage(chance: random.Random, folder: Path) -> None:
    file = chance.choice([path for path in sorted(folder.glob("cache.db*")) if path.stat().st_size])
    content = bytearray(file.read_bytes())
    if chance.random() < 0.25:
        del content[chance.randrange(len(content)) :]
    else:
        for _ in range(chance.choice((1, 1, 1, 5, 50, 500))):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    file.write_bytes(content)


if __name__ == "__main__":
    import logging

    logging.getLogger("judge_rerank").addHandler(logging.NullHandler())
    sys.exit(main())
