"""The examples of docs/extending.md, run as they stand: in spec strings, in an experiment, on the command line."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.examples import python_examples

DOCS = Path(__file__).parents[2] / "docs" / "extending.md"
EXAMPLES = {example.file: example.source for example in python_examples(DOCS) if example.file is not None}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in EXAMPLES.items():
        (tmp_path / name).write_text(text)
    docs = [{"id": f"d{n}", "text": f"document {n} about {'fleas' if n == 2 else 'dogs'}"} for n in range(6)]
    (tmp_path / "docs.jsonl").write_text("\n".join(map(json.dumps, docs)))
    return tmp_path


def test_the_examples_are_short() -> None:
    assert set(EXAMPLES) == {"split.py", "overlap.py"}
    for text in EXAMPLES.values():
        assert len(text.splitlines()) < 60
        assert not re.search(r"\b(self|super\(\))\._[a-z]|import _|def _[a-z]", text)


def run(folder: Path, code: str, *arguments: str, plugins: str = "") -> str:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(DOCS.parents[1]), str(folder)]),
        "JUDGE_RERANK_PLUGINS": plugins,
        "JUDGE_RERANK_MODELS": "",
        "JUDGE_RERANK_CACHE_DIR": str(folder / "cache"),
    }
    command = [sys.executable, *(["-c", code] if code else ["-m", "judge_rerank"]), *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_in_a_spec_string(folder: Path) -> None:
    """And the suite that the page shows passes."""
    (check,) = (example.source for example in python_examples(DOCS) if "import Split" in example.source)
    code = """
import overlap
from judge_rerank import Judge
from judge_rerank.strategies import parse
from judge_rerank.testing import SimulatedJudge

docs = [{"id": f"d{n}", "text": f"document {n} about {'fleas' if n == 2 else 'dogs'}"} for n in range(6)]
judge = Judge(SimulatedJudge({"fleas": {"d4": 3, "d2": 2}}))
ranking = judge.rerank("fleas", docs, "overlap(least=3) % 5 >> split(parts=1)")
print(ranking.strategy, ranking.order, ranking.usage.calls)
assert parse(ranking.strategy) == overlap.Overlap(least=3) % 5 >> Split(parts=1)
"""
    assert run(folder, check + code) == "overlap(least=3) % 5 >> split(parts=1) (4, 2, 0, 1, 3, 5) 1\n"


@pytest.mark.slow
def test_on_the_command_line(folder: Path) -> None:
    arguments = ["rerank", "--query", "fleas", "docs.jsonl", "--format", "jsonl", "-s", "overlap(least=3) % 3"]
    out = run(folder, "", *arguments, plugins="./overlap.py, split")
    assert json.loads(out.splitlines()[0])["index"] == 2
    assert "split" in run(folder, "", "doctor", plugins="split")


def test_in_an_experiment(folder: Path) -> None:
    lines = (folder / "docs.jsonl").read_text().splitlines()
    candidates = [json.loads(line) | {"grade": int(n == 2)} for n, line in enumerate(lines)]
    (folder / "log.jsonl").write_text(json.dumps({"id": "q", "query": "fleas", "candidates": candidates}) + "\n")
    experiment = {
        "name": "own",
        "datasets": [{"path": "log.jsonl"}],
        "strategies": ["overlap", "overlap(least=9)", "none >> overlap % 2"],
        "metrics": ["nDCG@10"],
        "baseline": "first-stage",
    }
    (folder / "own.yaml").write_text(yaml.safe_dump(experiment))
    out = run(folder, "", "eval", "own.yaml", "--format", "json", plugins="overlap")
    assert "overlap(least=9)" in out
