"""Bets that may be watched, and the race that they decide."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge_rerank.core.errors import InputError, UnknownName
from judge_rerank.evaluation.e_process import BettingProcess, log_coin_evidence
from judge_rerank.evaluation.racing import Race

observations = st.lists(st.floats(-1, 1, allow_nan=False), max_size=30)


def log_e(values: list[float]) -> float:
    bets = BettingProcess()
    for value in values:
        bets.add(value)
    return bets.log_e


@given(observations, st.randoms())
def test_the_order_of_observations_does_not_matter(values: list[float], dice: random.Random) -> None:
    shuffled = list(values)
    dice.shuffle(shuffled)
    assert log_e(values) == pytest.approx(log_e(shuffled), abs=1e-9)


@given(observations, st.floats(-1, 1), st.floats(0, 1))
def test_the_bet_is_fair(values: list[float], mean: float, spread: float) -> None:
    """On any two outcomes whose mean is at most 0 the expected capital does not grow, whatever went before."""
    low, high = -spread, spread
    share = min(1.0, max(0.0, (min(mean, 0.0) - low) / (high - low))) if spread > 0 else 0.0
    after = share * math.exp(log_e([*values, high])) + (1 - share) * math.exp(log_e([*values, low]))
    if share * high + (1 - share) * low <= 0:
        assert after <= math.exp(log_e(values)) * (1 + 1e-9)


def test_the_evidence_about_a_coin_is_fair_too() -> None:
    for heads, tails in ((0, 0), (3, 1), (10, 40)):
        after = math.exp(log_coin_evidence(heads + 1, tails)) + math.exp(log_coin_evidence(heads, tails + 1))
        assert after / 2 == pytest.approx(math.exp(log_coin_evidence(heads, tails)))
    assert log_coin_evidence(0, 0) == pytest.approx(0)
    assert log_coin_evidence(40, 10) > math.log(1000)


def raced(shifts: list[float], *, queries: int, seed: int, alpha: float = 0.05) -> Race:
    """A race of variants that are worse than a common level by these amounts, on queries of all difficulties."""
    dice = random.Random(seed)
    race = Race([f"v{place}" for place in range(len(shifts))], alpha=alpha)
    for query in range(queries):
        level = dice.uniform(0.2, 0.8)
        for place, shift in enumerate(shifts):
            if f"v{place}" in race.alive:
                race.add(f"v{place}", f"q{query}", min(1, max(0, level + shift + dice.gauss(0, 0.15))))
    return race


def test_a_clearly_worse_variant_is_stopped_and_a_third_of_the_calls_are_saved() -> None:
    races = [raced([0, -0.3], queries=100, seed=seed) for seed in range(20)]
    assert all(race.alive == ("v0",) and race.leader == "v0" for race in races)
    assert sum(race.saved(100).share for race in races) / len(races) >= 0.3


def test_equal_variants_are_hardly_ever_stopped() -> None:
    assert sum(bool(raced([0, 0, 0], queries=100, seed=seed).stopped) for seed in range(40)) <= 2


def test_why_a_variant_was_stopped() -> None:
    race = Race(["good", "bad"])
    for query in range(50):
        race.add("good", f"q{query}", 0.9)
        if "bad" in race.alive:
            race.add("bad", f"q{query}", 0.1)
    stop = race.stopped["bad"]
    assert (stop.variant, stop.behind, stop.difference) == ("bad", "good", pytest.approx(-0.8))
    assert stop.queries < 20
    assert stop.e_value >= 2 / 0.05
    assert "bad was stopped after" in str(stop)
    assert race.alive == ("good",)
    saved = race.saved(50, {"good": 20, "bad": 10})
    assert saved.by_variant == {"bad": 10 * (50 - stop.queries)}
    assert saved.share == saved.saved / (50 * 30)


def test_the_baseline_is_kept() -> None:
    race = Race(["base", "better"], keep=["base"])
    for query in range(50):
        race.add("base", f"q{query}", 0.1)
        race.add("better", f"q{query}", 0.9)
    assert race.alive == ("base", "better")
    assert race.stopped == {}
    assert race.leader == "better"


def test_variants_may_come_in_any_order_and_twice() -> None:
    there, back = Race(["a", "b"]), Race(["a", "b"])
    pairs = [(f"q{n}", 0.8, 0.2) for n in range(20)]
    for query, a, b in pairs:
        there.add("a", query, a)
        there.add("b", query, b)
    for name, place in (("b", 2), ("a", 1)):
        for pair in reversed(pairs):
            back.add(name, pair[0], pair[place])
            back.add(name, pair[0], pair[place])
    assert there.stopped["b"] == back.stopped["b"]


def test_one_query_alone_says_nothing() -> None:
    race = Race(["a", "b"])
    race.add("a", "q", 1)
    race.add("b", "q", 0)
    assert race.alive == ("a", "b")
    assert race.saved(10).saved == 0


def test_what_a_race_does_not_take() -> None:
    with pytest.raises(InputError, match="1 variants race"):
        Race(["a", "a"])
    with pytest.raises(UnknownName, match="variant 'base'"):
        Race(["a", "b"], keep=["base"])
    race = Race(["a", "b"])
    for value in (1.5, -0.1, float("nan")):
        with pytest.raises(InputError, match="a metric from 0 to 1"):
            race.add("a", "q", value)
    race.add("a", "q", 0.5)
    with pytest.raises(InputError, match="the mean over seeds"):
        race.add("a", "q", 0.6)
    with pytest.raises(UnknownName):
        race.add("c", "q", 0.5)
    assert race.leader == "a"
    assert Race(["a", "b"]).leader is None
