"""What the shell completes, as the shell asks for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def completed(line: str, place: Path, *, shell: str = "bash") -> list[str]:
    """What a shell offers at the end of a line."""
    asked = {
        "_JUDGE_RERANK_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    done = subprocess.run(
        [sys.executable, "-m", "judge_rerank"],
        env={**os.environ, **asked},
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.stdout.split("\n")[:-1] if done.stdout else []


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("judge-rerank rer", ["rerank"]),
        ("judge-rerank rerank -s list", ["listwise"]),
        ("judge-rerank estimate --strategy bl", ["blitz"]),
        ("judge-rerank attack --family query-e", ["query-echo"]),
        ("judge-rerank rerank -m local/smo", ["local/smollm2-135m"]),
        ("judge-rerank rerank -m openai/gpt-4.1-mi", ["openai/gpt-4.1-mini", "openai/gpt-4.1-mini-2025-04-14"]),
        ("judge-rerank prompts show score/r", ["score/rubric"]),
        ("judge-rerank rerank --prompt ru", ["rubric"]),
        ("judge-rerank models pull smol", ["smollm2-135m"]),
    ],
)
def test_names_are_completed(tmp_path: Path, line: str, offered: list[str]) -> None:
    assert completed(line, tmp_path)[: len(offered)] == offered


def test_the_script_for_the_shell_is_printed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "judge_rerank", "--show-completion", "bash"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "_JUDGE_RERANK_COMPLETE=complete_bash" in done.stdout
