"""Parts ranked by actors of a Ray cluster on this machine."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from eval.bench.bulk import descendants
from judge_rerank import Budget, SetupError
from judge_rerank.bulk import BulkProgress, OnRay, rerank_files
from tests.bulk import wire
from tests.bulk.conftest import ROOT, keys, results, rows, write_parquet
from tests.provider import Faults, Provider

# Ray warns of its own settings.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("ray"),  # one cluster
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

ray = pytest.importorskip("ray")


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A cluster of this machine; its workers have the environment that it is started in."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        environment.setenv("RAY_AUTH_MODE", "disabled")  # nobody else reaches it, and it writes to no home
        environment.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        environment.setenv("JUDGE_RERANK_PLUGINS", "tests.bulk.wire")
        environment.setenv("PYTHONPATH", str(ROOT))
        environment.setenv(wire.KEY, "loopback")
        ray.init(
            num_cpus=2,
            object_store_memory=80 * 1024 * 1024,
            include_dashboard=False,
            log_to_driver=False,
            _node_ip_address="127.0.0.1",
        )
    yield
    ray.shutdown()


def test_a_run_on_ray(cluster: None, judge: dict[str, Any], provider: Provider, tmp_path: Path) -> None:
    given, out = write_parquet(tmp_path / "in.parquet", rows(20)), tmp_path / "out"
    run = rerank_files(given, out, engine=OnRay(workers=2), budget=Budget(usd="1"), queries_per_part=4, **judge)
    assert run.status == "complete"
    assert keys(results(out)) == keys(rows(20))
    assert provider.requests == 120
    assert provider.peak <= 8
    assert provider.bill.microusd == Decimal(run.totals.ledger_usd) * 1_000_000


def test_a_worker_without_the_key_ends_the_run_before_anything_is_spent(
    cluster: None, judge: dict[str, Any], provider: Provider, tmp_path: Path
) -> None:
    given = write_parquet(tmp_path / "in.parquet", rows(2))

    with pytest.raises(SetupError, match=r"The worker on \S+ cannot rank: .* needs a key"):
        rerank_files(given, tmp_path / "out", engine=OnRay(), **{**judge, "params": {"needs": "NO_SUCH_KEY"}})
    assert provider.requests == 0
    assert wire.KEY in os.environ


def test_scorers_run_on_actors_of_their_own_and_large_lists_are_divided(
    cluster: None, judge: dict[str, Any], tmp_path: Path
) -> None:
    large = [
        {"query_id": "large", "query": "what lives there?", "doc_id": f"d{n}", "text": f"{'x' * (n % 41)} {n}"}
        for n in range(3_500)
    ]
    given, log = write_parquet(tmp_path / "in.parquet", [*rows(4), *large, *rows(2, first=4)]), tmp_path / "log"
    strategy = {**judge, "strategy": f"lengths(log='{log}') % 3 >> score"}
    engine = OnRay(workers=1, scorers=1, shard_rows=1_000)
    run = rerank_files(given, tmp_path / "out", engine=engine, queries_per_part=1, **strategy)
    assert run.status == "complete"
    asked = [line.split() for line in log.read_text().splitlines()]
    assert sum(int(count) for _, count in asked) == 6 * 6 + 3_500 + 1  # each once; and one that was loaded with
    assert max(int(count) for _, count in asked) == 1_000
    alone = rerank_files(given, tmp_path / "alone", queries_per_part=1, **strategy)
    assert alone.totals.calls == 0
    assert ranked(tmp_path / "out") == ranked(tmp_path / "alone")


def ranked(folder: Path) -> list[tuple[Any, ...]]:
    names = ("query_id", "rank", "doc_id", "score", "judged", "stage")
    return sorted(tuple(row[name] for name in names) for row in results(folder))


def test_a_worker_that_is_killed_costs_what_was_under_way(
    cluster: None, judge: dict[str, Any], provider: Provider, tmp_path: Path
) -> None:
    provider.faults = Faults(1, {}, latency_s=(0.05, 0.05))
    given, out = write_parquet(tmp_path / "in.parquet", rows(30)), tmp_path / "out"
    killed: list[int] = []

    def kill_one(progress: BulkProgress) -> None:
        if len(killed) < 2:
            killed.append(next(pid for pid, line in descendants(os.getpid()).items() if "JudgeActor" in line))
            os.kill(killed[-1], signal.SIGKILL)

    budget = Budget(usd="1")
    run = rerank_files(given, out, engine=OnRay(workers=2), queries_per_part=3, budget=budget, watch=kill_one, **judge)
    assert (run.status, keys(results(out))) == ("complete", keys(rows(30)))
    assert len(killed) == 2
    assert 180 <= provider.requests <= 180 + 2 * 8
    assert provider.bill.microusd <= Decimal(run.totals.ledger_usd) * 1_000_000 <= 1_000_000
