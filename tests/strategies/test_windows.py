"""Window arithmetic."""

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from judge_rerank import Judge, Listwise
from judge_rerank.strategies.algorithms.windows import batches, replaced, shrunk, sliding
from judge_rerank.testing import FakeBackend

sizes = st.integers(2, 60).flatmap(lambda size: st.tuples(st.just(size), st.integers(1, size)))


@given(st.integers(0, 400), sizes)
def test_windows_cover_every_document_and_end_at_the_top(n: int, shape: tuple[int, int]) -> None:
    size, stride = shape
    windows = sliding(n, size, stride)
    assert len(windows) == (0 if n < 2 else 1 + math.ceil(max(0, n - size) / stride))
    assert {i for start, end in windows for i in range(start, end)} == (set(range(n)) if n > 1 else set())
    assert all(end - start == min(size, n) for start, end in windows)
    if windows:
        assert windows[0][1] == n
        assert windows[-1][0] == 0
    for (earlier, _), (later, end) in pairwise(windows):
        assert later < earlier <= end, "windows move up and never leave a gap"


def test_the_order_of_rankgpt() -> None:
    assert sliding(100, 20, 10) == [(s, s + 20) for s in range(80, -1, -10)]
    assert sliding(25, 20, 10) == [(5, 25), (0, 20)]
    assert sliding(10, 20, 10) == [(0, 10)]


@given(sizes, st.integers(2, 80))
def test_a_shrunk_window_still_moves_and_overlaps_in_proportion(shape: tuple[int, int], room: int) -> None:
    size, stride = shrunk(*shape, room)
    assert size == min(shape[0], room)
    assert 1 <= stride <= size


@given(st.lists(st.integers()), st.integers(1, 9))
def test_batches_are_the_items_in_order(items: list[int], size: int) -> None:
    parts = batches(items, size)
    assert [item for part in parts for item in part] == items
    assert all(len(part) == size for part in parts[:-1])


def test_replaced_changes_the_window_only() -> None:
    assert replaced([1, 2, 3, 4], 1, [3, 2]) == [1, 3, 2, 4]


def test_what_the_judge_leaves_out_keeps_its_order() -> None:
    judge = Judge(FakeBackend('{"ranking": [3, 1]}'))
    assert judge.rerank("q", [f"d{place}" for place in range(5)], "listwise").order == (2, 0, 1, 3, 4)
    sliding = judge.rerank("q", [f"d{place}" for place in range(6)], Listwise(window_size=4, stride=2))
    assert sliding.order == (4, 0, 1, 2, 3, 5)  # 2 3 4 5 become 4 2 3 5, then 0 1 4 2 become 4 0 1 2
