"""`judge-rerank cache`, `explain`, `logs` and `spend`."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from judge_rerank.cache.reply_cache import ReplyCache
from judge_rerank.cli import cache, logs
from judge_rerank.core import Candidate, Document, Judgment, Query, RankedDocument, Ranking, Scores
from judge_rerank.core.backend import ChatReply, Message
from judge_rerank.core.errors import InputError
from judge_rerank.tracing.trace import CallRecord, Trace


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


def run(app: typer.Typer, *arguments: object) -> Ran:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ran(code=result.exit_code, out=result.stdout, err=result.stderr)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with ReplyCache(tmp_path / "cache") as made:
        for number in range(3):
            made.put(f"k{number}", ChatReply(text=str(number)))
        made.get("k1")
        made.get("k9")
    return tmp_path / "cache"


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    file = tmp_path / "trace.db"
    documents = [Document(text="sand\x1b[31m hills", id="a"), Document(text="a novel", id="b")]
    query = Query(text="who wrote Dune?", id="q1")
    with Trace(file, run="20260101-run") as made:
        ranking = made.begin(query, documents, strategy="score", model="openai/m")
        for index, label in enumerate(("2", "9")):
            made.record(
                CallRecord(
                    ranking=ranking,
                    call=index + 1,
                    time=1_790_000_000.0,
                    task="score",
                    stage="score",
                    round=1,
                    candidates=(Candidate(index=index, document=documents[index]),),
                    prompt="score/default",
                    messages=(Message(role="user", content=f"Judge {documents[index].text}"),),
                    model="openai/m" if index else None,
                    input_tokens=1000,
                    output_tokens=1,
                    cost_usd=Decimal("0.000123") if index else None,
                    reply=label,
                    outcome=Scores(values=(int(label) / 10,), labels=(label,)),
                )
            )
        results = [
            RankedDocument(
                rank=rank,
                index=index,
                relevance_score=score,
                document=documents[index],
                judgments=(Judgment(stage="score", round=1, score=score, label=label, cost_usd=Decimal("0.000123")),),
            )
            for rank, (index, score, label) in enumerate(((1, 0.9, "9"), (0, 0.2, "2")), 1)
        ]
        made.finish(ranking, Ranking(results, query=query, strategy="score", model="openai/m"))
    return file


def test_info_clear_and_verify(folder: Path) -> None:
    shown = run(cache.app, "info", "--dir", folder)
    assert "replies   3" in shown.out
    assert "hits      1 of 2 look-ups (50%)" in shown.out
    assert run(cache.app, "verify", "--dir", folder).out == "3 replies checked, 0 bad, 0 deleted\n"
    assert run(cache.app, "clear", "--dir", folder).out == "deleted 3 replies\n"
    assert "replies   0" in run(cache.app, "info", "--dir", folder).out


def test_verify_finds_what_was_changed(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "replies" / "cache.db")) as connection, connection:
        connection.execute("UPDATE Cache SET value = CAST(REPLACE(value, '1', '2') AS BLOB) WHERE key = 'k1'")
        connection.execute("UPDATE Cache SET mode = 4 WHERE key = 'k2'")
    kept = run(cache.app, "verify", "--keep", "--dir", folder)
    assert (kept.code, kept.out) == (1, "3 replies checked, 2 bad, 0 deleted\n")
    assert run(cache.app, "verify", "--dir", folder).out == "3 replies checked, 2 bad, 2 deleted\n"
    assert run(cache.app, "verify", "--dir", folder).code == 0


def test_verify_reports_a_damaged_file(folder: Path) -> None:
    (folder / "replies" / "cache.db").write_bytes(b"junk" * 3000)
    found = run(cache.app, "verify", "--dir", folder)
    assert found.code == 1
    assert "set aside" in found.out


@pytest.mark.parametrize("command", ["info", "clear", "verify"])
def test_no_cache_is_said_and_none_is_made(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_RERANK_CACHE_DIR", str(tmp_path / "none"))
    assert "There is no cache" in run(cache.app, command).err
    assert not (tmp_path / "none").exists()


def test_explain(trace: Path) -> None:
    shown = run(logs.app, "explain", "last", "--query", "q1", "--doc", "b", "--trace", trace)
    assert "first stage 2 → score 9 (0.9) (place 1) → rank 1 of 2" in shown.out
    assert "$0.000123" in shown.out
    assert "\x1b" not in run(logs.app, "explain", "2026", "-q", "who wrote Dune?", "-d", "a", "--trace", trace).out
    as_json = run(logs.app, "explain", "last", "-q", "q1", "-d", "b", "-f", "json", "--trace", trace)
    assert json.loads(as_json.out)["steps"][0]["judgments"][0]["cost_usd"] == "0.000123"


def test_logs(trace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_RERANK_TRACE", str(trace))
    monkeypatch.setenv("COLUMNS", "200")
    assert "score 1" in run(logs.app, "logs").out
    lines = [json.loads(line) for line in run(logs.app, "logs", "-f", "jsonl", "--doc", "b").out.splitlines()]
    [outcome] = [line["outcome"] for line in lines]
    assert (outcome["kind"], outcome["values"], outcome["labels"]) == ("Scores", [0.9], ["9"])
    assert lines[0]["messages"][0]["content"] == "Judge a novel"
    assert run(logs.app, "logs", "-f", "jsonl", "--failed").out == ""
    assert "20260101-run" in run(logs.app, "logs", "--runs").out
    assert json.loads(run(logs.app, "logs", "--runs", "-f", "jsonl").out)["calls"] == 2


def rows_of(text: str) -> Sequence[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_spend_from_a_trace(trace: Path) -> None:
    table = run(logs.app, "spend", "--by", "model", "--trace", trace).out
    assert "$0.000123" in table
    assert "unknown" in table
    assert "total" in table
    [paid, unknown] = rows_of(run(logs.app, "spend", "--format", "csv", "--trace", trace).out)
    assert paid == {
        "model": "openai/m",
        "calls": "1",
        "input_tokens": "1000",
        "output_tokens": "1",
        "cost_usd": "0.000123",
        "unpriced_calls": "0",
    }
    assert unknown["unpriced_calls"] == "1"
    by_day = json.loads(run(logs.app, "spend", "--by", "day", "-f", "json", "--trace", trace).out)
    assert [(row["day"], row["calls"], row["cost_usd"]) for row in by_day] == [("2026-09-21", 2, "0.000123")]


def test_spend_of_nothing(tmp_path: Path) -> None:
    with Trace(tmp_path / "t.db") as made:
        made.begin(Query(text="q"), [], strategy="none")
    assert json.loads(run(logs.app, "spend", "-f", "json", "--trace", tmp_path / "t.db").out) == []
    assert "total" in run(logs.app, "spend", "--trace", tmp_path / "t.db").out


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUDGE_RERANK_TRACE", raising=False)
    with pytest.raises(InputError, match="no trace here"):
        run(logs.app, "logs")
    with pytest.raises(InputError, match="no trace here"):
        run(logs.app, "logs", "--trace", tmp_path / "none.db")
    with pytest.raises(InputError, match="no ledger"):
        run(logs.app, "spend", "--ledger", tmp_path / "none.db")
