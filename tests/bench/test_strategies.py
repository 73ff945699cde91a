"""The strategy benchmark: its measure is that of ir_measures, and it runs from end to end."""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path
from types import ModuleType

import ir_measures
import pytest

BENCH = Path(__file__).parents[2] / "eval" / "bench" / "strategies.py"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_strategies", BENCH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("seed", range(5))
def test_ndcg_is_that_of_ir_measures(bench: ModuleType, seed: int) -> None:
    dice = random.Random(seed)
    relevance = [float(dice.choice([0, 0, 0, 1, 2, 3])) for _ in range(30)]
    order = dice.sample(range(30), 30)
    qrels = [ir_measures.Qrel("q", str(index), int(grade)) for index, grade in enumerate(relevance)]
    run = [ir_measures.ScoredDoc("q", str(index), float(-rank)) for rank, index in enumerate(order)]
    wanted = ir_measures.calc_aggregate([ir_measures.nDCG @ 10], qrels, run)[ir_measures.nDCG @ 10]
    assert bench.ndcg(relevance, order) == pytest.approx(wanted)


def test_it_writes_a_table(bench: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "dl19"
    folder.mkdir()
    rows = [(query, f"{query}d{i}", i % 4) for query in ("1", "2") for i in range(20)]
    (folder / "candidates.trec").write_text("".join(f"{q} Q0 {d} 1 1.0 x\n" for q, d, _ in rows), encoding="utf-8")
    qrels = "query-id\tcorpus-id\tscore\n" + "".join(f"{q}\t{d}\t{g}\n" for q, d, g in rows)
    (folder / "qrels.tsv").write_text(qrels, encoding="utf-8")
    judged = "query-id\tcorpus-id\tgpt4o\n" + "".join(f"{q}\t{d}\t{g}\n" for q, d, g in rows)
    (folder / "judgments.tsv").write_text(judged, encoding="utf-8")
    out = tmp_path / "out" / "table.md"
    options = ["--data", str(tmp_path), "--out", str(out), "--sizes", "20", "--only", "blitz", "adaptive"]
    bench.main(options)
    table = out.read_text(encoding="utf-8")
    assert "## 20 candidates" in table
    assert "| adaptive, docs ≤ 1.8n |" in table
    assert "| blitz |" in capsys.readouterr().out
