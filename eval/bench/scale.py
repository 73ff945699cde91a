"""What a million queries take: hours, dollars, retries, and what they wait for.

    python eval/bench/scale.py [--queries 10000] [--real] [--out eval/results/scale.md]

The engine, its limiter, its retrier and its ledger run on a clock that jumps (`scale_clock.py`) against a provider with
limits, 429s, stragglers and failures (`scale_provider.py`). Some thousand queries give the rate of the steady part, and
a million go on at it. Runs without prompts, replies and ledger ("calls alone") do for many queries; the whole engine is
put beside them, and, with --real, runs against a loopback provider by the real clock.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from scale_clock import SimulatedClockPolicy
from scale_provider import MODEL, Rules
from scale_real import measured
from scale_run import LEASE_S, Outcome, Setup, Simulation, estimated

from judge_rerank.engine import Duration, RateLimits, least_duration, run

MILLION = 1_000_000
OUT = Path(__file__).parents[1] / "results" / "scale.md"
BIG = Rules(requests_per_minute=30_000, tokens_per_minute=150_000_000)
MIDDLE = Rules(requests_per_minute=10_000, tokens_per_minute=10_000_000)
SMALL = Rules(requests_per_minute=500, tokens_per_minute=500_000)
TWELVE, LISTWISE = "score(batch_size=12)", "listwise"

SETUPS = (
    Setup(strategy=TWELVE, documents=20, tokens=100, rules=SMALL, concurrency=64),
    Setup(strategy=TWELVE, documents=20, tokens=100, rules=SMALL, concurrency=8),
    Setup(strategy=TWELVE, documents=20, tokens=100, rules=MIDDLE, concurrency=64),
    Setup(strategy=TWELVE, documents=20, tokens=100, rules=MIDDLE, concurrency=256),
    Setup(strategy=TWELVE, documents=20, tokens=100, rules=BIG, concurrency=1024),
    Setup(strategy=TWELVE, documents=20, tokens=100, rules=BIG, concurrency=256, nodes=4),
    Setup(strategy=TWELVE, documents=100, tokens=100, rules=BIG, concurrency=64, nodes=4),
    Setup(strategy=LISTWISE, documents=100, tokens=100, rules=BIG, concurrency=64, nodes=4),
)
REAL = (
    Setup(
        strategy="score", documents=4, tokens=100, rules=Rules(requests_per_minute=720, median_s=0.5), concurrency=32
    ),
    Setup(strategy="score", documents=4, tokens=100, rules=Rules(median_s=0.5), concurrency=8),
    Setup(
        strategy="score", documents=4, tokens=100, rules=Rules(tokens_per_minute=250_000, median_s=0.5), concurrency=16
    ),
)
_REAL_QUERIES = (100, 100, 80)


def simulated(setup: Setup, queries: int, seed: int = 0) -> Outcome:
    """A run in a process of its own, whose event loops have a simulated clock."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_simulate, (setup, queries, seed))


def _simulate(setup: Setup, queries: int, seed: int) -> Outcome:
    logging.disable(logging.CRITICAL)
    asyncio.set_event_loop_policy(SimulatedClockPolicy())  # pyright: ignore[reportDeprecated]
    return run(Simulation(setup, queries, seed=seed).run())


def bound(setup: Setup, queries: int) -> Duration:
    """The closed form: the least time that the limits allow."""
    shape, rules = estimated(setup), setup.rules
    limits = RateLimits(
        requests_per_minute=rules.requests_per_minute,
        tokens_per_minute=rules.tokens_per_minute,
        concurrency=setup.concurrency * setup.nodes,
        latency_s=rules.mean_s,
        cpu_s=setup.cpu_s,
        processes=setup.nodes,
    )
    tokens = (shape.input_tokens + shape.output_tokens) * queries
    return least_duration(shape.calls * queries, tokens, limits, rounds=shape.rounds)


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


def hours(seconds: float) -> str:
    """Hours with three digits."""
    return f"{seconds / 3600:,.3g}" if seconds < 3_600_000 else f"{seconds / 3600:,.0f}"


def named(setup: Setup) -> list[str]:
    """The first columns of a row."""
    rules = setup.rules
    rpm = "none" if rules.requests_per_minute is None else f"{rules.requests_per_minute:,.0f}"
    tpm = "none" if rules.tokens_per_minute is None else f"{rules.tokens_per_minute / 1e6:g} M"
    return [
        f"`{setup.strategy}`",
        f"{setup.documents} × {setup.tokens}",
        f"{rpm} / {tpm}",
        f"{setup.nodes} × {setup.concurrency}",
    ]


