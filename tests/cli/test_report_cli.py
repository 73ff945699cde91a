"""`judge-rerank report` and `judge-rerank diff`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from judge_rerank.evaluation.runfolder import RunFolder
from judge_rerank.readers.trec import read_run
from tests.cli.conftest import Command
from tests.evaluation.runs import VARIANTS, write_run


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return write_run(tmp_path / "run", queries=6, datasets=("news", "science"))


def test_the_page_lies_in_the_run_unless_told_otherwise(command: Command, folder: RunFolder, tmp_path: Path) -> None:
    ran = command("report", folder.path)
    page = folder.path / "report.html"
    assert (ran.code, ran.out) == (0, f"{page}\n")
    command("report", folder.path, "-o", tmp_path / "new" / "page.html")
    assert (tmp_path / "new" / "page.html").read_text() == page.read_text()
    assert page.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(("style", "start"), [("md", "# prompt-variants"), ("csv", "dataset,variant"), ("latex", "%")])
def test_tables_go_to_standard_output(command: Command, folder: RunFolder, style: str, start: str) -> None:
    ran = command("report", folder.path, "-f", style)
    assert ran.code == 0
    assert ran.out.startswith(start)


def test_one_dataset(command: Command, folder: RunFolder) -> None:
    content = json.loads(command("report", folder.path, "-f", "json", "--dataset", "science").out)
    assert [dataset["name"] for dataset in content["run"]["datasets"]] == ["science"]
    assert len(content["scopes"]) == 1
    wrong = command("report", folder.path, "--dataset", "scienc")
    assert wrong.code == 2
    assert "'science'" in wrong.err


def test_trec_runs(command: Command, folder: RunFolder, tmp_path: Path) -> None:
    assert command("report", folder.path, "-f", "trec", "-o", tmp_path / "trec").code == 0
    files = sorted(file.name for file in (tmp_path / "trec").iterdir())
    assert len(files) == 2 * (2 + 3)
    assert "news.terse-mini.trec" in files
    one = command("report", folder.path, "-f", "trec", "--variant", "terse · mini", "--dataset", "news")
    assert one.out == (tmp_path / "trec" / "news.terse-mini.trec").read_text()
    ranked = read_run(tmp_path / "trec" / "news.terse-mini.trec")
    assert set(ranked) == {f"q{number}" for number in range(6)}
    several = command("report", folder.path, "-f", "trec")
    assert several.code == 2
    assert "Name a folder with -o" in several.err
    assert command("report", folder.path, "-f", "md", "--variant", "terse · mini").code == 2


def test_no_run_is_an_error(command: Command, tmp_path: Path) -> None:
    ran = command("report", tmp_path)
    assert ran.code == 2
    assert "There is no run.json" in ran.err
    assert ran.out == ""


def test_a_run_without_results_is_reported_as_one(command: Command, folder: RunFolder) -> None:
    (folder.path / "results.jsonl").unlink()
    assert "Nothing can be compared yet" in command("report", folder.path, "-f", "md").out
    assert command("report", folder.path).code == 0
    assert command("report", folder.path, "-f", "trec").code == 2


def test_two_variants_of_a_run(command: Command, folder: RunFolder) -> None:
    ran = command("diff", f"{folder.path}:terse · mini", ":listwise · mini", "-f", "json")
    (pair,) = json.loads(ran.out)["pairs"]
    values: dict[str, dict[tuple[str, str], float]] = {}
    for result in folder.results():
        values.setdefault(result.variant, {})[result.dataset, result.query_id] = result.metrics["nDCG@10"]
    a, b = values["terse · mini"], values["listwise · mini"]
    beside = pair["versus"]
    assert beside["wins"] == sum(b[key] > a[key] + 1e-9 for key in a)
    assert beside["losses"] == sum(b[key] < a[key] - 1e-9 for key in a)
    assert beside["wins"] + beside["losses"] + beside["ties"] == 12
    most = max(a, key=lambda key: abs(b[key] - a[key]))
    assert beside["moved"][0]["query_id"] == "/".join(most)
    table = command("diff", f"{folder.path}:terse · mini", f"{folder.path}:listwise · mini", "--moved", "2")
    assert table.code == 0
    assert "/".join(most) in table.out
    assert f"{beside['wins']}/{beside['ties']}/{beside['losses']}" in table.out


def test_two_runs(command: Command, folder: RunFolder, tmp_path: Path) -> None:
    other = write_run(tmp_path / "other:run", queries=4, variants=VARIANTS[1:4], seed=1)
    ran = command("diff", folder.path, other.path, "-f", "json", "--metric", "P@5")
    assert [pair["a"] for pair in json.loads(ran.out)["pairs"]] == ["rubric · mini", "listwise · mini"]
    noted = command("diff", folder.path, f"{other.path}:rubric · mini")
    assert noted.code == 0
    assert "8 queries that only one side has are left out" in noted.err


def test_what_cannot_be_compared(command: Command, folder: RunFolder, tmp_path: Path) -> None:
    run, mini = str(folder.path), f"{folder.path}:terse · mini"
    for arguments, said in (
        ((run, run), "same run"),
        ((mini, mini), "are the same"),
        ((mini, ":tarse · mini"), "Did you mean 'terse · mini'"),
        ((mini, ":rubric · mini", "--metric", "nDCG@1"), "Did you mean 'nDCG@10'"),
        ((run, str(tmp_path / "none")), "There is no run.json"),
    ):
        ran = command("diff", *arguments)
        assert ran.code == 2
        assert said in ran.err
    other = write_run(tmp_path / "other", queries=2, variants=[replace(VARIANTS[0], name="else")])
    assert "no variant of the same name" in command("diff", run, other.path).err
