"""A store in PostgreSQL: budget and replies of all machines are in it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from judge_rerank import Budget, LedgerError
from judge_rerank.bulk import rerank_files
from judge_rerank.spending import Ledger
from tests.bulk.conftest import keys, results, rows, write_parquet
from tests.provider import Provider


def test_budget_and_ledger_are_in_the_store(
    judge: dict[str, Any], provider: Provider, store: str, tmp_path: Path
) -> None:
    given, out = write_parquet(tmp_path / "in.parquet", rows(6)), tmp_path / "out"
    run = rerank_files(given, out, store=store, budget=Budget(usd="1"), queries_per_part=3, **judge)
    assert (run.status, keys(results(out))) == ("complete", keys(rows(6)))
    assert not (out / "_spend.db").exists()
    assert Decimal(run.totals.ledger_usd) * 1_000_000 == provider.bill.microusd
    with Ledger(store) as ledger:
        assert ledger.totals().spent == provider.bill.microusd
    assert store.partition("?")[0] not in (out / "_run.json").read_text()


def test_a_store_that_cannot_be_reached_is_told_before_anything_is_spent(
    judge: dict[str, Any], provider: Provider, tmp_path: Path
) -> None:
    pytest.importorskip("psycopg")
    given = write_parquet(tmp_path / "in.parquet", rows(1))
    for budget in (None, Budget(usd="1")):
        with pytest.raises(LedgerError):
            rerank_files(given, tmp_path / "out", store="postgresql://nobody@127.0.0.1:9/none", budget=budget, **judge)
    assert provider.requests == 0
    assert not (tmp_path / "out" / "_run.json").exists()
