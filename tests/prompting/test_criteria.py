"""Replies with a number for each criterion: read as strictly as a score, and weighed."""

from __future__ import annotations

import pytest

from judge_rerank.core import ChatReply, Failed, JudgeCall, Query, Scores, as_criteria
from judge_rerank.prompting.tasks import TASKS, Task, asked_by, by_criteria

CRITERIA = as_criteria({"relevance": 3, "Recency": 1})


def task() -> Task:
    return by_criteria(TASKS["score"], CRITERIA)


def read(text: str, n: int = 1, *, explain: bool = False) -> Scores | Failed:
    found = task().read(ChatReply(text=text), n, explain=explain)
    assert isinstance(found, (Scores, Failed))
    return found


def scores(text: str, n: int = 1) -> Scores:
    found = read(text, n)
    assert isinstance(found, Scores), found
    return found


@pytest.mark.parametrize(
    "text",
    [
        '{"relevance": 10, "Recency": 1}',
        '{"recency": "1", "relevance": "10/10"}',
        '```json\n{"relevance": 10, "recency": 1}\n```',
        'Here it is: {"relevance": 10, "recency": 1, "other": 3}',
        "{'relevance': 10, 'recency': 1}",
    ],
)
def test_a_document_alone(text: str) -> None:
    found = scores(text)
    assert found.values == (0.75,)
    assert found.criteria == ({"relevance": 1.0, "Recency": 0.0},)
    assert found.labels == ("relevance 10, Recency 1",)


@pytest.mark.parametrize(
    "text",
    [
        '{"relevance": 10}',
        '{"relevance": 10, "recency": 11}',
        '{"relevance": 10, "recency": null}',
        '{"relevance": 10, "recency": "high"}',
        '{"score": 7}',
        "7",
        "relevance: 7, recency: 3",
        "",
        # Two answers that weigh the same are two answers.
        '{"relevance": 4, "recency": 10} {"relevance": 6, "recency": 4}',
    ],
)
def test_what_is_no_answer_is_never_a_score(text: str) -> None:
    assert isinstance(read(text), Failed)


def test_several_documents_one_of_which_lacks_a_criterion() -> None:
    found = scores(
        '{"judgments": [{"id": 1, "relevance": 10, "recency": 10}, {"id": 2, "relevance": 10}, '
        '{"id": 3, "relevance": 1, "recency": 1}]}',
        3,
    )
    assert found.values == (1.0, None, 0.0)
    assert found.criteria == ({"relevance": 1.0, "Recency": 1.0}, None, {"relevance": 0.0, "Recency": 0.0})
    assert "1 of 3 judgments missing or unreadable" in found.repairs
    assert [said.failure for said in found.statements(3)] == [None, "unreadable", None]


def test_criteria_follow_their_documents() -> None:
    call = JudgeCall(task="score", query=Query(text="q"), candidates=(), criteria=CRITERIA)
    found = scores('{"1": {"relevance": 10, "recency": 1}, "2": {"relevance": 1, "recency": 10}}', 2)
    assert found.reordered(call, [1, 0]).criteria == tuple(reversed(found.criteria))


def test_the_schema_and_the_sentence_name_each_criterion() -> None:
    schema = task().schema(2, explain=True).schema["properties"]["judgments"]["items"]
    assert schema["required"] == ["id", "reason", "relevance", "Recency"]
    assert set(schema["properties"]) == set(schema["required"])
    sentence = task().reply_format(2)
    assert '{"id": 1, "relevance": <number>, "Recency": <number>}' in sentence
    assert "how well the document answers the query" in sentence
    assert task().labels(1) == ()


def test_weights_are_not_sent() -> None:
    other = by_criteria(TASKS["score"], as_criteria({"relevance": 1, "Recency": 9}))
    assert other.reply_format(3) == task().reply_format(3)
    assert other.schema(3) == task().schema(3)


def test_the_levels_of_a_prompt_are_the_scale_of_each_criterion() -> None:
    levels = by_criteria(asked_by("score", 4), CRITERIA)
    assert "from 0 (not at all) to 3 (fully)" in levels.reply_format(2)
    found = levels.read(ChatReply(text='{"relevance": 3, "recency": 0}'), 1)
    assert isinstance(found, Scores)
    assert found.values == (0.75,)
    assert isinstance(levels.read(ChatReply(text='{"relevance": 4, "recency": 0}'), 1), Failed)
