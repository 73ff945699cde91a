"""Plans around plans, preferences, votes and ratings."""

from __future__ import annotations

import random
from itertools import combinations, permutations
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge_rerank import Adaptive, Blitz, Joint, Listwise, Pairwise, SelfConsistent, Setwise
from judge_rerank.core import Candidate, Choice, Document, Failed, JudgeCall, Order, Outcome, Query, Scores
from judge_rerank.strategies.algorithms.acquisition import confidence, gains
from judge_rerank.strategies.algorithms.combinators import Steps, shuffled, side_by_side
from judge_rerank.strategies.algorithms.preference_graph import Preferences
from judge_rerank.strategies.algorithms.rank_aggregation import kemeny, reciprocal_ranks
from judge_rerank.strategies.algorithms.trueskill import Rating, Ratings
from judge_rerank.strategies.algorithms.windows import balanced, even
from judge_rerank.testing import Run, drive, failing, perfect, stating


def call(n: int, name: str = "", options: tuple[str, ...] = ()) -> JudgeCall:
    shown = tuple(Candidate(index=index, document=Document(text="d")) for index in range(n))
    return JudgeCall(task="listwise", query=Query(text="q"), candidates=shown, stage=name, options=options)


def part(name: str, rounds: int) -> Steps[list[Outcome]]:
    got: list[Outcome] = []
    for number in range(rounds):
        got += yield [call(1, f"{name}{number}"), call(1, f"{name}{number}'")]
    return got


def test_parts_side_by_side_share_their_rounds() -> None:
    plan = side_by_side([part("a", 2), part("b", 0), part("c", 3)])
    stages: list[list[str]] = []
    effects = next(plan)
    results: list[list[Outcome]] = []
    while not results:
        stages.append([effect.stage for effect in effects])
        try:
            effects = plan.send([Failed(reason="refused", message=effect.stage) for effect in effects])
        except StopIteration as end:
            results = end.value
    assert stages == [["a0", "a0'", "c0", "c0'"], ["a1", "a1'", "c1", "c1'"], ["c2", "c2'"]]
    messages = [[outcome.message for outcome in got] for got in results]
    assert messages == [["a0", "a0'", "a1", "a1'"], [], ["c0", "c0'", "c1", "c1'", "c2", "c2'"]]


@given(st.integers(1, 12), st.integers(0, 99), st.data())
def test_a_shuffled_call_is_answered_in_its_own_terms(n: int, seed: int, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["order", "choice", "scores"]))
    options = tuple("ABCDEFGHIJKL"[:n]) if kind == "choice" else ()

    def asking() -> Steps[Outcome]:
        (outcome,) = yield [call(n, options=options)]
        return outcome

    plan = shuffled(asking(), seed)
    (shown,) = next(plan)
    indices = [candidate.index for candidate in shown.candidates]
    assert sorted(indices) == list(range(n))
    stated = data.draw(st.integers(0, n))
    outcome: Outcome = Order(order=tuple(sorted(range(n), key=lambda place: -indices[place])), stated=stated)
    if kind == "choice":
        place = data.draw(st.integers(0, n - 1))
        outcome = Choice(label=options[place], probabilities={options[place]: 1.0})
    if kind == "scores":
        outcome = Scores(values=tuple(index / 12 for index in indices))
    with pytest.raises(StopIteration) as end:
        plan.send([outcome])
    said = end.value.value
    if isinstance(said, Order):
        assert said.order[:stated] == tuple(range(n - 1, n - 1 - stated, -1))
        assert list(said.order[stated:]) == list(range(n - stated)), "the rest in the order of the call"
    elif isinstance(said, Choice) and isinstance(outcome, Choice):
        assert indices[options.index(outcome.label)] == options.index(said.label)
        assert said.probabilities == {said.label: 1.0}
    else:
        assert isinstance(said, Scores)
        assert said.values == tuple(index / 12 for index in range(n))


