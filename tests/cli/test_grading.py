"""`judge-rerank grade` and `judge-rerank agreement`, from the command line to the figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import GRADES, Command
from tests.provider import Provider, ScriptedJudge

HUMAN = "".join(f"{query} 0 d{n} {grade}\n" for query in ("q1", "q2") for n, grade in enumerate(GRADES.values()))


def test_from_grades_to_agreement(
    command: Command, judge: list[str], run_files: list[object], tmp_path: Path, provider: Provider
) -> None:
    graded = tmp_path / "llm.qrels"
    ran = command("grade", *judge, *run_files, "-o", graded)
    assert ran.code == 0, ran.err
    assert ran.out == f"8 grades of 2 queries written to {graded}\n"
    assert graded.read_text() == HUMAN
    assert provider.requests == 8
    human = tmp_path / "human.qrels"
    human.write_text(HUMAN)
    other = tmp_path / "other.trec"
    other.write_text("".join(f"{q} Q0 d{n} {4 - n} {n} best\n" for q in ("q1", "q2") for n in (0, 2, 3, 1)))
    runs = ["--run", tmp_path / "run.trec", "--run", other]
    ran = command("agreement", "--human", human, "--llm", graded, *runs, "-f", "json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert (found["documents"], found["kappa"], found["kappa_binary"], found["tau"]) == (8, 1, 1, 1)
    assert set(found["systems"]) == {"run", "other"}
    table = command("agreement", "--human", human, "--llm", graded, *runs)
    assert table.code == 0, table.err
    assert "Cohen's kappa 1.000" in table.out
    assert "tau of the two orders: 1.000, over 2 queries and 8 documents graded by both" in " ".join(table.out.split())


def test_both_sides_of_an_agreement_are_the_same_queries(command: Command, tmp_path: Path) -> None:
    (tmp_path / "human").write_text("q1 0 a 3\nq1 0 b 0\nq2 0 a 0\nq2 0 b 3\nq3 0 a 0\nq3 0 b 3\n")
    (tmp_path / "llm").write_text("q1 0 a 3\nq1 0 b 0\n")
    for name, order in (("one", "ab"), ("two", "ba")):
        lines = (f"{q} Q0 {d} {n} {9 - n} {name}\n" for q in ("q1", "q2", "q3") for n, d in enumerate(order, 1))
        (tmp_path / f"{name}.trec").write_text("".join(lines))
    runs = ["--run", tmp_path / "one.trec", "--run", tmp_path / "two.trec"]
    ran = command("agreement", "--human", tmp_path / "human", "--llm", tmp_path / "llm", *runs, "-f", "json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert (found["tau"], found["queries"], found["documents"]) == (1, 1, 2)
    (tmp_path / "llm").write_text("q1 0 a 3\n")
    ran = command("agreement", "--human", tmp_path / "human", "--llm", tmp_path / "llm")
    assert "1 document of 1 query graded by both" in ran.out
    assert "Cohen's kappa undefined over the grades, undefined over relevant" in ran.out


def test_only_the_holes(
    command: Command, judge: list[str], run_files: list[object], tmp_path: Path, provider: Provider
) -> None:
    known = tmp_path / "known.qrels"
    known.write_text("q1 0 d1 1\nq1 0 d0 2\nq9 0 x 3\n")
    ran = command("grade", *judge, *run_files, "--qrels", known)
    assert ran.code == 0, ran.err
    assert provider.requests == 6
    assert ran.out.splitlines()[:3] == ["q1 0 d1 1", "q1 0 d0 2", "q1 0 d2 1"]
    assert "q9 0 x 3" in ran.out


def test_what_has_no_grade_has_no_line(
    command: Command, run_files: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-loopback")
    with Provider(ScriptedJudge("I would rather not say.")) as provider:
        ran = command("grade", "-m", "openai/test", "--api-base", f"{provider.url}/v1", *run_files)
    assert ran.code == 3, ran.err
    assert ran.out == ""
    assert "8 documents got no grade" in ran.err


def test_a_budget_holds(command: Command, judge: list[str], run_files: list[object], tmp_path: Path) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text("openai/test: {input_usd_per_mtok: 100, output_usd_per_mtok: 100}\n")
    ran = command("grade", *judge, *run_files, "--budget", "0.20", "--prices", prices, "--param", "temperature=0")
    assert ran.code == 3, ran.err
    assert 0 < len(ran.out.splitlines()) < 8


def test_bad_input(command: Command, run_files: list[object], tmp_path: Path) -> None:
    human, llm = tmp_path / "human.qrels", tmp_path / "llm.qrels"
    human.write_text(HUMAN)
    llm.write_text("other 0 d0 1\n")
    ran = command("agreement", "--human", human, "--llm", llm)
    assert ran.code == 2
    assert "No document is graded by both" in ran.err
    ran = command("agreement", "--human", human, "--llm", human, "--run", tmp_path / "run.trec")
    assert ran.code == 2
    assert "two or more systems" in ran.err
    runs = ["--run", tmp_path / "run.trec", "--run", tmp_path / "again.trec"]
    (tmp_path / "again.trec").write_text((tmp_path / "run.trec").read_text())
    ran = command("agreement", "--human", human, "--llm", human, *runs, "--metric", "nDCQ")
    assert ran.code == 2
    assert "Unknown metric 'nDCQ'" in ran.err
    ran = command("grade", *run_files, "-o", tmp_path / "no" / "folder")
    assert ran.code == 2
    assert "does not exist" in ran.err


def test_a_judge_that_knows_the_grades_on_a_wire_with_batches(
    command: Command, judge: list[str], run_files: list[object], provider: Provider
) -> None:
    ran = command("grade", *judge, *run_files, "--batch-size", 4, "--prompt", "terse")
    assert ran.code == 0, ran.err
    assert ran.out == HUMAN
    assert provider.requests == 2
