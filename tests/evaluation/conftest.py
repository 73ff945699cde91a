"""A small dataset and an experiment on it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

QUERIES, CANDIDATES = 6, 5


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Queries with five candidates each, of which one or two are relevant; the first stage has them anywhere."""
    path = tmp_path / "log.jsonl"
    lines = [
        {
            "id": f"q{q}",
            "query": f"query number {q}",
            "candidates": [
                {"id": f"q{q}d{d}", "text": f"text {d} about {q}", "grade": int(d == q % CANDIDATES) + int(d == 4)}
                for d in range(CANDIDATES)
            ],
        }
        for q in range(QUERIES)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


Written = Callable[..., Path]


@pytest.fixture
def written(tmp_path: Path, log: Path) -> Written:
    """Writes an experiment on it, with some keys changed; None takes a key away."""

    def write(**changes: Any) -> Path:
        values: dict[str, Any] = {
            "name": "Tiny",
            "datasets": [{"path": log.name, "seed": 3}],
            "models": ["fake"],
            "prompts": {"score": ["terse", "rubric"]},
            "strategies": ["score", "listwise"],
            "metrics": ["nDCG@3", "RR@5"],
        } | changes
        path = tmp_path / "experiment.yaml"
        path.write_text(yaml.safe_dump({k: v for k, v in values.items() if v is not None}, sort_keys=False))
        return path

    return write
