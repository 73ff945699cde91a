"""Scores for every document, no two alike."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge_rerank.server.scores import distinct

SCORES = st.lists(st.none() | st.floats(0, 1), max_size=60)


@given(SCORES)
def test_they_fall_strictly_within_bounds_also_in_32_bits(scores: list[float | None]) -> None:
    found = distinct(scores)
    single = [struct.unpack("f", struct.pack("f", score))[0] for score in found]
    assert len(found) == len(scores)
    assert all(0 <= score <= 1 for score in found)
    assert all(above > below for above, below in pairwise(single))


@given(st.lists(st.floats(0.001, 1), unique_by=lambda score: round(score, 4), max_size=50))
def test_scores_that_need_no_change_have_none(scores: list[float]) -> None:
    falling = sorted(scores, reverse=True)
    assert distinct(falling) == falling


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([], []),
        ([None], [1]),
        ([None] * 4, [1, 0.75, 0.5, 0.25]),
        ([0.9, None, None, 0.3], [0.9, 0.7, 0.5, 0.3]),
        ([0.9, 0.3, None, None], [0.9, 0.3, 0.2, 0.1]),
        ([None, 0.5], [0.75, 0.5]),
        ([0.5, 0.5, 0.5], [0.5, 0.499999, 0.499998]),
        ([0, 0, 0], [0.000002, 0.000001, 0]),
        ([0.2, 0.9], [0.2, 0.199999]),
    ],
)
def test_examples(scores: list[float | None], expected: list[float]) -> None:
    assert distinct(scores) == pytest.approx(expected)


def test_many_documents_are_quick_and_distinct() -> None:
    found = distinct([None] * 20_000 + [0.0] * 20_000)
    assert len(set(found)) == 40_000