_NAMED = ("strategy", "documents × tokens", "requests / tokens a minute", "nodes × at once")


def million(queries: int, say: Callable[[str], None]) -> str:
    """The table of a million queries."""
    rows: list[Sequence[Any]] = []
    for setup in SETUPS:
        say(f"{setup.strategy}, {setup.nodes} x {setup.concurrency}")
        shape, least = estimated(setup), bound(setup, MILLION)
        # Several times as many as are open at once: the first ones begin together, and end in waves.
        count = max(queries * 2 // shape.calls, 8 * setup.nodes * setup.concurrency)
        made = simulated(replace(setup, thin=True), count)
        seconds, share = made.seconds_for(MILLION), MILLION / made.queries
        usd = (shape.expected_cost_usd or Decimal(0)) * MILLION
        rows.append(
            [
                *named(setup),
                f"{hours(seconds)} (± {made.unsteady:.0%})",
                hours(least.seconds),
                least.bound_by,
                f"{usd:,.0f}",
                f"{made.retries * share:,.0f}",
                f"{made.refused * share:,.0f}",
                f"{made.partial * share:,.0f}",
                f"≤ {24 * shape.rounds}, {usd / 2:,.0f}",
            ]
        )
    head = (
        *_NAMED,
        "hours",
        "least hours",
        "bound by",
        "dollars",
        "retries",
        "429s",
        "partial rankings",
        "batch: hours, dollars",
    )
    return table(head, rows)


def calibrated(queries: int, say: Callable[[str], None]) -> str:
    """The whole engine beside the calls alone."""
    rows: list[Sequence[Any]] = []
    for setup in (SETUPS[1], SETUPS[2], SETUPS[7]):
        count = max(100, queries * 2 // estimated(setup).calls)
        say(f"the whole engine: {setup.strategy}, {count} queries")
        whole, alone = simulated(setup, count), simulated(replace(setup, thin=True), count)
        error = alone.seconds / whole.seconds - 1
        counts = (whole.retries, alone.retries, whole.refused, alone.refused)
        rows.append([*named(setup), count, f"{whole.seconds:,.1f}", f"{alone.seconds:,.1f}", f"{error:+.1%}", *counts])
    head = (*_NAMED, "queries", "engine s", "calls alone s", "error", "retries", "(alone)", "429s", "(alone)")
    return table(head, rows)


def extrapolated(queries: int, say: Callable[[str], None]) -> str:
    """Whether a run goes on at the rate of a fifth of it."""
    rows: list[Sequence[Any]] = []
    for setup in (SETUPS[1], SETUPS[3], SETUPS[7]):
        say(f"five times as many: {setup.strategy}")
        count = max(500, queries * 2 // estimated(setup).calls)
        thin = replace(setup, thin=True)
        short, long = simulated(thin, count), simulated(thin, 5 * count, seed=1)
        said = short.seconds_for(5 * count)
        rows.append(
            [
                *named(setup),
                count,
                f"{5 * count:,}",
                f"{said:,.0f}",
                f"{long.seconds:,.0f}",
                f"{said / long.seconds - 1:+.1%}",
            ]
        )
    return table((*_NAMED, "queries", "extrapolated to", "said s", "run s", "error"), rows)


def lost(queries: int, say: Callable[[str], None]) -> str:
    """What a lost node costs, at three moments of a run."""
    setup = replace(SETUPS[5], thin=True)
    say("a lost node")
    whole = simulated(setup, queries)
    rows: list[Sequence[Any]] = []
    for share in (0.25, 0.5, 0.9):
        made = simulated(replace(setup, lost_at_s=share * whole.seconds), queries)
        extra = made.seconds - whole.seconds
        usual = whole.seconds * (1 - share) / (setup.nodes - 1)
        rows.append(
            [
                f"{share:.0%}",
                f"{whole.seconds:,.0f}",
                f"{made.seconds:,.0f}",
                f"{extra:,.0f}",
                f"{usual:,.0f}",
                made.paid_again,
                setup.concurrency,
                made.remembered,
                made.queries,
            ]
        )
    head = (
        "lost after",
        "s without",
        "s with",
        "more",
        "more for want of a fourth",
        "calls paid again",
        "most",
        "calls taken from the cache",
        "rankings",
    )
    return table(head, rows)


def checked(say: Callable[[str], None]) -> str:
    """Simulated beside real runs."""
    rows: list[Sequence[Any]] = []
    for setup, queries in zip(REAL, _REAL_QUERIES, strict=True):
        say(f"by the real clock: {setup.strategy}, {queries} queries")
        real, cpu_s = measured(setup, queries)
        said = simulated(replace(setup, cpu_s=cpu_s), queries)
        rows.append(
            [
                *named(setup),
                queries,
                f"{bound(replace(setup, cpu_s=cpu_s), queries).seconds:,.1f}",
                f"{said.seconds:,.1f}",
                f"{real.seconds:,.1f}",
                f"{said.seconds / real.seconds - 1:+.1%}",
                f"{said.refused} / {real.refused}",
                f"{said.retries} / {real.retries}",
                f"{said.partial} / {real.partial}",
                f"{1000 * cpu_s:.1f}",
            ]
        )
    head = (
        *_NAMED,
        "queries",
        "least s",
        "said s",
        "real s",
        "error",
        "429s said / real",
        "retries said / real",
        "partial said / real",
        "CPU ms a call",
    )
    return table(head, rows)


@dataclass(frozen=True)
class Part:
    """A part of the report: its heading, what to know of it, and what makes its table."""

    heading: str
    words: str
    made: Callable[[Callable[[str], None]], str]


def parts(queries: int, *, real: bool) -> list[Part]:
    """All that is run."""
    rules = SETUPS[0].rules
    found = [
        Part(
            "A million queries",
            f"At least {2 * queries:,} calls are run, and go on at the rate of their steady part; ± is by how "
            "much the rates of its two halves differ. Dollars are the expected ones of `estimate`, by the cost map's "
            f"price of `{MODEL}`, without failed attempts, which are not billed. Least hours are those of the closed "
            "form (`judge_rerank.engine.least_duration`), and what binds is said by it. A partial ranking misses a "
            "judgment, because five attempts at a call failed. A batch job takes at most 24 hours a round, at half the "
            "price.",
            partial(million, queries),
        ),
        Part(
            "The whole engine beside its calls alone",
            "The same run with prompts, replies, reservations and ledger, and without.",
            partial(calibrated, max(200, queries // 10)),
        ),
        Part(
            "Whether the rate stays",
            "A run is extrapolated to five times as many queries, which are then run, with another seed.",
            partial(extrapolated, queries // 2),
        ),
        Part(
            "A lost node",
            f"One of four is lost, and what it had taken goes to the others after {LEASE_S:.0f} s. What was stored is "
            "not paid again; what was under way is, at most as many calls as a node has at once.",
            partial(lost, queries),
        ),
    ]
    if real:
        by_clock = Part(
            "Real runs",
            "Against a provider on the loopback interface with the same rules, through LiteLLM, by the real clock; "
            "the simulation has the CPU time a call of the real run.",
            checked,
        )
        found.insert(1, by_clock)
    return [Part("The provider", "", lambda _say: provider_said(rules)), *found]


def provider_said(rules: Rules) -> str:
    """What is assumed of the provider, in words."""
    return (
        f"An answer takes {rules.median_s:g} s in the median (log-normal, {rules.spread:g}), {rules.stragglers:.0%} "
        f"of them ten times as long, {rules.mean_s:.2f} s in the mean; {rules.failures:.1%} of the requests fail with "
        f"503. Limits fill up evenly, {rules.burst_s:g} s' worth may come at once, and a 429 names the seconds after "
        "which there is room. A request counts with its input and the most that its reply may use; what is refused "
        "does not count. Our own work is 5 ms a call, and each node is one process.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=10_000, help="queries of two calls a run; of others fewer")
    parser.add_argument("--real", action="store_true", help="also runs by the real clock, about five minutes")
    parser.add_argument("--out", type=Path, default=OUT, help="the Markdown file")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - started:6.0f} s  {text}", file=sys.stderr)

    command = f"python eval/bench/scale.py --queries {arguments.queries}{' --real' if arguments.real else ''}"
    pieces = ["# A million queries\n", f"Made by `{command}` on {os.cpu_count()} processors.\n"]
    for part in parts(arguments.queries, real=arguments.real):
        pieces += [f"## {part.heading}\n", *([part.words + "\n"] if part.words else []), part.made(say)]
        arguments.out.write_text("\n".join(pieces), encoding="utf-8")
    print("\n".join(pieces))


if __name__ == "__main__":
    main()
