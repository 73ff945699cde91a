"""What the server adds to the Python API, how much memory it takes, and whether anything makes it fail.

    python eval/bench/server.py             # all parts; about ten minutes on two cores
    python eval/bench/server.py latency     # one of: latency, memory, hostile, budget

latency: 64 clients at once ask a judge that takes 200 ms, by HTTP and by `Judge.arerank`, in turns. memory: 20,000
requests to one process. hostile: 10,000 bodies that nobody should send. budget: four worker processes, 32 clients, one
key with a budget.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from judge_rerank import Judge  # noqa: E402
from judge_rerank.core import ChatReply, ChatRequest  # noqa: E402
from judge_rerank.testing import FakeBackend  # noqa: E402
from tests.provider import Price, Provider  # noqa: E402
from tests.server.hostile import hostile  # noqa: E402
from tests.server.test_processes import ask, client_of, served  # noqa: E402

Ask = Callable[[int], Awaitable[Any]]

CLIENTS, JUDGE_S = 64, 0.2
DOCS = [f"passage {n} about brakes, rims, rotors and the oil that makes them squeal" for n in range(20)]
JUDGMENTS = json.dumps({"judgments": [{"id": n, "score": n % 10 + 1} for n in range(1, 21)]})


class Forgetful(FakeBackend):
    """A judge of constant answers that keeps nothing."""

    async def complete(self, request: ChatRequest) -> ChatReply:
        reply = await super().complete(request)
        self.requests.clear()
        return reply


def judge(latency_s: float) -> Judge:
    return Judge(Forgetful(JUDGMENTS, latency_s=latency_s, concurrency=CLIENTS), strategy="score(batch_size=20)")


def serve(latency_s: float) -> None:
    """A server in this process, until it is killed; says its port."""
    import uvicorn

    from judge_rerank.server import ServerConfig, create_app

    config = ServerConfig.model_validate({"rerankers": {"default": {"aliases": ["*"]}}})
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(config, judges={"default": judge(latency_s)}), port=0, log_config=None, timeout_keep_alive=75
        )
    )

    async def run() -> None:
        serving = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        print(server.servers[0].sockets[0].getsockname()[1], flush=True)
        await serving

    asyncio.run(run())


class Connection:
    """A kept-alive connection that costs its process little, so that what is measured is the server's."""

    def __init__(self, url: str) -> None:
        self._port = int(url.rpartition(":")[2])
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, number: int) -> None:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        body = json.dumps({"query": f"why {number}", "documents": DOCS}).encode()
        head = f"POST /v1/rerank HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200"), answer
        length = re.search(rb"content-length: (\d+)", answer, re.IGNORECASE)
        assert length is not None
        await reader.readexactly(int(length[1]))


class Server:
    """A server in another process."""

    def __init__(self, latency_s: float) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "serve", str(latency_s)], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{self._process.stdout.readline().strip()}"

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)

    def megabytes(self) -> float:
        return psutil.Process(self._process.pid).memory_info().rss / 1e6

    def cpu_s(self) -> float:
        times = psutil.Process(self._process.pid).cpu_times()
        return times.user + times.system


async def together(asks: Sequence[Ask], count: int) -> list[float]:
    """The seconds of each of `count` requests, each client one at a time."""
    numbers, seconds = iter(range(count)), list[float]()

    async def client(ask_one: Ask) -> None:
        for number in numbers:
            started = time.perf_counter()
            await ask_one(number)
            seconds.append(time.perf_counter() - started)

    await asyncio.gather(*(client(ask_one) for ask_one in asks))
    return seconds


def described(name: str, seconds: list[float], wall_s: float) -> str:
    ranked = sorted(seconds)
    p50, p95 = statistics.median(ranked), ranked[int(0.95 * len(ranked))]
    rate, most = len(seconds) / wall_s, CLIENTS / JUDGE_S
    return f"| {name} | {p50 * 1e3:.0f} | {p95 * 1e3:.0f} | {rate:.0f} | {rate / most:.0%} |"


async def latency(rounds: int = 3, count: int = 640) -> None:
    api = judge(JUDGE_S)
    seconds: dict[str, list[float]] = {"Judge.arerank": [], "server": []}
    walls = dict.fromkeys(seconds, 0.0)
    with Server(JUDGE_S) as server:

        async def by_api(number: int) -> None:
            await api.arerank(f"why {number}", DOCS)

        ways = {"Judge.arerank": [by_api] * CLIENTS, "server": [Connection(server.url).post for _ in range(CLIENTS)]}
        for asks in ways.values():
            await together(asks, CLIENTS)  # loads what the first ranking loads
        for _ in range(rounds):
            for name, asks in ways.items():
                started = time.perf_counter()
                seconds[name] += await together(asks, count)
                walls[name] += time.perf_counter() - started
    api.close()
    print(f"## Latency: {CLIENTS} clients, a judge of {JUDGE_S * 1e3:.0f} ms, {rounds * count} rankings of 20 each")
    print("| | p50 ms | p95 ms | rankings/s | of the judge's most |\n|---|---|---|---|---|")
    for name, each in seconds.items():
        print(described(name, each, walls[name]))


async def memory(count: int = 20_000, steps: int = 10) -> None:
    print(f"## Memory over {count:,} requests of 20 documents\n| requests | MB | CPU ms a request |\n|---|---|---|")
    with Server(0) as server:
        asks = [Connection(server.url).post for _ in range(16)]
        for step in range(steps):
            before = server.cpu_s()
            await together(asks, count // steps)
            cpu_ms = (server.cpu_s() - before) / (count // steps) * 1e3
            print(f"| {(step + 1) * count // steps:,} | {server.megabytes():.0f} | {cpu_ms:.1f} |", flush=True)


async def fuzz(count: int = 10_000, seed: int = 1) -> None:
    chance, statuses = random.Random(seed), Counter[int]()
    with Server(0) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:

            async def one(_: int) -> None:
                path, body = hostile(chance)
                reply = await client.post(path, content=body)
                statuses[reply.status_code] += 1
                json.loads(reply.content)
                if reply.status_code >= 500:
                    print("FAULT", reply.status_code, path, body[:300], reply.text[:300])

            await together([one] * 8, count)
    print(f"## Hostile bodies: {count:,}\n" + ", ".join(f"{status}: {n:,}" for status, n in sorted(statuses.items())))


def budget(requests: int = 400) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with (
        tempfile.TemporaryDirectory() as folder,
        Provider(default_price=Price(request=0.01)) as provider,
        served(Path(folder), provider, "--config", "server.yaml", "--workers", "4") as (_, url),
        client_of(url) as client,
        ThreadPoolExecutor(32) as pool,
    ):
        statuses = Counter(reply.status_code for reply in pool.map(lambda n: ask(client, f"{n}"), range(requests)))
        sent = provider.requests
    print(f"## Budget: $0.50 of one key, 4 workers, 32 clients, {requests} rankings of 2 calls at $0.01")
    print(f"{sent} calls were sent (${sent * 0.01:.2f}); statuses {dict(statuses)}")
    assert sent == 50, sent


def main(part: str) -> None:
    os.environ["JUDGE_RERANK_CACHE_DIR"] = tempfile.mkdtemp()
    if part in ("", "latency"):
        asyncio.run(latency())
    if part in ("", "memory"):
        asyncio.run(memory())
    if part in ("", "hostile"):
        asyncio.run(fuzz())
    if part in ("", "budget"):
        budget()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(float(sys.argv[2]))
    else:
        main(sys.argv[1] if sys.argv[1:] else "")
