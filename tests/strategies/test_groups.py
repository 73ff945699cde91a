"""Groups of `score` and `binary`: which documents stand together, and one scale for all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge_rerank import Binary, InputError, Score
from judge_rerank.core import Candidates, Failed, FailureReason, JudgeCall, Outcome, Scores, spec_of
from judge_rerank.strategies import parse
from judge_rerank.strategies.algorithms.alignment import aligned
from judge_rerank.testing import Run, check_strategy, drive, perfect

N = st.integers(0, 60)
SIZES = st.integers(2, 25)
SEEDS = st.none() | st.integers(0, 9)
REASONS: list[FailureReason] = ["refused", "unreadable"]


def shown(run: Run, place: int = 0) -> list[list[int]]:
    """The documents of each call of a round."""
    return [[candidate.index for candidate in call.candidates] for call in run.rounds[place]] if run.rounds else []


@pytest.mark.parametrize(
    "strategy",
    [
        Score(batch_size=7, shuffle=None),
        Score(batch_size=7, shuffle=3),
        Score(batch_size=7, anchor=True),
        Binary(batch_size=2, anchor=True),
        Binary(batch_size=30, anchor=True, shuffle=None),
    ],
    ids=str,
)
def test_conformance(strategy: Score | Binary) -> None:
    check_strategy(strategy)


@given(N, SIZES, SEEDS, st.booleans())
def test_every_document_is_asked_about_once_in_groups_of_even_size(
    n: int, size: int, seed: int | None, anchor: bool
) -> None:
    run = drive(Score(batch_size=size, shuffle=seed, anchor=anchor), ["d"] * n, perfect([0.5] * n))
    groups = shown(run)
    shared = {0} if anchor and n > size else set[int]()
    assert len(run.rounds) == (1 if n else 0)
    assert sorted(index for group in groups for index in group if index not in shared) == sorted(set(range(n)) - shared)
    assert all(group[0] == 0 for group in groups if shared)
    assert len(groups) == math.ceil((n - len(shared)) / (size - len(shared)))
    sizes = {len(group) for group in groups} or {0}
    assert max(sizes) <= size
    assert max(sizes) - min(sizes) <= 1
    assert sorted(run.order) == list(range(n))


@given(st.integers(4, 60), SIZES, st.integers(0, 9))
def test_each_group_gets_its_share_of_every_part_of_the_first_stage(n: int, size: int, seed: int) -> None:
    groups = shown(drive(Score(batch_size=size, shuffle=seed), ["d"] * n, perfect([0.5] * n)))
    for start in range(0, n - len(groups) + 1, len(groups)):
        run_of_places = set(range(start, start + len(groups)))
        assert all(len(run_of_places & set(group)) == 1 for group in groups)


def test_the_seed_and_the_query_draw_the_groups() -> None:
    def groups(seed: int | None, query: str = "query") -> list[list[int]]:
        return shown(drive(Score(batch_size=5, shuffle=seed), ["d"] * 40, perfect([0.5] * 40), query=query))

    assert groups(0) == groups(0)
    assert groups(0) != groups(1)
    assert groups(0) != groups(0, "another")
    assert groups(None) == [list(range(start, start + 5)) for start in range(0, 40, 5)]


def test_documents_alone_are_asked_about_in_first_stage_order() -> None:
    """A cap may end the round, and the best candidates must not be those that it leaves out."""
    assert shown(drive(Score(), ["d"] * 9, perfect([0.5] * 9))) == [[place] for place in range(9)]


def strict(relevance: Mapping[int, float], power: Callable[[JudgeCall], float]) -> Callable[[JudgeCall], Outcome]:
    """A judge that bends its scale from call to call."""
    return lambda call: Scores(values=tuple(relevance[c.index] ** power(call) for c in call.candidates))


def test_an_anchor_puts_groups_on_one_scale() -> None:
    relevance = {0: 0.5, 1: 0.9, 2: 0.2, 3: 0.8, 4: 0.3}
    powers = {1: 1.0, 3: 4.0}  # the second group is graded much more strictly

    def judge(anchor: bool) -> Run:
        answer = strict(relevance, lambda call: powers[call.candidates[-2].index])
        return drive(Score(batch_size=3, shuffle=None, anchor=anchor), ["d"] * 5, answer)

    run = judge(anchor=True)
    assert shown(run) == [[0, 1, 2], [0, 3, 4]]
    assert run.order[:3] == (1, 3, 0)
    assert run.scores[0] == pytest.approx((0.5 + 0.5**4) / 2)
    assert run.scores[3] > 0.8**4


@given(
    st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=6), min_size=1, max_size=5),
    st.lists(st.none() | st.floats(0, 1) | st.sampled_from([0.0, 0.1, 0.5, 1.0]), min_size=5, max_size=5),
)
def test_aligned_scores_keep_their_bounds_and_the_order_of_their_group(
    values: list[list[float]], anchors: list[float | None]
) -> None:
    groups: list[dict[int, float]] = []
    for number, (scores, anchor) in enumerate(zip(values, anchors, strict=False)):
        group = {1 + 10 * number + place: round(score, 6) for place, score in enumerate(scores)}
        groups.append(group if anchor is None else group | {0: round(anchor, 6)})
    found = aligned(groups, 0)
    assert found.keys() == {index for group in groups for index in group}
    assert all(0 <= score <= 1 for score in found.values())
    for group in groups:
        if 0 not in group:
            assert all(found[index] == score for index, score in group.items())
            continue
        for one in group:
            for other in group:
                if group[one] < group[other]:
                    assert found[one] <= found[other] + 1e-9
                if group[one] == group[other]:
                    assert found[one] == pytest.approx(found[other])


def test_scores_that_agree_on_the_anchor_stay_as_they_are() -> None:
    assert aligned([{0: 0.4, 1: 1.0, 2: 0.1}, {0: 0.4, 3: 0.0}], 0) == {0: 0.4, 1: 1.0, 2: 0.1, 3: 0.0}


def test_the_ends_of_the_scale_stay_its_ends() -> None:
    found = aligned([{0: 0.2, 1: 1.0, 2: 0.0}, {0: 0.6, 3: 1.0, 4: 0.0}], 0)
    assert (found[1], found[2], found[3], found[4]) == (1.0, 0.0, 1.0, 0.0)
    assert found[0] == pytest.approx(0.4)


@given(st.integers(3, 30), st.integers(2, 9), st.sets(st.integers(0, 30)), st.sampled_from(REASONS))
def test_an_anchor_without_a_judgment_costs_the_others_nothing(
    n: int, size: int, silent: set[int], reason: FailureReason
) -> None:
    """Groups in which the anchor got no score keep theirs; the anchor alone follows, unless it can be asked alone."""

    def answer(call: JudgeCall) -> Outcome:
        if len(call.candidates) == 1:
            return Failed(reason=reason, message="no") if call.candidates[0].index == 0 else Scores(values=(0.5,))
        return Scores(
            values=tuple(None if c.index in silent or c.index == 0 else c.index / 40 for c in call.candidates)
        )

    run = drive(Score(batch_size=size, anchor=True), ["d"] * n, answer)
    assert run.scores == {index: 0.5 if index in silent else index / 40 for index in range(1, n)}
    assert sorted(run.order) == list(range(n))
    assert run.order[-1] == 0


def test_an_anchor_that_one_group_scored_is_not_asked_again() -> None:
    def answer(call: JudgeCall) -> Outcome:
        first = call.candidates[1].index == 1
        return Scores(values=tuple(None if c.index == 0 and first else 0.5 for c in call.candidates))

    run = drive(Score(batch_size=3, anchor=True, shuffle=None), ["d"] * 5, answer)
    assert len(run.rounds) == 1
    assert run.scores == dict.fromkeys(range(5), 0.5)


def test_an_anchor_needs_company() -> None:
    with pytest.raises(InputError, match="batch_size with an anchor is 1; it must be at least 2"):
        Score(anchor=True)


def test_spec_strings() -> None:
    assert Score(batch_size=20).spec == "score(batch_size=20)"
    spec = "score(batch_size=20, shuffle=None, anchor=True)"
    assert spec_of(parse(spec)) == spec
    assert parse("binary(batch_size=5, shuffle=7)") == Binary(batch_size=5, shuffle=7)


def test_groups_shrink_where_they_would_not_fit() -> None:
    class Limits:
        def largest(self, call: JudgeCall, at_most: int) -> int:
            return min(at_most, 4, len(call.candidates))

        def group(self, call: JudgeCall) -> int:
            return len(call.candidates)

        def per_document(self, model: str | None = None) -> int:
            return 100

        def tokens(self, text: str, model: str | None = None) -> int:
            return len(text)

    run = drive(Score(batch_size=20, anchor=True), ["d"] * 9, perfect([0.5] * 9))
    candidates = Candidates(run.calls[0].candidates, limits=Limits())
    plan = Score(batch_size=20, anchor=True).plan(run.calls[0].query, candidates)
    calls = next(plan)
    assert [len(call.candidates) for call in calls if isinstance(call, JudgeCall)] == [4, 4, 3]
    # Where nobody says how many, the model does.
    calls = next(Score(shuffle=None).plan(run.calls[0].query, candidates))
    assert [len(call.candidates) for call in calls] == [3, 3, 3]


@pytest.mark.parametrize("most", [1, 2, 3, 8])
def test_a_group_that_is_too_large_is_asked_about_in_smaller_ones(most: int) -> None:
    def answer(call: JudgeCall) -> Outcome:
        if len(call.candidates) > most:
            return Failed(reason="oversized", message="too many")
        return Scores(values=tuple(candidate.index / 20 for candidate in call.candidates))

    run = drive(Score(batch_size=20), ["d"] * 20, answer)
    assert run.order == tuple(range(19, -1, -1))
    assert len(run.scores) == 20
    assert len(run.rounds) <= 6
    assert sum(len(call.candidates) <= most for call in run.calls) <= 20


def test_a_document_that_is_too_large_by_itself_costs_the_others_nothing() -> None:
    def answer(call: JudgeCall) -> Outcome:
        if any(candidate.index == 3 for candidate in call.candidates):
            return Failed(reason="oversized", message="too long")
        return Scores(values=tuple(0.5 for _ in call.candidates))

    run = drive(Score(batch_size=8), ["d"] * 8, answer)
    assert set(run.scores) == set(range(8)) - {3}
    assert run.order[-1] == 3
