"""Many queries through the real engine, ledger, limiter and retrier, on one node or several, by a simulated clock."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import Any

from scale_clock import SimulatedClockLoop
from scale_provider import Node, Rules, SimulatedProvider

from judge_rerank.core import Backend, Document, Estimate, ProviderError, Query, Ranking, Usage
from judge_rerank.engine import ChannelSettings, Engine, Job, ModelChannels, run_many
from judge_rerank.engine.pace import Pace
from judge_rerank.prompting import Library, prompt_folders
from judge_rerank.providers import ConcurrencyLimiter, Retrier
from judge_rerank.spending import Budget, Ledger, Pricing
from judge_rerank.strategies import parse

LEASE_S = 60.0
"""How long it takes until the queries of a lost node are given to the others."""

WORDS = "the spice must flow over the open desert where worms are heard before any rider comes to see them "


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What is run, and under which limits.

    Attributes:
        strategy: its spec string.
        documents, tokens: documents a query, and tokens a document.
        rules: the provider's.
        nodes: how many machines.
        concurrency: requests at once from each.
        cpu_s: a node's own work for a call.
        lost_at_s: when one node is lost; None for never.
        thin: whether prompts, replies and the ledger are left out, and only the calls and their waiting are run.
    """

    strategy: str
    documents: int
    tokens: int
    rules: Rules
    nodes: int = 1
    concurrency: int = 64
    cpu_s: float = 0.005
    lost_at_s: float | None = None
    thin: bool = False


