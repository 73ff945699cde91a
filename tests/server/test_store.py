"""Several server machines that share one database: one budget for each key and route, one cache."""

from __future__ import annotations

import pytest

from judge_rerank import InputError
from judge_rerank.core import SetupError
from judge_rerank.readers import checked
from judge_rerank.server import ServerConfig
from judge_rerank.server.config import store_of
from judge_rerank.server.state import Server
from judge_rerank.storage import StoreUrl

KEY = "sha256:" + "0" * 64


def config(store: str | None) -> ServerConfig:
    route = {"model": ["openai/gpt-6-luna"], "strategy": "score", "budget": "2.00"}
    given = {"rerankers": {"default": route}, "keys": {"shop": {"key": KEY, "budget": 1}}, "store": store}
    return checked(given, ServerConfig)


def test_budgets_of_keys_and_routes_are_accounts_of_the_store(store: str) -> None:
    machines = [Server(config(store)) for _ in range(2)]
    for machine in machines:
        ledgers = [client.ledger for client in machine.keys._clients.values()]
        route = next(iter(machine.table))
        assert [ledger.account for ledger in ledgers if ledger] == ["key-shop"]
        assert [ledger.place for ledger in ledgers if ledger] == [StoreUrl.of(store)]
        assert route.judge._records.ledger.account == "route-default"
        assert route.judge.trace is not None
        machine.table.close()


def test_the_address_may_come_from_the_environment(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_STORE", store)
    assert store_of(config("$OUR_STORE")) == store
    assert store_of(config(None)) is None
    monkeypatch.setenv("JUDGE_RERANK_STORE", store)
    assert store_of(config(None)) == store
    with pytest.raises(SetupError, match="NOT_SET"):
        store_of(config("$NOT_SET"))
    with pytest.raises(InputError, match="expected the address"):
        store_of(config("mysql://a:hunter2secret@b/c"))
    assert "hunter2secret" not in repr(config("postgresql://a:hunter2secret@b/c"))
