"""binary, score, listwise and none as generators."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge_rerank import Binary, InputError, Listwise, Score, Unchanged
from judge_rerank.core import Failed, JudgeCall, Order, Outcome, Scores
from judge_rerank.testing import check_strategy, drive, failing, perfect


@pytest.mark.parametrize(
    "strategy",
    [
        Binary(),
        Score(),
        Binary(batch_size=4),
        Score(batch_size=7),
        Listwise(),
        Listwise(window_size=20, stride=10, passes=2),
        Listwise(window_size=11, stride=1),
    ],
    ids=str,
)
def test_conformance(strategy: object) -> None:
    check_strategy(strategy)


def test_conformance_of_a_narrow_window() -> None:
    check_strategy(Listwise(window_size=4, stride=2), ideal_top=2)


def test_conformance_of_none() -> None:
    check_strategy(Unchanged(), judges=False)


@given(st.integers(0, 120), st.integers(2, 25), st.integers(1, 25), st.integers(1, 3))
def test_listwise_calls_and_rounds_are_the_formula(n: int, size: int, stride: int, passes: int) -> None:
    stride = min(stride, size)
    run = drive(Listwise(window_size=size, stride=stride, passes=passes), ["d"] * n, perfect([0.5] * n))
    expected = passes * (1 + math.ceil(max(0, n - size) / stride)) if n > 1 else 0
    assert len(run.calls) == len(run.rounds) == expected


@given(st.integers(0, 50), st.integers(1, 60))
def test_pointwise_is_one_round(n: int, batch: int) -> None:
    run = drive(Score(batch_size=batch), ["d"] * n, perfect([0.5] * n))
    assert len(run.calls) == math.ceil(n / batch)
    assert len(run.rounds) == (1 if n else 0)


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), max_size=40))
def test_ties_stand_in_first_stage_order(relevance: list[float]) -> None:
    run = drive(Binary(), ["d"] * len(relevance), perfect(relevance))
    assert list(run.order) == sorted(range(len(relevance)), key=lambda i: (-relevance[i], i))
    assert run.scores == dict(enumerate(relevance))


def test_what_a_batch_leaves_out_is_asked_for_by_itself() -> None:
    def answer(call: JudgeCall) -> Outcome:
        shown = [c.index for c in call.candidates]
        if len(shown) == 1:
            return Scores(values=(0.9,))
        if shown[0] == 0:
            return Scores(values=(0.1, None, 0.3))
        return Failed(reason="refused", message="no")

    run = drive(Score(batch_size=3, shuffle=None), ["d"] * 6, answer)
    assert [[c.index for c in call.candidates] for call in run.rounds[1]] == [[1], [3], [4], [5]]
    assert run.order == (1, 3, 4, 5, 2, 0)


def test_a_budget_that_is_used_up_is_not_asked_again() -> None:
    assert len(drive(Score(batch_size=3), ["d"] * 6, failing("budget")).rounds) == 1


def test_documents_without_a_score_follow_in_order() -> None:
    def answer(call: JudgeCall) -> Outcome:
        if call.candidates[0].index % 2:
            return Failed(reason="refused", message="no")
        return Scores(values=(call.candidates[0].index / 10,))

    assert drive(Binary(), ["d"] * 6, answer).order == (4, 2, 0, 1, 3, 5)


def test_an_unreadable_window_stays_as_it_was() -> None:
    answers = iter([Failed(reason="unreadable", message="?"), Order(order=(3, 2, 1, 0), stated=4)])
    run = drive(Listwise(window_size=4, stride=2), ["d"] * 6, lambda _call: next(answers))
    assert run.order == (3, 2, 1, 0, 4, 5)


def test_what_the_judge_leaves_out_keeps_its_order_behind_what_it_names() -> None:
    run = drive(Listwise(), ["d"] * 6, lambda _call: Order(order=(4, 1, 0, 2, 3, 5), stated=2, missing=4))
    assert run.order == (4, 1, 0, 2, 3, 5)
    windows = iter([Order(order=(3, 2, 0, 1), stated=2, missing=2), Order(order=(2, 3, 0, 1), stated=2, missing=2)])
    assert drive(Listwise(window_size=4, stride=2), ["d"] * 6, lambda _call: next(windows)).order == (5, 4, 0, 1, 2, 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Binary(batch_size=0), "batch_size"),
        (lambda: Listwise(window_size=1, stride=1), "window_size"),
        (lambda: Listwise(window_size=4, stride=5), "stride"),
        (lambda: Listwise(stride=0), "stride"),
        (lambda: Listwise(passes=0), "passes"),
    ],
)
def test_options_out_of_range(make: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()
