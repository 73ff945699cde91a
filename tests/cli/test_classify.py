"""`judge-rerank classify` from standard input to standard output."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from judge_rerank.cli import run
from tests.cli.conftest import Command
from tests.provider import Provider, ScriptedJudge

QUERIES = "who wrote Dune?\n\n   \nWhy is the sky blue?\r\n"


def test_a_line_for_every_query(command: Command) -> None:
    ran = command("classify", stdin=QUERIES)
    assert ran.code == 0, ran.err
    rows = [line.split("\t") for line in ran.out.splitlines()]
    assert [(label, text) for label, _, text in rows] == [
        ("factual", "who wrote Dune?"),
        ("semantic", "Why is the sky blue?"),
    ]
    assert all(0 < float(confidence) <= 1 for _, confidence, _ in rows)


def test_as_jsonl(command: Command) -> None:
    ran = command("classify", "-f", "jsonl", stdin=QUERIES)
    assert [record["label"] for record in ran.records] == ["factual", "semantic"]
    assert ran.records[1]["text"] == "Why is the sky blue?"
    assert any("why" in reason for reason in ran.records[1]["reasons"])  # pyright: ignore[reportGeneralTypeIssues]


def test_as_a_table(command: Command) -> None:
    ran = command("classify", "-f", "table", "--explain", stdin=QUERIES + "what is [bold]?\n")
    assert ran.code == 0, ran.err
    assert "confidence" in ran.out
    assert "[bold]" in ran.out
    assert "why" in ran.out


def test_what_a_line_may_hold(command: Command) -> None:
    long = "why " + "so " * 50_000
    ran = command("classify", stdin=f"\ufeffwho\twrote   Dune?\n{long}\n?\nwarum ist der Himmel blau\n“\u2028”\n")
    assert ran.code == 0, ran.err
    lines = ran.out.split("\n")[:-1]
    assert len(lines) == 5
    assert lines[0].endswith("\twho wrote Dune?")
    assert lines[1].endswith("so so")
    assert all(line.count("\t") == 2 for line in lines)


def test_nothing_to_classify(command: Command) -> None:
    for text in ("", "\n \n"):
        ran = command("classify", stdin=text)
        assert (ran.code, ran.out) == (0, "")
        assert "no queries" in ran.err


def test_a_line_that_is_not_utf8(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"who?\nwo ist M\xfcnchen?\n")))
    assert run(["classify"]) == 2
    error = capsys.readouterr().err
    assert ":2: " in error
    assert "UTF-8" in error
    assert "Traceback" not in error


def test_rules_from_a_file(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("- {label: books, contains: dune}\n")
    ran = command("classify", "--classifier", path, stdin=QUERIES)
    assert ran.out.split("\t")[:2] == ["books", "1.000"]
    assert ran.out.splitlines()[1].startswith("semantic\t")
    path.write_text("- {label: books}\n")
    ran = command("classify", "--classifier", path, stdin=QUERIES)
    assert ran.code == 2
    assert f"{path}:1:" in "".join(ran.err.split("\n"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--classifier", "oracle"], "Unknown classifier"),
        (["--classifier", "none.yaml"], "no such file"),
        (["-m", "openai/test"], "--classifier llm"),
    ],
)
def test_options_that_cannot_be(command: Command, arguments: list[str], says: str) -> None:
    ran = command("classify", *arguments, stdin=QUERIES)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err


def test_a_judge_that_does_not_answer(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-loopback")
    with Provider(ScriptedJudge("I had rather not say.")) as provider:
        judge = ["-m", "openai/test", "--api-base", f"{provider.url}/v1"]
        ran = command("classify", "-c", "llm", *judge, stdin="who wrote Dune?\n")
    assert ran.code == 3, ran.err
    assert ran.out.startswith("factual\t")
    assert "1 query was classified by the fallback: the judge gave no answer" in ran.err


def test_the_judge_answers(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-loopback")
    with Provider(ScriptedJudge('{"reason": "a comparison", "label": "complex"}')) as provider:
        judge = ["-c", "llm", "-m", "openai/test", "--api-base", f"{provider.url}/v1"]
        ran = command("classify", *judge, "--explain", "-f", "jsonl", stdin="who wrote Dune?\nwho?\nwho?\n")
        assert ran.code == 0, ran.err
        assert provider.requests == 2
    expected = {"label": "complex", "confidence": None, "reasons": ["a comparison"], "fallback": False}
    assert ran.records == [expected | {"text": text} for text in ("who wrote Dune?", "who?", "who?")]
