"""The folder's file of options: `judge-rerank.toml`, or `[tool.judge-rerank]` in pyproject.toml."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from judge_rerank.cli.option_groups import configurable
from tests.cli.conftest import Command
from tests.provider import Provider

QUERY = ["-q", "who wrote Dune?"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder in another one."""
    inner = tmp_path / "project" / "inner"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    return inner


def test_the_file_says_what_the_command_line_does_not(
    command: Command, provider: Provider, documents: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "judge-rerank.toml").write_text(
        f'model = "openai/test"\napi-base = "{provider.url}/v1"\nstrategy = "listwise"\n'
    )
    ran = command("rerank", *QUERY, documents)
    assert "listwise by openai/test" in ran.err
    assert f"Requests go to {provider.url}/v1, as {place / 'judge-rerank.toml'} says." in ran.err
    assert "score by openai/test" in command("rerank", *QUERY, documents, "-s", "score").err
    assert "listwise by openai/other" in command("rerank", *QUERY, documents, "-m", "openai/other").err
    monkeypatch.setenv("JUDGE_RERANK_MODEL", "openai/named")
    assert "listwise by openai/named" in command("rerank", *QUERY, documents).err


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("judge-rerank.toml", 'strategy = "none"\n'),
        ("../judge-rerank.toml", 'strategy = "none"\n'),
        ("../../pyproject.toml", '[project]\nname = "x"\n[tool.judge-rerank]\nstrategy = "none"\n'),
    ],
)
def test_the_nearest_file_counts(command: Command, documents: Path, place: Path, file: str, text: str) -> None:
    (place / "pyproject.toml").write_text('[project]\nname = "nearer, and says nothing of it"\n')
    (place / file).write_text(text)
    ran = command("rerank", *QUERY, documents)
    assert ran.code == 0, ran.err
    assert ran.err.startswith("none · ")
    assert json.loads(command("doctor", "-f", "json").out)["config"]["path"] == str((place / file).resolve())


def test_a_cache_folder_on_the_command_line_turns_the_cache_on(
    command: Command, judge: list[str], documents: Path, place: Path
) -> None:
    (place / "judge-rerank.toml").write_text("cache = false\n")
    arguments = ["rerank", *QUERY, documents, *judge, "-s", "listwise"]
    for _ in range(2):
        assert "from the cache" not in command(*arguments).err
    command(*arguments, "--cache-dir", place / "mine")
    assert "from the cache" in command(*arguments, "--cache-dir", place / "mine").err


def test_paths_are_seen_from_the_file(command: Command, documents: Path, place: Path, tmp_path: Path) -> None:
    text = 'strategy = "none"\ntrace = "mine/trace.db"\ncache-dir = "replies"\n'
    (place.parent / "judge-rerank.toml").write_text(text)
    (place.parent / "mine").mkdir()
    assert command("rerank", *QUERY, documents).code == 0
    assert (place.parent / "mine" / "trace.db").is_file()
    told = json.loads(command("doctor", "-f", "json").out)["kept"]
    assert told["trace"]["path"] == str(place.parent / "mine" / "trace.db")
    assert told["replies"]["path"] == str(tmp_path / "cache" / "replies"), "as JUDGE_RERANK_CACHE_DIR says"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('modle = "openai/test"', "judge-rerank.toml:2 'modle'. Did you mean 'model'?"),
        ('cache_dir = "here"', "Did you mean 'cache-dir'"),
        ("model = 3", "judge-rerank.toml:2: model is 3; expected text"),
        ("concurrency = 0", "judge-rerank.toml:2: concurrency is 0; expected a whole number from 1"),
        ("concurrency = true", "judge-rerank.toml:2: concurrency is True; expected a whole number from 1"),
        ('cache = "no"', "judge-rerank.toml:2: cache is 'no'; expected true or false"),
        ('period = "year"', "judge-rerank.toml:2: period is 'year'; expected 'day', 'month'"),
        ('param = "a=b"', "judge-rerank.toml:2: param must be a list of text"),
        ("budget = []", "judge-rerank.toml:2: budget is []; expected text"),
        ("model = ", "This is not TOML: "),
        ('api-key = "sk-secret"', "judge-rerank.toml:2: api-key would keep a secret in a file"),
        ('param = ["api_key=sk-secret"]', "judge-rerank.toml:2: param would keep a secret in a file"),
        ('api-base = "https://me:sk-secret@host/v1"', "judge-rerank.toml:2: api-base would keep a secret in a file"),
    ],
)
def test_what_cannot_be_used_is_named(command: Command, documents: Path, place: Path, line: str, said: str) -> None:
    (place / "judge-rerank.toml").write_text(f"# options\n{line}\n")
    ran = command("rerank", *QUERY, documents, "-s", "none")
    assert ran.code == 2
    assert said in ran.err
    assert "sk-secret" not in ran.err
    assert "Traceback" not in ran.err


def test_a_budget_may_be_a_number(command: Command, judge: list[str], documents: Path, place: Path) -> None:
    (place / "judge-rerank.toml").write_text("budget = 0.5\n")
    ran = command("rerank", *QUERY, documents, *judge, "-s", "score")
    assert ran.code == 2
    assert "price" in ran.err, "a cap in dollars holds, so the price has to be known"


def test_every_shared_option_can_be_set_and_no_command_takes_another_for_it(
    command: Command, place: Path, tmp_path: Path
) -> None:
    assert {"model", "strategy", "budget", "cache_dir", "store", "trace"} <= configurable().keys()
    assert {"instruction", "criteria", "fields"} <= configurable().keys()
    (place / "judge-rerank.toml").write_text('model = "openai/never-asked"\nprompts = "no-folder"\n')
    # Here --model is a filter, and not the model that judges.
    assert "There is no trace here" in command("logs").err
    assert "no-folder" in command("prompts", "list").err


def test_a_switch_keeps_nothing_on_disk(
    command: Command, judge: list[str], documents: Path, place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = ["rerank", *QUERY, documents, *judge, "-s", "score"]
    kept = tmp_path / "cache"
    assert command(*asked, "--no-store").code == 0
    monkeypatch.setenv("JUDGE_RERANK_STORE", "off")
    assert command(*asked).code == 0
    assert not kept.exists()
    told = json.loads(command("doctor", "-f", "json").out)["kept"]
    assert (told["replies"], told["trace"]) == (None, None)
    assert "JUDGE_RERANK_STORE=off" in command("doctor").out
    assert command(*asked, "--trace", tmp_path / "named.db").code == 0
    assert (tmp_path / "named.db").is_file(), "a place that is named is used"
    monkeypatch.setenv("JUDGE_RERANK_STORE", "perhaps")
    assert "JUDGE_RERANK_STORE is 'perhaps'; expected 'on', 'off' or postgresql://host/database" in command(*asked).err
    monkeypatch.delenv("JUDGE_RERANK_STORE")
    assert command(*asked).code == 0
    told = json.loads(command("doctor", "-f", "json").out)["kept"]
    assert told["replies"]["path"] == str(kept / "replies")
    assert told["replies"]["bytes"] > 0
    assert told["trace"]["path"] == str(kept / "trace.db")
    assert told["trace"]["bytes"] > 0


def test_no_trace_overrules_the_environment(
    command: Command, documents: Path, place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("JUDGE_RERANK_TRACE", str(tmp_path / "named.db"))
    assert command("rerank", *QUERY, documents, "-s", "none", "--no-trace").code == 0
    assert not (tmp_path / "named.db").exists()
