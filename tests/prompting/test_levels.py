"""Grades that a prompt says in words: how they are asked for, read, and refused."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge_rerank import Judge, PromptError
from judge_rerank.core import ChatReply, ChatRequest, Failed, InputError, Scores
from judge_rerank.prompting import load, task
from judge_rerank.prompting.tasks import asked_by
from judge_rerank.testing import FakeBackend, SimulatedJudge

DOCS = [{"id": name, "text": f"text {name}"} for name in "abc"]


def written(folder: Path, levels: str, task_name: str = "score") -> Path:
    path = folder / "mine.j2"
    path.write_text(
        f"---\ntask: {task_name}\nname: mine\ndescription: A test.\nversion: 1\nlevels: {levels}\n---\nuser:\n"
        "{% for level in levels %}{{ loop.index0 }}: {{ level }}\n{% endfor %}\n{{ query }}\n"
        "{% for document in documents %}[{{ document.id }}] {{ document.text }}\n{% endfor %}\n{{ reply_format }}\n",
        encoding="utf-8",
    )
    return path


@pytest.mark.parametrize("explain", [False, True])
@pytest.mark.parametrize("n", [1, 3])
def test_a_level_is_asked_for_as_described(n: int, explain: bool) -> None:
    asked = asked_by("score", 4)
    assert "a whole number from 0 to 3, as described" in asked.reply_format(1)
    assert "Grades are whole numbers from 0 to 3, as described" in asked.reply_format(2)
    assert asked.labels(1) == ("0", "1", "2", "3")
    schema = asked.schema(n, explain=explain).schema["properties"]
    entry = schema["judgments"]["items"]["properties"] if n > 1 else schema
    assert entry["grade"] == {"type": "integer", "description": "Relevance to the query from 0 to 3, as described."}


@given(st.integers(2, 10), st.data())
def test_the_value_is_the_share_of_the_highest_level(levels: int, data: st.DataObject) -> None:
    given_levels = data.draw(st.lists(st.integers(0, levels - 1), min_size=2, max_size=6))
    entries = ", ".join(f'{{"id": {place}, "grade": {level}}}' for place, level in enumerate(given_levels, 1))
    outcome = asked_by("score", levels).read(ChatReply(text=f'{{"judgments": [{entries}]}}'), len(given_levels))
    assert isinstance(outcome, Scores)
    assert outcome.values == tuple(level / (levels - 1) for level in given_levels)
    assert outcome.labels == tuple(map(str, given_levels))


def test_with_log_probabilities_the_value_is_the_expected_level() -> None:
    branches = {"": {"1": math.log(0.25), "2": math.log(0.75)}}
    outcome = asked_by("score", 4).read(ChatReply(text="2", branches=branches), 1)
    assert isinstance(outcome, Scores)
    assert outcome.values == (pytest.approx(1.75 / 3),)
    assert outcome.labels == ("2",)


@pytest.mark.parametrize(
    "text", ['{"grade": 4}', '{"grade": -1}', '{"grade": 1.5}', "7", '{"score": 10}', "3 out of five"]
)
def test_what_is_no_level_is_no_judgment(text: str) -> None:
    outcome = asked_by("score", 4).read(ChatReply(text=text), 1)
    assert isinstance(outcome, Failed)


@pytest.mark.parametrize("text", ['{"grade": 2}', '{"level": 2}', '{"score": 2}', "Grade: 2", "2 out of 3", "2"])
def test_names_of_other_scales_are_read_too(text: str) -> None:
    outcome = asked_by("score", 4).read(ChatReply(text=text), 1)
    assert isinstance(outcome, Scores)
    assert outcome.values == (2 / 3,)


def test_without_levels_a_task_keeps_its_scale() -> None:
    assert asked_by("score", 0) is task("score")
    assert asked_by("listwise", 0) is task("listwise")
    with pytest.raises(InputError, match="'levels' are for score; the task 'binary' has a scale of its own"):
        asked_by("binary", 4)


@pytest.mark.parametrize("levels", ["[only]", str([f"l{n}" for n in range(11)]), "[]", "[good, ' ']", "good"])
def test_a_rubric_of_one_level_or_of_eleven_is_refused(tmp_path: Path, levels: str) -> None:
    with pytest.raises(PromptError, match="'levels' must be a list of 2 to 10 texts") as error:
        load(written(tmp_path, levels))
    assert error.value.line == 6


@pytest.mark.parametrize("name", ["binary", "grade", "listwise"])
def test_levels_of_a_task_with_a_scale_of_its_own_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PromptError, match=f"the task '{name}' has a scale of its own") as error:
        load(written(tmp_path, "[bad, good]", name))
    assert error.value.line == 6


@pytest.mark.parametrize("batch", [1, 3])
def test_a_prompt_with_levels_through_the_judge(tmp_path: Path, batch: int) -> None:
    path = written(tmp_path, "[off topic, half an answer, an answer]")
    sent: list[ChatRequest] = []

    def reply(request: ChatRequest) -> str:
        sent.append(request)
        shown = request.subject.candidates if request.subject else ()
        grades = {"a": 0, "b": 2, "c": 1}
        found = [{"id": place, "grade": grades[c.document.id or ""]} for place, c in enumerate(shown, 1)]
        return str(found[0] if batch == 1 else {"judgments": found}).replace("'", '"')

    ranking = Judge(FakeBackend(reply)).rerank("q", DOCS, f"score(prompt={str(path)!r}, batch_size={batch})")
    assert [(r.document.id, r.relevance_score) for r in ranking] == [("b", 1.0), ("c", 0.5), ("a", 0.0)]
    assert ranking.integrity.repaired == 0
    assert "1: half an answer" in sent[0].messages[-1].content
    assert "from 0 to 2, as described" in sent[0].messages[-1].content


@pytest.mark.parametrize("logprobs", [False, True])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_simulated_judge_grades_by_levels(batch: int, logprobs: bool) -> None:
    judge = Judge(SimulatedJudge({"q": {"a": 0, "b": 3, "c": 1}}, logprobs=logprobs))
    ranking = judge.rerank("q", DOCS, f"score(prompt='graded', batch_size={batch})")
    assert [r.document.id for r in ranking] == ["b", "c", "a"]
    assert ranking.status == "complete"
