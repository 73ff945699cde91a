"""What counts as evidence, and what strategies do with it."""

from __future__ import annotations

from judge_rerank import Adaptive, Blitz, Listwise, Pairwise, Score, Setwise
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
    Scores,
)
from judge_rerank.core import Strategy as AnyStrategy
from judge_rerank.core.evidence import Evidence
from judge_rerank.testing import perfect

QUERY = Query(text="q")


def call(*indices: int, task: str = "listwise", options: tuple[str, ...] = ()) -> JudgeCall:
    shown = tuple(Candidate(index=index, document=Document(text="d")) for index in indices)
    return JudgeCall(task=task, query=QUERY, candidates=shown, options=options)


def candidates(n: int) -> Candidates:
    return Candidates(Candidate(index=index, document=Document(text="d")) for index in range(n))


def ranked(strategy: AnyStrategy, given: Candidates, relevance: list[float]) -> tuple[Ordering, list[JudgeCall]]:
    """Drive a strategy on candidates that already have evidence."""
    answer, plan, asked = perfect(relevance), strategy.plan(QUERY, given), list[JudgeCall]()
    try:
        effects = next(plan)
        while True:
            outcomes: list[Outcome] = [answer(each) for each in effects]
            for each, outcome in zip(effects, outcomes, strict=True):
                given.evidence.add(each, outcome)
            asked += effects
            effects = plan.send(outcomes)
    except StopIteration as end:
        return end.value, asked


def test_an_order_says_who_is_better_whoever_was_shown_first() -> None:
    evidence = Evidence()
    evidence.add(call(5, 3, 9), Order(order=(2, 0, 1), stated=3))
    assert evidence.preferences == (((9,), (5,), (3,)),)
    assert evidence.preferred(9, 3) == 1
    assert evidence.preferred(3, 9) == -1
    assert evidence.verdict(5, 3) == 1
    assert evidence.verdict(3, 5) == 0, "nobody was asked in this order"
    assert evidence.verdict(5, 9) == -1
    assert evidence.best((3, 5, 9)) == 9
    assert evidence.best((3, 5, 7)) is None


def test_what_was_left_out_is_no_evidence() -> None:
    evidence = Evidence()
    evidence.add(call(0, 1, 2), Order(order=(2, 1, 0), stated=2, missing=1))
    assert evidence.preferences == (((2,), (1,)),)
    assert evidence.preferred(1, 0) == 0
    evidence.add(call(0, 1, 2), Order(order=(2, 1, 0), stated=1, missing=2))
    evidence.add(call(0, 1, 2), Failed(reason="refused", message="no"))
    assert len(evidence.preferences) == 1


def test_a_choice_puts_one_above_the_others() -> None:
    evidence = Evidence()
    evidence.add(call(4, 2, 7, task="setwise", options=("A", "B", "C")), Choice(label="B"))
    assert evidence.preferences == (((2,), (4, 7)),)
    assert evidence.preferred(4, 7) == 0
    evidence.add(call(4, task="classify", options=("x", "y")), Choice(label="x"))
    assert len(evidence.preferences) == 1


def test_contradictions_cancel() -> None:
    evidence = Evidence()
    evidence.add(call(0, 1), Order(order=(0, 1), stated=2))
    evidence.add(call(1, 0), Order(order=(0, 1), stated=2))
    assert evidence.preferred(0, 1) == 0
    assert evidence.verdict(0, 1) == evidence.verdict(1, 0) == 1


def test_scores_are_means_by_task() -> None:
    evidence = Evidence()
    evidence.add(call(0, 1, task="score"), Scores(values=(0.5, None)))
    evidence.add(call(0, task="score"), Scores(values=(1.0,)))
    evidence.add(call(0, task="binary"), Scores(values=(0.0,)))
    assert evidence.scores == {"score": {0: 0.75}, "binary": {0: 0.0}}


def test_rearranged_candidates_share_their_evidence() -> None:
    given = candidates(3)
    assert given.arranged((2, 1)).evidence is given.evidence


RELEVANCE = [0.1, 0.9, 0.4, 0.7, 0.2, 0.8]
IDEAL = (1, 5, 3, 2, 4, 0)


def test_pairwise_asks_only_the_order_of_two_that_is_not_known() -> None:
    given = candidates(6)
    _, window = ranked(Listwise(), given, RELEVANCE)
    assert len(window) == 1
    ordering, asked = ranked(Pairwise(method="allpair"), given, RELEVANCE)
    assert ordering.order == IDEAL
    assert len(asked) == 15, "half of the 30 verdicts are implied by the window"
    assert all(each.candidates[0].index > each.candidates[1].index for each in asked)
    assert ranked(Pairwise(), given, RELEVANCE)[1] == []


def test_setwise_and_blitz_start_with_what_is_known() -> None:
    for strategy in (Setwise(), Blitz()):
        given = candidates(6)
        ranked(Listwise(), given, RELEVANCE)
        ordering, asked = ranked(strategy, given, RELEVANCE)
        assert (ordering.order, asked) == (IDEAL, [])


def test_blitz_reads_what_nothing_is_known_of() -> None:
    given = candidates(30)
    relevance = [(index * 7 % 30) / 30 for index in range(30)]
    ranked(Listwise(window_size=20), Candidates(given[:20], evidence=given.evidence), relevance)
    ordering, asked = ranked(Blitz(), given, relevance)
    assert {c.index for c in asked[0].candidates} == set(range(20, 30))
    assert list(ordering.order[:10]) == sorted(range(30), key=lambda index: -relevance[index])[:10]


def test_adaptive_starts_from_scores_and_asks_about_the_best() -> None:
    given = candidates(60)
    relevance = [(index * 7 % 60) / 60 for index in range(60)]
    ranked(Score(), given, relevance)
    _, asked = ranked(Adaptive(docs=20), given, relevance)
    best = sorted(range(60), key=lambda index: -relevance[index])
    assert len(asked) == 1
    assert {c.index for c in asked[0].candidates} == set(best[:20])
