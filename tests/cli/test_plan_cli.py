"""`judge-rerank plan` from the command line to the figures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path

from judge_rerank.evaluation.record import DatasetInfo, Result, RunInfo, Variant
from judge_rerank.evaluation.runfolder import RunFolder
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
    names, _, best = ran.out.splitlines()[:3]
    assert names.split() == ["strategy", "rank", "calls", "rounds", "tokens", "s", "cost", "at", "most"]
    assert "–" in best
    assert "the measured order (.33)" in " ".join(ran.err.split())
    assert best.startswith(json.loads(command("plan", 50, *judge, "-f", "json").out)["best"]["strategy"][:20])


def test_nothing_fits(command: Command, judge: list[str]) -> None:
    ran = command("plan", 50, *judge, "--latency", 0.1)
    assert ran.code == 2
    assert "No strategy ranks 50 documents within 0.1 seconds" in " ".join(ran.err.split())


def test_dollars_by_expectation(command: Command, judge: list[str], tmp_path: Path) -> None:
    """A limit between what is expected and the bound leaves strategies over."""
    prices = tmp_path / "prices.yaml"
    prices.write_text("openai/test: {input_usd_per_mtok: 0.4, output_usd_per_mtok: 8}\n")
    asked = ["plan", 50, *judge, "--prices", prices]
    best = json.loads(command(*asked, "-f", "json").out)["best"]
    expected, most = Decimal(best["expected_cost_usd"]), Decimal(best["cost_usd"])
    assert expected < most
    within = json.loads(command(*asked, "--usd", (expected + most) / 2, "-f", "json").out)["best"]
    assert within["strategy"] == best["strategy"]


def test_by_the_users_own_measurements(command: Command, tmp_path: Path) -> None:
    write_run(tmp_path, {"dear": (0.8, "0.010", 4.0), "cheap": (0.79, "0.001", 2.0), "bad": (0.2, "0.0005", 1.0)})
    ran = command("plan", "--from", tmp_path, "-f", "json")
    assert ran.code == 0, ran.err
    assert [each["variant"] for each in json.loads(ran.out)] == ["cheap", "dear", "bad"]
    assert [each["worse"] for each in json.loads(ran.out)] == [False, False, True]
    within = command("plan", "--from", tmp_path, "--usd", "0.0006")
    assert within.code == 0, within.err
    assert within.out.splitlines()[2].startswith("bad")
    nothing = command("plan", "--from", tmp_path, "--usd", "0.0001")
    assert nothing.code == 2
    assert "No variant of the run fits" in nothing.err
    assert command("plan", 20, "--from", tmp_path).code == 2
    assert command("plan").code == 2


def write_run(folder: Path, variants: Mapping[str, tuple[float, str, float]]) -> None:
    """A run of 30 queries: by variant its nDCG (half of the queries .1 above, half below), dollars and seconds."""
    info = RunInfo(
        name="mine",
        started="2026-01-01T00:00:00+00:00",
        baseline=next(iter(variants)),
        variants=[Variant(name=name, model="m", strategy="score") for name in variants],
        datasets=[DatasetInfo(name="d", queries=30)],
        metrics=["nDCG@10"],
    )
    run = RunFolder(folder)
    run.write_info(info)
    with run.appending() as lines:
        for number, (name, (mean, usd, seconds)) in enumerate(variants.items()):
            for q in range(30):
                metrics = {"nDCG@10": mean + (0.1 if (q // (number + 1)) % 2 else -0.1)}
                usage = {"cost_usd": usd, "saved_usd": "0", "latency_s": seconds, "calls": 1}
                found = Result(
                    variant=name, dataset="d", seed=0, query_id=str(q), query="q", metrics=metrics, usage=usage
                )
                lines.add(asdict(found))
