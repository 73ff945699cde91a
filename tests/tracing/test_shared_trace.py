"""A trace in a database says what a trace in a file says; one judge keeps everything in one store."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from judge_rerank import Budget, DataError, Judge, LedgerError, Price, Query
from judge_rerank.cache import ReplyCache
from judge_rerank.spending import Ledger
from judge_rerank.testing import FakeBackend
from judge_rerank.tracing import Trace
from tests.postgres import query

DOCS = ["brakes squeal when they are worn, and pads are cheap " * 3, "a recipe with NUL \0 and half a pair \ud800", "c"]
KEYS = ("model", "day", "strategy", "prompt", "run")
PRICES = {"fake": Price(per_call_usd="0.01")}


def backend() -> FakeBackend:
    return FakeBackend(
        ['{"relevant": true}', "no idea \ud800", '{"relevant": false}', '{"relevant": true}'], local=False
    )


def ranked(**options: Any) -> Any:
    with Judge(backend(), prices=PRICES, concurrency=1, **options) as judge:
        return judge.rerank(Query(text="why 100% \0?", id="q\0"), DOCS, "binary"), judge.trace


def said(trace: Trace) -> dict[str, Any]:
    calls = [replace(call, id=0, run="", ranking="", time=0.0, latency_s=0.0) for call in trace.calls()]
    return {
        "calls": calls,
        "failed": len(trace.calls(failed=True)),
        "found": len(trace.calls(query="WHY 100% ")),
        "runs": [(run.rankings, run.calls, run.cost_usd, run.strategies, run.models) for run in trace.runs()],
        "spend": [
            replace(row, key="") for by in ("model", "day", "strategy", "prompt", "run") for row in trace.spend(by)
        ],
        "path": re.sub(r"[\d.]+ s\n", "", str(trace.path("last", "q\0", 0))),
    }


def test_a_trace_in_a_database_says_what_one_in_a_file_says(store: str, tmp_path: Path) -> None:
    in_file, file = ranked(trace=tmp_path / "trace.db")
    in_store, shared = ranked(trace=store)
    assert [r.index for r in in_file.results] == [r.index for r in in_store.results]
    assert said(file) == said(shared)
    assert said(Trace(store))["failed"] > 0
    read = Trace(store).ranking("last", "q\0")
    assert read.results == in_store.results
    assert (read.query, read.usage, read.integrity) == (in_store.query, in_store.usage, in_store.integrity)


def test_a_strategy_with_a_comma_is_one_strategy(tmp_path: Path) -> None:
    with Judge(FakeBackend("[1] > [2] > [3]"), trace=tmp_path / "t.db") as judge:
        judge.rerank("q", ["a", "b", "c"], "listwise(window_size=2, stride=1)")
        assert judge.trace is not None
        assert len(judge.trace.runs()[0].strategies) == 1


def test_one_judge_keeps_everything_in_its_store(store: str) -> None:
    with Judge(FakeBackend('{"relevant": true}', local=False), prices=PRICES, store=store) as judge:
        assert judge.rerank("q", ["a", "b"], "binary").usage.calls == 2
    with Judge(FakeBackend("never asked", local=False), prices=PRICES, store=store, budget=Budget(usd="0.03")) as other:
        again = other.rerank("q", ["a", "b"], "binary")
        assert (again.usage.calls, again.usage.cached_calls) == (0, 2)
        # What was spent without a budget counts in one.
        assert other.rerank("q", ["c", "d"], "binary", on_exhausted="partial").usage.calls == 1
    with Ledger(store) as ledger, ReplyCache(store) as cache, Trace(store) as trace:
        assert ledger.totals().spent == 30_000
        assert ledger.verify() == []
        assert cache.info().entries >= 2
        assert len(trace.runs()) == 2
        assert sum((row.cost_usd for row in trace.spend()), Decimal(0)) == Decimal("0.03")


def test_the_environment_names_the_store(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_RERANK_STORE", store)
    monkeypatch.setenv("JUDGE_RERANK_BUDGET_USD", "1.00")
    with Judge(FakeBackend('{"relevant": true}', local=False), prices=PRICES) as judge:
        judge.rerank("q", ["a", "b"], "binary")
    with Ledger(store) as ledger:
        assert ledger.totals().spent == 20_000
    assert len(Trace(store).runs()) == 1


def test_a_store_that_is_away_is_told_before_anything_is_spent() -> None:
    model = FakeBackend('{"relevant": true}', local=False)
    with (
        Judge(model, prices=PRICES, store="postgresql://a:hunter2secret@127.0.0.1:9/db") as judge,
        pytest.raises(LedgerError, match="cannot be reached") as caught,
    ):
        judge.rerank("q", ["a", "b"], "binary", on_exhausted="raise")
    assert not model.requests
    assert "hunter2secret" not in str(caught.value)


def test_a_database_without_a_trace_is_told(store: str) -> None:
    with pytest.raises(DataError, match="There is no trace in this database"):
        Trace(store).runs()
    assert query(store, "SELECT 1 FROM pg_namespace WHERE nspname = current_schema()") == []


def test_the_password_is_in_no_trace(store: str) -> None:
    address = store.replace("postgres:@", "postgres:hunter2secret@")
    with Judge(FakeBackend("hunter2secret is no judgment"), store=address) as judge:
        judge.rerank("q", ["hunter2secret"], "binary")
        assert "hunter2secret" not in repr(judge.trace.calls()) if judge.trace else False
    assert "hunter2secret" not in repr(Budget(usd=1, store=address))
