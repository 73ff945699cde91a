"""`judge-rerank plan` from the command line to the figures."""

from __future__ import annotations

import json

from tests.cli.conftest import Command
from tests.provider import Provider


def test_a_recommendation(command: Command, judge: list[str], provider: Provider) -> None:
    ran = command("plan", 50, *judge, "--latency", 10, "-f", "json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert found["call_latency_s"] == 2
    assert all(forecast["latency_s"] <= 10 for forecast in (found["best"], *found["alternatives"]))
    assert provider.requests == 0


def test_the_table_names_the_best_first(command: Command, judge: list[str]) -> None:
    ran = command("plan", 50, *judge, "--call-latency", 1)
    assert ran.code == 0, ran.err
    names, best = ran.out.splitlines()[:2]
    assert names.split()[:2] == ["strategy", "nDCG@10"]
    assert best.startswith(json.loads(command("plan", 50, *judge, "-f", "json").out)["best"]["strategy"][:20])


def test_nothing_fits(command: Command, judge: list[str]) -> None:
    ran = command("plan", 50, *judge, "--latency", 0.1)
    assert ran.code == 2
    assert "No strategy ranks 50 documents within 0.1 seconds" in " ".join(ran.err.split())
