"""Runs by the real clock, against a provider on the loopback interface that keeps the rules of the simulated one."""

from __future__ import annotations

import multiprocessing
import random
import time
from dataclasses import replace
from multiprocessing.connection import Connection

from scale_provider import MODEL, Gatekeeper, Rules
from scale_run import Outcome, Setup, Simulation, estimated

from judge_rerank.engine import run
from judge_rerank.providers import LiteLLMBackend
from tests.provider import Fault, Provider, QrelsJudge


class Schedule:
    """What the loopback provider does with each request, by the same rules and the real clock."""

    def __init__(self, rules: Rules, tokens: float, seed: int) -> None:
        self.gate, self.failed = Gatekeeper(rules), 0
        self._rules, self._tokens, self._rng = rules, tokens, random.Random(seed)

    def at(self, number: int) -> Fault:  # noqa: ARG002
        """A 429, a 503, or a delay."""
        wait_s = self.gate.retry_after_s(self._tokens, time.monotonic())
        if wait_s is not None:
            return Fault.too_many(str(wait_s))
        if self._rng.random() < self._rules.failures:
            self.failed += 1
            return Fault(kind="status", status=503, delay_s=self._rules.median_s)
        return Fault(delay_s=self._rules.latency_s(self._rng))


def serve(connection: Connection, rules: Rules, tokens: float) -> None:
    """The loopback provider, in a process of its own, until it is told to end."""
    schedule = Schedule(rules, tokens, seed=1)
    with Provider(QrelsJudge({}), faults=schedule, keep=0) as provider:
        connection.send(provider.url)
        connection.recv()
        connection.send((schedule.gate.refused, schedule.failed))


def measured(setup: Setup, queries: int) -> tuple[Outcome, float]:
    """A run against the loopback provider by the real clock; and this process's CPU a call."""
    shape = estimated(setup)
    here, there = multiprocessing.Pipe()
    tokens = (shape.input_tokens + shape.output_tokens) / shape.calls
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(there, setup.rules, tokens))
    server.start()
    backend = LiteLLMBackend(MODEL, api_base=f"{here.recv()}/v1", api_key="sk-loopback-0123456789")
    run(Simulation(replace(setup, rules=Rules()), 1, backend=backend).run())  # imports and first connections
    before = time.process_time()
    outcome = run(Simulation(setup, queries, backend=backend).run())
    cpu_s = (time.process_time() - before) / outcome.calls
    here.send("end")
    refused, failed = here.recv()
    server.join()
    return replace(outcome, refused=refused, failed=failed), cpu_s
