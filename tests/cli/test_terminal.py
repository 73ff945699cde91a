"""Tables in terminals of 80 and 120 columns; and what an encoding without our signs shows."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from judge_rerank.cli import run
from judge_rerank.cli.terminal import broken
from tests.cli.conftest import Command

QUERY = ["-q", "who wrote Dune?"]
Shown = Callable[..., list[str]]


@pytest.fixture
def shown(
    command: Command, judge: list[str], documents: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Shown:
    """The lines of a command in a terminal so wide, after two rankings."""
    prices = tmp_path / "prices.yaml"
    prices.write_text("openai/test: {input_usd_per_mtok: 0.4, output_usd_per_mtok: 1.6}\n")
    for strategy in ("score(batch_size=4)", "self-consistent(strategy=joint(replicas=1), n=2)"):
        assert command("rerank", *QUERY, documents, *judge, "-s", strategy, "--prices", prices).code == 0

    def lines(width: int, *arguments: object) -> list[str]:
        monkeypatch.setenv("COLUMNS", str(width))
        ran = command(*arguments)
        assert ran.code == 0, ran.err
        return ran.out.splitlines()

    return lines


@pytest.mark.parametrize("width", [80, 120])
def test_tables_fit_and_lose_no_number(shown: Shown, judge: list[str], width: int) -> None:
    tables = {
        ("logs",): ("time", "tokens", "cost"),
        ("logs", "--runs"): ("run", "rankings", "cost"),
        ("plan", "100", "-m", "openai/gpt-4.1-mini"): ("strategy", "rank", "rounds", "at most"),
        ("spend",): ("calls", "cost"),
        ("models", "list"): ("model", "size", "licence"),
        ("routes",): ("query", "why"),
        ("prompts", "list"): ("prompt", "hash"),
    }
    for arguments, heads in tables.items():
        lines = shown(width, *arguments)
        assert max(map(len, lines)) <= width, arguments
        assert all(any(head in line for line in lines[:3]) for head in heads), arguments
        assert len(lines) > 2, arguments
    call = shown(width, "logs")[2].split()
    assert call[0].count(":") == 2
    assert "+" in call[-3]
    assert call[-2].startswith("$0.")
    assert "…" not in "".join(shown(width, "plan", "100", "-m", "openai/gpt-4.1-mini"))


def test_a_run_can_be_copied_from_its_table(shown: Shown) -> None:
    run_name = shown(80, "logs", "--runs")[2].split()[0]
    assert shown(80, "logs", "--run", run_name)


def test_spec_strings_are_broken_between_their_parts() -> None:
    spec = "self-consistent(strategy=joint(replicas=1, settle=False), n=4)"
    assert broken(spec, 80) == spec
    assert broken(spec, 30).split("\n") == ["self-consistent(", "  strategy=joint(replicas=1,", "  settle=False), n=4)"]
    assert broken("bm25 % 20 >> listwise(window_size=10)", 20).split("\n") == [
        "bm25 % 20 >>",
        "  listwise(",
        "  window_size=10)",
    ]
    assert "".join(broken(spec, 10).split()) == spec.replace(" ", "")
    assert broken("x" * 50, 10) == "x" * 50


@pytest.fixture
def ascii_out(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What a command writes where standard output has ASCII alone."""

    def out(*arguments: object) -> str:
        raw = io.BytesIO()
        stream = io.TextIOWrapper(raw, encoding="ascii")
        monkeypatch.setattr(sys, "stdout", stream)
        assert run([str(argument) for argument in arguments]) == 0
        stream.flush()
        return raw.getvalue().decode("ascii")

    return out


def test_an_encoding_without_our_signs_has_others(
    command: Command, judge: list[str], tmp_path: Path, ascii_out: Callable[..., str]
) -> None:
    documents = tmp_path / "d.jsonl"
    documents.write_text(
        '{"text": "Sand → dünes 沙丘 \\ud83d\\ude00"}\n'
        '{"text": "Frank Herbert wrote the novel Dune, published in 1965."}\n'
    )
    asked = ["rerank", *QUERY, documents, *judge, "-s", "score"]
    table = ascii_out(*asked)
    assert "^1" in table
    assert "---" in table
    assert "\\u00fc" in table
    record = json.loads(ascii_out(*asked, "-f", "jsonl").splitlines()[-1])
    assert record["text"] == "Sand → dünes 沙丘 😀", "JSON says the same in every encoding"
    assert json.loads(ascii_out(*asked, "-f", "json"))["results"][1]["document"]["text"] == record["text"]
