"""The command line run in this process, against a provider on the loopback interface."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from judge_rerank.cli import run
from tests.provider import Provider, QrelsJudge

GRADES = {
    "Sand dunes are hills of loose sand that the wind has built.": 0,
    "Frank Herbert wrote the novel Dune, published in 1965.": 3,
    "Denis Villeneuve directed the film Dune of 2021.": 1,
    "A desert planet is the scene of the novel Dune.": 2,
}
"""Texts in first-stage order, and how good they are."""

BEST_FIRST = ("d1", "d3", "d2", "d0")
"""The ids of the texts as the judge should put them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, object]]:
        """Its output as JSONL."""
        return [json.loads(line) for line in self.out.splitlines()]


Command = Callable[..., Ran]


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-loopback")
    with Provider(QrelsJudge(GRADES)) as running:
        yield running


@pytest.fixture
def judge(provider: Provider) -> list[str]:
    """The options that name the loopback model."""
    return ["-m", "openai/test", "--api-base", f"{provider.url}/v1"]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Runs a command line; `stdin` is what is piped into it."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("JUDGE_RERANK_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("JUDGE_RERANK_MODEL", raising=False)
    monkeypatch.delenv("JUDGE_RERANK_MODELS", raising=False)

    def call(*arguments: object, stdin: str = "") -> Ran:
        capsys.readouterr()
        with piped(stdin):
            code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Ran(code=code, out=captured.out, err=captured.err)

    return call


@contextmanager
def piped(text: str) -> Iterator[None]:
    """Standard input as another program's output; what `contextlib.redirect_stdout` is for output."""
    before, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(text.encode()))
    try:
        yield
    finally:
        sys.stdin = before


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """The texts as JSONL, in first-stage order."""
    path = tmp_path / "documents.jsonl"
    records = ({"id": f"d{place}", "text": text, "page": place} for place, text in enumerate(GRADES))
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.fixture
def run_files(tmp_path: Path) -> list[object]:
    """The options that name a run of two queries over the texts."""
    corpus = "".join(json.dumps({"_id": f"d{n}", "text": text}) + "\n" for n, text in enumerate(GRADES))
    (tmp_path / "corpus.jsonl").write_text(corpus)
    (tmp_path / "queries.jsonl").write_text(
        '{"_id": "q1", "text": "who wrote Dune?"}\n{"_id": "q2", "text": "novel Dune"}\n'
    )
    lines = (f"{q} Q0 d{n} {n + 1} {9 - n} bm25\n" for q in ("q1", "q2") for n in range(4))
    (tmp_path / "run.trec").write_text("".join(lines))
    return [
        "--run", tmp_path / "run.trec", "--corpus", tmp_path / "corpus.jsonl", "--queries", tmp_path / "queries.jsonl",
    ]  # fmt: skip
