"""How each task asks: labels, formats, schemas, room for the answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from judge_rerank.core import Candidate, Choice, Document, Failed, JudgeCall, Order, Outcome, Query, Scores
from judge_rerank.core.backend import ChatReply
from judge_rerank.core.errors import UnknownName
from judge_rerank.prompting.tasks import PARSER_VERSION, TASKS, compares, neutral, stating, task

OPTIONS = ("HUM", "LOC", "not a question")
CASES = [
    (name, n, explain)
    for name in ("binary", "score", "grade", "listwise", "classify")
    for n in (1, 2, 20)
    for explain in (False, True)
]


def test_tasks_by_name() -> None:
    assert {"binary", "score", "listwise", "classify"} <= set(TASKS)
    assert all(task(name).name == name for name in TASKS)
    assert isinstance(PARSER_VERSION, int)
    with pytest.raises(UnknownName, match="Did you mean 'score'"):
        task("scores")


def _objects(schema: Any) -> list[dict[str, Any]]:
    """Every object schema in a schema."""
    if isinstance(schema, dict):
        return ([schema] if schema.get("type") == "object" else []) + [o for v in schema.values() for o in _objects(v)]
    return [o for v in schema for o in _objects(v)] if isinstance(schema, list) else []


@pytest.mark.parametrize(("name", "n", "explain"), CASES)
def test_schema_is_what_strict_providers_take(name: str, n: int, explain: bool) -> None:
    schema = task(name).schema(n, options=OPTIONS, explain=explain).schema
    for part in _objects(schema):
        assert part["additionalProperties"] is False
        assert part["required"] == list(part["properties"])
        fields = list(part["properties"])
        if explain and "judgments" not in fields:
            assert fields.index("reason") == len(fields) - 2, "the reason comes just before the answer"
    for word in ("minimum", "maximum", "minItems", "maxItems", "$ref", "$defs", "anyOf", "default"):
        assert f'"{word}"' not in json.dumps(schema)


def _example(schema: dict[str, Any], n: int) -> Any:
    """A reply that follows a schema."""
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema["type"]
    if kind == "object":
        return {name: _example(part, n) for name, part in schema["properties"].items()}
    if kind == "array" and schema["items"]["type"] == "integer":
        return list(range(n, 0, -1))
    if kind == "array":
        return [{**_example(schema["items"], n), "id": number} for number in range(1, n + 1)]
    return {"integer": 3, "boolean": True, "string": "Because it does."}[kind]


@pytest.mark.parametrize(("name", "n", "explain"), CASES)
def test_a_reply_that_follows_the_schema_is_read_without_repair(name: str, n: int, explain: bool) -> None:
    asked = task(name)
    text = json.dumps(_example(dict(asked.schema(n, options=OPTIONS, explain=explain).schema), n))
    outcome = asked.read(ChatReply(text=text), n, options=OPTIONS, explain=explain)
    assert not isinstance(outcome, Failed)
    assert outcome.repairs == ()
    assert _reasons(outcome) == ({"Because it does."} if explain else {None})
    assert len(text) / 3 <= asked.output_tokens(n, options=OPTIONS, explain=explain)


@pytest.mark.parametrize("name", ["score", "grade", "binary"])
@pytest.mark.parametrize("explain", [True, False])
def test_a_batch_is_asked_for_by_number_and_a_document_alone_is_not(name: str, explain: bool) -> None:
    alone, batch = (dict(task(name).schema(n, explain=explain).schema) for n in (1, 2))
    entry = batch["properties"]["judgments"]["items"]
    reason = ["reason"] if explain else []
    assert list(entry["properties"])[: 1 + explain] == ["id", *reason]
    assert list(alone["properties"]) == list(entry["properties"])[1:]
    for each in (alone, entry):
        assert each["required"] == list(each["properties"])
        assert each["additionalProperties"] is False


def _reasons(outcome: Outcome) -> set[str | None]:
    if isinstance(outcome, Scores):
        return set(outcome.reasons)
    assert isinstance(outcome, Order | Choice)
    return {outcome.reason}


def test_labels_are_for_single_words() -> None:
    assert task("binary").labels(1) == ("yes", "no")
    assert task("score").labels(1) == tuple(str(grade) for grade in range(1, 11))
    assert task("classify").labels(0, options=("HUM", "LOC")) == ("HUM", "LOC")
    assert task("classify").labels(0, options=OPTIONS) == ()
    assert task("classify").labels(0, options=("a", "A")) == ()
    assert task("grade").labels(1) == ("0", "1", "2", "3")
    for name in ("binary", "score", "grade"):
        assert task(name).labels(2) == ()
        assert task(name).labels(1, explain=True) == ()
    assert task("listwise").labels(3) == ()


def test_formats_are_plain_sentences() -> None:
    assert task("binary").reply_format(1, labels=True) == "Answer with one word: yes or no."
    assert task("score").reply_format(1, labels=True).startswith("Answer with one number from 1 (irrelevant) to 10")
    assert task("classify").reply_format(0, options=("HUM", "LOC"), labels=True).endswith("HUM, LOC.")
    assert "all 7 documents, from 1 to 7" in task("listwise").reply_format(7)
    for name, n, explain in CASES:
        wording = task(name).reply_format(n, options=OPTIONS, explain=explain)
        assert ("reason" in wording) == explain
        assert wording.endswith(".")


def test_a_label_needs_few_tokens() -> None:
    assert task("binary").output_tokens(1, labels=True) <= 8
    assert task("score").output_tokens(1, labels=True) <= 8
    assert task("listwise").output_tokens(100) >= 6 * 100


def test_the_format_copied_is_no_answer() -> None:
    for name, n, explain in CASES:
        asked = task(name)
        copied = asked.reply_format(n, options=OPTIONS, explain=explain)
        assert isinstance(asked.read(ChatReply(text=copied), n, options=OPTIONS, explain=explain), Failed)


def test_no_documents_and_no_options() -> None:
    assert task("score").read(ChatReply(text='{"judgments": []}'), 0) == Scores(values=())
    assert isinstance(task("listwise").read(ChatReply(text="[]"), 0), Failed)
    assert isinstance(task("classify").read(ChatReply(text="x"), 0), Failed)


def test_what_a_task_is_stands_on_the_task() -> None:
    assert {name for name in TASKS if task(name).compares} == {"first", "listwise", "pairwise", "setwise"}
    assert {name: task(name).shown for name in TASKS} == {
        **dict.fromkeys(("binary", "score", "grade"), 1),
        **dict.fromkeys(("first", "listwise", "setwise"), 3),
        "pairwise": 2,
        "classify": 0,
    }
    assert task("setwise").letters(3) == ("A", "B", "C")
    assert task("classify").letters(3) == task("listwise").letters(3) == ()
    assert task("grade").prompt == "umbrela"


def test_an_outcome_of_each_kind() -> None:
    candidates = tuple(Candidate(index=place, document=Document(text="x")) for place in range(2))
    for name in TASKS:
        call = JudgeCall(
            task=name, query=Query(text="q"), candidates=candidates, options=task(name).letters(2) or ("x", "y")
        )
        said = stating(call, [1, 0], [0.2, 0.9])
        if isinstance(said, Order):
            assert said.order == (1, 0)
        elif isinstance(said, Choice):
            assert said.label in {"B", "y"}
        else:
            assert said == Scores(values=(0.2, 0.9))
        assert not isinstance(neutral(call), Failed)
        assert compares(call) == task(name).compares
    other = JudgeCall(task="bm25", query=Query(text="q"), candidates=candidates)
    assert neutral(other) == Scores(values=(0.5, 0.5))
    assert not compares(other)
