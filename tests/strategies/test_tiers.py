"""Certificates: what `blitz`, `partition` and `adaptive` are certain of, against all orders there are."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from itertools import permutations, product
from pathlib import Path
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge_rerank import Adaptive, Blitz, Judge, Listwise, Partition, Query, Tier, Trace
from judge_rerank.core import JudgeCall, Order, Outcome, said_of
from judge_rerank.core.tiers import tiers_without
from judge_rerank.strategies import parse
from judge_rerank.strategies.algorithms.acquisition import separations
from judge_rerank.strategies.algorithms.preference_graph import Preferences
from judge_rerank.strategies.algorithms.trueskill import Rating
from judge_rerank.testing import SimulatedJudge, drive, perfect

Pairs = Sequence[tuple[int, int]]


def closed(pairs: Pairs, n: int) -> set[tuple[int, int]]:
    """Everything that follows from the pairs, by Warshall's algorithm."""
    known = set(pairs)
    for middle, one, other in product(range(n), repeat=3):
        if (one, middle) in known and (middle, other) in known:
            known.add((one, other))
    return known


def possible_heads(pairs: Pairs, n: int, count: int) -> set[frozenset[int]]:
    """The sets of the first `count` in all orders in which what is strictly better comes first."""
    known = closed(pairs, n)
    strict = {(one, other) for one, other in known if (other, one) not in known}
    allowed = [
        order for order in permutations(range(n)) if all(order.index(one) < order.index(other) for one, other in strict)
    ]
    return {frozenset(order[:count]) for order in allowed}


@settings(max_examples=60, deadline=None)
@given(n=st.integers(2, 6), data=st.data())
def test_a_cut_of_the_graph_is_certain_where_every_order_that_it_allows_has_the_same_head(
    n: int, data: st.DataObject
) -> None:
    places = st.integers(0, n - 1)
    pairs = [pair for pair in data.draw(st.lists(st.tuples(places, places), max_size=12)) if pair[0] != pair[1]]
    graph = Preferences(n)
    for better, worse in pairs:
        graph.add(better, worse)
    order = graph.extension(data.draw(st.permutations(range(n))))
    expected = [count for count in range(1, n) if len(possible_heads(pairs, n, count)) == 1]
    assert graph.certain_cuts(order) == expected
    known = closed(pairs, n)
    for group in (order[:2], order):
        assert graph.all_tied(group) == all((one, other) in known for one in group for other in group if one != other)


@settings(max_examples=100, deadline=None)
@given(
    ratings=st.lists(st.builds(Rating, st.floats(-4, 4), st.floats(0.05, 2)), min_size=2, max_size=8),
    top=st.integers(1, 8),
    sure=st.floats(0.5, 0.999),
)
def test_ratings_are_apart_where_no_pair_overlaps(ratings: list[Rating], top: int, sure: float) -> None:
    order = sorted(range(len(ratings)), key=lambda place: -ratings[place].mean)

    def beats(one: int, other: int) -> float:
        apart = ratings[one].mean - ratings[other].mean
        return NormalDist(apart, math.sqrt(ratings[one].variance + ratings[other].variance)).cdf(0)

    found = separations(ratings, order, top, sure)
    for count in range(1, len(order)):
        lost = max(beats(one, other) for one in order[:count] for other in order[count:])
        if count > top or lost > 1 - sure + 1e-9:
            assert count not in found
        elif lost < 1 - sure - 1e-9:
            assert count in found


@pytest.mark.parametrize(
    "strategy", [Blitz(), Partition(), Blitz(group_size=4, top=3), Partition(window_size=5, top=2)]
)
@settings(max_examples=15, deadline=None)
@given(n=st.integers(2, 60), seed=st.integers(0, 10**6), noise=st.sampled_from([0.0, 0.1, 0.5]))
def test_tiers_say_what_follows_from_the_statements_and_no_more(
    strategy: Blitz | Partition, n: int, seed: int, noise: float
) -> None:
    rng = random.Random(seed)
    worth = [rng.random() for _ in range(n)]
    pairs: list[tuple[int, int]] = []

    def answer(call: JudgeCall) -> Outcome:
        shown = [candidate.index for candidate in call.candidates]
        order = sorted(range(len(shown)), key=lambda place: -worth[shown[place]] - rng.gauss(0, noise))
        stated = rng.randint(0, len(order)) if rng.random() < 0.1 else len(order)
        named = [shown[place] for place in order[:stated]]
        pairs.extend((one, other) for place, one in enumerate(named) for other in named[place + 1 :])
        return Order(order=tuple(order), stated=stated)

    run = drive(strategy, ["d"] * n, answer)
    assert run.tiers is not None
    assert [index for tier in run.tiers for index in tier.indices] == list(run.order)
    assert [tier.first for tier in run.tiers] == [1, *(tier.last + 1 for tier in run.tiers[:-1])]
    known = closed(pairs, n)
    cuts = {tier.last for tier in run.tiers} - {n}
    for count in range(1, n):
        heads, rest = run.order[:count], run.order[count:]
        certain = all((a, b) in known and (b, a) not in known for a in heads for b in rest)
        assert (count in cuts) == certain
    for tier in run.tiers:
        alike = all((a, b) in known for a in tier.indices for b in tier.indices if a != b)
        assert tier.certainty == ("certain" if len(tier.indices) == 1 else "tied" if alike else "open")