@dataclass
class Outcome:
    """What a run took.

    Attributes:
        seconds: by the clock.
        queries, partial: rankings, and those of them that miss a judgment.
        calls, retries, refused, failed: answered calls, attempts made again, 429s and 503s.
        cost_usd: by the price list.
        paid_again, remembered: of the calls of a lost node, those that were under way, and those that were stored.
        ended: when each ranking was made.
    """

    seconds: float = 0.0
    queries: int = 0
    partial: int = 0
    calls: int = 0
    retries: int = 0
    refused: int = 0
    failed: int = 0
    cost_usd: Decimal = Decimal(0)
    paid_again: int = 0
    remembered: int = 0
    ended: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Queries a second between the first tenth and the last, where all that there is to fill is full."""
        first, last = self.queries // 10, self.queries - 1 - self.queries // 10
        return (last - first) / max(1e-9, self.ended[last] - self.ended[first])

    @property
    def unsteady(self) -> float:
        """By which share the rates of the first and the second half of that time differ."""
        first, middle, last = self.queries // 10, self.queries // 2, self.queries - 1 - self.queries // 10
        rates = [
            (end - start) / max(1e-9, self.ended[end] - self.ended[start])
            for start, end in ((first, middle), (middle, last))
        ]
        return abs(rates[0] - rates[1]) / max(rates)

    def seconds_for(self, queries: int) -> float:
        """The time of more queries: what starting and ending take stays, and the rest goes on at the same rate."""
        return self.seconds + (queries - self.queries) / self.per_second


def job(setup: Setup, number: int) -> Job:
    """One query with its documents."""
    rng = random.Random(number)
    shift = rng.randrange(len(WORDS))
    text = ((WORDS[shift:] + WORDS[:shift]) * (4 * setup.tokens // len(WORDS) + 1))[: 4 * setup.tokens - 8]
    documents = tuple(Document(text=f"{place:06d} {text}") for place in range(setup.documents))
    return Job(
        query=Query(text=f"question {number}", id=str(number)), documents=documents, strategy=parse(setup.strategy)
    )


def engine_of(node: Backend, ledger: Ledger, retrier: Retrier, concurrency: int) -> Engine:
    """The engine of one node, put together as `Judge` does."""
    settings = ChannelSettings(
        library=Library(prompt_folders(None)), retrier=retrier, pricing=Pricing(), concurrency=concurrency
    )
    channels = ModelChannels([node], unavailable=None, open_model=lambda _name: node, settings=settings)
    return Engine(channels, ledger=ledger)


class ThinEngine:
    """Makes the calls of a job in their rounds, with the limiter and the retrier of the engine, and nothing else."""

    def __init__(self, node: Node, retrier: Retrier, concurrency: int, shape: Estimate) -> None:
        self._node, self._retrier, self._shape = node, retrier, shape
        self._limiter = ConcurrencyLimiter(concurrency)
        self.pace = Pace()

    async def run(self, job: Job, *, in_turn: bool = False) -> Ranking:  # noqa: ARG002
        """A ranking of nothing, with the usage of the job."""
        shape, retries = self._shape, 0
        rounds = max(1, shape.rounds)
        failed: list[str] = []

        async def call(key: tuple[str | None, int]) -> None:
            nonlocal retries

            async def attempt(number: int) -> None:
                nonlocal retries
                retries += number > 1
                async with self._limiter:
                    await self._node.asked(key, (shape.input_tokens + shape.output_tokens) / shape.calls)

            try:
                await self._retrier.run(attempt)
            except ProviderError as error:
                failed.append(str(error))

        for place in range(rounds):
            numbers = range(place * shape.calls // rounds, (place + 1) * shape.calls // rounds)
            await asyncio.gather(*(call((job.query.id, number)) for number in numbers))
        usage = Usage(calls=shape.calls, retries=retries, rounds=rounds, cost_usd=shape.expected_cost_usd)
        status = "partial" if failed else "complete"
        return Ranking([], query=job.query, strategy=job.spec, usage=usage, status=status, reasons=failed[:1])


class Simulation:
    """One run of some queries on the nodes of a setup.

    Args:
        setup: what is run.
        queries: how many.
        seed: of all that is drawn at random.
        backend: what asks a real provider, by the real clock; None for the simulated one.
    """

    def __init__(self, setup: Setup, queries: int, *, seed: int = 0, backend: Backend | None = None) -> None:
        self._setup, self._total, self._backend = setup, queries, backend
        self._provider = SimulatedProvider(setup.rules, seed=seed)
        self._waiting = deque(range(queries))
        self._taken: list[set[int]] = [set() for _ in range(setup.nodes)]
        self._changed = asyncio.Event()
        self._ledger = Ledger(budget=Budget(usd=10_000_000))
        self._retriers = [Retrier(rng=random.Random(seed + number)) for number in range(setup.nodes)]
        self._made = Outcome()
        self._to_lose = setup.lost_at_s is not None

    async def run(self) -> Outcome:
        """All queries, to the last."""
        loop, setup = asyncio.get_running_loop(), self._setup
        if isinstance(loop, SimulatedClockLoop):
            # Twice, because reservations are answered after the rest of what is written together with them.
            loop.settled = [] if setup.thin else [self._ledger.flush] * 2
        started = loop.time()
        nodes = [Node(self._provider, concurrency=setup.concurrency, cpu_s=setup.cpu_s) for _ in range(setup.nodes)]
        tasks = [asyncio.create_task(self._work(node, number)) for number, node in enumerate(nodes)]
        if setup.lost_at_s is not None:
            tasks.append(asyncio.create_task(self._lose(nodes[0], tasks[0], setup.lost_at_s)))
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):  # a lost node is cancelled, which is none
                raise error
        if isinstance(loop, SimulatedClockLoop):
            loop.settled = []
        self._ledger.close()
        gate, meter = self._provider.gate, self._provider.meter
        return replace(
            self._made,
            seconds=max(self._made.ended) - started,
            refused=gate.refused,
            failed=meter.failed,
            paid_again=meter.paid_again,
            remembered=meter.remembered,
        )

    async def _work(self, node: Node, number: int) -> None:
        engine: Any = engine_of(self._backend or node, self._ledger, self._retriers[number], self._setup.concurrency)
        if self._setup.thin:
            shape = engine.estimate(job(self._setup, 0))
            engine = ThinEngine(node, self._retriers[number], self._setup.concurrency, shape)
        jobs = self._jobs(number, node)
        noting: Any = _Noting(engine, partial(self._note, number))
        many = run_many(noting, jobs, ahead=lambda _job: 2 * self._setup.concurrency, on_error="raise")
        async with aclosing(jobs), aclosing(many):
            async for _ in many:
                pass

    async def _jobs(self, node_number: int, node: Node) -> AsyncGenerator[Job]:
        """The queries that a node takes from the common list, while there are any or some may come back to it."""
        while self._made.queries < self._total and not node.lost:
            if self._waiting:
                number = self._waiting.popleft()
                self._taken[node_number].add(number)
                yield job(self._setup, number)
            elif self._to_lose:
                self._changed.clear()
                await self._changed.wait()
            else:
                return

    def _note(self, node_number: int, ranking: Ranking) -> None:
        made, usage = self._made, ranking.usage
        made.queries += 1
        made.partial += ranking.status == "partial"
        made.calls += usage.calls
        made.retries += usage.retries
        made.cost_usd += usage.cost_usd or 0
        made.ended.append(asyncio.get_running_loop().time())
        self._taken[node_number].discard(int(ranking.query.id or 0))
        self._changed.set()

    async def _lose(self, node: Node, task: asyncio.Task[None], at_s: float) -> None:
        """The first node disappears; when its lease has run out, the others get what it had taken and not finished."""
        await asyncio.sleep(at_s)
        node.lost = True
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await asyncio.sleep(LEASE_S)
        self._waiting.extend(sorted(self._taken[0]))
        self._to_lose = False
        self._changed.set()


@dataclass(frozen=True)
class _Noting:
    """An engine that says when a ranking is made, and not when its turn has come to be given back."""

    engine: Any
    note: Callable[[Ranking], None]

    async def run(self, job: Job, *, in_turn: bool = False) -> Ranking:
        ranking: Ranking = await self.engine.run(job, in_turn=in_turn)
        self.note(ranking)
        return ranking

    @property
    def pace(self) -> Any:
        """That of the engine."""
        return self.engine.pace


def estimated(setup: Setup) -> Estimate:
    """What one query of a setup takes, without a call."""
    node = Node(SimulatedProvider(setup.rules), concurrency=setup.concurrency, cpu_s=0.0)
    ledger = Ledger()
    shape = engine_of(node, ledger, Retrier(), setup.concurrency).estimate(job(setup, 0))
    ledger.close()
    return shape
