"""The benchmark of groups: it runs from end to end, and its judge errs as it says."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from judge_rerank.core import Candidate, Document, JudgeCall, Query, Scores

BENCH = Path(__file__).parents[2] / "eval" / "bench"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCH))
    for name in ("groups", "strategies"):
        sys.modules.pop(name, None)
    return importlib.import_module("groups")


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    """Two queries with twelve candidates each."""
    folder = tmp_path / "scifact"
    folder.mkdir()
    names = [f"d{place}" for place in range(12)]
    corpus = [json.dumps({"_id": name, "title": "", "text": f"text of {name}"}) for name in names]
    (folder / "corpus.jsonl").write_text("\n".join(corpus))
    (folder / "queries.jsonl").write_text("\n".join(json.dumps({"_id": q, "text": f"query {q}"}) for q in ("a", "b")))
    grades = [f"{query}\t{name}\t{place % 2}" for query in ("a", "b") for place, name in enumerate(names)]
    (folder / "qrels.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *grades]))
    run = [f"{query} Q0 {name} {rank} {-rank} bm25" for query in ("a", "b") for rank, name in enumerate(names, 1)]
    (folder / "candidates.trec").write_text("\n".join(run))
    return tmp_path


def test_it_writes_a_page(bench: ModuleType, collection: Path, tmp_path: Path) -> None:
    out = tmp_path / "groups.md"
    bench.main(["--data", str(collection), "--out", str(out), "--sets", "scifact", "--runs", "1"])
    page = out.read_text(encoding="utf-8")
    assert "python eval/bench/groups.py" in page
    assert "## scifact: 2 queries, 12 candidates each" in page
    assert page.count("| score(batch_size=10) |") == 3
    assert "| listwise | 1.0 | 1.0 |" in page


@pytest.mark.parametrize(("prompt", "steps"), [(None, 9), ("graded", 3)])
def test_who_grades_a_group_uses_whole_numbers(bench: ModuleType, prompt: str | None, steps: int) -> None:
    shown = tuple(Candidate(index=place, document=Document(text="t")) for place in range(5))
    case = bench.Case(
        topic=bench.Topic(query=Query(text="q", id="q"), candidates=()), relevance=[], judged=[0, 0.4, 1.1, 2.2, 3]
    )
    answer = bench.answering(case, bench.JudgeModel(name="exact"), 0)
    outcome = answer(JudgeCall(task="score", query=Query(text="q"), candidates=shown, prompt=prompt))
    assert isinstance(outcome, Scores)
    assert [value * steps for value in outcome.values if value is not None] == pytest.approx(
        [round(grade / 3 * steps) for grade in (0, 0.4, 1.1, 2.2, 3)]
    )
    alone = answer(JudgeCall(task="score", query=Query(text="q"), candidates=shown[1:2], prompt=prompt))
    assert isinstance(alone, Scores)
    assert alone.values == (pytest.approx(0.4 / 3),)
