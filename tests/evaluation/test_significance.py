"""Tests and intervals over queries: against brute force, against published examples, and under repetition."""

from __future__ import annotations

import itertools
import random
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge_rerank.core.errors import InputError
from judge_rerank.evaluation.abtest import versus
from judge_rerank.evaluation.power import detectable_effect, queries_needed, t_quantile
from judge_rerank.evaluation.record import Result
from judge_rerank.evaluation.significance import (
    Values,
    better_than,
    bootstrap_interval,
    compared,
    holm,
    letter,
    per_query,
    randomization_test,
)

numbers = st.floats(0, 1, allow_nan=False).map(lambda value: round(value, 3))


def values(dice: random.Random, queries: int, *, shift: float = 0.0, noise: float = 0.2) -> tuple[Values, Values]:
    """A variant and another that is better by `shift`, with errors of their own."""
    hard = [dice.random() for _ in range(queries)]
    a = {f"q{n}": level + dice.gauss(0, noise) for n, level in enumerate(hard)}
    b = {f"q{n}": level + shift + dice.gauss(0, noise) for n, level in enumerate(hard)}
    return a, b


@given(pairs=st.lists(st.tuples(numbers, numbers), min_size=1, max_size=8))
def test_few_queries_are_tested_exactly(pairs: list[tuple[float, float]]) -> None:
    a, b = ({str(n): pair[side] for n, pair in enumerate(pairs)} for side in (0, 1))
    observed = abs(sum(x - y for x, y in pairs))
    signs = list(itertools.product((1, -1), repeat=len(pairs)))
    sums = [abs(sum(sign * (x - y) for sign, (x, y) in zip(each, pairs, strict=True))) for each in signs]
    share = sum(total >= observed - 1e-9 for total in sums) / len(signs)
    assert randomization_test(a, b) == pytest.approx(share)


def test_many_queries_are_sampled_and_agree_with_the_exact_test() -> None:
    a, b = values(random.Random(3), 20, shift=0.1)
    exact = randomization_test(a, b)
    # A difference more, so small that it changes nothing, is one too many to try all signs.
    sampled = randomization_test(dict(a) | {"more": 0.5}, dict(b) | {"more": 0.5 + 1e-8}, resamples=100_000)
    assert 0.001 < exact < 0.5
    assert sampled == pytest.approx(exact, abs=0.005)
    assert sampled != exact


def test_the_same_seed_gives_the_same_figures() -> None:
    a, b = values(random.Random(4), 60, shift=0.05)
    assert randomization_test(a, b, seed=1) == randomization_test(a, b, seed=1)
    assert bootstrap_interval(a, b, seed=1) == bootstrap_interval(a, b, seed=1)
    assert bootstrap_interval(a, b, seed=1) != bootstrap_interval(a, b, seed=2)


@settings(deadline=None)
@given(pairs=st.lists(st.tuples(numbers, numbers), min_size=1, max_size=40))
def test_turned_round(pairs: list[tuple[float, float]]) -> None:
    a, b = ({str(n): pair[side] for n, pair in enumerate(pairs)} for side in (0, 1))
    assert randomization_test(a, b, resamples=500) == randomization_test(b, a, resamples=500)
    low, high = bootstrap_interval(a, b, resamples=500)
    assert low <= high
    again = bootstrap_interval(b, a, resamples=500)
    assert again == (pytest.approx(-high), pytest.approx(-low))
    there, back = versus(a, b, resamples=500), versus(b, a, resamples=500)
    assert (there.wins, there.losses, there.ties) == (back.losses, back.wins, back.ties)
    assert there.wins + there.losses + there.ties == there.queries == len(pairs)


def test_alike_is_never_significant() -> None:
    a = {str(n): n / 10 for n in range(10)}
    assert randomization_test(a, a) == 1
    assert bootstrap_interval(a, a) == (0, 0)
    assert not versus(a, a).significant


def test_false_positives_and_coverage() -> None:
    """Two hundred experiments with noise alone: about 5 % are called significant, about 95 % of intervals hold 0."""
    dice = random.Random(5)
    pairs = [values(dice, 25) for _ in range(200)]
    false = sum(randomization_test(a, b, resamples=999) <= 0.05 for a, b in pairs)
    covered = sum(low <= 0 <= high for low, high in (bootstrap_interval(a, b, resamples=999) for a, b in pairs))
    assert 3 <= false <= 18
    assert 180 <= covered <= 198


def test_the_promised_power() -> None:
    dice = random.Random(6)
    effect = detectable_effect(0.2 * 2**0.5, 40)
    found = fmean(randomization_test(*values(dice, 40, shift=effect), resamples=999) <= 0.05 for _ in range(200))
    assert 0.72 <= found <= 0.88


