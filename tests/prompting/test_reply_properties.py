"""Whatever a model writes: a permutation, scores in [0, 1], an option, or a typed failure; never an exception."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge_rerank.core import Choice, Failed, Order, Outcome, Scores
from judge_rerank.core.backend import ChatReply, FinishReason
from judge_rerank.prompting.replies.text import MAX_REPLY_CHARS
from judge_rerank.prompting.tasks import TASKS, task
from tests.timing import soon

CORPUS = sorted(path.read_text(encoding="utf-8") for path in (Path(__file__).parent / "replies").rglob("*.txt"))
OPTIONS = ("A", "B", "C", "not a question")
PIECES = [
    *"[]{}<>:,.\"'`/-\n 0123456789",
    *("[1]", "[2] > ", "[10]", "10", "1.", '{"id": 1', '"score": ', '"relevant": ', '"ranking": [', '"judgments": ['),
    *(
        "yes",
        "no",
        "not relevant",
        "Answer: ",
        "Score: ",
        "<think>",
        "</think>",
        "```json\n",
        "I'm sorry",
        "true",
        "null",
    ),
    *("NaN", "\ud800", "\x00", "é", "１", "Document 3", "out of 10", "\\", "least to most"),
]
FINISHES: tuple[FinishReason, ...] = ("stop", "length", "refusal", "filter", "other")

texts = st.one_of(
    st.text(st.characters(exclude_categories=()), max_size=300),
    st.lists(st.sampled_from(PIECES), max_size=40).map("".join),
    st.tuples(st.sampled_from(CORPUS), st.integers(0, 400), st.sampled_from(CORPUS), st.integers(0, 400)).map(
        lambda parts: parts[0][: parts[1]] + parts[2][parts[3] :]
    ),
)
tokens = st.one_of(
    st.sampled_from(["1", "10", "0", " 1", "Yes", "no", "A", "B", "The", "\n", "", "{"]), st.text(max_size=4)
)
logprobs = st.one_of(st.floats(-20, 0), st.sampled_from([math.nan, math.inf, -math.inf, 1e300, -1e300]))
branches = st.dictionaries(st.one_of(st.just(""), tokens), st.dictionaries(tokens, logprobs, max_size=8), max_size=4)


def check(outcome: Outcome, n: int) -> None:
    """That an outcome keeps the promises of its kind."""
    if isinstance(outcome, Failed):
        assert outcome.reason in {"refused", "unreadable", "truncated"}
        assert 0 < len(outcome.message) <= 300
        outcome.message.encode()
        return
    assert all(outcome.repairs)
    if isinstance(outcome, Order):
        assert sorted(outcome.order) == list(range(n))
        assert 1 <= outcome.stated <= n
        assert outcome.missing == n - outcome.stated
        assert list(outcome.order[outcome.stated :]) == sorted(outcome.order[outcome.stated :])
        assert not (outcome.missing or outcome.duplicate or outcome.invented) or outcome.repairs
    elif isinstance(outcome, Scores):
        assert len(outcome.values) == len(outcome.labels) == len(outcome.reasons) == n
        assert all(value is None or 0.0 <= value <= 1.0 for value in outcome.values)
        assert n == 0 or any(value is not None for value in outcome.values)
    else:
        assert isinstance(outcome, Choice)
        assert outcome.label in OPTIONS
        assert not outcome.probabilities or math.isclose(sum(outcome.probabilities.values()), 1.0)


@settings(max_examples=400, deadline=None)
@given(
    name=st.sampled_from(sorted(TASKS)),
    text=texts,
    finish=st.sampled_from(FINISHES),
    branches=branches,
    n=st.integers(1, 12),
    explain=st.booleans(),
)
def test_anything_can_be_read(
    name: str, text: str, finish: FinishReason, branches: dict[str, dict[str, float]], n: int, explain: bool
) -> None:
    reply = ChatReply(text=text, finish_reason=finish, branches=branches)
    check(task(name).read(reply, n, options=OPTIONS, explain=explain), n)


@given(order=st.integers(1, 30).flatmap(lambda n: st.permutations(list(range(1, n + 1)))), form=st.integers(0, 5))
def test_every_order_is_read_back(order: list[int], form: int) -> None:
    text = [
        '{"ranking": ' + str(order) + "}",
        " > ".join(f"[{number}]" for number in order),
        "\n".join(f"{place}. [{number}]" for place, number in enumerate(order, 1)),
        f"Here are the {len(order)} passages, most relevant first:\n" + " > ".join(f"[{n}]" for n in order),
        "<think>[1] > [2]</think>" + " > ".join(f"[{number}]" for number in order),
        "```json\n" + str(order) + "\n```",
    ][form]
    outcome = task("listwise").read(ChatReply(text=text), len(order))
    if len(order) == 1 and form in {2, 3}:
        return  # one id among other words is no ranking
    assert isinstance(outcome, Order)
    assert outcome.order == tuple(number - 1 for number in order)
    assert (outcome.stated, outcome.missing, outcome.duplicate, outcome.invented) == (len(order), 0, 0, 0)


@given(order=st.permutations(list(range(1, 16))), form=st.integers(0, 2), cut=st.integers(0, 100))
def test_a_cut_reply_never_names_more_than_it_did(order: list[int], form: int, cut: int) -> None:
    whole = [
        '{"ranking": ' + str(order) + "}",
        " > ".join(f"[{number}]" for number in order),
        "\n".join(f"{place}. Document {number}" for place, number in enumerate(order, 1)),
    ][form]
    outcome = task("listwise").read(ChatReply(text=whole[:cut], finish_reason="length"), 15)
    if isinstance(outcome, Order):
        assert outcome.order[: outcome.stated] == tuple(number - 1 for number in order[: outcome.stated])
    else:
        assert outcome == Failed(reason="truncated", message=outcome.message)


@given(grades=st.lists(st.integers(1, 10), min_size=2, max_size=8), broken=st.integers(0, 7), data=st.data())
def test_a_broken_judgment_shifts_no_other(grades: list[int], broken: int, data: st.DataObject) -> None:
    broken %= len(grades)
    items = [f'{{"id": {number}, "score": {grade}}}' for number, grade in enumerate(grades, 1)]
    items[broken] = data.draw(
        st.sampled_from(['{"id": , "score": 3}', '{"id": 1 "sc', "null", '{"score": 3}', "{", "x"])
    )
    outcome = task("score").read(ChatReply(text='{"judgments": [' + ", ".join(items) + "]}"), len(grades))
    assert isinstance(outcome, Scores)
    for place, grade in enumerate(grades):
        if place != broken:
            value = outcome.values[place]
            assert value is None or value == pytest.approx((grade - 1) / 9)
    assert outcome.values[broken] is None


@pytest.mark.parametrize("name", sorted(TASKS))
@pytest.mark.parametrize(
    "unit",
    [
        *("[", "{", '{"a":', "{'a': ", '"', "[1] > ", "[1],[2] x ", "1 > ", "1. [3]\n", "<think>", "```json\n"),
        *('{"id": 1, "score": 7},', "no. ", "Answer: ", "score: 7 ", " ", "\n", "\\", "\ud800", "9"),
    ],
)
def test_a_megabyte_is_read_soon(name: str, unit: str) -> None:
    with soon():
        for size in (99_000, MAX_REPLY_CHARS, MAX_REPLY_CHARS + 10):
            check(task(name).read(ChatReply(text=(unit * size)[:size]), 5, options=OPTIONS), 5)


@pytest.mark.parametrize("name", sorted(TASKS))
@pytest.mark.parametrize(
    "text", ["[" * 50_000, '{"a":' * 15_000, '{"score": ' + "9" * 90_000 + "}", '{"ranking": [' * 7_000]
)
def test_deep_and_huge_json(name: str, text: str) -> None:
    for finish in FINISHES:
        check(task(name).read(ChatReply(text=text, finish_reason=finish), 5, options=OPTIONS), 5)


def test_usual_replies_take_a_few_milliseconds_each_at_most() -> None:
    replies = [ChatReply(text=text) for text in random.Random(0).choices(CORPUS, k=3_000)]
    with soon():
        for reply in replies:
            task("listwise").read(reply, 10)