@given(st.integers(1, 8), st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20), st.randoms())
def test_preferences_are_closed(n: int, edges: list[tuple[int, int]], rng: random.Random) -> None:
    edges = [(a % n, b % n) for a, b in edges if a % n != b % n]
    graph = Preferences(n)
    reached = [[False] * n for _ in range(n)]
    for better, worse in edges:
        graph.add(better, worse)
        reached[better][worse] = True
    for k in range(n):
        for i in range(n):
            for j in range(n):
                reached[i][j] |= reached[i][k] and reached[k][j]
    for i in range(n):
        above = {j for j in range(n) if graph.better_than(i) >> j & 1}
        assert above == {j for j in range(n) if reached[j][i] and not reached[i][j]}
    wanted = rng.sample(range(n), n)
    order = graph.extension(wanted)
    assert sorted(order) == list(range(n))
    assert all(not reached[b][a] or reached[a][b] for a, b in combinations(order, 2)), "never against what is known"
    if graph.agrees_with(wanted):
        assert order == wanted


def disagreements(order: tuple[int, ...] | list[int], votes: list[list[int]]) -> int:
    return sum(vote.index(a) > vote.index(b) for vote in votes for a, b in combinations(order, 2))


@given(st.integers(1, 6).flatmap(lambda n: st.lists(st.permutations(range(n)), min_size=1, max_size=6)))
@settings(deadline=None)
def test_kemeny_is_the_least_disagreement(votes: list[list[int]]) -> None:
    base = list(range(len(votes[0])))
    found = kemeny(votes, base)
    assert sorted(found) == base
    assert disagreements(found, votes) == min(disagreements(order, votes) for order in permutations(base))


def test_large_circles_are_improved_until_no_move_helps() -> None:
    rng = random.Random(3)
    votes = [rng.sample(range(30), 30) for _ in range(5)]
    found = kemeny(votes, list(range(30)))
    assert sorted(found) == list(range(30))
    borda = sorted(range(30), key=lambda item: sum(vote.index(item) for vote in votes))
    assert disagreements(found, votes) <= disagreements(borda, votes)
    for item in found:
        rest = [other for other in found if other != item]
        moved = (disagreements([*rest[:i], item, *rest[i:]], votes) for i in range(30))
        assert min(moved) == disagreements(found, votes)


def test_ties_of_votes_stand_as_before() -> None:
    assert kemeny([[0, 1, 2], [2, 1, 0]], [1, 2, 0]) == [1, 2, 0]
    assert reciprocal_ranks([[0, 1], [1, 0]], [1, 0]) == [1, 0]
    assert reciprocal_ranks([[0, 1, 2], [0, 2, 1], [2, 0, 1]], [0, 1, 2]) == [0, 2, 1]


def noisy(truth: list[float], noise: float, seed: int) -> object:
    rng = random.Random(seed)

    def answer(asked: JudgeCall) -> Outcome:
        seen = [truth[c.index] + rng.gauss(0, noise) for c in asked.candidates]
        return stating(asked, sorted(range(len(seen)), key=lambda place: -seen[place]), seen)

    return answer


def mean_overlap(strategy: object, noise: float, queries: int = 12) -> tuple[float, list[Run]]:
    runs: list[Run] = []
    shares: list[float] = []
    for seed in range(queries):
        rng = random.Random(seed)
        truth = [rng.gauss(0, 1) for _ in range(100)]
        run = drive(strategy, ["d"] * 100, noisy(truth, noise, seed))  # pyright: ignore[reportArgumentType]
        best = set(sorted(range(100), key=lambda index: -truth[index])[:10])
        shares.append(len(best & set(run.order[:10])) / 10)
        runs.append(run)
    return fmean(shares), runs


def test_a_vote_is_better_than_one_answer() -> None:
    assert mean_overlap(SelfConsistent(n=5), 0.7)[0] > mean_overlap(Listwise(), 0.7)[0]


