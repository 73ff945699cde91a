"""Parts ranked by actors of a Ray cluster on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from judge_rerank import Budget, SetupError
from judge_rerank.bulk import OnRay, rerank_files
from tests.bulk import wire
from tests.bulk.conftest import ROOT, keys, results, rows, write_parquet
from tests.provider import Provider

# Ray warns of its own settings.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

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
