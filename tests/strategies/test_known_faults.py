"""Faults that rerankers are known for, each from the reply to the ranking, and none of them here."""

from __future__ import annotations

import json

import pytest

from judge_rerank import Judge, Listwise, Query, Score
from judge_rerank.core.backend import ChatRequest
from judge_rerank.testing import FakeBackend, SimulatedJudge

COMPARING = [
    "listwise",
    "first",
    "pairwise",
    "setwise",
    "tournament",
    "joint",
    "partition",
    "blitz",
    "adaptive",
    "self-consistent",
]


def ids(n: int) -> list[dict[str, str]]:
    return [{"text": f"text {index}", "id": str(index)} for index in range(n)]


@pytest.mark.parametrize("strategy", COMPARING)
def test_ten_candidates_are_asked_about(strategy: str) -> None:
    """rank_llm makes no call where the candidates are half a window."""
    backend = SimulatedJudge({"q": {str(index): index for index in range(10)}})
    with Judge(backend) as judge:
        ranking = judge.rerank(Query(text="query", id="q"), ids(10), strategy)
    assert backend.requests
    assert list(ranking.order) == list(range(9, -1, -1))


@pytest.mark.parametrize("n", [2, 9, 10, 11, 19, 20, 21, 25, 30, 31, 95])
@pytest.mark.parametrize("strategy", COMPARING)
def test_every_candidate_is_read(strategy: str, n: int) -> None:
    """RankGPT never reads the first five of twenty-five, the windows of rank_llm and others stop short as well."""
    backend = SimulatedJudge({"q": {str(index): n - index for index in range(n)}})
    with Judge(backend) as judge:
        ranking = judge.rerank(Query(text="query", id="q"), ids(n), strategy)
    read = {c.index for request in backend.requests if request.subject for c in request.subject.candidates}
    assert read == set(range(n))
    assert ranking.integrity.unjudged == ()
    assert ranking.status == "complete"


@pytest.mark.parametrize("said", ["Here are the 20 passages ranked: ", "I ranked all 20.\n", "**Top 20 of [20]**:\n"])
def test_a_number_in_the_preamble_is_no_document(said: str) -> None:
    """rank_llm and RankGPT put document 20 first."""
    order = [3, *(number for number in range(1, 21) if number != 3)]
    with Judge(FakeBackend(said + " > ".join(f"[{number}]" for number in order))) as judge:
        ranking = judge.rerank("query", ids(20), "listwise")
    assert list(ranking.order) == [number - 1 for number in order]


@pytest.mark.parametrize("strategy", ["score", "listwise", "blitz", "joint", "adaptive", "self-consistent"])
def test_the_same_text_twice_is_two_documents(strategy: str) -> None:
    """rerankers finds a document by its text, and gives the first one back for both."""
    docs = ["the same text", "another text", "the same text", "the same text"]

    def reply(request: ChatRequest) -> str:
        assert request.subject is not None
        shown = request.subject.candidates
        if request.subject.task == "score":
            return '{"score": 9}' if "another" in shown[0].document.text else '{"score": 4}'
        best_first = sorted(range(len(shown)), key=lambda place: "another" not in shown[place].document.text)
        return json.dumps({"ranking": [place + 1 for place in best_first]})

    with Judge(FakeBackend(reply)) as judge:
        ranking = judge.rerank("query", docs, strategy)
    assert ranking.order[0] == 1
    assert sorted(ranking.order) == [0, 1, 2, 3]
    assert [place.document.text for place in ranking] == [docs[index] for index in ranking.order]
    assert all(place.judgments for place in ranking)


def test_one_unreadable_line_costs_one_score() -> None:
    """LlamaIndex zips documents with scores, so that all after an unreadable line get the score of the next."""
    lines = ["1: 10", "2: very relevant", "3: 1", "4: 7"]
    again = {"2": 5}

    def reply(request: ChatRequest) -> str:
        assert request.subject is not None
        shown = request.subject.candidates
        if len(shown) == 1:
            return json.dumps({"score": again[str(shown[0].index + 1)]})
        return "\n".join(lines)

    with Judge(FakeBackend(reply)) as judge:
        ranking = judge.rerank("query", ids(4), Score(batch_size=4, shuffle=None))
    scores = {place.index: place.relevance_score for place in ranking}
    assert scores == {0: pytest.approx(1), 1: pytest.approx(4 / 9), 2: pytest.approx(0), 3: pytest.approx(6 / 9)}
    assert list(ranking.order) == [0, 3, 1, 2]


@pytest.mark.parametrize(
    ("said", "order"),
    [
        ([-1, 3, 1, 2], [2, 0, 1]),  # not the last one of the list
        ([3, 3, 1, 2], [2, 0, 1]),
        ([3, 99, 1, 2], [2, 0, 1]),
        ([3, 1], [2, 0, 1]),
    ],
)
def test_indices_that_are_none_lose_and_double_nothing(said: list[int], order: list[int]) -> None:
    """LangChain takes -1 for the last document, returns what is repeated twice, and drops what is left out."""
    with Judge(FakeBackend(json.dumps({"ranking": said}))) as judge:
        ranking = judge.rerank("query", ids(3), "listwise")
    assert list(ranking.order) == order
    assert ranking.integrity.repaired == 1
    counted = ranking.integrity.duplicate + ranking.integrity.invented + ranking.integrity.missing
    assert counted >= 1


@pytest.mark.parametrize("refusal", ["I'm sorry, but I can't help with that.", "As an AI I cannot rank 1 or 2.", ""])
@pytest.mark.parametrize("strategy", COMPARING)
def test_a_refusal_is_no_order(strategy: str, refusal: str) -> None:
    """BlitzRank takes a reply without ids for the order shown, and certifies it."""
    with Judge(FakeBackend(refusal)) as judge:
        ranking = judge.rerank("query", ids(30), strategy)
    assert list(ranking.order) == list(range(30))
    assert ranking.status == "partial"
    assert ranking.integrity.parsed == ranking.integrity.repaired == 0
    assert sum(ranking.integrity.failed.values()) >= 1
    assert ranking.integrity.unjudged == tuple(range(30))
    assert all(place.confidence is None and place.relevance_score is None for place in ranking)


def test_a_refused_window_says_nothing_about_its_documents() -> None:
    """The other windows go on, and the ranking says which documents nobody judged."""

    def reply(request: ChatRequest) -> str:
        assert request.subject is not None
        shown = [candidate.index for candidate in request.subject.candidates]
        if min(shown) >= 10:
            return "I can't help with that."
        return json.dumps({"ranking": list(range(len(shown), 0, -1))})

    with Judge(FakeBackend(reply)) as judge:
        ranking = judge.rerank("query", ids(30), Listwise(window_size=20, stride=10))
    assert ranking.order[:20] == tuple(range(19, -1, -1))
    assert ranking.integrity.unjudged == tuple(range(20, 30))
    assert ranking.status == "partial"