def test_a_run_without_a_judgment_has_no_vote() -> None:
    truth = [index / 20 for index in range(20)]
    answered = perfect(truth)
    asked: list[JudgeCall] = []

    def once(each: JudgeCall) -> Outcome:
        asked.append(each)
        return answered(each) if len(asked) == 1 else Failed(reason="refused", message="no")

    run = drive(SelfConsistent(n=4), ["d"] * 20, once)
    assert list(run.order) == list(range(19, -1, -1))
    assert set(run.confidence.values()) == {1.0}
    assert drive(SelfConsistent(), ["d"] * 20, failing()).confidence == {}


def test_an_inconsistent_pair_is_a_tie() -> None:
    def first_shown(asked: JudgeCall) -> Outcome:
        return Choice(label="A")

    run = drive(Pairwise(method="allpair"), ["d"] * 5, first_shown)
    assert run.order == (0, 1, 2, 3, 4)
    assert set(run.scores.values()) == {0.5}


def test_a_judge_that_contradicts_itself_makes_ties_and_an_end() -> None:
    # Each group backwards each time: whatever is shown, the order is reversed.
    def backwards(asked: JudgeCall) -> Outcome:
        n = len(asked.candidates)
        return Order(order=tuple(range(n - 1, -1, -1)), stated=n)

    assert sorted(drive(Blitz(), ["d"] * 50, backwards).order) == list(range(50))


def test_beliefs_follow_the_evidence_and_grow_surer() -> None:
    ratings = Ratings([Rating(0.0, 1.0)] * 4, noise=0.5)
    ratings.add([[2], [0], [1]])
    ratings.refine()
    once = [ratings[place] for place in range(4)]
    assert once[2].mean > once[0].mean > once[1].mean
    assert once[3] == Rating(0.0, 1.0)
    assert once[0].variance < 1
    ratings.add([[2], [0, 1]])
    ratings.add([[2], [0], [1]])
    ratings.refine(4)
    assert ratings[2].mean > once[2].mean
    assert ratings[2].variance < once[2].variance


def test_the_order_in_which_comparisons_come_does_not_matter() -> None:
    games = [[[0], [1], [2]], [[2], [3]], [[1], [3], [0]]]
    means: list[list[float]] = []
    for order in permutations(games):
        ratings = Ratings([Rating(0.0, 1.0)] * 4, noise=0.5)
        for game in order:
            ratings.add(game)
        ratings.refine(30)
        means.append([ratings[place].mean for place in range(4)])
    assert all(mean == pytest.approx(means[0], abs=1e-3) for mean in means)


def test_two_candidates_match_the_closed_form() -> None:
    ratings = Ratings([Rating(0.0, 1.0)] * 2, noise=0.5)
    ratings.add([[0], [1]])
    ratings.refine()
    c2 = 2 * 1.5
    v = 2 * 0.3989422804
    assert ratings[0].mean == pytest.approx(v / c2**0.5)
    assert ratings[0].variance == pytest.approx(1 - v * v / c2)
    assert ratings[1].mean == pytest.approx(-ratings[0].mean)


def test_a_look_is_worth_most_at_the_border_and_nothing_far_below() -> None:
    rated = [Rating(3.0, 0.01), Rating(1.0, 0.3), Rating(0.9, 0.3), Rating(-4.0, 0.01)]
    worth = gains(rated, 1, 0.5)
    assert worth == pytest.approx([0, 0, 0, 0], abs=1e-3)
    worth = gains(rated, 2, 0.5)
    assert min(worth[1], worth[2]) > 10 * max(worth[0], worth[3])


def test_confidence_in_a_place_is_the_chance_to_be_among_that_many() -> None:
    sure = confidence([Rating(2.0, 0.01), Rating(0.1, 0.2), Rating(0.0, 0.2)], [0, 1, 2], 3)
    assert sure[0] > 0.99
    assert 0.5 < sure[1] < 0.7
    assert sure[2] == 1


def test_adaptive_is_better_than_sliding_windows_at_equal_reading() -> None:
    adaptive, runs = mean_overlap(Adaptive(docs=180), 0.8)
    sliding, _ = mean_overlap(Listwise(), 0.8)
    assert adaptive > sliding + 0.05
    assert fmean(run.documents_read for run in runs) <= 180


