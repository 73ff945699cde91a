"""Whether a cap ever gives: rankings under caps, against providers that misbehave and keep a bill of their own.

    python eval/bench/overshoot.py [--runs 2000] [--socket-runs 40] [--seed 0]

Each run draws everything from its seed: strategies, documents, up to 256 calls at once, latency, faults (429, 5xx,
resets, hangs, half answers, missing usage, truncated and malformed replies), usage blocks with numbers in them that
can be none, texts in scripts of which a small vocabulary makes a token a byte, deadlines, cancelled tasks and tokens,
and caps within caps. Afterwards the provider's own meter must not be above any cap, nor the ledger below the meter.
The meter counts tokens in its own way and prices them in whole pico-dollars; it goes on charging for what the caller
has given up. Ends with 1 if any run breaks a rule.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from judge_rerank import Budget, BudgetExceeded, CancelToken, Judge, Price, Ranking
from judge_rerank.core import (
    ChatReply,
    ChatRequest,
    ModelInfo,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
)
from tests.provider import Faults, Provider, QrelsJudge
from tests.provider.meter import quarter_of_bytes

# Of the provider below, in pico-dollars a token; `PRICES` says the same in the library's words.
INPUT, CACHED, OUTPUT = 150_000, 75_000, 600_000
PRICES = {"double": Price(input_usd_per_mtok="0.15", cached_input_usd_per_mtok="0.075", output_usd_per_mtok="0.60")}
PICO_PER_MICRO = 1_000_000

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None

KINDS = (
    *("ok",) * 7,
    *("status", "reset", "unreachable", "hang", "drop", "half_body", "gateway"),
    *("no_usage", "odd_usage", "odd_usage", "truncated", "malformed", "refusal"),
)

PLAIN = ("alpha", "beta", "gamma", "沙丘", "delta")
SCRIPTS: tuple[tuple[str, ...], ...] = (
    PLAIN,
    ("დიუნა", "ფრენკ", "ჰერბერტი", "რომანი"),  # Georgian
    ("డూన్", "నవలను", "ఫ్రాంక్", "హెర్బర్ట్"),  # Telugu
    ("டூன்", "நாவலை", "பிராங்க்", "எழுதினார்"),  # Tamil
    ("ഡ്യൂൺ", "എഴുതിയത്", "ഫ്രാങ്ക്", "ഹെർബെർട്ട്"),  # Malayalam
    ("ዱን", "የጻፈው", "ፍራንክ", "ኸርበርት"),  # Amharic
    ("🏜️", "👨‍👩‍👧‍👦", "🪱", "📖"),
    ("沙丘", "弗兰克", "赫伯特", "砂の惑星"),
)
ODD_COUNTS: tuple[Any, ...] = (0, None, -7, 10**15, float("nan"), float("inf"), "12", "", True, [], {}, 1e300)


class Meter:
    """What the provider charges, in pico-dollars, by query."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.by_query: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()
        self.under_way = 0

    def begin(self) -> None:
        with self._lock:
            self.under_way += 1

    def charge(self, query: str, amount: int, tokens: int) -> None:
        with self._lock:
            self.under_way -= 1
            self.by_query[query] += amount
            self.requests[query] += amount > 0
            self.tokens[query] += tokens

    @property
    def total(self) -> int:
        return sum(self.by_query.values())


