"""`--store`: one database for what commands spend, are answered and trace, and the commands that read it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Command

QUERY = ["-q", "why do my brakes squeal?"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_commands_keep_and_read_everything_in_one_store(
    command: Command, judge: list[str], documents: Path, place: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["rerank", *QUERY, documents, *judge, "-s", "score"]
    for by in (["--store", store], []):
        assert command(*asked, *by).code == 0
        monkeypatch.setenv("JUDGE_RERANK_STORE", store)
    assert not (place / "judge-rerank-cache" / "replies").exists()
    runs = json.loads(command("logs", "--runs", "-f", "json", "--store", store).out)
    assert len(runs) == 2
    assert sum(run["calls"] for run in runs) > 0
    assert command("logs").code == command("spend").code == 0
    assert "brakes" in command("explain", "last", *QUERY, "-d", "0").out
    assert "replies" in command("cache", "info").out
    assert "0 bad" in command("cache", "verify", "--store", store).out
    told = command("doctor")
    assert "postgresql://" in told.out
    spent = json.loads(command("spend", "-f", "json", "--store", store).out)
    assert sum(row["calls"] for row in spent) == sum(run["calls"] for run in runs)


@pytest.mark.parametrize("asked", [["logs"], ["spend"], ["cache", "info"], ["cache", "verify"]])
def test_a_store_with_nothing_in_it_is_told(command: Command, place: Path, store: str, asked: list[str]) -> None:
    ran = command(*asked, "--store", store)
    assert ran.code != 0
    assert "in this database yet" in ran.err


@pytest.mark.parametrize("asked", [["logs"], ["spend"], ["cache", "info"]])
def test_a_store_that_is_away_is_told_without_its_password(command: Command, place: Path, asked: list[str]) -> None:
    ran = command(*asked, "--store", "postgresql://me:hunter2secret@127.0.0.1:9/db")
    assert ran.code != 0
    assert "127.0.0.1:9/db" in ran.err
    assert "cannot be reached" in ran.err
    assert "hunter2secret" not in ran.err + ran.out


@pytest.mark.parametrize("said", ["sometimes", "mysql://a/b"])
def test_what_is_no_store_is_told(command: Command, judge: list[str], documents: Path, place: Path, said: str) -> None:
    ran = command("rerank", *QUERY, documents, *judge, "--store", said)
    assert ran.code == 2
    assert "--store is" in ran.err


def test_the_file_of_options_takes_a_switch_or_an_address_without_a_password(
    command: Command, judge: list[str], documents: Path, place: Path
) -> None:
    asked: Callable[[], str] = lambda: command("rerank", *QUERY, documents, *judge, "-s", "score").err  # noqa: E731
    (place / "judge-rerank.toml").write_text("store = false\n")
    asked()
    assert not (place / "cache").exists()
    (place / "judge-rerank.toml").write_text('store = "postgresql://me:hunter2secret@127.0.0.1:9/db"\n')
    said = asked()
    assert "keep a password in a file" in said
    assert "hunter2secret" not in said
    (place / "judge-rerank.toml").write_text('store = "postgresql://me@127.0.0.1:9/db"\n')
    assert "cannot be reached" in asked()
