"""Team-draft interleaving: fair lists, credit, and the test over sessions."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge_rerank.core.errors import InputError
from judge_rerank.evaluation.interleaving import Interleaved, Team, outcome, sign_test, team_draft

rankings = st.lists(st.integers(0, 30), unique=True, max_size=15)


@given(a=rankings, b=rankings, seed=st.integers())
def test_every_item_once_and_teams_of_the_same_size(a: list[int], b: list[int], seed: int) -> None:
    shown = team_draft(a, b, seed=seed)
    assert len(set(shown.items)) == len(shown.items)
    for place, (item, team) in enumerate(zip(shown.items, shown.teams, strict=True)):
        own, earlier = (a if team == "a" else b), shown.items[:place]
        assert item == next(each for each in own if each not in earlier), "each adds its best that is left"
    assert abs(shown.teams.count("a") - shown.teams.count("b")) <= 1
    missing = [(set(a) - set(shown.items)), (set(b) - set(shown.items))]
    assert not all(missing), "it ends where one has no more to add"
    assert team_draft(a, b, seed=seed) == shown


@given(a=rankings, dice=st.randoms(), seed=st.integers())
def test_two_orders_of_the_same_items_are_shown_whole(a: list[int], dice: random.Random, seed: int) -> None:
    b = dice.sample(a, len(a))
    assert sorted(team_draft(a, b, seed=seed).items) == sorted(a)


def test_the_coin_is_fair() -> None:
    first = [team_draft("xyz", "yzx", seed=f"session {n}").teams[0] for n in range(400)]
    assert 160 <= first.count("a") <= 240
    tops = {team_draft("xyz", "yzx", seed=n, length=1).items for n in range(20)}
    assert tops == {("x",), ("y",)}


def test_credit() -> None:
    shown = Interleaved(items=("x", "y", "z", "w"), teams=("a", "b", "b", "a"))
    assert shown.preferred(["y", "z", "x", "x"]) == "b"
    assert shown.preferred(["x"]) == "a"
    assert shown.preferred(["x", "y"]) is None
    assert shown.preferred([]) is None
    with pytest.raises(InputError, match="'q' was clicked"):
        shown.preferred(["q"])


def test_what_cannot_be_interleaved() -> None:
    with pytest.raises(InputError, match="Ranking b names an item twice"):
        team_draft([1, 2], [3, 3], seed=0)
    with pytest.raises(InputError, match="length is 0"):
        team_draft([1], [2], seed=0, length=0)


@pytest.mark.parametrize(
    ("a", "b", "p"), [(0, 0, 1), (1, 1, 1), (0, 5, 0.0625), (2, 8, 0.109375), (8, 2, 0.109375), (40, 60, 0.0568879)]
)
def test_sign_test(a: int, b: int, p: float) -> None:
    assert sign_test(a, b) == pytest.approx(p, abs=1e-6)


def test_outcome() -> None:
    sessions: list[Team | None] = ["b"] * 70 + ["a"] * 30 + [None] * 11
    found = outcome(sessions)
    assert (found.wins_a, found.wins_b, found.ties, found.share_b) == (30, 70, 11, 0.7)
    assert found.interval == (pytest.approx(0.6042, abs=1e-3), pytest.approx(0.7811, abs=1e-3))
    assert found.p < found.p_any_time < 0.01
    assert outcome([]).p == outcome([None]).p_any_time == 1
    assert outcome(["a"] * 30).share_b == 0


def test_looking_after_every_session_misleads_seldom() -> None:
    """A hundred experiments without a difference, each looked at two hundred times."""
    misled, misled_without_guard = 0, 0
    for seed in range(100):
        dice, sessions, seen, unguarded = random.Random(seed), list[Team | None](), False, False
        for _ in range(200):
            sessions.append(dice.choice(("a", "b")))
            found = outcome(sessions)
            seen, unguarded = seen or found.p_any_time <= 0.05, unguarded or found.p <= 0.05
        misled, misled_without_guard = misled + seen, misled_without_guard + unguarded
    assert misled <= 5
    assert misled_without_guard > 15
