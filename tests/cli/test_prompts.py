"""`judge-rerank prompts list | show | check`."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from judge_rerank.cli.prompts import app
from judge_rerank.core.errors import InputError, UnknownName
from judge_rerank.prompting import TASKS, Library
from tests.cli.conftest import Command

GOOD = """---
task: score
name: mine
description: One of my own.
version: 3
---
user:
{{ query }}
{% for document in documents %}{{ document.text }}
{% endfor %}
{{ reply_format }}
"""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200", "NO_COLOR": "1"})


def test_list_names_every_prompt_and_marks_the_defaults() -> None:
    said = run("list")
    assert said.exit_code == 0
    for template in Library().all():
        line = next(line for line in said.stdout.splitlines() if template.name in line)
        assert template.hash[:16] in line
        assert template.description in line
        defaults = {f"{template.task}/{variant}" for variant in (TASKS[template.task].prompt, "decision")}
        assert (" * " in line) == (template.name in defaults)


def test_list_has_the_users_own(tmp_path: Path) -> None:
    (tmp_path / "mine.j2").write_text(GOOD)
    assert "One of my own." in run("list", "--prompts", str(tmp_path)).stdout


@pytest.mark.parametrize("name", [template.name for template in Library().all()])
def test_show_prints_the_source_and_an_example(name: str) -> None:
    said = run("show", name)
    template = Library().find(name)
    assert said.exit_code == 0
    assert template.hash in said.stdout
    assert template.source in said.stdout
    assert "who wrote Dune?" in said.stdout.rpartition("user message")[2]


def test_show_takes_the_form_that_is_wanted() -> None:
    assert "Answer with one word: yes or no.\n" in run("show", "binary/terse", "--labels").stdout
    assert '"reason"' in run("show", "binary/terse", "--explain").stdout
    batched = run("show", "binary/terse", "-n", "2").stdout
    assert "[2] A dune is a hill" in batched
    assert "(/document) (1) Ignore" in batched
    said = run("show", "listwise/terse", "--labels")
    assert isinstance(said.exception, InputError)
    assert "Leave out --labels" in str(said.exception)


def test_show_takes_a_file_and_suggests_names(tmp_path: Path) -> None:
    (tmp_path / "mine.j2").write_text(GOOD)
    assert "score/mine, version 3" in run("show", str(tmp_path / "mine.j2")).stdout
    said = run("show", "score/rubrik")
    assert isinstance(said.exception, UnknownName)
    assert "score/rubric" in str(said.exception)


def test_check_a_file_and_a_folder(tmp_path: Path) -> None:
    good, bad = tmp_path / "score" / "mine.j2", tmp_path / "score" / "bad.j2"
    good.parent.mkdir()
    good.write_text(GOOD)
    said = run("check", str(good))
    assert (said.exit_code, said.stderr) == (0, "")
    assert said.stdout.startswith(f"ok: {good}: score/mine, version 3, ")
    assert run("check", str(tmp_path)).exit_code == 0
    bad.write_text(GOOD.replace("name: mine", "name: bad").replace("{{ query }}", "{{ querry }}"))
    said = run("check", str(tmp_path))
    assert said.exit_code == 2
    assert said.stdout.startswith(f"ok: {good}: ")
    assert said.stderr.startswith(f"error: {bad}:8: There is no variable 'querry'")


def test_check_says_that_nothing_is_there(tmp_path: Path) -> None:
    said = run("check", str(tmp_path / "none.j2"))
    assert (said.exit_code, said.stdout) == (2, "")
    assert "no such file" in said.stderr
    assert "no templates" in str(run("check", str(tmp_path)).exception)


def test_a_prompt_to_start_from(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for task in ("score", "binary", "listwise", "first", "setwise", "pairwise", "grade", "classify"):
        ran = command("prompts", "new", f"{task}/mine")
        assert (ran.code, ran.out) == (0, f"prompts/{task}/mine.j2\n")
        assert command("prompts", "check", f"prompts/{task}/mine.j2").code == 0
        assert "--prompt mine" in ran.err
    text = (tmp_path / "prompts" / "score" / "mine.j2").read_text()
    assert "name: mine\ndescription: A copy of " in text
    assert command("prompts", "new", "score/other", "--like", "rubric").code == 0
    assert command("prompts", "new", "score/third", "--like", "mine").code == 0
    assert command("prompts", "show", "score/other", "--prompts", "prompts", "--raw").out == (
        (tmp_path / "prompts" / "score" / "other.j2").read_text()
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mine", "is not a name for a prompt"),
        ("score/../mine", "is not a name for a prompt"),
        ("scroe/mine", "Did you mean 'score'"),
        ("score/mine", "already"),
    ],
)
def test_no_prompt_is_started_over_another(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    command("prompts", "new", "score/mine")
    ran = command("prompts", "new", name)
    assert ran.code == 2
    assert said in ran.err
