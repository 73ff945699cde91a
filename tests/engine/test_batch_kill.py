"""A process that is killed in the middle of batch jobs, and the next one, which asks the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from judge_rerank import Budget
from judge_rerank.spending import Ledger
from tests.engine.test_batch import GRADES, PAIRS, SHAPES, asked_at_most_once, judging
from tests.provider import Provider, QrelsJudge
from tests.provider.batches import BatchProvider

STRATEGY = "listwise(window_size=4, stride=2)"
SCRIPT = """
import json, sys
from pathlib import Path
from judge_rerank import Budget
from tests.engine.test_batch import PAIRS, judging
model, url, folder, strategy, usd = sys.argv[1:]
budget = Budget(usd=usd, path=Path(folder) / "spend.db")
with judging(model, url, Path(folder), budget=budget) as judge:
    rankings = judge.rerank_many(PAIRS, strategy, mode="batch")
print(json.dumps([list(ranking.order) for ranking in rankings]))
"""


def started(model: str, provider: BatchProvider, folder: Path, usd: str) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", SCRIPT, model, provider.url, str(folder), STRATEGY, usd]
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(root)}
    return subprocess.Popen(arguments, cwd=root, env=environment, stdout=subprocess.PIPE, text=True)


def killed(process: subprocess.Popen[str], ready: Callable[[], bool]) -> None:
    """End a process, however far it is, once something is so."""
    until = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < until
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)


def expected(model: str, folder: Path) -> tuple[list[Any], Decimal]:
    """The rankings and the bill of single requests."""
    with Provider(QrelsJudge(GRADES)) as provider, judging(model, provider.url, folder) as judge:
        return [list(ranking.order) for ranking in judge.rerank_many(PAIRS, STRATEGY)], provider.bill.usd


@pytest.mark.parametrize("model", SHAPES)
@pytest.mark.parametrize("moment", ["made, and nobody heard of it", "waited for", "done"])
def test_a_kill_after_a_job_is_made(model: str, moment: str, tmp_path: Path) -> None:
    with BatchProvider(QrelsJudge(GRADES)) as provider:
        provider.hold_create = moment == "made, and nobody heard of it"
        provider.held = True
        first = started(model, provider, tmp_path, "1")
        wait: Callable[[], bool] = lambda: bool(provider.jobs and provider.jobs[0].polls)  # noqa: E731
        killed(first, provider.created.is_set if provider.hold_create else wait)
        provider.hold_create, provider.held = False, False
        provider.go_on.set()
        second = started(model, provider, tmp_path, "1")
        printed, _ = second.communicate(timeout=120)
        assert second.returncode == 0
        orders, full = expected(model, tmp_path / "direct")
        assert json.loads(printed) == orders
        assert provider.bill.usd == full / 2
        assert asked_at_most_once(provider)
    with Ledger(tmp_path / "spend.db") as ledger:
        spent = Decimal(ledger.totals().spent).scaleb(-6)
        assert not ledger.verify()
    # Nothing of what was set aside for the process that was killed is left.
    assert provider.bill.usd <= spent <= provider.bill.usd + Decimal("0.0001")


def test_a_kill_before_the_job_is_made(tmp_path: Path) -> None:
    model = "openai/gpt-4.1-mini"
    with BatchProvider(QrelsJudge(GRADES)) as provider:
        provider.hold_upload = True
        killed(started(model, provider, tmp_path, "1"), provider.uploading.is_set)
        provider.hold_upload = False
        provider.go_on.set()
        second = started(model, provider, tmp_path, "1")
        printed, _ = second.communicate(timeout=120)
        orders, full = expected(model, tmp_path / "direct")
        assert json.loads(printed) == orders
        assert provider.bill.usd == full / 2


def test_a_tight_cap_lets_the_next_run_go_on(tmp_path: Path) -> None:
    """The room that the killed run had set aside is that of the run after it."""
    model = "openai/gpt-4.1-mini"
    with judging(model, "http://127.0.0.1:9", tmp_path / "estimate") as judge:
        one = [judge.estimate(*pair, STRATEGY, mode="batch").cost_usd or Decimal(0) for pair in PAIRS]
    usd = str(sum(one))  # not enough for a second time of even the first round beside it
    with BatchProvider(QrelsJudge(GRADES)) as provider:
        provider.held = True
        killed(started(model, provider, tmp_path, usd), lambda: bool(provider.jobs and provider.jobs[0].polls))
        provider.held = False
        printed, _ = started(model, provider, tmp_path, usd).communicate(timeout=120)
        assert json.loads(printed) == expected(model, tmp_path / "direct")[0]
        assert asked_at_most_once(provider)
    with Ledger(tmp_path / "spend.db", budget=Budget(usd=usd)) as ledger:
        assert provider.bill.usd <= Decimal(ledger.totals().spent).scaleb(-6) <= Decimal(usd)
