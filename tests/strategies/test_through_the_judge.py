"""Comparing strategies from the prompt to the ranking: real templates, real parsers, a simulated judge."""

from __future__ import annotations

import random

import pytest

from judge_rerank import Judge, Query
from judge_rerank.llm.base import ChatReply
from judge_rerank.parsing import task
from judge_rerank.strategies.base import Choice, Failed, Order
from judge_rerank.testing import SimulatedJudge

N = 40
GRADES = {str(index): random.Random(index).random() * 3 for index in range(N)}
DOCS = [{"text": f"text {index}", "id": str(index)} for index in range(N)]
IDEAL = sorted(range(N), key=lambda index: -GRADES[str(index)])[:10]
QUERY = Query(text="query", id="q")
NAMES = [
    "pairwise",
    "pairwise(method='sliding', prompt='rubric')",
    "setwise",
    "setwise(shuffle=3, prompt='rubric')",
    "setwise(explain=True)",
    "first",
    "first(prompt='rubric')",
    "tournament",
    "joint",
    "blitz",
    "partition",
    "adaptive",
    "self-consistent(strategy='joint', n=2)",
]


@pytest.mark.parametrize("logprobs", [True, False])
@pytest.mark.parametrize("strategy", NAMES)
def test_the_ideal_top_ten(strategy: str, logprobs: bool) -> None:
    with Judge(SimulatedJudge({"q": GRADES}, logprobs=logprobs)) as judge:
        ranking = judge.rerank(QUERY, DOCS, strategy)
        estimate = judge.estimate(QUERY, DOCS, strategy)
    assert list(ranking.order[:10]) == IDEAL
    assert sorted(ranking.order) == list(range(N))
    assert ranking.status == "complete"
    assert ranking.integrity.repaired == ranking.integrity.missing == 0
    assert 1 <= estimate.rounds <= estimate.calls


def test_confidence_stands_in_the_ranking() -> None:
    with Judge(SimulatedJudge({"q": GRADES})) as judge:
        sure = judge.rerank(QUERY, DOCS, "adaptive")
        unknown = judge.rerank(QUERY, DOCS[:3], "score")
    assert all(place.confidence is not None and 0 < place.confidence <= 1 for place in sure[:10])
    assert all(place.confidence is None for place in sure[10:])
    assert [place["confidence"] for place in sure.to_dict()["results"]] == [place.confidence for place in sure]
    assert [place.confidence for place in unknown] == [None, None, None]


def test_one_token_is_all_that_first_asks_for() -> None:
    backend = SimulatedJudge({"q": GRADES})
    with Judge(backend) as judge:
        judge.rerank(QUERY, DOCS, "first")
    assert {len(request.labels) for request in backend.requests} == {20}
    assert all(request.schema is None and request.max_output_tokens <= 8 for request in backend.requests)
    assert '<document label="T">' in backend.requests[0].messages[-1].content


def logprobs(**chances: float) -> ChatReply:
    import math

    listed = {token: math.log(chance) for token, chance in chances.items()}
    return ChatReply(text=max(listed, key=lambda token: listed[token]), branches={"": listed})


def test_the_most_probable_letter_is_the_choice() -> None:
    said = task("setwise").read(logprobs(B=0.5, A=0.3, The=0.2), 3, options=("A", "B", "C"))
    assert isinstance(said, Choice)
    assert said.label == "B"
    assert said.probabilities == pytest.approx({"A": 0.375, "B": 0.625, "C": 0.0})


def test_letters_by_probability_are_an_order_and_the_unlisted_are_missing() -> None:
    said = task("first").read(logprobs(C=0.6, A=0.3), 4)
    assert isinstance(said, Order)
    assert (said.order, said.stated, said.missing) == ((2, 0, 1, 3), 2, 2)
    assert said.repairs


def test_a_sentence_is_no_letter() -> None:
    for name, options in (("first", ()), ("setwise", ("A", "B"))):
        said = task(name).read(logprobs(The=0.9, Sure=0.1), 2, options=options)
        assert isinstance(said, Failed)
        assert said.reason == "unreadable"


def test_first_is_listwise_where_letters_do_not_reach() -> None:
    first, listwise = task("first"), task("listwise")
    assert first.labels(26) == tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    assert first.labels(27) == first.labels(5, explain=True) == ()
    assert first.reply_format(5) == listwise.reply_format(5)
    assert first.schema(5) == listwise.schema(5)
    assert first.output_tokens(5) == listwise.output_tokens(5)
    said = first.read(ChatReply(text='{"ranking": [2, 1]}'), 2)
    assert isinstance(said, Order)
    assert said.order == (1, 0)