def test_holm() -> None:
    # The example of Wikipedia's article on the method.
    adjusted = holm({"H1": 0.01, "H2": 0.04, "H3": 0.03, "H4": 0.005})
    assert adjusted == {"H1": pytest.approx(0.03), "H2": pytest.approx(0.06), "H3": pytest.approx(0.06), "H4": 0.02}
    assert list(adjusted) == ["H1", "H2", "H3", "H4"]
    assert holm({}) == {}


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=6))
def test_holm_is_monotone_and_never_below_the_raw_value(p_values: dict[str, float]) -> None:
    adjusted = holm(p_values)
    assert all(p_values[name] <= adjusted[name] <= 1 for name in p_values)
    ordered = sorted(p_values, key=lambda name: p_values[name])
    assert [adjusted[name] for name in ordered] == sorted(adjusted.values())


def test_rows() -> None:
    dice = random.Random(7)
    base, best = values(dice, 40, shift=0.4)
    rows = {row.variant: row for row in compared({"base": base, "same": base, "best": best}, "base")}
    assert list(rows) == ["base", "same", "best"]
    assert (rows["base"].p, rows["base"].p_adjusted, rows["base"].detectable) == (None, None, None)
    assert (rows["same"].p, rows["same"].significant, rows["same"].ties) == (1, False, 40)
    row = rows["best"]
    assert row.significant
    assert row.superscript == "ab"
    assert row.better_than == ("base", "same")
    assert row.mean - rows["base"].mean == pytest.approx(row.difference)
    assert row.interval[0] < row.difference < row.interval[1]
    assert row.p_adjusted == 2 * (row.p or 0)
    assert better_than({"base": base, "best": best}) == {"base": (), "best": ("base",)}


def test_variants_with_other_queries() -> None:
    base = {"q1": 0.5, "q2": 0.5, "q3": 0.1}
    (_, row) = compared({"base": base, "other": {"q3": 0.3, "q4": 1.0}}, "base")
    assert (row.queries, row.difference, row.mean, row.detectable) == (1, pytest.approx(0.2), 0.65, None)
    with pytest.raises(InputError, match=r"'base' \(3 queries\) and 'other' \(1\) have no query in common"):
        compared({"base": base, "other": {"x": 1.0}}, "base")
    with pytest.raises(InputError, match="'nobody' is not among the variants: base"):
        compared({"base": base}, "nobody")
    with pytest.raises(InputError, match="finite"):
        randomization_test({"q": float("nan")}, {"q": 1.0})
    with pytest.raises(InputError, match="alpha is 5"):
        bootstrap_interval(base, base, alpha=5)


def test_versus() -> None:
    a = {"q1": 0.5, "q2": 0.9, "q3": 0.2, "q4": 0.4, "only": 1.0}
    b = {"q1": 0.9, "q2": 0.2, "q3": 0.3, "q4": 0.4}
    found = versus(a, b, most_moved=2)
    assert (found.queries, found.only_a, found.only_b) == (4, 1, 0)
    assert (found.wins, found.losses, found.ties) == (2, 1, 1)
    assert [(move.query_id, round(move.difference, 6)) for move in found.moved] == [("q2", -0.7), ("q1", 0.4)]
    assert found.mean_b - found.mean_a == pytest.approx(found.difference) == pytest.approx(-0.05)
    assert len(versus(a, b, most_moved=None).moved) == 3


def test_letters() -> None:
    assert [letter(place) for place in (0, 25, 26, 52)] == ["a", "z", "a1", "a2"]


def test_results_by_variant_and_query() -> None:
    def result(variant: str, seed: int, value: float, dataset: str = "d") -> Result:
        return Result(variant=variant, dataset=dataset, seed=seed, query_id="q", query="?", metrics={"nDCG@10": value})

    found = per_query(
        [result("v", 0, 0.2), result("v", 1, 0.4), result("w", 0, 1.0), result("v", 0, 1, "e")], "nDCG@10"
    )
    assert found == {"v": {"d/q": pytest.approx(0.3), "e/q": 1}, "w": {"d/q": 1}}
    with pytest.raises(InputError, match="no 'P@5'"):
        per_query([result("v", 0, 0.2)], "P@5")


def test_how_many_queries() -> None:
    for deviation, effect in ((0.3, 0.1), (0.3, 0.05), (0.1, 1.0)):
        needed = queries_needed(effect, deviation)
        assert detectable_effect(deviation, needed) <= effect
        assert needed == 2 or detectable_effect(deviation, needed - 1) > effect
    assert 70 <= queries_needed(0.1, 0.3) <= 76  # (1.96 + 0.84)² · 9 = 71 by the normal distribution
    with pytest.raises(InputError, match="queries 1"):
        detectable_effect(0.1, 1)
    with pytest.raises(InputError, match="effect is 0"):
        queries_needed(0, 1)


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.7062), (2, 4.3027), (4, 2.7764), (9, 2.2622), (30, 2.0423), (1000, 1.9623)]
)
def test_student(freedom: int, quantile: float) -> None:
    assert t_quantile(0.975, freedom) == pytest.approx(quantile, rel=0.001)
    assert t_quantile(0.025, freedom) == pytest.approx(-quantile, rel=0.001)
