"""What a call costs in CPU above the backend itself: without a budget, with one in memory or in a file, and so on.

    python eval/bench/overhead.py [--calls 2000] [--litellm] [--profile]

Every row makes the same pointwise calls, each about another document, against a backend that answers at once; the
first asks the backend alone. CPU is that of the whole process, all its threads included. With --litellm the backend is
a hosted model through LiteLLM, answered by the loopback provider in a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import logging
import multiprocessing
import pstats
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from judge_rerank import Budget, Judge, Price
from judge_rerank.core import Backend, ChatReply, ChatRequest, ModelInfo, prompt_text
from tests.provider import Provider, QrelsJudge

TEXT = "the life of worms in the deep sand of a desert planet " * 8
PRICE = Price(input_usd_per_mtok="0.15", output_usd_per_mtok="0.60")
DOCS_A_QUERY = 50


class Instant:
    """A backend that answers at once."""

    info = ModelInfo(name="instant", context_tokens=32_768, concurrency=16)

    def count_tokens(self, text: str) -> int:
        return -(-len(text) // 4)

    async def complete(self, request: ChatRequest) -> ChatReply:
        read = self.count_tokens(prompt_text(request.messages))
        return ChatReply(text='{"score": 7}', usage={"prompt_tokens": read, "completion_tokens": 5}, model="instant")

    async def aclose(self) -> None:
        pass


class Recorder(Instant):
    """Keeps the requests that it gets, so that they can be sent again to the backend alone."""

    def __init__(self) -> None:
        self.requests: list[ChatRequest] = []

    async def complete(self, request: ChatRequest) -> ChatReply:
        self.requests.append(request)
        return await super().complete(request)


def queries(calls: int) -> list[tuple[str, list[str]]]:
    return [
        (f"query {n}", [f"{n} {place} {TEXT}" for place in range(DOCS_A_QUERY)]) for n in range(calls // DOCS_A_QUERY)
    ]


def alone(backend: Backend, requests: list[ChatRequest]) -> None:
    """The same requests without anything of ours around them, sixteen at once."""

    async def worker(waiting: Iterator[ChatRequest]) -> None:
        for request in waiting:
            await backend.complete(request)

    async def every() -> None:
        waiting = iter(requests)
        await asyncio.gather(*(worker(waiting) for _ in range(16)))
        await backend.aclose()

    asyncio.run(every())


def judged(backend: Backend, calls: int, **options: Any) -> None:
    options = {"prices": {backend.info.name: PRICE}, "cache_dir": None, "strategy": "score", **options}
    with Judge(backend, concurrency=16, **options) as judge:
        rankings = judge.rerank_many(queries(calls))
    assert all(ranking.status == "complete" for ranking in rankings)


def cpu_ms(work: Callable[[], None], calls: int) -> float:
    """CPU milliseconds a call."""
    started = time.process_time()
    work()
    return (time.process_time() - started) / calls * 1000


def settings(folder: Path) -> dict[str, dict[str, Any]]:
    """What is measured, by name."""
    in_file = {"budget": Budget(usd=100, path=folder / "spend.db")}
    cached = {"budget": Budget(usd=100, path=folder / "cached.db"), "cache_dir": folder / "cache"}
    return {
        "judge, no budget": {},
        "judge, budget in memory": {"budget": Budget(usd=100)},
        "judge, budget in a file": in_file,
        "judge, + cache": cached,
        "judge, all from the cache": cached,
        "judge, + cache + trace": {
            "budget": Budget(usd=100, path=folder / "traced.db"),
            "cache_dir": folder / "other",
            "trace": folder / "trace.db",
        },
    }


@contextmanager
def hosted(*, litellm: bool) -> Iterator[Callable[[], Backend]]:
    """How to make the backend."""
    if not litellm:
        yield Instant
        return
    from judge_rerank.providers import LiteLLMBackend

    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(there,))
    server.start()
    url: str = here.recv()
    yield lambda: LiteLLMBackend("openai/gpt-4o-mini", api_base=f"{url}/v1", api_key="sk-loopback-0123456789")
    here.send("end")
    server.join()


def serve(connection: Connection) -> None:
    with Provider(QrelsJudge({}), keep=0) as provider:
        connection.send(provider.url)
        connection.recv()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--litellm", action="store_true", help="through LiteLLM and a socket")
    parser.add_argument("--profile", action="store_true", help="show where the time goes, with everything switched on")
    parser.add_argument("--folder", help="where the files go: a folder on the disk to be measured")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    recorder = Recorder()
    judged(recorder, arguments.calls)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name, hosted(litellm=arguments.litellm) as backend:
        alone(backend(), recorder.requests[:100])  # imports and first connections
        rows = settings(Path(name))
        if arguments.profile:
            show(lambda: judged(Instant(), arguments.calls))
            return
        bare = cpu_ms(lambda: alone(backend(), recorder.requests), arguments.calls)
        print(f"{'':<28}{'ms a call':>10}{'above':>10}{'ratio':>8}")
        print(f"{'the backend alone':<28}{bare:>10.3f}")
        for label, options in rows.items():
            taken = cpu_ms(lambda options=options: judged(backend(), arguments.calls, **options), arguments.calls)
            print(f"{label:<28}{taken:>10.3f}{taken - bare:>10.3f}{taken / bare:>8.2f}")


def show(work: Callable[[], None]) -> None:
    """A profile of the event loop's thread, which is where calls are made."""
    from judge_rerank.engine import submit

    profile = cProfile.Profile()

    async def switch(*, on: bool) -> None:
        profile.enable() if on else profile.disable()

    submit(switch(on=True)).result()
    work()
    submit(switch(on=False)).result()
    pstats.Stats(profile).sort_stats("tottime").print_stats(35)


if __name__ == "__main__":
    main()
