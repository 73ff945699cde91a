"""`judge-rerank bias` from the command line to the figures."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Command
from tests.provider import Provider


def test_a_fair_judge(command: Command, judge: list[str], documents: Path) -> None:
    ran = command("bias", *judge, "-q", "who wrote Dune?", documents, "-f", "json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert (found["model"], found["task"], found["answers"], found["pairs"]) == ("openai/test", "listwise", 6, 6)
    assert (found["flip_rate"], found["first_rate"]) == (0, 0.5)
    assert [rate["position"] for rate in found["by_position"]] == [1, 2, 3, 4]


def test_the_table_of_a_run(command: Command, judge: list[str], run_files: list[object]) -> None:
    ran = command("bias", *judge, *run_files, "--window-size", 2, "--shuffles", 0)
    assert ran.code == 0, ran.err
    assert "listwise: 0.0% of 4 pairs flip" in " ".join(ran.out.split())
    assert "put first" in ran.out


def test_nothing_to_compare(command: Command, judge: list[str], provider: Provider) -> None:
    ran = command("bias", *judge, "-q", "q", stdin='{"text": "alone"}\n')
    assert ran.code == 2
    assert "at least two documents" in ran.err
    assert provider.requests == 0


def test_no_answer_at_all(command: Command, documents: Path) -> None:
    ran = command("bias", "-m", "openai/test", "--api-base", "http://127.0.0.1:9/v1", "-q", "q", documents)
    assert ran.code == 4
    assert "Traceback" not in ran.err
