"""The field runs: our own variants come out right, and what is not there is said."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REPLIES = (ROOT / "eval" / "field_replies.jsonl").read_text(encoding="utf-8").splitlines()
PAGE = "| kind | situation | right |\n|---|---|---|\n| files | `a.csv` | read |\n| | another | read |\n| {} | x | y |\n"


def field(*arguments: str) -> tuple[int, str]:
    command = [sys.executable, str(ROOT / "eval" / "bench" / "field.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert not done.stderr
    return done.returncode, done.stdout


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    code, printed = field("--field", str(tmp_path / "none"))
    assert code == 0
    assert "is not there" in printed


@pytest.mark.parametrize("kind", ["ids from 0", "thinking", "echo", "files", "objects", "squashed scores"])
def test_our_own_variants_come_out_right(tmp_path: Path, kind: str) -> None:
    (tmp_path / "replies.jsonl").write_text("")
    (tmp_path / "cases.md").write_text(PAGE.format("files"))
    code, printed = field("--field", str(tmp_path), "--only", kind)
    assert (code, printed.splitlines()[-1].split()[-1]) == (0, "0"), printed


def test_what_falls_short_is_printed(tmp_path: Path) -> None:
    wrong = {"kind": "mine", "task": "score", "n": 1, "options": [], "reply": "7", "want": [{"score": [8]}]}
    (tmp_path / "replies.jsonl").write_text(json.dumps(wrong))
    (tmp_path / "cases.md").write_text(PAGE.format("a new kind"))
    code, printed = field("--field", str(tmp_path), "--only", "mine")
    assert code == 1
    assert "read as {'score': [7.0]}, right is [{'score': [8]}]" in printed
    code, printed = field("--field", str(tmp_path), "--only", "a new kind")
    assert code == 1
    assert "there is no case of this kind" in printed


def test_every_variant_is_a_reply_with_what_is_right() -> None:
    for line in REPLIES:
        reply = json.loads(line)
        assert set(reply) == {"kind", "task", "n", "options", "reply", "want"}
        assert reply["want"]
