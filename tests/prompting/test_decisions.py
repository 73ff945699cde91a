"""Prompts for decision models, what is asked by them, and how the answers are read."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge_rerank.core import (
    Candidate,
    ChatReply,
    Choice,
    Criterion,
    Document,
    Failed,
    InputError,
    JudgeCall,
    Order,
    PromptError,
    Query,
    Question,
    Scores,
)
from judge_rerank.prompting import TASKS, DecisionRenderer, Library, load
from judge_rerank.prompting.replies.decisions import averaged, read_answers
from judge_rerank.testing import FakeBackend

LEVELS = ("nothing", "topic", "part", "all")
SCORE = Question(kind="score", instructions="How well does document [1] fit?", labels=LEVELS)
YES = Question(kind="predicate", instructions="Does document [1] fit?")
CHOICE = Question(kind="choice", instructions="Which fits?", labels=("A", "B"))


def call(task: str, n: int = 3, **more: Any) -> JudgeCall:
    candidates = tuple(Candidate(index=i, document=Document(text=f"text of {i}", title=None)) for i in range(n))
    return JudgeCall(task=task, query=Query(text="the query"), candidates=candidates, **more)


def renderer(*, most_questions: int = 128, both_orders: bool = False, context_tokens: int = 8_000) -> DecisionRenderer:
    backend = FakeBackend("", most_questions=most_questions, context_tokens=context_tokens, both_orders=both_orders)
    return DecisionRenderer(backend, Library())


def read(asked: JudgeCall, answers: object, **options: Any) -> Scores | Order | Choice | Failed:
    prepared = renderer(**options).prepare(asked)
    reply = ChatReply(text=answers if isinstance(answers, str) else json.dumps(answers))
    return prepared.task.read(reply, len(asked.candidates), options=asked.options)  # type: ignore[return-value]


# What is asked


@pytest.mark.parametrize(
    ("task", "kind", "n_questions"),
    [
        *(("binary", "predicate", 3), ("score", "score", 3), ("grade", "score", 3), ("listwise", "score", 3)),
        ("first", "choice", 1),
    ],
)
def test_each_task_is_a_typed_question(task: str, kind: str, n_questions: int) -> None:
    request = renderer().prepare(call(task)).request
    assert [question.kind for question in request.questions] == [kind] * n_questions
    assert len(request.messages) == 1
    assert all(f"text of {i}" in request.messages[0].content for i in range(3))
    assert request.schema is None
    if n_questions == 3:
        for number, question in enumerate(request.questions, start=1):
            assert f"[{number}]" in question.instructions


def test_choices_are_made_among_the_options_or_the_numbers_and_none() -> None:
    assert renderer().prepare(call("setwise", options=("A", "B", "C"))).request.questions[0].labels == ("A", "B", "C")
    assert renderer().prepare(call("first")).request.questions[0].labels == ("1", "2", "3", "none")
    classify = call("classify", 0, options=("factual", "complex"))
    assert renderer().prepare(classify).request.questions[0].labels == ("factual", "complex")


def test_a_choice_may_be_asked_in_both_orders() -> None:
    first, second = renderer(both_orders=True).prepare(call("pairwise", 2, options=("A", "B"))).request.questions
    assert (first.labels, second.labels) == (("A", "B"), ("B", "A"))
    assert first.instructions == second.instructions


def test_levels_come_from_the_template() -> None:
    template = Library().get("score", decides=True)
    assert len(template.levels) == 4
    assert renderer().prepare(call("score")).request.questions[0].labels == template.levels


def test_a_group_is_as_large_as_questions_and_tokens_allow() -> None:
    many = call("score", 50)
    assert renderer(most_questions=20).largest(many, 50) == 20
    assert renderer().largest(many, 50) == 50
    small = renderer(context_tokens=1_500)
    fits = small.largest(many, 50)
    assert 1 < fits < 50
    part = call("score", fits)
    assert small.prepare(part).input_tokens <= 1_500


def test_reasons_are_not_to_be_had() -> None:
    with pytest.raises(InputError, match="gives no reasons"):
        renderer().prepare(call("score", explain=True))


# Prompts of one's own

FRONT = "---\ntask: score\nname: mine\ndescription: A test.\nversion: 1\nlevels: [off topic, good]\n---\n"
STATE = "state:\n<query>{{ query }}</query>\n{% for d in documents %}[{{ d.id }}] {{ d.text }}\n{% endfor %}\n"
QUESTION = "question:\nHow good is [{{ document.id }}]?\n"


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def written(text: str) -> Path:
        path = tmp_path / "mine.j2"
        path.write_text(text, encoding="utf-8")
        return path

    return written


def test_a_prompt_of_ones_own(write: Callable[[str], Path]) -> None:
    template = load(write(FRONT + STATE + QUESTION))
    assert template.decides
    assert template.questions([1, 2], n=2) == ("How good is [1]?", "How good is [2]?")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (FRONT + STATE, "no 'question:' part"),
        (FRONT + QUESTION, "no 'state:' part"),
        (FRONT + "user:\n{{ query }}\n" + STATE + QUESTION, "A 'user:' part beside 'state:'"),
        (FRONT + STATE + "question:\nHow good is it?\n", "does not name its document"),
        (FRONT + STATE + "question:\n", "has no text"),
        (FRONT + STATE + "question:\nHow good is [{{ document.text }}]?\n", "text"),
        (FRONT + STATE + "question:\n{{ query }} [{{ document.id }}]\n", "no variable 'query'"),
        (FRONT + STATE.replace("{{ query }}", "") + QUESTION, "never uses 'query'"),
        (FRONT.replace("levels: [off topic, good]\n", "") + STATE + QUESTION, "needs 'levels'"),
        (FRONT.replace("[off topic, good]", "[one]") + STATE + QUESTION, "2 to 10 texts"),
        (FRONT.replace("[off topic, good]", str(list("abcdefghijk"))) + STATE + QUESTION, "2 to 10 texts"),
        (FRONT.replace("[off topic, good]", "[no, '']") + STATE + QUESTION, "2 to 10 texts"),
    ],
)
def test_what_is_wrong_with_a_prompt(write: Callable[[str], Path], text: str, message: str) -> None:
    with pytest.raises(PromptError, match=message):
        load(write(text))


def test_prompts_of_the_other_kind_are_named() -> None:
    library = Library()
    with pytest.raises(PromptError, match="not for a decision model"):
        library.get("score", "score/rubric", decides=True)
    with pytest.raises(PromptError, match="not for a chat model"):
        library.get("score", "decision")
    assert all(library.get(task, decides=True).decides for task in TASKS)


# What is answered


def test_the_expected_level_is_the_score() -> None:
    scores = read(call("score"), [{"score": 3}, {"score": 0.6, "probabilities": [0.5, 0.4, 0.1, 0]}, {"score": 0}])
    assert isinstance(scores, Scores)
    assert scores.values == (1.0, pytest.approx(0.2), 0.0)
    assert scores.labels == ("3", "0", "0")


def test_a_probability_of_yes_is_the_score() -> None:
    scores = read(call("binary"), [{"probability": 0.9}, {"probability": 0.2}, {"refused": True}])
    assert isinstance(scores, Scores)
    assert scores.values == (0.9, 0.2, None)
    assert scores.refused == (2,)
    assert scores.statements(3)[2].failure == "refused"


def test_an_order_by_level_keeps_ties_and_puts_the_unjudged_last() -> None:
    order = read(call("listwise"), [{"refused": True}, {"score": 1}, {"score": 1}])
    assert isinstance(order, Order)
    assert (order.order, order.stated, order.refused) == ((1, 2, 0), 2, (0,))


def test_an_order_by_chance() -> None:
    order = read(call("first"), [{"choice": "none", "probabilities": {"1": 0.1, "2": 0.3, "none": 0.6}}])
    assert isinstance(order, Order)
    assert (order.order, order.stated) == ((1, 0, 2), 2)


def test_both_orders_are_averaged() -> None:
    answers = [
        {"choice": "A", "probabilities": {"A": 0.6, "B": 0.4}},
        {"choice": "B", "probabilities": {"A": 0.1, "B": 0.9}},
    ]
    choice = read(call("pairwise", 2, options=("A", "B")), answers, both_orders=True)
    assert isinstance(choice, Choice)
    assert choice.label == "B"
    assert choice.probabilities == {"A": pytest.approx(0.35), "B": pytest.approx(0.65)}


def test_orders_that_disagree_without_probabilities_are_no_answer() -> None:
    read_both = read_answers(json.dumps([{"choice": "A"}, {"choice": "B"}]), [CHOICE, CHOICE])
    assert read_both is not None
    assert averaged(read_both).failure == "unreadable"


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        *((YES, {"probability": value}) for value in (1.2, -0.1, "0.5", None, True, [])),
        *((SCORE, {"score": value}) for value in (3.5, -1, "2", None, True)),
        (YES, {}),
        (YES, "yes"),
        (SCORE, {"probability": 0.5}),
        (CHOICE, {"choice": "C", "probabilities": {"C": 1.0}}),
        (CHOICE, {"choice": None}),
        (CHOICE, {"choice": ["A"]}),
    ],
)
def test_what_cannot_be_is_no_answer(question: Question, answer: object) -> None:
    found = read_answers(json.dumps([answer]), [question])
    assert found is not None
    assert found[0].failure == "unreadable"
    assert found[0].value is None


def test_not_a_number_is_no_answer() -> None:
    found = read_answers('[{"probability": NaN}]', [YES])
    assert found is not None
    assert found[0].failure == "unreadable"


@pytest.mark.parametrize("text", ["", "{}", "[]", "[{}", '[{"score": 1}, {"score": 1}]', "null"])
def test_another_number_of_answers_is_no_judgment(text: str) -> None:
    assert read_answers(text, [SCORE]) is None
    assert isinstance(read(call("score", 3), text), Failed)


def test_what_a_filter_withheld_was_refused() -> None:
    prepared = renderer().prepare(call("score"))
    outcome = prepared.task.read(ChatReply(text="", finish_reason="filter"), 3)
    assert isinstance(outcome, Failed)
    assert outcome.reason == "refused"


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
ANSWER = JSON | st.fixed_dictionaries(
    {}, optional={"score": JSON, "probability": JSON, "choice": JSON, "probabilities": JSON, "refused": JSON}
)


@given(st.lists(ANSWER, max_size=4), st.sampled_from(["binary", "score", "listwise", "first"]))
def test_any_json_is_read_without_an_error(answers: list[object], task: str) -> None:
    outcome = read(call(task), json.dumps(answers))
    statements = outcome.statements(3)
    assert len(statements) == 3
    assert all(s.score is None or (math.isfinite(s.score) and 0 <= s.score <= 1) for s in statements)
    if isinstance(outcome, Order):
        assert sorted(outcome.order) == [0, 1, 2]


# Criteria

CRITERIA = (
    Criterion(name="relevance", weight=0.75),
    Criterion(name="recency", weight=0.25, description="from this year"),
)


def test_each_criterion_is_a_question_of_its_own() -> None:
    questions = renderer().prepare(call("score", 2, criteria=CRITERIA)).request.questions
    assert len(questions) == 4
    assert [q.instructions.split("alone: ")[1] for q in questions[:2]] == [
        '"relevance" (how well the document answers the query).',
        '"recency" (from this year).',
    ]
    assert "[1]" in questions[1].instructions
    assert "[2]" in questions[2].instructions
    assert renderer(most_questions=20).largest(call("score", 30, criteria=CRITERIA), 30) == 10


def test_the_score_is_the_weighted_mean_of_the_criteria() -> None:
    answers = [{"score": 3}, {"score": 0}, {"score": 1.5}, {"refused": True}]
    scores = read(call("score", 2, criteria=CRITERIA), answers)
    assert isinstance(scores, Scores)
    assert scores.values == (pytest.approx(0.75), None)
    assert scores.criteria[0] == {"relevance": 1.0, "recency": 0.0}
    assert scores.refused == (1,)
    first, second = scores.statements(2)
    assert first.criteria == {"relevance": 1.0, "recency": 0.0}
    assert second.failure == "refused"
