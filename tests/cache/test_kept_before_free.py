"""A reply is stored before its slot is free: who is killed loses no more than what was under way."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from judge_rerank.cache import ReplyCache

UNDER_WAY = 16
DOCS = 600

# The provider's meter is one append for each request that is answered.
WORKER = """
import asyncio, os, sys
from judge_rerank import Judge
from judge_rerank.core import ChatReply
from judge_rerank.testing import FakeBackend

cache, meter, docs, under_way = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
bill = os.open(meter, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

class Metered(FakeBackend):
    async def complete(self, request):
        await asyncio.sleep(0.02)
        reply = await super().complete(request)
        os.write(bill, b"1\\n")
        return reply

backend = Metered('{"relevant": true}', local=False)
with Judge(backend, cache_dir=cache, concurrency=under_way) as judge:
    ranking = judge.rerank("q", [f"document {n}" for n in range(docs)], "binary")
print(ranking.usage.calls, ranking.usage.cached_calls, flush=True)
"""


@pytest.fixture(params=["folder", "store"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A cache that processes share: a folder, or a database."""
    return request.getfixturevalue("store") if request.param == "store" else str(tmp_path / "cache")


def start(place: str, meter: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WORKER, place, str(meter), str(DOCS), str(UNDER_WAY)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def paid(meter: Path) -> int:
    return meter.read_text().count("\n") if meter.exists() else 0


def kept(place: str) -> int:
    with ReplyCache(place) as cache:
        return cache.info().entries


def kill_at_work(worker: subprocess.Popen[str], meter: Path, chance: random.Random) -> bool:
    """Kill a process some time after its first reply; whether it was still at work."""
    before = paid(meter)
    while paid(meter) == before and worker.poll() is None:
        time.sleep(0.002)
    time.sleep(chance.uniform(0, 0.1))
    worker.kill()
    worker.communicate(timeout=60)
    return worker.returncode != 0


@pytest.mark.slow
def test_a_kill_loses_at_most_what_was_under_way_and_nothing_kept_is_paid_twice(place: str, tmp_path: Path) -> None:
    chance, meter, lost = random.Random(7), tmp_path / "meter", 0
    for _ in range(5):
        if not kill_at_work(start(place, meter), meter, chance):
            break
        now_lost = paid(meter) - kept(place)
        assert lost <= now_lost <= lost + UNDER_WAY
        lost = now_lost
    for sent in (True, False):
        before = paid(meter), kept(place)
        worker = start(place, meter)
        output, errors = worker.communicate(timeout=240)
        assert worker.returncode == 0, errors
        calls, cached = map(int, output.split())
        assert calls + cached == DOCS
        # What is kept is not paid again.
        assert paid(meter) - before[0] == calls == DOCS - before[1]
        assert (calls > 0) == sent or before[1] == DOCS
    assert kept(place) == DOCS
    assert paid(meter) == DOCS + lost
