"""`judge-rerank calibrate`, and what its file and `--min-score` do to `rerank`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from judge_rerank import DataError
from judge_rerank.readers import read_qrels
from tests.cli.conftest import GRADES, Command
from tests.provider import Provider


@pytest.fixture
def qrels(tmp_path: Path) -> Path:
    path = tmp_path / "qrels.tsv"
    rows = (f"{query}\td{n}\t{grade}\n" for query in ("q1", "q2") for n, grade in enumerate(GRADES.values()))
    path.write_text("query-id\tcorpus-id\tscore\n" + "".join(rows))
    return path


def test_from_the_fit_to_the_ranking(
    command: Command, judge: list[str], run_files: list[object], documents: Path, qrels: Path, tmp_path: Path
) -> None:
    file = tmp_path / "score.json"
    asked = ["calibrate", *judge, *run_files, "--qrels", qrels, "-s", "score", "--min-grade", 2, "-o", file]
    ran = command(*asked)
    assert ran.code == 0, ran.err
    assert "8 documents of 2 queries, 4 relevant" in " ".join(ran.out.split())
    assert "Brier score" in ran.out
    held = json.loads(file.read_text())
    assert (held["model"], held["strategy"], held["documents"]) == ("openai/test", "score", 8)
    assert held["held_out"]["ece_after"] <= held["held_out"]["ece_before"]
    assert json.loads(command(*asked, "-f", "json").out)["queries"] == 2
    ranked = command(
        "rerank",
        *judge,
        "-q",
        "who?",
        documents,
        "-s",
        "score",
        "--calibration",
        file,
        "--min-score",
        0.5,
        "-f",
        "jsonl",
    )
    assert ranked.code == 0, ranked.err
    assert [(record["id"], record["relevance_score"]) for record in ranked.records] == [("d1", 1.0), ("d3", 1.0)]
    assert "2 documents left out" in ranked.err


def test_a_strategy_without_scores(
    command: Command, judge: list[str], run_files: list[object], qrels: Path, tmp_path: Path, provider: Provider
) -> None:
    ran = command("calibrate", *judge, *run_files, "--qrels", qrels, "-s", "listwise", "-o", tmp_path / "c.json")
    assert ran.code == 2
    assert "has no scores" in ran.err
    assert provider.requests == 0


def test_grades_of_another_collection(
    command: Command, judge: list[str], run_files: list[object], tmp_path: Path
) -> None:
    other = tmp_path / "qrels.txt"
    other.write_text("x 0 y 1\n")
    ran = command("calibrate", *judge, *run_files, "--qrels", other, "-s", "score", "-o", tmp_path / "c.json")
    assert ran.code == 2
    assert "0 of 2 queries" in ran.err
    assert not (tmp_path / "c.json").exists()


def test_both_forms_of_grades(tmp_path: Path, qrels: Path) -> None:
    path = tmp_path / "qrels.txt"
    path.write_text("q1 0 d1 3\nq1 0 d2 0\n")
    assert read_qrels(path) == {"q1": {"d1": 3.0, "d2": 0.0}}
    assert read_qrels(qrels)["q2"]["d1"] == 3


@pytest.mark.parametrize("text", ["", "q1 d1\n", "q1 0 d1 x\n", "q1 0 d1 nan\n", "q1 0 d1 1\nq1 0 d1 2\n"])
def test_what_is_no_grades(text: str, tmp_path: Path) -> None:
    path = tmp_path / "qrels.txt"
    path.write_text(text)
    with pytest.raises(DataError):
        read_qrels(path)


def test_whether_anything_answers(
    command: Command, judge: list[str], run_files: list[object], qrels: Path, documents: Path, tmp_path: Path
) -> None:
    file = tmp_path / "calibration.json"
    asked = ("calibrate", *judge, *run_files, "--qrels", qrels, "-s", "score", "--answerable", "-o", file)
    ran = command(*asked)
    assert ran.code == 0, ran.err
    assert "answerable: 2 lists with a relevant document, 2 without" in " ".join(ran.out.split())
    assert "answerable: calibration error" in ran.out
    held = json.loads(file.read_text())["answering"]
    assert (held["queries"], held["answered"], held["unanswered"]) == (2, 2, 2)
    rerank = ("rerank", *judge, "-q", "who?", documents, "-s", "score")
    kept = command(*rerank, "--calibration", file, "--keep", "relevant", "-f", "json")
    assert kept.code == 0, kept.err
    assert "answerable: " in kept.err
    assert 0 <= json.loads(kept.out)["answerable"] <= 1
    without = command(*rerank, "--keep", "relevant")
    assert without.code == 2
    assert "needs a calibration" in without.err
