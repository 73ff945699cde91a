"""Raw scores of unknown kind as relevance: one scale for all, in the order of the raw scores."""

import math
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge_rerank.core import as_relevance, kept_apart, sigmoid

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ([0.9, 0.25, 0.0, 1.0], [0.9, 0.25, 0.0, 1.0]),
        ([2.0, -1.0, 0.9, 0.3], [sigmoid(2), sigmoid(-1), sigmoid(0.9), sigmoid(0.3)]),
        ([44.0, 52.1, 48.3], [0.44, 0.521, 0.483]),
        ([87, 0, 100], [0.87, 0.0, 1.0]),
        ([1250.0, 17.0], [0.125, 0.0017]),
        ([-40.0, 45.0], [sigmoid(-40), 1.0]),
        ([], []),
    ],
)
def test_the_scale_is_chosen_over_all_scores(raw: list[float], expected: list[float]) -> None:
    assert list(as_relevance(dict(enumerate(raw))).values()) == pytest.approx(expected, rel=1e-12)


@given(st.lists(FINITE, max_size=30))
def test_greater_stays_greater(scores: list[float]) -> None:
    raw = dict(enumerate(scores))
    relevance = as_relevance(raw)
    assert relevance.keys() == raw.keys()
    assert all(0 <= value <= 1 for value in relevance.values())
    for (one, low), (other, high) in permutations(raw.items(), 2):
        assert (low < high) == (relevance[one] < relevance[other])


@given(st.lists(FINITE, max_size=30))
def test_a_saturated_unit_is_kept_apart(scores: list[float]) -> None:
    raw = dict(enumerate(scores))
    kept = kept_apart(raw, {key: sigmoid(score) for key, score in raw.items()})
    assert sorted(raw, key=lambda key: raw[key]) == sorted(raw, key=lambda key: kept[key])
    assert all(0 <= value <= 1 for value in kept.values())


def test_what_is_apart_already_is_not_touched() -> None:
    raw = {0: -3.0, 1: 0.0, 2: 2.0}
    relevance = {key: sigmoid(score) for key, score in raw.items()}
    assert kept_apart(raw, relevance) == relevance


def test_the_logistic_function_has_no_overflow() -> None:
    assert (sigmoid(1e308), sigmoid(-1e308), sigmoid(0)) == (1.0, 0.0, 0.5)
    assert sigmoid(-2) == pytest.approx(1 / (1 + math.exp(2)))
