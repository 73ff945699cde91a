"""A process that is killed in the middle of batch jobs, and the next one, which asks the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import pytest

from judge_rerank import Budget
from judge_rerank.spending import Ledger
from tests.engine import test_batch
from tests.engine.test_batch import GRADES, PAIRS, SHAPES, asked_at_most_once, judging
from tests.provider import Provider, QrelsJudge
from tests.provider.batches import BatchProvider

STRATEGY = "listwise(window_size=4, stride=2)"
_LONGEST_S = 300.0
SCRIPT = """
import sys
from importlib import import_module
from pathlib import Path
from judge_rerank import Budget
tests = import_module(sys.argv.pop())
model, url, folder, strategy, usd = sys.argv[1:]
budget = Budget(usd=usd, path=Path(folder) / "spend.db")
with tests.judging(model, url, Path(folder), budget=budget) as judge:
    judge.rerank_many(tests.PAIRS, strategy, mode="batch")
"""


def killed(
    model: str,
    provider: BatchProvider,
    folder: Path,
    usd: str,
    ready: Callable[[], bool],
    *,
    asked: ModuleType = test_batch,
) -> None:
    """A process that asks for rankings, and is ended, however far it is, once something is so.

    Args:
        model: who judges.
        provider: its provider.
        folder: of the cache and the ledger.
        usd: the budget.
        ready: when to end it.
        asked: the module that has the pairs, and makes the judge.
    """
    arguments = [sys.executable, "-c", SCRIPT, model, provider.url, str(folder), STRATEGY, usd, asked.__name__]
    root = Path(__file__).parents[2]
    process = subprocess.Popen(arguments, cwd=root, env=os.environ | {"PYTHONPATH": str(root)})
    until = time.monotonic() + _LONGEST_S
    try:
        while not ready():
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(30)


def goes_on(model: str, provider: BatchProvider, folder: Path, usd: str, *, asked: ModuleType = test_batch) -> None:
    """The next process asks the same: its rankings are those of single requests, and nothing is asked twice."""
    with asked.judging(model, provider.url, folder, budget=Budget(usd=usd, path=folder / "spend.db")) as judge:
        batch = judge.rerank_many(asked.PAIRS, STRATEGY, mode="batch")
    with Provider(provider.judge) as direct, asked.judging(model, direct.url, folder / "direct") as judge:
        rankings = judge.rerank_many(asked.PAIRS, STRATEGY)
        assert [ranking.order for ranking in rankings] == [ranking.order for ranking in batch]
        assert provider.bill.usd == direct.bill.usd / 2
    assert asked_at_most_once(provider)
    with Ledger(folder / "spend.db") as ledger:
        spent = Decimal(ledger.totals().spent).scaleb(-6)
        assert not ledger.verify()
    # Nothing of what was set aside for the process that was killed is left.
    assert provider.bill.usd <= spent <= min(provider.bill.usd + Decimal("0.0001"), Decimal(usd))


def looked_at(provider: BatchProvider) -> bool:
    """Whether the process waits for its first job."""
    return bool(provider.jobs and provider.jobs[0].polls)


@pytest.mark.parametrize("model", SHAPES)
def test_a_kill_before_anybody_heard_that_the_job_is_made(model: str, tmp_path: Path) -> None:
    with BatchProvider(QrelsJudge(GRADES)) as provider:
        provider.hold_create = True
        killed(model, provider, tmp_path, "1", provider.created.is_set)
        provider.hold_create = False
        provider.go_on.set()
        goes_on(model, provider, tmp_path, "1")


def test_a_kill_before_the_job_is_made(tmp_path: Path) -> None:
    with BatchProvider(QrelsJudge(GRADES)) as provider:
        provider.hold_upload = True
        killed("openai/gpt-4.1-mini", provider, tmp_path, "1", provider.uploading.is_set)
        provider.hold_upload = False
        provider.go_on.set()
        goes_on("openai/gpt-4.1-mini", provider, tmp_path, "1")


def test_under_a_tight_cap_the_next_run_takes_over_what_was_set_aside(tmp_path: Path) -> None:
    model = "openai/gpt-4.1-mini"
    with judging(model, "http://127.0.0.1:9", tmp_path / "estimate") as judge:
        most = [judge.estimate(*pair, STRATEGY, mode="batch").cost_usd or Decimal(0) for pair in PAIRS]
    usd = str(sum(most))
    with BatchProvider(QrelsJudge(GRADES)) as provider:
        provider.held = True
        killed(model, provider, tmp_path, usd, lambda: looked_at(provider))
        provider.held = False
        goes_on(model, provider, tmp_path, usd)
