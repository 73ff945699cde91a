"""`tune`, `routes fit` and `calibrate`: whole, under a budget that runs out in the middle, and without a provider."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from judge_rerank import Routes
from tests.cli.conftest import Command
from tests.provider import Provider, QrelsJudge

QUERIES, CANDIDATES = 24, 6
UNREACHABLE = "http://127.0.0.1:9/v1"


def text(query: int, place: int) -> str:
    return f"passage {place} of {query} " + ("with the answer" if place == 4 else f"about thing{query}")


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-loopback")
    grades = {text(q, d): 3 if d == 4 else d % 2 for q in range(QUERIES) for d in range(CANDIDATES)}
    with Provider(QrelsJudge(grades)) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A collection in BEIR's layout; a query in two is factual. BM25 finds no answer, and the judge every one."""
    corpus = [{"_id": f"{q}-{d}", "text": text(q, d)} for q in range(QUERIES) for d in range(CANDIDATES)]
    queries = [
        {"_id": f"q{q}", "text": f"who made thing{q}?" if q % 2 else f"explain in detail why thing{q} works"}
        for q in range(QUERIES)
    ]
    for name, records in (("corpus", corpus), ("queries", queries)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    grades = "".join(f"q{q}\t{q}-4\t1\n" for q in range(QUERIES))
    (tmp_path / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + grades)
    run = (f"q{q} Q0 {q}-{d} {d + 1} {9 - d} bm25\n" for q in range(QUERIES) for d in range(CANDIDATES))
    (tmp_path / "candidates.trec").write_text("".join(run))
    prices = "openai/test: {input_usd_per_mtok: 1, output_usd_per_mtok: 1}\n"
    (tmp_path / "prices.yaml").write_text(prices)
    return tmp_path


def asked(which: str, folder: Path) -> list[object]:
    if which == "tune":
        return ["tune", "--data", folder, "--signal", "score", "--signal", "bm25"]
    if which == "routes":
        (folder / "blind.yaml").write_text("- {strategies: [none]}\n")
        table = ["--file", folder / "blind.yaml", "-o", folder / "out"]
        return ["routes", "fit", "--data", folder, "-s", "listwise(window_size=6, stride=3)", *table]
    files = ["--run", folder / "candidates.trec", "--corpus", folder / "corpus.jsonl"]
    files += ["--queries", folder / "queries.jsonl", "--qrels", folder / "qrels.tsv"]
    return ["calibrate", *files, "--unjudged", "irrelevant", "-s", "score", "-o", folder / "out"]


COMMANDS = pytest.mark.parametrize("which", ["tune", "routes", "calibrate"])


@COMMANDS
def test_a_budget_that_runs_out_in_the_middle(which: str, command: Command, judge: list[str], folder: Path) -> None:
    spending = ["--budget", "0.002", "--prices", folder / "prices.yaml", "--ledger", folder / "ledger.db"]
    ran = command(*asked(which, folder), *judge, *spending)
    assert ran.code == 3, ran.err
    assert ran.out == ""
    assert not (folder / "out").exists()
    assert "queries have partial rankings so far; at most 20% may" in ran.err
    assert "--budget is used up" in ran.err
    assert " by openai/test" in ran.err, "what was spent is told"
    assert command("spend", "--ledger", folder / "ledger.db").code == 0


@COMMANDS
def test_without_a_provider(
    which: str, command: Command, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-loopback")
    ran = command(
        *asked(which, folder), "-m", "openai/test", "--api-base", UNREACHABLE, "--trace", tmp_path / "trace.db"
    )
    assert ran.code == 4, ran.err
    assert ran.out == ""
    assert not (folder / "out").exists()
    assert "queries have partial rankings" in ran.err


@COMMANDS
def test_whole(which: str, command: Command, judge: list[str], folder: Path, provider: Provider) -> None:
    spending = ["--budget", "5", "--prices", folder / "prices.yaml", "--cache-dir", folder / "cache"]
    ran = command(*asked(which, folder), *judge, *spending)
    assert " by openai/test" in ran.err or "2 strategies" in ran.err
    assert provider.requests > 0
    if which == "tune":
        assert ran.code == 2, "the hybrid is no better than the judge alone"
        assert "does not beat score with significance" in ran.err
        assert ran.out == ""
        return
    assert ran.code == 0, ran.err
    assert (folder / "out").exists()
    if which == "routes":
        assert Routes.load(folder / "out").rows[0].strategies[0] == "listwise(window_size=6, stride=3)"
        assert "12 queries" in ran.out
        assert all(len(line) <= 100 for line in ran.out.splitlines()[:-1])
    before = provider.requests
    again = command(*asked(which, folder), *judge, *spending)
    assert again.code == 0, again.err
    assert provider.requests == before, "--cache-dir holds every reply"


def test_a_hybrid_that_beats_its_signals(command: Command, folder: Path) -> None:
    """Half the answers share words with their query, the others stand first in the first stage."""
    log = folder / "log.jsonl"
    with log.open("w") as lines:
        for q in range(40):
            words = [f"filler {d} text" for d in range(CANDIDATES)]
            words[4] = f"thing{q} is here" if q % 2 else "something else"
            answer = {"id": f"{q}-4", "text": words[4], "grade": 1, "score": 1.0 if q % 2 else 6.0}
            rest = [{"id": f"{q}-{d}", "text": words[d], "grade": 0, "score": 5.0 - d} for d in range(4)]
            record = {"id": f"q{q}", "query": f"what is thing{q}?", "candidates": [answer, *rest]}
            lines.write(json.dumps(record) + "\n")
    options = ["tune", "--data", log, "--signal", "bm25", "--signal", "first-stage", "--norm", "minmax"]
    ran = command(*options)
    assert ran.code == 0, ran.err
    assert "on unseen queries" in ran.out
    assert '-s "hybrid({' in ran.out
    assert json.loads(command(*options, "-f", "json").out)["comparison"]["significant"]
    assert " by " not in ran.err, "no model was asked"


def test_too_few_queries_of_every_class(command: Command, folder: Path) -> None:
    ran = command("routes", "fit", "--data", folder, "-s", "bm25", "-o", folder / "out", "--limit", 8)
    assert ran.code == 2
    assert "No class has enough queries" in ran.err
    ran = command("routes", "fit", "--data", folder, "-s", "nnoe", "-o", folder / "out")
    assert ran.code == 2
    assert "Did you mean 'none'" in ran.err


@pytest.mark.parametrize("which", ["tune", "routes"])
def test_the_lowest_relevant_grade_counts(which: str, command: Command, judge: list[str], folder: Path) -> None:
    ran = command(*asked(which, folder), *judge, "--metric", "RR@10", "--min-grade", "2")
    assert ran.code == 2
    assert "grade 2 or more" in ran.err
