"""Every kind of reply that models really give, as files: what is read from it, or why nothing is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from judge_rerank.core import Choice, Failed, Order, Scores
from judge_rerank.core.backend import ChatReply
from judge_rerank.prompting.tasks import TASKS, task

REPLIES = Path(__file__).parent / "replies"


def _cases() -> list[Any]:
    cases: list[Any] = []
    for folder in sorted(path for path in REPLIES.iterdir() if path.is_dir()):
        expected = yaml.safe_load((folder / "expected.yaml").read_text(encoding="utf-8"))
        assert sorted(expected) == sorted(path.stem for path in folder.glob("*.txt")), f"{folder} and its expected.yaml"
        cases += [
            pytest.param(folder.name, folder / f"{name}.txt", wanted, id=f"{folder.name}/{name}")
            for name, wanted in expected.items()
        ]
    return cases


@pytest.mark.parametrize(("name", "path", "wanted"), _cases())
def test_reply_is_read_as_expected(name: str, path: Path, wanted: dict[str, Any]) -> None:
    reply = ChatReply(text=path.read_text(encoding="utf-8"), finish_reason=wanted.get("finish", "stop"))
    n = wanted.get("n", 1)
    options = tuple(wanted.get("options", ()))
    outcome = task(name).read(reply, n, options=options, explain=wanted.get("explain", False))
    if "failed" in wanted:
        assert isinstance(outcome, Failed), outcome
        assert outcome.reason == wanted["failed"], outcome
        assert wanted.get("message", "") in outcome.message
        assert 0 < len(outcome.message) <= 300
        return
    assert not isinstance(outcome, Failed), outcome
    if "repaired" in wanted:
        assert bool(outcome.repairs) == wanted["repaired"], outcome.repairs
    if isinstance(outcome, Order):
        _check_order(outcome, wanted)
    elif isinstance(outcome, Scores):
        _check_scores(outcome, wanted, n)
    else:
        _check_choice(outcome, wanted)


def _check_order(order: Order, wanted: dict[str, Any]) -> None:
    assert [position + 1 for position in order.order] == wanted["order"]
    assert order.stated == wanted["stated"]
    assert (order.missing, order.duplicate, order.invented) == tuple(
        wanted.get(key, 0) for key in ("missing", "duplicate", "invented")
    )
    assert order.reason == wanted.get("reason")


def _check_scores(scores: Scores, wanted: dict[str, Any], n: int) -> None:
    assert len(scores.values) == len(scores.labels) == len(scores.reasons) == n
    if "values" in wanted:
        assert scores.values == tuple(
            None if value is None else pytest.approx(value, abs=1e-4) for value in wanted["values"]
        )
    if "labels" in wanted:
        assert list(scores.labels) == wanted["labels"]
    assert list(scores.reasons) == wanted.get("reasons", [None] * n)


def _check_choice(choice: Choice, wanted: dict[str, Any]) -> None:
    assert choice.label == wanted["label"]
    assert choice.reason == wanted.get("reason")


def test_every_task_has_replies() -> None:
    assert {path.name for path in REPLIES.iterdir() if path.is_dir()} == set(TASKS)
