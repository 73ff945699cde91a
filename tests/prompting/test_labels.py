"""Log-probabilities of tokens to a distribution over answers, and what the tasks make of it."""

from __future__ import annotations

import math

import pytest

from judge_rerank.core import Choice, Failed, Outcome, Scores
from judge_rerank.core.backend import ChatReply, FinishReason
from judge_rerank.prompting.replies.labels import MIN_MASS, distribution
from judge_rerank.prompting.tasks import task

YES_NO = ("yes", "no")
GRADES = tuple(str(grade) for grade in range(1, 11))


def logs(**probabilities: float) -> dict[str, float]:
    return {token: math.log(p) for token, p in probabilities.items()}


def branch(probabilities: dict[str, float]) -> dict[str, float]:
    return {token: math.log(p) if p > 0 else -math.inf for token, p in probabilities.items()}


@pytest.mark.parametrize(
    "token",
    ["yes", "Yes", "YES", " yes", "▁Yes", "Ġyes", '"yes', "'Yes'", "Yes.", "Yes,", "**Yes", "_yes", "\nYes", "ＹＥＳ"],
)
def test_every_surface_form_counts(token: str) -> None:
    spread = distribution({"": branch({token: 0.6, "no": 0.2, "The": 0.2})}, YES_NO)
    assert spread.probabilities["yes"] == pytest.approx(0.75)
    assert spread.mass == pytest.approx(0.8)
    assert spread.exact
    assert spread.best == "yes"


@pytest.mark.parametrize("token", ["yesterday", "The", "", "\n", "not", "none", "yes no", "y"])
def test_other_tokens_do_not_count(token: str) -> None:
    spread = distribution({"": branch({token: 0.6, "no": 0.2})}, YES_NO)
    assert spread.probabilities == {"yes": 0.0, "no": 1.0}


def test_surface_forms_are_summed() -> None:
    spread = distribution({"": branch({"Yes": 0.3, " yes": 0.2, "yes": 0.1, "No": 0.15, "no": 0.05})}, YES_NO)
    assert spread.probabilities == pytest.approx({"yes": 0.75, "no": 0.25})


def test_a_leading_line_break_is_followed_where_its_branch_is_known() -> None:
    branches = {"": branch({"\n": 0.9, "Yes": 0.1}), "\n": branch({"Yes": 0.5, "No": 0.5})}
    spread = distribution(branches, YES_NO)
    assert spread.probabilities == pytest.approx({"yes": 0.55, "no": 0.45})


class TestOneAndTen:
    def test_branch_after_one_divides_it(self) -> None:
        branches = {"": branch({"1": 0.5, "9": 0.5}), "1": branch({"0": 0.8, "\n": 0.1, ".": 0.1})}
        spread = distribution(branches, GRADES)
        assert spread.probabilities["10"] == pytest.approx(0.4)
        assert spread.probabilities["1"] == pytest.approx(0.1)
        assert spread.exact

    def test_branch_key_may_have_a_tokenizer_mark(self) -> None:
        branches = {"": branch({" 1": 1.0}), "1": branch({"0": 0.25, "<|im_end|>": 0.75})}
        assert distribution(branches, GRADES).probabilities["10"] == pytest.approx(0.25)

    def test_other_numbers_that_begin_with_one_count_for_neither(self) -> None:
        branches = {"": branch({"1": 1.0}), "1": branch({"0": 0.5, "5": 0.3, "00": 0.1, "</s>": 0.1})}
        spread = distribution(branches, GRADES)
        assert spread.mass == pytest.approx(0.6)
        assert spread.probabilities["1"] == pytest.approx(0.1 / 0.6)

    def test_whole_ten_is_ten_and_then_one_is_one(self) -> None:
        spread = distribution({"": branch({"10": 0.6, "1": 0.2, "7": 0.2})}, GRADES)
        assert spread.probabilities["10"] == pytest.approx(0.6)
        assert spread.probabilities["1"] == pytest.approx(0.2)
        assert spread.exact

    def test_without_the_branch_the_neighbours_decide(self) -> None:
        spread = distribution({"": branch({"1": 0.5, "9": 0.3, "8": 0.1, "2": 0.1})}, GRADES)
        assert spread.probabilities["10"] == pytest.approx(0.375)
        assert spread.probabilities["1"] == pytest.approx(0.125)
        assert not spread.exact

    def test_without_neighbours_it_is_taken_as_written(self) -> None:
        spread = distribution({"": branch({"1": 0.9, "5": 0.1})}, GRADES)
        assert spread.probabilities["1"] == pytest.approx(0.9)
        assert not spread.exact

    @pytest.mark.parametrize("token", ["1.", "1\n", "1/", "1 "])
    def test_a_closed_one_is_one(self, token: str) -> None:
        spread = distribution({"": branch({token: 0.5, "9": 0.5})}, GRADES)
        assert spread.probabilities["1"] == pytest.approx(0.5)
        assert spread.exact

    @pytest.mark.parametrize("token", ["7", "7/", "7\n", "7.", " 7"])
    def test_marks_after_a_number(self, token: str) -> None:
        assert distribution({"": branch({token: 0.5})}, GRADES).probabilities["7"] == 1.0


def test_labels_of_several_tokens_are_walked() -> None:
    branches = {
        "": branch({"not": 0.6, "relevant": 0.3, "irre": 0.1}),
        "not": branch({" relevant": 0.9, " sure": 0.1}),
        "irre": branch({"levant": 1.0}),
    }
    spread = distribution(branches, ("relevant", "not relevant", "irrelevant"))
    assert spread.probabilities == pytest.approx(
        {"relevant": 0.3 / 0.94, "not relevant": 0.54 / 0.94, "irrelevant": 0.1 / 0.94}
    )
    assert spread.exact


