"""Replies that count the documents from 0, and replies that may."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from judge_rerank.core import Choice, Failed, Order, Outcome, Scores
from judge_rerank.core.backend import ChatReply
from judge_rerank.prompting.tasks import task

FROM_ZERO = [
    '{"ranking": [1, 0, 2]}',
    '{"ranking": ["1", "0", "2"]}',
    '{"ranking": ["[1]", "[0]", "[2]"]}',
    '{"ranking": [{"id": 1}, {"id": 0}, {"id": 2}]}',
    '[{"id": 1, "rank": 1}, {"id": 0, "rank": 2}, {"id": 2, "rank": 3}]',
    '{"ranking": "[1] > [0] > [2]"}',
    "{'ranking': [1, 0, 2],}",
    "[1, 0, 2]",
    "[1] > [0] > [2]",
    "[1], [0], [2]",
    "Document 1 > Document 0 > Document 2",
    "1 > 0 > 2",
    "1, 0, 2",
    "1\n0\n2",
    "1. [1]\n2. [0]\n3. [2]",
    "[1]\n[0]\n[2]",
    "| Rank | Passage |\n|---|---|\n| 1 | [1] |\n| 2 | [0] |\n| 3 | [2] |",
    "My ranking: [1] > [0] > [2]",
]
EITHER_WAY = ['{"ranking": [0, 1]}', '{"ranking": [0]}', '{"ranking": [0, 3]}', "[0] > [3] > [1]", "0 > 2", "[0], [2]"]
BATCHES = [
    '{"judgments": [{"id": 0, "%s": 1}, {"id": 1, "%s": 3}, {"id": 2, "%s": 2}]}',
    '{"judgments": [{"id": "0", "%s": 1}, {"id": "1", "%s": 3}, {"id": "2", "%s": 2}]}',
    '[{"id": 0, "%s": 1} {"id": 1, "%s": 3} {"id": 2, "%s": 2}',
    '{"0": {"%s": 1}, "1": {"%s": 3}, "2": {"%s": 2}}',
    "[0] %s: 1\n[1] %s: 3\n[2] %s: 2",
    "Document 0: %s 1\nDocument 1: %s 3\nDocument 2: %s 2",
]


@pytest.mark.parametrize("name", ["listwise", "first"])
@pytest.mark.parametrize("text", FROM_ZERO)
def test_a_ranking_that_counts_from_0_is_shifted(name: str, text: str) -> None:
    outcome = task(name).read(ChatReply(text=text), 3)
    assert isinstance(outcome, Order)
    assert (outcome.order, outcome.stated, outcome.invented) == ((1, 0, 2), 3, 0)
    assert "documents counted from 0, as 1" in outcome.repairs


@pytest.mark.parametrize("text", EITHER_WAY)
def test_a_ranking_that_may_count_either_way_is_unreadable(text: str) -> None:
    assert isinstance(task("listwise").read(ChatReply(text=text), 3), Failed)


@pytest.mark.parametrize("text", BATCHES)
@pytest.mark.parametrize("name", ["score", "grade"])
def test_a_batch_that_counts_from_0_is_shifted(name: str, text: str) -> None:
    outcome = task(name).read(ChatReply(text=text.replace("%s", name)), 3)
    assert isinstance(outcome, Scores)
    assert outcome.labels == ("1", "3", "2")
    assert "documents counted from 0, as 1" in outcome.repairs


def test_verdicts_too_and_what_may_count_either_way() -> None:
    read = task("binary").read
    verdicts = '{"judgments": [{"id": 0, "relevant": true}, {"id": 1, "relevant": false}]}'
    outcome = read(ChatReply(text=verdicts), 2)
    assert isinstance(outcome, Scores)
    assert outcome.values == (1.0, 0.0)
    assert isinstance(read(ChatReply(text=verdicts), 3), Failed)
    assert isinstance(read(ChatReply(text=verdicts.replace('"id": 1', '"id": 3')), 3), Failed)
    cut = read(ChatReply(text=verdicts[:-2] + ', {"id', finish_reason="length"), 3)
    assert isinstance(cut, Failed)
    assert cut.reason == "truncated"


FIELD = Path(__file__).resolve().parents[3] / "shared" / "field" / "replies.jsonl"


@pytest.mark.skipif(not FIELD.is_file(), reason="there is no folder ../shared/field beside this one")
def test_replies_from_the_field() -> None:
    for line in FIELD.read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        outcome = task(case["task"]).read(ChatReply(text=case["reply"]), case["n"], options=tuple(case["options"]))
        assert any(_is(outcome, want) for want in case["want"]), (case, outcome)


def _is(outcome: Outcome, want: Any) -> bool:
    if isinstance(outcome, Failed):
        return want == "unreadable"
    if want == "unreadable":
        return False
    if isinstance(outcome, Order):
        return list(outcome.order) == want.get("order")
    if isinstance(outcome, Choice):
        return outcome.label == want.get("choice")
    verdicts = {"yes": 1.0, "no": 0.0}
    scores = [
        None if label is None else verdicts[label] if label in verdicts else float(label) for label in outcome.labels
    ]
    return scores == want.get("score")
