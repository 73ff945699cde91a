"""`judge-rerank bulk`: what it writes, what it says, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from judge_rerank.cli import run
from tests.bulk import wire
from tests.bulk.conftest import keys, results, rows, write_jsonl
from tests.provider import Provider


@pytest.fixture
def options(provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("COLUMNS", "200")
    prices = tmp_path / "prices.yaml"
    prices.write_text(f"{wire.MODEL}: {{input_usd_per_mtok: 0.15, output_usd_per_mtok: 0.60}}\n")
    given = write_jsonl(tmp_path / "in.jsonl", rows(8))
    return [
        "bulk", str(given), "-m", wire.MODEL, "--api-base", str(provider.port), "-s", "score",
        "--prices", str(prices), "-o", str(tmp_path / "out"), "--queries-per-part", "3",
    ]  # fmt: skip


def test_a_run_is_written_and_told(options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*options, "--budget", "1"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "8 of 8 queries" in err
    assert "8 queries, 48 rows in" in err
    assert keys(results(tmp_path / "out")) == keys(rows(8))
    record = json.loads((tmp_path / "out" / "_run.json").read_text())
    assert (record["status"], record["configuration"]["strategy"]) == ("complete", "score")
    assert run(options) == 2
    assert "has a run in it (complete)" in capsys.readouterr().err


def test_a_dry_run_says_what_it_takes(options: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run([*options, "--dry-run", "--rpm", "10"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "queries 8" in out
    assert "calls 48" in out
    assert "(by requests per minute)" in out
    assert not (tmp_path / "out").exists()


def test_a_cap_that_is_reached_is_told_and_gone_on_with(
    options: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run([*options, "--budget", "0.0009"]) == 3
    assert "The same command with --resume goes on." in capsys.readouterr().err
    assert run([*options, "--budget", "1", "--resume"]) == 0
    assert keys(results(tmp_path / "out")) == keys(rows(8))


def test_what_cannot_be_done_is_said(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*options, "--local", "--ray", "auto"]) == 2
    assert "--local and --ray exclude each other" in capsys.readouterr().err
    assert run([*options, "--budget", "0.00001"]) == 2
    assert "alone can cost up to" in capsys.readouterr().err
    where = options.index("-o")
    assert run(options[:where] + options[where + 2 :]) == 2
    assert "There is no folder for the results: -o FOLDER." in capsys.readouterr().err