def test_a_judge_that_never_errs_makes_the_top_certain() -> None:
    rng = random.Random(3)
    worth = [rng.random() for _ in range(50)]
    for strategy in (Blitz(top=5), Partition(top=5)):
        run = drive(strategy, ["d"] * 50, perfect(worth))
        assert [tier.certainty for tier in (run.tiers or ())[:5]] == ["certain"] * 5, strategy


def test_adaptive_sets_apart_what_is_far_apart() -> None:
    """Three good documents among forty poor ones: the head is set off from the rest; without judgments nothing is."""
    worth = [1.0 if index in (7, 20, 33) else 0.4 * random.Random(index).random() for index in range(40)]
    rng = random.Random(0)

    def answer(call: JudgeCall) -> Outcome:
        values = [worth[candidate.index] + rng.gauss(0, 0.1) for candidate in call.candidates]
        return Order(order=tuple(sorted(range(len(values)), key=lambda p: -values[p])), stated=len(values))

    run = drive(Adaptive(calls=15), ["d"] * 40, answer)
    assert 3 in {tier.last for tier in run.tiers or ()}
    assert set(run.order[:3]) == {7, 20, 33}
    blind = drive(Adaptive(), ["d"] * 40, lambda call: Order(order=tuple(range(len(call.candidates))), stated=0))
    assert [tier.certainty for tier in blind.tiers or ()] == ["open"]


def test_other_strategies_know_nothing_of_it() -> None:
    for strategy in (Listwise(), parse("stage(blitz, fuse=0.5)"), parse("blitz >> listwise")):
        assert drive(strategy, ["d"] * 12, perfect([n / 12 for n in range(12)])).tiers is None


def test_in_a_cascade_the_last_stage_speaks_for_what_it_kept(tmp_path: Path) -> None:
    docs = [f"document {n}" for n in range(12)]
    grades = {"q": {str(n): float(n) for n in range(12)}}
    with Judge(SimulatedJudge(grades), trace=tmp_path / "trace.db", cache_dir=None) as judge:
        given = [{"id": str(n), "text": text} for n, text in enumerate(docs)]
        ranking = judge.rerank(Query(id="q", text="query"), given, "score % 6 >> blitz(top=2) % 4")
        assert ranking.tiers is not None
        assert [index for tier in ranking.tiers for index in tier.indices] == list(ranking.order[:4])
        assert Trace(tmp_path / "trace.db").ranking("last", "q").tiers == ranking.tiers
        assert ranking.to_dict()["tiers"][0] == {"first": 1, "indices": [11], "certainty": "certain"}
        assert "certain   place 1 is certain" in str(ranking.explain(11))
        assert ranking.explain(0).tier is None


def test_what_is_left_of_a_tier_is_no_more_certain() -> None:
    tiers = [Tier(first=1, indices=(4,), certainty="certain"), Tier(first=2, indices=(1, 3, 0), certainty="open")]
    assert tiers_without(tiers, (3, 0)) == (tiers[0], Tier(first=2, indices=(1,), certainty="open"))
    assert tiers_without(tiers, (0, 1, 3)) == (tiers[0],)
    assert tiers_without(None, (1,)) is None


def test_tiers_in_words() -> None:
    tiers = [
        *(Tier(first=place, indices=(place,), certainty="certain") for place in (1, 2, 3)),
        Tier(first=4, indices=(9, 7), certainty="tied"),
        Tier(first=6, indices=(0,), certainty="certain"),
        Tier(first=7, indices=(8, 5, 4), certainty="open"),
    ]
    assert said_of(tiers) == (
        "places 1 to 3 are certain, documents 9 and 7 are tied for place 4, place 6 is certain, places 7 to 9 are open"
    )
