"""`judge-rerank models`."""

from __future__ import annotations

from pathlib import Path

import pytest

from judge_rerank.models import DEFAULT_JUDGE
from judge_rerank.models import locations as models
from judge_rerank.models.verified import remember
from tests.cli.conftest import Command


def test_list_says_what_is_here(command: Command, tmp_path: Path) -> None:
    file = models.model_named("smollm2-135m").files[0]
    path = tmp_path / "cache" / "models" / "smollm2-135m" / file.name
    path.parent.mkdir(parents=True)
    with path.open("wb") as out:
        out.truncate(file.size_bytes)
    remember(path, file)
    ran = command("models", "list")
    assert ran.code == 0
    lines = {line.split()[0]: line for line in ran.out.splitlines() if line.split()[:1]}
    assert " yes " in lines["smollm2-135m"]
    assert " no " in lines["qwen2.5-coder-1.5b"]
    assert " * " in lines[DEFAULT_JUDGE]
    assert command("models", "path", "smollm2-135m").out == f"{path}\n"


def test_path_of_a_model_that_is_not_here(command: Command) -> None:
    ran = command("models", "path", "qwen2.5-coder-1.5b")
    assert (ran.code, ran.out) == (2, "")
    assert "judge-rerank models pull qwen2.5-coder-1.5b" in ran.err


@pytest.mark.parametrize("verb", ["path", "pull"])
def test_unknown_names(command: Command, verb: str) -> None:
    ran = command("models", verb, "smollm2")
    assert ran.code == 2
    assert "Did you mean 'smollm2-135m'" in ran.err


def test_pull_refuses_a_wrong_file_of_the_users_own(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / models.model_named("smollm2-135m").files[0].name).write_text("something else")
    monkeypatch.setenv("JUDGE_RERANK_MODELS", str(tmp_path))
    ran = command("models", "pull", "smollm2-135m")
    assert (ran.code, ran.out) == (2, "")
    assert "not the expected file" in ran.err
