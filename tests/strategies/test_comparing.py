"""What every strategy that compares documents keeps, and what each costs."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge_rerank import (
    Adaptive,
    Blitz,
    First,
    InputError,
    Joint,
    Listwise,
    Pairwise,
    Partition,
    SelfConsistent,
    Setwise,
    Tournament,
)
from judge_rerank.core import (
    Candidate,
    Candidates,
    Choice,
    Document,
    Failed,
    JudgeCall,
    Order,
    Ordering,
    Outcome,
    Query,
    Strategy,
)
from judge_rerank.strategies.algorithms.preference_graph import Preferences
from judge_rerank.strategies.spec import parse, strategy_names
from judge_rerank.testing import Run, check_strategy, drive, failing, perfect

STRATEGIES: list[Strategy] = [
    Pairwise(),
    Pairwise(method="allpair"),
    Pairwise(method="sliding"),
    Setwise(),
    Setwise(method="insertion", c=4),
    Setwise(shuffle=1),
    First(),
    Tournament(),
    Tournament(replicas=3, seed=5),
    Joint(),
    Joint(replicas=4, aggregate="pagerank", shuffle=2),
    Partition(),
    Partition(shuffle=3),
    Blitz(),
    Blitz(group_size=20, shuffle=4),
    Listwise(shuffle=7),
    Adaptive(),
    SelfConsistent(),
    SelfConsistent(strategy=Joint(), n=2, head=15),
    SelfConsistent(strategy=Blitz(), aggregate="reciprocal", head=None),
]


def relevance(n: int, seed: int) -> list[float]:
    rng = random.Random(seed)
    return [rng.random() for _ in range(n)]


def run(strategy: Strategy, n: int = 100, seed: int = 0) -> Run:
    return drive(strategy, ["d"] * n, perfect(relevance(n, seed)))


def mean(strategy: Strategy, what: Callable[[Run], int], n: int = 100) -> float:
    return sum(what(run(strategy, n, seed)) for seed in range(10)) / 10


@pytest.mark.parametrize("strategy", STRATEGIES, ids=str)
def test_conformance(strategy: Strategy) -> None:
    check_strategy(strategy)


# The stages of TourRank and a single round of joint have no share in this, as their docstrings say.
@pytest.mark.parametrize("strategy", [s for s in STRATEGIES if s != Pairwise(method="allpair")], ids=str)
@settings(max_examples=8, deadline=None)
@given(n=st.integers(2, 130), seed=st.integers(0, 10**6))
def test_a_perfect_judge_gives_the_ideal_top_ten(strategy: Strategy, n: int, seed: int) -> None:
    truth = relevance(n, seed)
    ideal = sorted(range(n), key=lambda index: -truth[index])
    assert list(drive(strategy, ["d"] * n, perfect(truth)).order[:10]) == ideal[:10]


def test_all_pairs_gives_the_whole_order_and_a_score() -> None:
    truth = relevance(30, 1)
    ranked = drive(Pairwise(method="allpair"), ["d"] * 30, perfect(truth))
    assert list(ranked.order) == sorted(range(30), key=lambda index: -truth[index])
    assert ranked.scores[ranked.order[0]] == 1
    assert ranked.scores[ranked.order[-1]] == 0


@pytest.mark.parametrize("strategy", STRATEGIES, ids=str)
@settings(max_examples=5, deadline=None)
@given(n=st.integers(0, 60), seed=st.integers(0, 10**6), failures=st.floats(0, 1))
def test_any_judge_ends_in_a_permutation(strategy: Strategy, n: int, seed: int, failures: float) -> None:
    rng = random.Random(seed)

    def answer(call: JudgeCall) -> Outcome:
        shown = len(call.candidates)
        if rng.random() < failures:
            return Failed(reason="refused", message="no")
        if call.options:
            return Choice(label=rng.choice(call.options))
        return Order(order=tuple(rng.sample(range(shown), shown)), stated=rng.randint(0, shown))

    assert sorted(drive(strategy, ["d"] * n, answer).order) == list(range(n))


@pytest.mark.parametrize("strategy", STRATEGIES, ids=str)
def test_a_judge_that_never_answers_is_not_asked_forever(strategy: Strategy) -> None:
    asked = drive(strategy, ["d"] * 100, failing("refused"))
    assert list(asked.order) == list(range(100))
    if strategy != Pairwise(method="allpair"):
        assert len(asked.calls) <= 320
        assert len(asked.calls) <= len(run(strategy).calls) * 3


@given(n=st.integers(2, 40), k=st.integers(1, 12))
@settings(deadline=None)
def test_pairwise_calls_and_rounds(n: int, k: int) -> None:
    every = run(Pairwise(method="allpair"), n)
    assert (len(every.calls), len(every.rounds)) == (n * (n - 1), 1)
    swaps = drive(Pairwise(method="sliding", k=k), ["d"] * n, perfect([i / n for i in range(n)]))
    passes = min(k, n - 1)
    assert len(swaps.calls) == 2 * passes * (n - 1) - passes * (passes - 1)
    assert len(swaps.rounds) == n + passes - 2


def test_pairwise_heapsort_calls() -> None:
    assert mean(Pairwise(), lambda r: len(r.calls)) <= 2 * (2 * 100 + 10 * math.log2(100))
    assert mean(Pairwise(), lambda r: len(r.rounds)) <= math.log2(100) ** 2 + 20 * math.log2(100)


def test_setwise_calls() -> None:
    assert mean(Setwise(), lambda r: len(r.calls)) == pytest.approx(31, abs=1.5)
    assert mean(Setwise(), lambda r: len(r.rounds)) <= 11 * math.ceil(math.log(100, 9))
    sorted_already = drive(Setwise(method="insertion"), ["d"] * 100, perfect([1 - i / 100 for i in range(100)]))
    assert len(sorted_already.calls) == pytest.approx(90 / 9, abs=10)


@given(n=st.integers(2, 100))
@settings(deadline=None, max_examples=20)
def test_first_asks_as_often_as_listwise(n: int) -> None:
    first, listwise = run(First(), n), run(Listwise(), n)
    assert first.order == listwise.order
    assert len(first.calls) == len(listwise.calls)
    assert {call.task for call in first.calls} == {"first"}


@pytest.mark.parametrize("replicas", [1, 2, 4])
def test_tournament_calls(replicas: int) -> None:
    paper = run(Tournament(replicas=replicas, top=0))
    assert (len(paper.calls), len(paper.rounds), paper.documents_read) == (13 * replicas, 5, 185 * replicas)
    safe = run(Tournament(replicas=replicas))
    assert (len(safe.calls), len(safe.rounds), safe.documents_read) == (11 * replicas, 4, 200 * replicas)


def test_joint_calls() -> None:
    paper = run(Joint(replicas=4, refine=False))
    assert (len(paper.calls), len(paper.rounds), paper.documents_read) == (20, 1, 400)
    assert mean(Joint(replicas=4), lambda r: len(r.calls)) <= 22.5


def test_joint_blocks_hold_every_document_equally_often_and_a_share_of_the_best() -> None:
    blocks = [{c.index for c in call.candidates} for call in run(Joint(replicas=3, refine=False), 97).calls]
    assert all(sum(index in block for block in blocks) == 3 for index in range(97))
    assert all(sum(index < 20 for index in block) in {3, 4, 5} for block in blocks)


def test_partition_calls() -> None:
    good = drive(Partition(), ["d"] * 100, perfect([1 - i / 100 for i in range(100)]))
    assert (len(good.calls), len(good.rounds), good.documents_read) == (6, 2, 105)
    assert mean(Partition(), lambda r: len(r.calls)) == pytest.approx(9, abs=1)
    assert mean(Partition(), lambda r: r.documents_read) == pytest.approx(160, abs=10)


def test_blitz_calls() -> None:
    assert mean(Blitz(), lambda r: len(r.calls)) == pytest.approx(13.5, abs=1)
    assert mean(Blitz(), lambda r: r.documents_read) == pytest.approx(135, abs=8)
    assert mean(Blitz(), lambda r: len(r.rounds)) <= 6
    groups = run(Blitz()).rounds[0]
    assert sorted(c.index for call in groups for c in call.candidates) == list(range(100))


@pytest.mark.parametrize("seed", range(3))
def test_the_points_of_a_tournament_order_those_that_never_met(seed: int) -> None:
    truth = relevance(100, seed)
    order = drive(Tournament(window_size=8, top=3), ["d"] * 100, perfect(truth)).order
    right = sum(truth[better] > truth[worse] for better, worse in combinations(order, 2))
    assert right > 0.86 * math.comb(100, 2)  # with the first stage's order in place of points it is .79 to .82


def test_a_judge_that_contradicts_itself_is_ranked_by_wins_or_by_whom_they_were_won_against() -> None:
    def answer(call: JudgeCall) -> Outcome:
        shown = [candidate.index for candidate in call.candidates]
        order = random.Random(str(sorted(shown))).sample(range(len(shown)), len(shown))
        return Order(order=tuple(order), stated=len(shown))

    runs = [
        drive(Joint(window_size=5, replicas=4, refine=False, aggregate=aggregate), ["d"] * 20, answer)
        for aggregate in ("winrate", "pagerank")
    ]
    won, met = Counter[int](), Counter[int]()
    for call in runs[0].calls:
        outcome = answer(call)
        assert isinstance(outcome, Order)
        for place, shown in enumerate(outcome.order, start=1):
            won[call.candidates[shown].index] += len(outcome.order) - place
            met[call.candidates[shown].index] += len(outcome.order) - 1
    by_wins = sorted(range(20), key=lambda index: (-won[index] / met[index], index))
    assert list(runs[0].order) == by_wins
    assert list(runs[1].order) != by_wins
    assert set(runs[1].order[:10]) & set(by_wins[:5])


@pytest.mark.parametrize("n", [5, 21, 60])
def test_blitz_asks_about_no_document_that_is_known_beside_the_others(n: int) -> None:
    asked, graph = run(Blitz(), n), Preferences(n)
    truth = relevance(n, 0)
    for each in asked.rounds:
        groups = [[candidate.index for candidate in call.candidates] for call in each]
        for group in groups:
            for one in group:
                assert any(not graph.related(one) >> other & 1 for other in group if other != one)
        for group in groups:
            for better, worse in pairwise(sorted(group, key=lambda index: -truth[index])):
                graph.add(better, worse)


def test_self_consistency_calls_and_rounds() -> None:
    asked = run(SelfConsistent())
    assert (len(asked.calls), len(asked.rounds)) == (9 + 3, 9 + 1)
    assert [len(r) for r in asked.rounds[-1:]] == [3]
    joint = run(SelfConsistent(strategy=Joint(refine=False), n=2))
    assert (len(joint.calls), len(joint.rounds), joint.documents_read) == (12, 2, 240)


def test_adaptive_calls() -> None:
    asked = run(Adaptive())
    assert len(asked.rounds[0]) == 5
    assert asked.documents_read <= 160


def test_a_thousand_documents_take_no_time() -> None:
    for strategy in (Setwise(), Tournament(), Joint(), Partition(), Blitz(group_size=20), SelfConsistent()):
        assert sorted(run(strategy, 1000).order) == list(range(1000))


@pytest.mark.parametrize("strategy", [s for s in STRATEGIES if getattr(s, "shuffle", None) is not None], ids=str)
def test_the_seed_decides_the_order_shown(strategy: Strategy) -> None:
    shown = [[c.index for c in call.candidates] for call in run(strategy).rounds[0]]
    assert any(indices != sorted(indices) for indices in shown)
    again = [[c.index for c in call.candidates] for call in run(strategy).rounds[0]]
    assert shown == again


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Pairwise(k=0),
        lambda: Pairwise(shuffle=1),
        lambda: Pairwise(method="quicksort"),  # pyright: ignore[reportArgumentType]
        lambda: Setwise(c=1),
        lambda: Setwise(c=26),
        lambda: Setwise(method="allpair"),  # pyright: ignore[reportArgumentType]
        lambda: First(window_size=27),
        lambda: First(explain=True),
        lambda: Tournament(replicas=0),
        lambda: Tournament(window_size=19),
        lambda: Tournament(top=-1),
        lambda: Tournament(window_size=1, top=0),
        lambda: Joint(window_size=1),
        lambda: Joint(aggregate="mean"),  # pyright: ignore[reportArgumentType]
        lambda: Partition(window_size=10),
        lambda: Blitz(group_size=1),
        lambda: Blitz(top=0),
        lambda: SelfConsistent(n=0),
        lambda: SelfConsistent(head=1),
        lambda: Adaptive(docs=-1),
        lambda: Adaptive(window_size=1),
    ],
)
def test_options_out_of_range(wrong: Callable[[], Strategy]) -> None:
    with pytest.raises(InputError, match=r"must be|cannot be used with"):
        wrong()


def test_as_many_as_there_are_letters_can_be_compared() -> None:
    for strategy in (Setwise(c=25), First(window_size=26)):
        asked = run(strategy)
        assert max(len(call.candidates) for call in asked.calls) == 26
        check_strategy(strategy)


def test_names_in_spec_strings() -> None:
    assert {"adaptive", "blitz", "first", "joint", "pairwise", "partition", "self-consistent", "setwise"} <= set(
        strategy_names()
    )
    assert parse("setwise(method='insertion', c=5)") == Setwise(method="insertion", c=5)
    assert parse("self-consistent(strategy='joint(replicas=1)', n=4)") == SelfConsistent(
        strategy=Joint(replicas=1), n=4
    )
    assert parse("self-consistent").name == "self-consistent(listwise)"
    with pytest.raises(InputError, match="method is 'x'"):
        parse("pairwise(method='x')")
    with pytest.raises(InputError, match="strategy"):
        parse("self-consistent(strategy=3)")


class Narrow:
    """Room for four documents."""

    def largest(self, call: JudgeCall, at_most: int) -> int:
        return min(at_most, 4)

    def group(self, call: JudgeCall) -> int:
        return 1


@pytest.mark.parametrize("strategy", STRATEGIES, ids=str)
def test_a_narrow_context_shrinks_the_groups(strategy: Strategy) -> None:
    candidates = Candidates((Candidate(index=i, document=Document(text="d")) for i in range(30)), limits=Narrow())
    answer, plan = perfect([i / 30 for i in range(30)]), strategy.plan(Query(text="q"), candidates)
    effects = next(plan)
    ordering: Ordering | None = None
    while ordering is None:
        assert all(len(call.candidates) <= 4 for call in effects)
        try:
            effects = plan.send([answer(call) for call in effects])
        except StopIteration as end:
            ordering = end.value
    assert sorted(ordering.order) == list(range(30))
    assert ordering.order[0] == 29
