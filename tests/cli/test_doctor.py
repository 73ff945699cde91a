"""`judge-rerank doctor`, `--version` and `--help`."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.cli.conftest import Command


def test_keys_are_named_and_never_shown(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-value")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://user:secret-value@127.0.0.1:1/v1")
    monkeypatch.setenv("MISTRAL_API_KEY", "")
    for style in ("table", "json"):
        ran = command("doctor", "-f", style)
        assert ran.code == 0
        assert "OPENAI_API_KEY" in ran.out
        assert "OPENAI_BASE_URL" in ran.out
        assert "MISTRAL_API_KEY" not in ran.out
        assert "secret-value" not in ran.out + ran.err


def test_what_judge_would_use(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    found = json.loads(command("doctor", "-f", "json").out)
    assert found["judge"]["model"] is None
    assert "judge-rerank models pull" in found["judge"]["problem"]
    assert found["models"]["here"] == {}
    assert found["judge"]["cascade"] == "bm25"
    monkeypatch.setenv("JUDGE_RERANK_MODEL", "openai/gpt-4.1-mini")
    found = json.loads(command("doctor", "-f", "json").out)
    assert found["judge"] == {
        "model": "openai/gpt-4.1-mini",
        "api": "chat",
        "strategy": "score(batch_size=12)",
        "cascade": "bm25 % 20 >> listwise",
    }
    assert found["settings"]["JUDGE_RERANK_MODEL"] == "openai/gpt-4.1-mini"


def test_packages_and_prompts(command: Command, tmp_path: Path) -> None:
    found = json.loads(command("doctor", "-f", "json").out)
    packages = found["packages"]
    assert {"core", "local", "postgres", "bedrock", "server", "mcp", "colbert"} <= set(packages)
    assert not {"all", "dev", "docs", "scorers"} & set(packages)
    assert packages["core"]["typer"] == version("typer")
    assert found["cpu_threads"] >= 1
    assert {"binary/terse", "listwise/terse", "score/terse"} <= set(found["prompts"]["found"])
    found = json.loads(command("doctor", "--prompts", tmp_path / "nowhere", "-f", "json").out)
    assert "nowhere" in found["prompts"]["problem"]


def test_version_and_help(command: Command) -> None:
    assert command("--version").out.startswith("judge-rerank ")
    ran = command("rerank", "--help")
    assert ran.code == 0
    for option in ("--query", "--run", "--candidates", "--model", "--strategy", "--explain", "--format"):
        assert option in ran.out
    assert "130 interrupted" in ran.out.replace("\n ", "")


def test_a_wrong_option_or_command_is_bad_input(command: Command) -> None:
    assert command("rerank", "--frmat", "json").code == 2
    ran = command("reran")
    assert ran.code == 2
    assert "rerank" in ran.err


def test_decision_models_are_named(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    found = json.loads(command("doctor", "-f", "json").out)
    assert {"typesafe/jev-latest", "openai/gpt-6-luna"} <= set(found["decision_models"])
    assert "openai/gpt-4.1-mini" not in found["decision_models"]
    monkeypatch.setenv("JUDGE_RERANK_MODEL", "typesafe/jev-latest")
    assert json.loads(command("doctor", "-f", "json").out)["judge"]["api"] == "decisions"
    assert "typesafe/jev-latest (a decision model)" in command("doctor").out
    listed = command("models", "list").out
    assert "-m typesafe/jev-latest" in listed
    assert any("openai/gpt-6-luna" in line and "--api decisions" in line for line in listed.splitlines())
