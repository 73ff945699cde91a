"""Comparing strategies from the prompt to the ranking: real templates, real parsers, a simulated judge."""

from __future__ import annotations

import math
import random

import pytest

from judge_rerank import Judge, Query
from judge_rerank.core import Choice, Failed, Order
from judge_rerank.core.backend import ChatReply
from judge_rerank.prompting.tasks import task
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


def formulas(n: int) -> dict[str, tuple[int, int]]:
    """Calls and rounds for `n` documents in the judge's own order, as the docstrings have them."""
    windows = 1 + math.ceil(max(0, n - 20) / 10)
    return {
        "score": (n, 1),
        "score(batch_size=7)": (math.ceil(n / 7), 1),
        "listwise": (windows, windows),
        "listwise(passes=2)": (2 * windows, 2 * windows),
        "first": (windows, windows),
        "pairwise(method='allpair')": (n * (n - 1), 1),
        "pairwise(method='sliding', k=1)": (2 * (n - 1), n - 1),
        "joint(replicas=3, refine=False)": (3 * math.ceil(n / 20) if n > 20 else 1, 1),
        "partition": (1 + math.ceil(max(0, n - 20) / 19), 2 if n > 20 else 1),
        "self-consistent": (windows * (n > 20) + 3, windows * (n > 20) + 1),
        "self-consistent(strategy='joint(refine=False)', n=2, head=None)": (
            2 * 2 * math.ceil(n / 20) if n > 20 else 2,
            1,
        ),
        "none": (0, 0),
    }


@pytest.mark.parametrize("n", [20, 27, 50])
@pytest.mark.parametrize("strategy", formulas(20))
def test_the_engine_counts_what_the_formula_says(strategy: str, n: int) -> None:
    sorted_already = {str(index): 3 * (1 - index / n) for index in range(n)}
    docs = [{"text": f"text {index}", "id": str(index)} for index in range(n)]
    with Judge(SimulatedJudge({"q": sorted_already})) as judge:
        usage = judge.rerank(QUERY, docs, strategy).usage
        estimate = judge.estimate(QUERY, docs, strategy)
    assert (usage.calls, usage.rounds) == formulas(n)[strategy]
    assert (estimate.calls, estimate.rounds) == formulas(n)[strategy]


@pytest.mark.parametrize("n", [20, 50, 100])
def test_the_engine_counts_within_the_bounds_of_the_others(n: int) -> None:
    """Whose calls depend on the answers."""
    grades = {str(index): random.Random(index).random() * 3 for index in range(n)}
    docs = [{"text": f"text {index}", "id": str(index)} for index in range(n)]

    def used(strategy: str) -> tuple[int, int]:
        with Judge(SimulatedJudge({"q": grades})) as judge:
            usage = judge.rerank(QUERY, docs, strategy).usage
        return usage.calls, usage.rounds

    def at_most(strategy: str, calls: float, rounds: float) -> None:
        made = used(strategy)
        assert 1 <= made[0] <= calls, (strategy, made)
        assert made[1] <= rounds, (strategy, made)

    log9, log2 = math.ceil(math.log(n, 9)), math.ceil(math.log2(n))
    at_most("setwise", n / 9 + 11 * log9, 12 * log9)
    at_most("pairwise", 2 * (2 * n + 10 * log2), log2**2 + 20 * log2)
    at_most("tournament", 2 * n / 20 + 2, 1 + log2)
    at_most("blitz", n / 10 + 12, 12)
    at_most("joint", 2 * n / 20 + 4, 5)
    at_most("adaptive", 2 * n / 20 + 8, 12)


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
    assert ' label="T">' in backend.requests[0].messages[-1].content


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