class Double:
    """A provider in this process that misbehaves by seed and request number.

    It works on after the caller has hung up, and charges for it. With `gather` it answers nobody until so many ask at
    once, or until they take too long to come.
    """

    def __init__(self, seed: int, *, fault_rate: float, latency_s: float, concurrency: int, gather: int = 0) -> None:
        self._seed, self._fault_rate, self._latency_s = seed, fault_rate, latency_s
        self.info = ModelInfo(name="double", context_tokens=16_384, concurrency=concurrency)
        self.meter = Meter()
        self._number = 0
        self.peak = self._at_once = 0
        self._gather, self._gathered = gather, asyncio.Event()

    def count_tokens(self, text: str) -> int:
        return -(-len(text) // 4)

    async def complete(self, request: ChatRequest) -> ChatReply:
        chance = random.Random(f"{self._seed}/{self._number}")
        self._number += 1
        self._at_once += 1
        self.peak = max(self.peak, self._at_once)
        try:
            await self._crowd()
            return await self._answer(request, chance)
        finally:
            self._at_once -= 1

    async def aclose(self) -> None:
        pass

    async def _crowd(self) -> None:
        if self._at_once < self._gather and not self._gathered.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._gathered.wait(), 5)
        self._gathered.set()

    async def _answer(self, request: ChatRequest, chance: random.Random) -> ChatReply:
        kind = chance.choice(KINDS) if chance.random() < self._fault_rate else "ok"
        latency_s = min(chance.expovariate(1 / self._latency_s), 2 * self._latency_s) if self._latency_s else 0.0
        if kind in {"status", "reset", "unreachable"}:
            await asyncio.sleep(latency_s * chance.random())
            raise refusal(kind, chance)
        text, finish = reply(request, kind, chance)
        used = usage(request, text, chance)
        assert request.subject is not None
        query = request.subject.query.text
        self.meter.begin()
        amount = (used.input - used.cached) * INPUT + used.cached * CACHED + used.output * OUTPUT
        # It charges at some moment of its own, whether anybody is listening then or not.
        delay_s = latency_s * chance.random()
        asyncio.get_running_loop().call_later(delay_s, self.meter.charge, query, amount, used.input + used.output)
        if kind == "hang":
            await asyncio.sleep(request.timeout_s)
            raise ProviderTimeout("no answer", retry_after_s=0.002)
        await asyncio.sleep(latency_s)
        if kind in {"drop", "half_body", "gateway"}:
            status = {"drop": None, "half_body": 200, "gateway": chance.choice([502, 504])}[kind]
            raise ProviderUnavailable(kind, status=status, retry_after_s=0.002)
        block = {} if kind == "no_usage" else used.block(chance)
        block = spoilt(block, used, chance) if kind == "odd_usage" else block
        return ChatReply(text=text, finish_reason=finish, usage=block, model="double")


@dataclass(frozen=True, kw_only=True, slots=True)
class Used:
    input: int
    cached: int
    output: int

    def block(self, chance: random.Random) -> dict[str, Any]:
        """What the provider says, in the words of one of several providers."""
        if chance.random() < 0.5:
            return {
                "prompt_tokens": self.input,
                "completion_tokens": self.output,
                "prompt_tokens_details": {"cached_tokens": self.cached},
            }
        fresh = self.input - self.cached
        return {"input_tokens": fresh, "cache_read_input_tokens": self.cached, "output_tokens": self.output}


def spoilt(block: dict[str, Any], used: Used, chance: random.Random) -> dict[str, Any]:
    """A usage block in which a count is missing, no number, or more of the input was cached than there was.

    Without the count of what was cached beside the input, a block would be whole and wrong, which nobody could tell.
    """
    counts = [name for name in block if isinstance(block[name], int)]
    name = chance.choice([name for name in counts if name != "cache_read_input_tokens"])
    kind = chance.random()
    if kind < 0.2:
        return {other: count for other, count in block.items() if other != name}
    if kind < 0.4:
        details = {"cached_tokens": used.input + chance.choice([1, used.input, 10**8])}
        return {"prompt_tokens": used.input, "completion_tokens": used.output, "prompt_tokens_details": details}
    if kind < 0.6:
        return {**dict.fromkeys(counts, chance.choice(ODD_COUNTS)), "total_tokens": chance.choice(ODD_COUNTS)}
    return {**block, name: chance.choice(ODD_COUNTS)}


