"""A judge on the loopback interface that other processes reach by its name, and inputs of many queries."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from judge_rerank.spending import Price
from tests.bulk import wire
from tests.provider import Provider, QrelsJudge

ROOT = Path(__file__).parents[2]
DOCS = [f"document {n} about the life of worms in the deep sand" for n in range(6)]
PRICES = {wire.MODEL: Price(input_usd_per_mtok="0.15", cached_input_usd_per_mtok="0.075", output_usd_per_mtok="0.60")}
"""What the loopback provider charges."""

Row = Mapping[str, Any]


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    monkeypatch.setenv("JUDGE_RERANK_PLUGINS", "tests.bulk.wire")
    monkeypatch.setenv(wire.KEY, "loopback")
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    with Provider(QrelsJudge({text: place % 4 for place, text in enumerate(DOCS)})) as running:
        yield running


@pytest.fixture
def judge(provider: Provider, tmp_path: Path) -> dict[str, Any]:
    """The options that name the loopback judge."""
    return {
        "model": wire.MODEL,
        "api_base": str(provider.port),
        "prices": PRICES,
        "strategy": "score",
        "cache_dir": tmp_path / "replies",
    }


def rows(queries: int, *, first: int = 0) -> list[Row]:
    """One row a candidate."""
    return [
        {"query_id": f"q{n}", "query": f"what lives in sand number {n}?", "doc_id": f"d{place}", "text": text}
        for n in range(first, first + queries)
        for place, text in enumerate(DOCS)
    ]


def write_parquet(path: Path, listed: Sequence[Row]) -> Path:
    pq.write_table(pa.Table.from_pylist([dict(row) for row in listed]), path)
    return path


def write_jsonl(path: Path, listed: Sequence[Row]) -> Path:
    path.write_text("".join(json.dumps(dict(row)) + "\n" for row in listed), encoding="utf-8")
    return path


def results(folder: Path) -> list[dict[str, Any]]:
    """All rows, as anybody reads a folder of Parquet files."""
    return pq.read_table(folder).to_pylist()


def keys(listed: Sequence[Row]) -> list[tuple[str, str]]:
    return sorted((str(row["query_id"]), str(row["doc_id"])) for row in listed)
