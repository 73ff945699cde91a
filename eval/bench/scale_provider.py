"""A provider with limits: requests and tokens a minute, answers that take their time, stragglers and failures."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from judge_rerank.core import ChatReply, ChatRequest, ModelInfo, ProviderUnavailable, RateLimited, prompt_text
from judge_rerank.testing import SimulatedJudge

MODEL = "openai/gpt-6-luna"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How a provider behaves.

    Attributes:
        requests_per_minute, tokens_per_minute: its limits; None for none. A request counts with its input and the most
            that its reply may use. What is refused counts for neither.
        burst_s: so many seconds' worth may come at once.
        median_s, spread: of the log-normal time of an answer; `spread` is the standard deviation of its logarithm.
        stragglers: the share of answers that take ten times as long.
        failures: the share of requests that fail with a status of 503, and are not billed.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    burst_s: float = 5.0
    median_s: float = 1.5
    spread: float = 0.4
    stragglers: float = 0.01
    failures: float = 0.002

    @property
    def mean_s(self) -> float:
        """The mean time of an answer."""
        return self.median_s * math.exp(self.spread**2 / 2) * (1 + 9 * self.stragglers)

    def latency_s(self, rng: random.Random) -> float:
        """The time of one answer."""
        return rng.lognormvariate(math.log(self.median_s), self.spread) * (10 if rng.random() < self.stragglers else 1)


@dataclass
class Bucket:
    """A limit a minute that fills up evenly, and holds no more than some seconds' worth."""

    per_minute: float
    burst_s: float
    held: float = field(init=False)
    at: float = 0.0

    def __post_init__(self) -> None:
        self.held = self._most

    @property
    def _most(self) -> float:
        return self.per_minute / 60 * self.burst_s

    def wait_s(self, amount: float, now: float) -> float:
        """How long until there is room for the amount; 0 where there is. One larger than the bucket needs it full."""
        self.held = min(self._most, self.held + (now - self.at) * self.per_minute / 60)
        self.at = now
        return max(0.0, min(amount, self._most) - self.held) / self.per_minute * 60

    def take(self, amount: float) -> None:
        """Use it up."""
        self.held -= amount


@dataclass
class Gatekeeper:
    """Decides which requests a provider takes.

    Attributes:
        taken, refused: how many.
    """

    rules: Rules
    taken: int = 0
    refused: int = 0

    def __post_init__(self) -> None:
        limits = (self.rules.requests_per_minute, self.rules.tokens_per_minute)
        self._buckets = [None if limit is None else Bucket(limit, self.rules.burst_s) for limit in limits]

    def retry_after_s(self, tokens: float, now: float) -> int | None:
        """None where the request is taken, else after how many whole seconds it may come again."""
        wanted = [(bucket, amount) for bucket, amount in zip(self._buckets, (1, tokens), strict=True) if bucket]
        wait_s = max((bucket.wait_s(amount, now) for bucket, amount in wanted), default=0.0)
        if wait_s > 0:
            self.refused += 1
            return math.ceil(wait_s)
        for bucket, amount in wanted:
            bucket.take(amount)
        self.taken += 1
        return None


@dataclass
class Meter:
    """What a provider and its clients count.

    Attributes:
        failed: requests that got a 503.
        paid_again: answers that were under way to a node that was lost.
        remembered: answers that another node had stored before it was lost.
    """

    failed: int = 0
    paid_again: int = 0
    remembered: int = 0


class SimulatedProvider:
    """The provider behind all nodes.

    Args:
        rules: how it behaves.
        seed: of its latencies and failures.
    """

    def __init__(self, rules: Rules, *, seed: int = 0) -> None:
        self.rules, self.gate, self.meter = rules, Gatekeeper(rules), Meter()
        self._rng = random.Random(seed)
        self._answered: set[Hashable] = set()
        self._judge = SimulatedJudge({}, noise=1.0)

    async def answer(self, key: Hashable, tokens: float, *, lost: Callable[[], bool] = lambda: False) -> bool:
        """Wait for the answer to a request; returns False where it was stored before, and nothing was asked.

        Raises:
            RateLimited, ProviderUnavailable: it is not answered.
        """
        if key in self._answered:
            self.meter.remembered += 1
            return False
        wait_s = self.gate.retry_after_s(tokens, asyncio.get_running_loop().time())
        if wait_s is not None:
            await asyncio.sleep(0.05)
            raise RateLimited("Rate limit reached.", model=MODEL, status=429, retry_after_s=wait_s)
        if self._rng.random() < self.rules.failures:
            await asyncio.sleep(self.rules.median_s)
            self.meter.failed += 1
            raise ProviderUnavailable("The server is overloaded.", model=MODEL, status=503)
        try:
            await asyncio.sleep(self.rules.latency_s(self._rng))
        except asyncio.CancelledError:
            self.meter.paid_again += lost()
            raise
        self._answered.add(key)
        return True

    async def text(self, request: ChatRequest) -> str:
        """What the model says."""
        reply = await self._judge.complete(request)
        self._judge.requests.clear()
        return reply.text


class Node:
    """One machine's way to the provider: a backend, with the machine's own work for each call.

    Args:
        provider: whom it asks.
        concurrency: how many requests at once.
        cpu_s: its own work a call, one after another.
    """

    def __init__(self, provider: SimulatedProvider, *, concurrency: int, cpu_s: float) -> None:
        self.provider, self.lost = provider, False
        self._cpu_s, self._free_at = cpu_s, 0.0
        self._info = ModelInfo(name=MODEL, context_tokens=128_000, concurrency=concurrency)

    @property
    def info(self) -> ModelInfo:
        """What is known of the model."""
        return self._info

    def count_tokens(self, text: str) -> int:
        """A token for every four characters."""
        return -(-len(text) // 4)

    async def asked(self, key: Hashable, tokens: float) -> bool:
        """The machine's own work, then the provider's answer; False where that was stored before."""
        now = asyncio.get_running_loop().time()
        self._free_at = max(now, self._free_at) + self._cpu_s
        await asyncio.sleep(self._free_at - now)
        return await self.provider.answer(key, tokens, lost=lambda: self.lost)

    async def complete(self, request: ChatRequest) -> ChatReply:
        """A reply that the parsers can read."""
        prompt = prompt_text(request.messages)
        read = self.count_tokens(prompt)
        fresh = await self.asked(hash(prompt), read + request.max_output_tokens)
        text = await self.provider.text(request)
        used = {"prompt_tokens": read, "completion_tokens": self.count_tokens(text)} if fresh else {}
        return ChatReply(text=text, usage=used or {"prompt_tokens": 0, "completion_tokens": 0}, model=MODEL)

    async def aclose(self) -> None:
        """Nothing is open."""