def test_a_started_label_whose_branch_is_unknown_makes_it_inexact() -> None:
    spread = distribution({"": branch({"DE": 0.5, "HUM": 0.5})}, ("DESC", "HUM"))
    assert spread.probabilities == {"DESC": 0.0, "HUM": 1.0}
    assert not spread.exact


def test_a_label_that_begins_another_word_label() -> None:
    branches = {"": branch({"no": 1.0}), "no": branch({" answer": 0.4, ".": 0.5, "ne": 0.1})}
    spread = distribution(branches, ("no", "no answer"))
    assert spread.probabilities == pytest.approx({"no": 0.5 / 0.9, "no answer": 0.4 / 0.9})


@pytest.mark.parametrize("first", [{}, {"The": 0.0}, {"": 0.0}, {"yes": math.nan}, {"yes": -math.inf}])
def test_nothing_seen(first: dict[str, float]) -> None:
    spread = distribution({"": first, "x": {"": 0.0}}, YES_NO)
    assert spread.mass == 0.0
    assert not spread.answered
    assert set(spread.probabilities.values()) == {0.0}


def test_rounded_log_probabilities_cannot_exceed_one() -> None:
    assert distribution({"": {"yes": 0.3, "Yes": 0.0}}, YES_NO).mass == 1.0


def read(name: str, text: str, first: dict[str, float], **branches: dict[str, float]) -> Outcome:
    return task(name).read(ChatReply(text=text, finish_reason="stop", branches={"": first, **branches}), 1)


def test_binary_value_is_the_share_of_yes() -> None:
    outcome = read("binary", "No", logs(Yes=0.2, No=0.6, The=0.2))
    assert isinstance(outcome, Scores)
    assert outcome.values == (pytest.approx(0.25),)
    assert outcome.labels == ("no",)
    assert outcome.repairs == ()


@pytest.mark.parametrize("finish", ["stop", "length", "other"])
def test_probabilities_are_read_whatever_ended_the_reply(finish: FinishReason) -> None:
    reply = ChatReply(text="Yes", finish_reason=finish, branches={"": logs(Yes=0.9, No=0.1)})
    outcome = task("binary").read(reply, 1)
    assert isinstance(outcome, Scores)
    assert outcome.values == (pytest.approx(0.9),)


def test_score_is_the_expected_grade() -> None:
    outcome = read("score", "7", branch({"7": 0.5, "8": 0.25, "6": 0.25}))
    assert isinstance(outcome, Scores)
    assert outcome.values == (pytest.approx(6 / 9),)
    assert outcome.labels == ("7",)


def test_score_says_when_it_had_to_estimate() -> None:
    outcome = read("score", "1", branch({"1": 0.5, "2": 0.3, "3": 0.2}))
    assert isinstance(outcome, Scores)
    assert outcome.repairs
    assert outcome.labels == ("1",)


@pytest.mark.parametrize("name", ["binary", "score"])
def test_a_model_that_does_not_answer_gets_no_score(name: str) -> None:
    outcome = read(name, "The passage is", branch({"The": 0.98, "To": 0.01, "Yes": 0.004, "7": 0.004}))
    assert isinstance(outcome, Failed)
    assert outcome.reason == "unreadable"


def test_the_threshold() -> None:
    assert isinstance(read("binary", "The", branch({"Yes": 0.9 * MIN_MASS, "The": 0.9})), Failed)
    assert isinstance(read("binary", "The", branch({"Yes": 1.1 * MIN_MASS, "The": 0.9})), Scores)


@pytest.mark.parametrize(
    "text", ['{"relevant": false}', "<think>Well.</think>No", '```json\n{"relevant": false}\n```', "\n\nNo"]
)
def test_probabilities_of_another_token_than_the_answer_are_not_used(text: str) -> None:
    outcome = read("binary", text, branch({text[0]: 0.9, "Yes": 0.01}))
    assert isinstance(outcome, Scores)
    assert outcome.values == (0.0,)


def test_a_withheld_reply_is_refused_whatever_its_probabilities() -> None:
    reply = ChatReply(text="Yes", finish_reason="filter", branches={"": logs(Yes=1.0)})
    assert task("binary").read(reply, 1) == Failed(
        reason="refused", message="The provider withheld the reply, or the model declined to answer."
    )


def test_classify_gives_the_probability_of_each_option() -> None:
    reply = ChatReply(text="HUM", branches={"": logs(HUM=0.6, LOC=0.2, The=0.2)})
    outcome = task("classify").read(reply, 0, options=("HUM", "LOC"))
    assert outcome == Choice(label="HUM", probabilities=pytest.approx({"HUM": 0.75, "LOC": 0.25}))


def test_classify_leaves_out_probabilities_that_say_otherwise() -> None:
    reply = ChatReply(text="LOC", branches={"": logs(HUM=0.6, LOC=0.2)})
    assert task("classify").read(reply, 0, options=("HUM", "LOC")) == Choice(label="LOC")


def test_classify_reads_probabilities_where_there_is_no_text() -> None:
    reply = ChatReply(text="", branches={"": logs(HUM=0.6, LOC=0.2)})
    outcome = task("classify").read(reply, 0, options=("HUM", "LOC"))
    assert isinstance(outcome, Choice)
    assert outcome.label == "HUM"