def usage(request: ChatRequest, text: str, chance: random.Random) -> Used:
    """By a tokenizer unlike the caller's: up to a third more tokens, and some for each message and the schema.

    Of what is not ASCII it makes up to a token a byte, as one does that does not know the script.
    """
    texts = [message.content for message in request.messages]
    letters = sum(len(each) for each in texts)
    foreign = sum(len(each.encode()) for each in texts) - letters
    schema = len(json.dumps(request.schema.schema)) // 3 if request.schema is not None else 0
    read = int(letters / chance.uniform(3.0, 5.0) + foreign * chance.uniform(0.2, 1.0))
    read += 7 * len(request.messages) + schema
    written = min(request.max_output_tokens, max(1, len(text) // 2) + chance.choice([0, 0, 40]))
    return Used(input=read, cached=int(read * chance.choice([0, 0, 0.5])), output=written)


def refusal(kind: str, chance: random.Random) -> ProviderError:
    if kind == "status":
        status = chance.choice([429, 429, 500, 503, 529])
        error = RateLimited if status == 429 else ProviderUnavailable
        return error("turned away", status=status, retry_after_s=chance.choice([0.0, 0.002, 0.01]))
    return ProviderUnavailable(kind, sent=kind != "unreachable", retry_after_s=0.002)


def reply(request: ChatRequest, kind: str, chance: random.Random) -> tuple[str, Any]:
    """What the model says, and how it ends."""
    subject = request.subject
    assert subject is not None
    n = len(subject.candidates)
    if subject.task == "listwise":
        value: dict[str, Any] = {"ranking": chance.sample(range(1, n + 1), n)}
    else:
        verdict = {"relevant": chance.random() < 0.5} if subject.task == "binary" else {"score": chance.randint(1, 10)}
        value = verdict if n == 1 else {"judgments": [{"id": place} | verdict for place in range(1, n + 1)]}
    text = json.dumps(value)
    if kind == "truncated":
        return text[: len(text) // 2], "length"
    if kind == "malformed":
        return "On the one hand, " * 5, "stop"
    return ("I can't help with that.", "refusal") if kind == "refusal" else (text, "stop")


@dataclass(kw_only=True, slots=True)
class Result:
    """What one run showed.

    Attributes:
        violations: the rules that were broken, one sentence each.
        charged, cap, ledger: the provider's bill, the budget and what the ledger says, in micro-dollars.
        calls: requests that the provider charged for.
        peak: the most requests at once.
        exhausted: whether the budget was reached.
        worst: the most that one call could cost.
    """

    violations: list[str] = field(default_factory=list)
    charged: Decimal = Decimal(0)
    cap: int = 0
    ledger: int = 0
    calls: int = 0
    peak: int = 0
    exhausted: bool = False
    worst: int = 0

    @property
    def utilisation(self) -> float:
        """The share of the cap that bought something."""
        return float(self.charged / self.cap)

    def check(self, *, holds: bool, rule: str) -> None:
        if not holds:
            self.violations.append(rule)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """One ranking of a run."""

    query: str
    docs: Sequence[str]
    strategy: str
    max_usd: Decimal | None = None
    deadline_s: float | None = None
    token: CancelToken | None = None
    task_cancel_s: float | None = None
    in_thread: bool = False


def in_process_run(seed: int, folder: Path, *, clean: bool = False) -> Result:
    """One run against the provider in this process. A clean one has no faults and much more demand than money."""
    chance = random.Random(seed)
    concurrency = 256 if chance.random() < 0.02 else chance.choice([1, 4, 16, 64])
    double = Double(
        seed,
        fault_rate=0.0 if clean else chance.choice([0.0, 0.1, 0.2, 0.4, 0.9]),
        latency_s=0.6 if concurrency == 256 else chance.choice([0.0, 0.002, 0.01]),
        concurrency=concurrency,
        gather=256 if concurrency == 256 and not clean else 0,
    )
    probe = one_call()
    calls = chance.randint(60, 200) if clean else chance.choice([0, 2, 10, 40, 200, 1000])
    if concurrency == 256:
        calls = 400  # so that money is not what keeps them from being under way together
    cap = max(1, int(probe * 1_000_000 * calls))
    path = folder / f"{seed}{'-clean' if clean else ''}.db"
    judges = [
        Judge(
            double,
            prices=PRICES,
            budget=Budget(usd=Decimal(cap).scaleb(-6), path=path),
            timeout_s=0.05,
            max_attempts=chance.choice([1, 3, 5]),
            cache_dir=folder / "cache" if not clean and chance.random() < 0.1 else None,
        )
        for _ in range(1 if chance.random() < 0.8 else 2)
    ]
    plans = clean_plans(chance, calls) if clean else mixed_plans(chance, concurrency, probe)
    rankings, blocks = asyncio.run(Driver(judges, plans, chance, probe, limited=not clean).run())
    for judge in judges:
        judge.close()
    while double.meter.under_way:
        time.sleep(0.002)
    result = Result(cap=cap, peak=double.peak, worst=int(probe * 1_000_000))
    check_caps(result, double.meter, path, plans, rankings)
    check_blocks(result, double.meter, blocks)
    return result


@cache
def one_call() -> Decimal:
    """The most that a call about one document of 60 words can cost, in dollars."""
    double = Double(0, fault_rate=0, latency_s=0, concurrency=1)
    cost = Judge(double, prices=PRICES).estimate("query 0", [document(random.Random(0), 0, 60)], "score").cost_usd
    assert cost is not None
    return cost


def document(chance: random.Random, number: int, words: int, script: Sequence[str] = PLAIN) -> str:
    return f"{number} " + " ".join(chance.choice(script) for _ in range(words))


def clean_plans(chance: random.Random, calls: int) -> list[Plan]:
    docs = [document(chance, number, 60) for number in range(40)]
    return [Plan(query=f"query {n}", docs=docs, strategy="score") for n in range(2 + calls * 6 // 40)]


def mixed_plans(chance: random.Random, concurrency: int, probe: Decimal) -> list[Plan]:
    strategies = ("binary", "score", "score", "score(batch_size=5)", "listwise(window_size=8, stride=4)")
    plans: list[Plan] = []
    for n in range(chance.randint(1, 6)):
        many = 280 if concurrency == 256 and n == 0 else chance.choice([1, 5, 12, 25, 50])
        docs = [document(chance, number, chance.randint(1, 120), chance.choice(SCRIPTS)) for number in range(many)]
        token = None
        if chance.random() < 0.15:
            token = CancelToken()
            threading.Timer(chance.uniform(0, 0.1), token.cancel).start()
        plan = Plan(
            query=f"query {n}",
            docs=docs,
            strategy="score" if many == 280 else chance.choice(strategies),
            max_usd=probe * chance.randint(1, 20) if chance.random() < 0.2 else None,
            deadline_s=chance.uniform(0.005, 0.2) if chance.random() < 0.2 else None,
            token=token,
            task_cancel_s=chance.uniform(0, 0.08) if chance.random() < 0.1 else None,
            in_thread=chance.random() < 0.3,
        )
        plans.append(plan)
    return plans


Block = tuple[Any, list[str]]


class Driver:
    """Makes the rankings of a run side by side, some of them within limits within limits."""

    def __init__(
        self, judges: Sequence[Judge], plans: Sequence[Plan], chance: random.Random, probe: Decimal, *, limited: bool
    ) -> None:
        self._judges, self._plans, self._chance, self._probe = judges, plans, chance, probe
        self._limited = limited

    async def run(self) -> tuple[dict[str, Ranking | None], list[Block]]:
        blocks: list[Block] = []
        tasks: list[asyncio.Task[Ranking | None]] = []
        with ExitStack() as stack:
            for plan in self._plans:
                judge = self._judges[0]
                if self._limited and self._chance.random() < 0.2 and len(blocks) < 3:
                    blocks.append((stack.enter_context(judge.limit(**self._bounds())), []))
                if not blocks:  # a limit belongs to its judge
                    judge = self._chance.choice(self._judges)
                for _, queries in blocks:
                    queries.append(plan.query)
                tasks.append(asyncio.create_task(one(judge, plan)))
            rankings = await asyncio.gather(*tasks)
        return {plan.query: ranking for plan, ranking in zip(self._plans, rankings, strict=True)}, blocks

    def _bounds(self) -> dict[str, Any]:
        n = self._chance.choice([1, 10, 60])
        worst = int(self._probe * 1_000_000)
        return self._chance.choice(
            [{"calls": n}, {"usd": self._probe * n}, {"tokens": 4 * worst * n, "usd": 2 * self._probe * n}]
        )


async def one(judge: Judge, plan: Plan) -> Ranking | None:
    """The ranking; None for one whose task was cancelled."""
    raises = plan.max_usd is not None and plan.deadline_s is None
    options: dict[str, Any] = {
        "max_usd": plan.max_usd,
        "deadline_s": plan.deadline_s,
        "cancel": plan.token,
        "on_exhausted": "raise" if raises else "partial",
    }
    try:
        if plan.in_thread:
            return await asyncio.to_thread(judge.rerank, plan.query, plan.docs, plan.strategy, **options)
        call = judge.arerank(plan.query, plan.docs, plan.strategy, **options)
        if plan.task_cancel_s is None:
            return await call
        task = asyncio.create_task(call)
        asyncio.get_running_loop().call_later(plan.task_cancel_s, task.cancel)
        await asyncio.wait([task])
        return None if task.cancelled() else task.result()
    except BudgetExceeded as error:
        return error.ranking


def check_caps(
    result: Result, meter: Meter, path: Path, plans: Sequence[Plan], rankings: dict[str, Ranking | None]
) -> None:
    """The rules for the budget, the ledger and each query."""
    pico = meter.total
    spent, under_way, stopped = read_ledger(path)
    result.charged, result.ledger = Decimal(pico) / PICO_PER_MICRO, spent
    result.calls = sum(meter.requests.values())
    result.check(holds=pico <= result.cap * PICO_PER_MICRO, rule=f"billed {result.charged} above the cap {result.cap}")
    result.check(holds=spent <= result.cap, rule=f"the ledger has {spent}, the cap is {result.cap}")
    result.check(holds=spent * PICO_PER_MICRO >= pico, rule=f"billed {result.charged}, the ledger has {spent}")
    result.check(holds=not under_way, rule=f"{under_way} reservations are left")
    result.check(holds=not stopped, rule="a bill was above its reservation")
    for plan in plans:
        ranking, billed = rankings[plan.query], meter.by_query[plan.query]
        most = None if plan.max_usd is None else int(plan.max_usd * 10**12)
        result.check(holds=most is None or billed <= most, rule=f"{plan.query} billed {billed} above {most}")
        if ranking is None:
            continue
        whole = sorted(ranking.order) == list(range(len(plan.docs)))
        result.check(holds=whole, rule=f"{plan.query}: documents are missing")
        cost = ranking.usage.cost_usd
        told = cost is not None and int(cost * 10**12) >= billed
        result.check(holds=told, rule=f"{plan.query} says {cost}, billed {billed}")
        result.exhausted |= any("(budget is used up" in reason for reason in ranking.reasons)


def read_ledger(path: Path) -> tuple[int, int, bool]:
    """What is charged in all, how many calls are under way, and whether a bill stopped the budget; from the rows."""
    if not path.exists():  # nothing was asked for
        return 0, 0, False
    with closing(sqlite3.connect(path)) as connection:
        charged, under_way = connection.execute(
            "SELECT coalesce(sum(charged), 0), coalesce(sum(state IN ('reserved', 'sent')), 0) FROM calls"
        ).fetchone()
        (spent, held) = connection.execute(
            "SELECT coalesce(sum(spent), 0), coalesce(sum(held), 0) FROM totals WHERE period = 'ever'"
        ).fetchone()
        (stopped,) = connection.execute("SELECT count(*) FROM stopped").fetchone()
    if (charged, 0) != (spent, held) and not under_way:
        raise AssertionError(f"the sums of the ledger are {spent} and {held}, its rows make {charged}")
    return charged, under_way, bool(stopped)


def check_blocks(result: Result, meter: Meter, blocks: Sequence[Block]) -> None:
    """The rules for each `limit`."""
    for cap, queries in blocks:
        billed = sum(meter.by_query[query] for query in queries)
        requests = sum(meter.requests[query] for query in queries)
        tokens = sum(meter.tokens[query] for query in queries)
        limits = cap.limits
        usd = limits.get("usd")
        result.check(holds=usd is None or billed <= usd * PICO_PER_MICRO, rule=f"billed {billed} in {cap}")
        result.check(holds=cap.spent.micro_usd * PICO_PER_MICRO >= billed, rule=f"billed {billed}, less in {cap}")
        result.check(holds=requests <= cap.spent.calls <= limits.get("calls", 10**9), rule=f"{requests} calls in {cap}")
        result.check(holds=tokens <= limits.get("tokens", 10**12), rule=f"{tokens} tokens in {cap}")
        result.check(holds=cap.held.calls == 0, rule=f"something is still held in {cap}")


RATES: dict[Any, float] = {
    "status": 0.08,
    "hang": 0.02,
    "reset": 0.04,
    "drop": 0.04,
    "half_body": 0.04,
    "bad_json": 0.03,
    "wrong_type": 0.02,
    "duplicate": 0.03,
    "no_usage": 0.06,
    "truncated": 0.05,
    "refusal": 0.03,
    "no_choices": 0.03,
}


def nine_tenths_of_bytes(text: str) -> int:
    """Tokens of a vocabulary that does not know the script."""
    return -(-9 * len(text.encode()) // 10)


def socket_run(seed: int, folder: Path) -> Result:
    """One run through LiteLLM and real sockets, against the loopback provider and its meter."""
    chance = random.Random(seed)
    known = chance.random() < 0.5
    # The texts that OpenAI's own vocabulary counts are plain: the provider counts bytes, and no more than it would.
    scripts = (PLAIN,) if known else SCRIPTS
    docs = [document(chance, number, chance.randint(5, 80), chance.choice(scripts)) for number in range(30)]
    model = "openai/gpt-4o-mini" if known else "hosted_vllm/a-small-model"
    judged = QrelsJudge({text: place % 4 for place, text in enumerate(docs)}, seed=seed, noise=0.5)
    schedule = Faults(seed, RATES, latency_s=(0.0, 0.05), statuses=(429, 500, 503, 529), retry_after_s=0.01)
    cap = chance.choice([300, 1_000, 3_000, 8_000])
    path = folder / f"socket-{seed}.db"
    with (
        Provider(
            judged,
            faults=schedule,
            cached_share=chance.choice([0, 0.5]),
            count=quarter_of_bytes if known else nine_tenths_of_bytes,
        ) as provider,
        Judge(
            model,
            prices=None if known else {model: PRICES["double"]},
            params={} if known else {"context_tokens": 16_384},
            api_base=f"{provider.url}/v1",
            api_key="sk-loopback-0123456789",
            budget=Budget(usd=Decimal(cap).scaleb(-6), path=path),
            concurrency=chance.choice([8, 64, 256]),
            timeout_s=2.0,
            max_attempts=3,
            cache_dir=None,
        ) as judge,
    ):
        probe = judge.estimate("query", docs[:1], "score").cost_usd or Decimal(0)
        plans = [
            Plan(
                query=f"query {n}",
                docs=docs[: chance.choice([8, 30])],
                strategy=chance.choice(["score", "binary", "listwise(window_size=10, stride=5)"]),
                deadline_s=chance.uniform(0.05, 2) if chance.random() < 0.2 else None,
                task_cancel_s=chance.uniform(0.02, 0.5) if chance.random() < 0.15 else None,
            )
            for n in range(4)
        ]
        rankings, blocks = asyncio.run(Driver([judge], plans, chance, probe, limited=True).run())
        judge.close()
        time.sleep(0.06)  # what was given up is still being charged for
        charged, peak = provider.bill.picousd, provider.peak
        meter = Meter()
        meter.by_query[""] = charged
        result = Result(cap=cap, peak=peak, worst=int(probe * 1_000_000))
    check_caps(result, meter, path, plans, rankings)
    result.calls = provider.bill.requests
    for limit, _ in blocks:
        result.check(holds=limit.spent.micro_usd <= limit.limits.get("usd", 10**12), rule=f"too much in {limit}")
    return result


def series(name: str, seeds: range, run: Callable[[int], Result]) -> list[Result]:
    """Make the runs, and say what they showed."""
    started, results = time.perf_counter(), list[Result]()
    for seed in seeds:
        result = run(seed)
        results.append(result)
        for violation in result.violations:
            print(f"{name}, seed {seed}: {violation}")
    calls, broken = sum(r.calls for r in results), sum(bool(r.violations) for r in results)
    print(
        f"{name}: {len(results)} runs, {calls} calls billed, most at once {max(r.peak for r in results)}, "
        f"{time.perf_counter() - started:.0f} s",
        flush=True,
    )
    above = max((float(r.charged) / r.cap for r in results), default=0)
    under = min((r.ledger - float(r.charged) for r in results), default=0)
    print(
        f"  runs that broke a rule: {broken}; highest bill {above:.2%} of its cap; "
        f"ledger - bill at least {under:.3f} micro-dollars"
    )
    print(f"  budget exhausted in {sum(r.exhausted for r in results)} runs")
    return results


def utilisation(name: str, results: Sequence[Result]) -> list[float]:
    """Print how much of each exhausted budget bought something."""
    shares = sorted(result.utilisation for result in results if result.exhausted and result.cap >= 40 * result.worst)
    if shares:
        points = "  ".join(f"p{p} {shares[min(len(shares) - 1, len(shares) * p // 100)]:.1%}" for p in (5, 50, 95))
        print(f"use of the budget, {name}: n={len(shares)}  least {shares[0]:.1%}  {points}  most {shares[-1]:.1%}")
    return shares


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--clean-runs", type=int, default=60, help="runs without faults, for the use of the budget")
    parser.add_argument("--socket-runs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0, help="of the first run; the others follow it")
    parser.add_argument("--folder", default=MEMORY, help="where the ledgers are kept; in memory where there is such")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    first = arguments.seed
    broken: defaultdict[str, int] = defaultdict(int)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        sets: list[tuple[str, int, Callable[[int], Result]]] = [
            ("in process", arguments.runs, lambda seed: in_process_run(seed, folder)),
            ("in process, no faults", arguments.clean_runs, lambda seed: in_process_run(seed, folder, clean=True)),
            ("over sockets", arguments.socket_runs, lambda seed: socket_run(seed, folder)),
        ]
        for label, n, run in sets:
            if n:
                results = series(label, range(first, first + n), run)
                broken[label] = sum(bool(result.violations) for result in results)
                shares = utilisation(label, results)
                if "no faults" in label and shares and shares[0] < 0.95:
                    broken["use of the budget"] += 1
    print(f"broken: {dict(broken)}")
    return 1 if any(broken.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
