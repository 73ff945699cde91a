"""Whether money or answers are lost when processes are killed: many on one ledger and one cache.

    python eval/bench/kills.py [--kills 500] [--processes 8] [--seed 0]

Processes rerank, and are killed (SIGKILL) at random moments and replaced. Afterwards the provider's own meter must not
be above the ledger, nor the ledger above the cap; a run without kills must leave no reservation behind; and a run that
asks again what had been answered must send nothing. Ends with 1 if any of this is broken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

sys.path.insert(0, str(Path(__file__).parents[2]))

from judge_rerank import Budget, Judge, Price
from judge_rerank.core import ChatReply, ChatRequest, ModelInfo, ProviderTimeout, ProviderUnavailable
from judge_rerank.spending import Ledger
from tests.provider import Faults, Provider, QrelsJudge

DOCS = [f"document {n} about the life of worms in the deep sand" for n in range(6)]
PRICES = {"wire": Price(input_usd_per_mtok="0.15", cached_input_usd_per_mtok="0.075", output_usd_per_mtok="0.60")}
"""What the loopback provider charges."""
USED_UP = 3
"""The exit code of a process that found the budget used up."""


class Wire:
    """The loopback provider as a backend, with nothing but the standard library."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.info = ModelInfo(name="wire", context_tokens=16_384, concurrency=8)

    def count_tokens(self, text: str) -> int:
        return -(-len(text) // 4)

    async def complete(self, request: ChatRequest) -> ChatReply:
        body: dict[str, Any] = {
            "model": "wire",
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            "max_tokens": request.max_output_tokens,
        }
        if request.schema is not None:
            wanted = {"name": request.schema.name, "schema": request.schema.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": wanted}
        try:
            async with asyncio.timeout(request.timeout_s):
                reply = await self._post(json.dumps(body).encode())
        except TimeoutError:
            raise ProviderTimeout("no answer in time", retry_after_s=0.01) from None
        except (OSError, asyncio.IncompleteReadError) as error:
            raise ProviderUnavailable(f"the connection was lost: {error}", retry_after_s=0.01) from None
        choice = reply["choices"][0]
        return ChatReply(text=choice["message"]["content"], usage=reply["usage"], model="wire")

    async def aclose(self) -> None:
        pass

    async def _post(self, body: bytes) -> Any:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(f"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(int(line[15:]) for line in head.split("\r\n") if line.startswith("content-length:"))
            return json.loads(await reader.readexactly(length))
        finally:
            writer.close()


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What a process is to do.

    Attributes:
        port: of the provider.
        folder: where the ledger, the cache and the list of finished queries are.
        budget_usd: the cap.
        queries: what to rerank, in this order; None for queries at random until it is killed.
        pool: how many queries there are at random.
        copies: how often to ask each, all at once.
        seed: of the random queries.
    """

    port: int
    folder: str
    budget_usd: str
    queries: Sequence[str] | None = None
    pool: int = 100
    copies: int = 1
    seed: int = 0

    def run(self) -> int:
        """Do it; returns the exit code."""
        logging.disable(logging.CRITICAL)
        folder, chance, code = Path(self.folder), random.Random(self.seed), 0
        finished = os.open(folder / "finished", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        budget = Budget(usd=self.budget_usd, path=folder / "spend.db")
        with Judge(
            Wire(self.port), prices=PRICES, budget=budget, cache_dir=folder / "cache", strategy="score"
        ) as judge:
            for query in self.queries if self.queries is not None else endless(chance, self.pool):
                rankings = judge.rerank_many([(query, DOCS)] * self.copies)
                if all(ranking.status == "complete" for ranking in rankings):
                    os.write(finished, f"{query}\n".encode())
                else:
                    code = USED_UP
        return code


def endless(chance: random.Random, pool: int) -> Any:
    while True:
        yield f"query {chance.randrange(pool)}"


class Nursery:
    """Starts processes by forking one that has imported everything, and kills no others than those.

    A process that has ended keeps its number until it is waited for, so no stranger can be hit.
    """

    def __enter__(self) -> Self:
        command = [sys.executable, str(Path(__file__).resolve()), "--nursery"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()  # upon which it ends its children, then itself
        self._process.wait(30)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def start(self, work: Work) -> int:
        """A process that does the work; returns its number."""
        return self._ask({"start": asdict(work)})

    def kill(self, pid: int) -> int:
        """Kill a process; returns how it ended, as `subprocess` has it."""
        return self._ask({"kill": pid})

    def wait(self, pid: int) -> int:
        """Wait until a process has ended; returns its exit code."""
        return self._ask({"wait": pid})

    def _ask(self, order: dict[str, Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def nursery() -> None:
    """The other end of `Nursery`: takes orders on standard input."""
    children: set[int] = set()
    for line in sys.stdin:
        order = json.loads(line)
        if "start" in order:
            child = os.fork()
            if child == 0:
                live(Work(**order["start"]))
            children.add(child)
            print(child, flush=True)
            continue
        (act, pid), *_ = order.items()
        assert pid in children
        print(end(pid, signal.SIGKILL if act == "kill" else None), flush=True)
        children.remove(pid)
    for pid in children:
        end(pid, signal.SIGKILL)


def live(work: Work) -> None:
    """Be a child."""
    code = 1
    try:
        os.close(0)
        code = work.run()
    finally:
        os._exit(code)


def end(pid: int, how: signal.Signals | None) -> int:
    if how is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, how)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What is left after the kills.

    Attributes:
        violations: the rules that were broken, one sentence each.
        lines: what happened, for people to read.
    """

    violations: list[str]
    lines: list[str]


class Trial:
    """One ledger, one cache, one provider, and processes that are killed.

    Args:
        folder: where the files go.
        kills, processes, seed: how many, and when.
        pause_s: the most time between two kills.
        budget_usd: the cap while there are kills.
    """

    def __init__(
        self, folder: Path, *, kills: int, processes: int, seed: int = 0, pause_s: float = 0.2, budget_usd: Decimal
    ) -> None:
        self._folder, self._kills, self._processes = folder, kills, processes
        self._chance, self._pause_s, self._budget_usd = random.Random(seed), pause_s, budget_usd
        self.violations: list[str] = []
        self.lines: list[str] = []

    def run(self) -> Outcome:
        """All of it."""
        judged = QrelsJudge({text: place % 4 for place, text in enumerate(DOCS)})
        with Provider(judged, faults=Faults(1, {}, latency_s=(0.002, 0.04)), keep=0) as provider, Nursery() as nursery:
            work = Work(
                port=provider.port,
                folder=str(self._folder),
                budget_usd=str(self._budget_usd),
                pool=max(4, self._kills * 2),
            )
            self._kill(provider, nursery, work)
            self._check(provider, "after the kills", self._budget_usd)
            richer = replace(work, budget_usd=str(self._budget_usd + 1))
            self._finish_cleanly(provider, nursery, richer)
            self._check(provider, "after a run without kills", self._budget_usd + 1)
            self._resume(provider, nursery, work)
        return Outcome(violations=self.violations, lines=self.lines)

    def _kill(self, provider: Provider, nursery: Nursery, work: Work) -> None:
        started, used_up = time.perf_counter(), None
        alive = [nursery.start(replace(work, seed=seed)) for seed in range(self._processes)]
        endings: Counter[int] = Counter()
        for n in range(self._kills):
            time.sleep(self._chance.uniform(0, self._pause_s))
            victim = self._chance.randrange(len(alive))
            endings[nursery.kill(alive[victim])] += 1
            alive[victim] = nursery.start(replace(work, seed=self._processes + n))
            if used_up is None and self._spent() > 0.97 * float(self._budget_usd) * 1e6:
                used_up = n + 1
        for pid in alive:
            endings[nursery.kill(pid)] += 1
        self._say(
            f"{sum(endings.values())} processes killed in {time.perf_counter() - started:.0f} s, "
            f"{provider.bill.requests} calls billed; the budget was used up after kill {used_up or '-'}"
        )
        self._rule(endings.keys() == {-signal.SIGKILL}, f"processes ended by themselves: {dict(endings)}")

    def _finish_cleanly(self, provider: Provider, nursery: Nursery, work: Work) -> None:
        before, sent = self._last_call(), provider.bill.requests
        queries = [f"clean {n}" for n in range(4 * self._processes)]
        shares = [queries[place :: self._processes] for place in range(self._processes)]
        codes = [nursery.wait(pid) for pid in [nursery.start(replace(work, queries=share)) for share in shares]]
        self._rule(set(codes) == {0}, f"a run without kills ended with {codes}")
        states = self._states(before)
        self._say(f"a run without kills: {provider.bill.requests - sent} calls billed, states {states}")
        self._rule(states == {"settled": provider.bill.requests - sent}, f"reservations leaked: {states}")

    def _resume(self, provider: Provider, nursery: Nursery, work: Work) -> None:
        finished = sorted(set((self._folder / "finished").read_text().splitlines()))
        sent, spent = provider.requests, self._spent()
        shares = [finished[place::4] for place in range(4)]
        codes = [nursery.wait(pid) for pid in [nursery.start(replace(work, queries=share)) for share in shares]]
        paid = provider.requests - sent
        self._say(
            f"{len(finished)} finished queries asked again: {paid} requests, {self._spent() - spent} micro-dollars"
        )
        self._rule((set(codes), paid, self._spent()) == ({0}, 0, spent), f"a resumed run paid again ({codes})")

    def _check(self, provider: Provider, when: str, budget_usd: Decimal) -> None:
        time.sleep(0.1)  # what the killed had sent is still being answered, and charged
        with Ledger(self._folder / "spend.db", budget=Budget(usd=budget_usd)) as ledger:
            totals, problems = ledger.totals(), ledger.verify()
        billed, cap = provider.bill.microusd, int(budget_usd * 1_000_000)
        self._say(f"{when}: provider {billed} <= ledger {totals.spent} <= cap {cap}; states {self._states()}")
        self._rule(billed <= totals.spent <= cap, f"{when}: bill {billed}, ledger {totals.spent}, cap {cap}")
        self._rule(totals.held == 0, f"{when}: {totals.held} micro-dollars are still held")
        self._rule(not problems, f"{when}: {problems}")

    def _say(self, line: str) -> None:
        self.lines.append(line)

    def _rule(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.violations.append(otherwise)

    def _spent(self) -> int:
        return self._row("SELECT coalesce(max(spent), 0) FROM totals WHERE period = 'ever'")

    def _last_call(self) -> int:
        return self._row("SELECT coalesce(max(id), 0) FROM calls")

    def _row(self, question: str) -> int:
        path = self._folder / "spend.db"
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(path, timeout=30)) as connection:
            return connection.execute(question).fetchone()[0]
        return 0  # the first process has not made its tables yet

    def _states(self, after: int = 0) -> dict[str, int]:
        with closing(sqlite3.connect(self._folder / "spend.db", timeout=30)) as connection:
            question = "SELECT state, count(*) FROM calls WHERE id > ? GROUP BY state"
            return dict(connection.execute(question, (after,)).fetchall())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pause", type=float, default=0.3, help="the most seconds between two kills")
    parser.add_argument("--budget", type=Decimal, default=Decimal("0.12"))
    parser.add_argument("--folder", help="where the ledger and the cache are kept meanwhile")
    parser.add_argument("--nursery", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.nursery:
        nursery()
        return 0
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        outcome = Trial(
            Path(folder),
            kills=arguments.kills,
            processes=arguments.processes,
            seed=arguments.seed,
            pause_s=arguments.pause,
            budget_usd=arguments.budget,
        ).run()
    print("\n".join(outcome.lines))
    print(f"broken: {outcome.violations or 'nothing'}")
    return 1 if outcome.violations else 0


if __name__ == "__main__":
    sys.exit(main())