def test_adaptive_confidence_means_what_it_says() -> None:
    said: list[float] = []
    held: list[bool] = []
    for seed in range(12):
        rng = random.Random(seed)
        truth = [rng.gauss(0, 1) for _ in range(100)]
        run = drive(Adaptive(), ["d"] * 100, noisy(truth, 0.7, seed))  # pyright: ignore[reportArgumentType]
        best = sorted(range(100), key=lambda index: -truth[index])
        assert list(run.confidence) == list(run.order[:10])
        for place, index in enumerate(run.order[:10], start=1):
            said.append(run.confidence[index])
            held.append(index in best[:place])
    assert fmean(said) == pytest.approx(fmean(held), abs=0.12)


@given(
    calls=st.one_of(st.none(), st.integers(0, 12)),
    docs=st.one_of(st.none(), st.integers(0, 150)),
    tokens=st.one_of(st.none(), st.integers(0, 3000)),
    n=st.integers(0, 60),
)
@settings(deadline=None, max_examples=60)
def test_adaptive_never_passes_a_limit(calls: int | None, docs: int | None, tokens: int | None, n: int) -> None:
    if (calls, docs, tokens) == (None, None, None):
        return
    rng = random.Random(n)
    truth = [rng.random() for _ in range(n)]
    strategy = Adaptive(calls=calls, docs=docs, tokens=tokens)
    run = drive(strategy, ["x" * 39] * n, noisy(truth, 0.3, n))  # pyright: ignore[reportArgumentType]
    assert sorted(run.order) == list(range(n))
    assert calls is None or len(run.calls) <= calls
    assert docs is None or run.documents_read <= docs
    assert tokens is None or run.documents_read * 10 + 150 * len(run.calls) <= tokens


def test_adaptive_reads_the_first_documents_where_it_cannot_read_all() -> None:
    for strategy in (Adaptive(docs=30), Adaptive(calls=2, window_size=15), Adaptive(tokens=600)):
        run = drive(strategy, ["x" * 39] * 100, perfect([index / 100 for index in range(100)]))
        assert {c.index for call in run.calls for c in call.candidates} == set(range(30))
        assert run.order[0] >= 28
    assert drive(Adaptive(docs=0), ["d"] * 5, perfect([0.5] * 5)).confidence == {}


def test_adaptive_ends_when_the_money_is_gone() -> None:
    truth = [index / 100 for index in range(100)]
    answered, count = perfect(truth), 0

    def poor(asked: JudgeCall) -> Outcome:
        nonlocal count
        count += 1
        return answered(asked) if count <= 5 else Failed(reason="budget", message="used up")

    run = drive(Adaptive(), ["d"] * 100, poor)
    assert len(run.rounds) == 2
    assert run.order[0] > 90


@pytest.mark.parametrize("strategy", [Adaptive(), Joint(), Setwise(shuffle=1), SelfConsistent(strategy=Blitz())])
def test_nothing_moves_where_the_answers_agree_with_the_first_stage(strategy: object) -> None:
    for n in (5, 37, 90):
        run = drive(strategy, ["d"] * n, perfect([1 - i / n for i in range(n)]))  # pyright: ignore[reportArgumentType]
        assert list(run.order) == list(range(n))


@given(st.integers(0, 60), st.integers(1, 10), st.integers(0, 9))
def test_dealing_and_cutting_lose_nothing(n: int, size: int, seed: int) -> None:
    for groups in (balanced(range(n), size, random.Random(seed)), balanced(range(n), size), even(range(n), size)):
        assert len(groups) == -(-n // size)
        assert sorted(item for group in groups for item in group) == list(range(n))
        sizes = [len(group) for group in groups]
        assert all(sizes)
        assert not sizes or (max(sizes) - min(sizes) <= 1 and max(sizes) <= size)
        assert all(list(group) == sorted(group) for group in groups)
