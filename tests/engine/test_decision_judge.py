"""Every strategy that asks a judge, with one that answers in probabilities: a strategy does not know the difference."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge_rerank import Judge
from judge_rerank.core import ChatRequest, Document, Query
from judge_rerank.testing import FakeBackend, SimulatedJudge

ASKING = (
    *("binary", "score", "binary(batch_size=7)", "score(batch_size=7)", "listwise(window_size=8, stride=4)", "joint"),
    *("first(window_size=8, stride=4)", "setwise", "pairwise", "pairwise(method='allpair')", "tournament", "blitz"),
    *(
        "partition",
        "adaptive",
        "self-consistent(n=3)",
        "score % 9 >> listwise",
        "bm25 % 12 >> setwise",
    ),
)
EVERY = pytest.mark.parametrize("strategy", ASKING)
QUERY = Query(text="the query", id="q")


def documents(n: int) -> list[Document]:
    return [Document(text=f"text {place} of the query", id=f"d{place}") for place in range(n)]


def grades(n: int, seed: int) -> Mapping[str, float]:
    rng = random.Random(seed)
    return {f"d{place}": rng.random() for place in range(n)}


def simulated(known: Mapping[str, float]) -> SimulatedJudge:
    return SimulatedJudge({"q": known}, top_grade=1.0, most_questions=128)


@EVERY
@pytest.mark.parametrize("n", [0, 1, 2, 3, 12])
def test_a_perfect_judge_gives_the_ideal_top(strategy: str, n: int) -> None:
    known = grades(n, n)
    backend = simulated(known)
    with Judge(backend, cache_dir=None) as judge:
        ranking = judge.rerank(QUERY, documents(n), strategy)
    ideal = sorted(range(n), key=lambda index: -known[f"d{index}"])
    assert sorted(ranking.order) == list(range(n))
    assert list(ranking.order[:4]) == ideal[:4]
    assert ranking.status == "complete"
    assert all(request.questions for request in backend.requests)
    assert ranking.usage.calls == len(backend.requests)


@EVERY
def test_a_judge_that_knows_no_difference_leaves_the_order(strategy: str) -> None:
    if strategy.startswith(("bm25", "self-consistent")):
        pytest.skip("its first stage knows differences of its own, or it shows the documents in orders that it draws")
    with Judge(simulated({}), cache_dir=None) as judge:
        assert judge.rerank(QUERY, documents(9), strategy).order == tuple(range(9))


def refusing(request: ChatRequest) -> str:
    return json.dumps([{"refused": True}] * len(request.questions))


@EVERY
def test_a_judge_that_refuses_everything_gives_no_score(strategy: str) -> None:
    with Judge(FakeBackend(refusing, most_questions=128), cache_dir=None) as judge:
        ranking = judge.rerank(QUERY, documents(6), strategy)
    assert sorted(ranking.order) == list(range(6))
    assert ranking.status == "partial"
    assert all(result.relevance_score is None or strategy.startswith("bm25") for result in ranking)


def arbitrary(seed: int) -> Callable[[ChatRequest], str]:
    """Answers of every kind: right ones, wrong ones, refusals, too few of them, and no JSON at all."""
    rng = random.Random(seed)

    def answer(request: ChatRequest) -> str:
        found: list[object] = []
        for question in request.questions:
            kinds: list[object] = [
                {"refused": True},
                {},
                None,
                {"probability": rng.uniform(-0.2, 1.2), "score": rng.uniform(-1, 5)},
                {
                    "choice": rng.choice([*question.labels, "Z"]),
                    "probabilities": {k: rng.random() for k in question.labels},
                },
            ]
            found.append(rng.choice(kinds))
        return rng.choice(["", "{}", json.dumps(found[1:]), *[json.dumps(found)] * 6])

    return answer


@settings(max_examples=60, deadline=None)
@given(strategy=st.sampled_from(ASKING), n=st.integers(0, 14), seed=st.integers(0, 10_000))
def test_nothing_is_lost_whatever_it_answers(strategy: str, n: int, seed: int) -> None:
    with Judge(FakeBackend(arbitrary(seed), most_questions=128), cache_dir=None) as judge:
        ranking = judge.rerank(QUERY, documents(n), strategy)
    assert sorted(ranking.order) == list(range(n))
    assert all(r.relevance_score is None or 0 <= r.relevance_score <= 1 for r in ranking)


def test_a_query_can_be_classified() -> None:
    from judge_rerank.routing import JudgeClassifier

    def answer(request: ChatRequest) -> str:
        (question,) = request.questions
        assert question.labels == ("factual", "semantic", "complex")
        return json.dumps([{"choice": "complex", "probabilities": {"factual": 0.1, "semantic": 0.2, "complex": 0.7}}])

    with Judge(FakeBackend(answer, most_questions=128), cache_dir=None) as judge:
        classified = JudgeClassifier(judge=judge).classify("which is older, Rome or Athens?")
    assert classified.label == "complex"


def test_groups_are_no_larger_than_the_questions_that_it_takes() -> None:
    backend = SimulatedJudge({"q": grades(20, 1)}, top_grade=1.0, most_questions=8)
    with Judge(backend, cache_dir=None) as judge:
        judge.rerank(QUERY, documents(20), "score(batch_size=100)")
    assert max(len(request.questions) for request in backend.requests) <= 8
