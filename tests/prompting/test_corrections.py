"""A judge that takes back what it has just said has said two things: nobody can say which of the two it would keep."""

from __future__ import annotations

import pytest

from judge_rerank.core import Failed, Scores
from judge_rerank.core.backend import ChatReply
from judge_rerank.prompting.tasks import task

OPTIONS = {"setwise": ("A", "B", "C"), "classify": ("HUM", "LOC", "NUM")}
FIRST_AND_SECOND = {
    "score": ("3", "8"),
    "grade": ("1", "3"),
    "binary": ("yes", "no"),
    "setwise": ("C", "A"),
    "listwise": ("[1] > [3] > [2]", "[2] > [1] > [3]"),
}
TAKEN_BACK = [
    "{a}. No, {b}.",
    "{a}... no, {b}.",
    "{a}, no: {b}",
    "{a} no, {b}",
    "{a}, wait, {b}",
    "{a} - sorry, {b}",
    "{a}, or rather {b}",
    "{a}, make that {b}.",
    "{a}... {b}",
    "{a}… {b}",
    "{a} -> {b}",
    "{a} → {b}",
    "{a} => {b}",
    "{a}, actually {b}",
    "{a}! I mean {b}.",
    "{a}. Correction: {b}",
    "{a}, hmm, {b}",
    "{a}; on second thought {b}",
    "Answer: {a}... no, {b}",
    "Answer: {a}, sorry, {b}",
    "Answer: {a} -> {b}",
    "Answer: {a}. Actually, {b}.",
]


@pytest.mark.parametrize("name", FIRST_AND_SECOND)
@pytest.mark.parametrize("said", TAKEN_BACK)
def test_what_is_taken_back_is_not_read(name: str, said: str) -> None:
    first, second = FIRST_AND_SECOND[name]
    text = said.format(a=first, b=second)
    outcome = task(name).read(ChatReply(text=text, finish_reason="stop"), 3, options=OPTIONS.get(name, ()))
    if name in {"score", "grade", "binary"}:
        outcome = task(name).read(ChatReply(text=text, finish_reason="stop"), 1)
    assert isinstance(outcome, Failed), outcome


@pytest.mark.parametrize(
    "said", ["Score: 3 8", "3, 8", "3 8", "3 (8 on reflection)", "Score: 3 (changed to 8)", '{thinking: "Score: 3."} 8']
)
def test_two_numbers_are_none(said: str) -> None:
    assert isinstance(task("score").read(ChatReply(text=said, finish_reason="stop"), 1), Failed)


@pytest.mark.parametrize(
    "said",
    [
        "7. No author is named.",
        "7 - actually names the author",
        "Score: 7... because the passage names the author",
        "7. Better than most.",
        "I rate this passage 7 out of 10.",
        "Score: 7. No, it does not say when.",
        "7/10 (no year given)",
    ],
)
def test_an_answer_with_such_words_beside_it_is_read(said: str) -> None:
    outcome = task("score").read(ChatReply(text=said, finish_reason="stop"), 1)
    assert isinstance(outcome, Scores)
    assert outcome.labels == ("7",)
