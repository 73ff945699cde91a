"""A document that a content filter refuses costs the others nothing."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path

import pytest

from judge_rerank import Judge, Trace
from judge_rerank.core import ChatReply, ChatRequest
from judge_rerank.testing import FakeBackend

DOCS = [f"passage number {i}" for i in range(12)]
BAD = {4}


def filtering(*bad: str) -> FakeBackend:
    """A judge that prefers high numbers, behind a filter that refuses requests with one of these texts."""

    def reply(request: ChatRequest) -> ChatReply:
        text = request.messages[-1].content
        if any(re.search(rf"{each}\b", text) for each in bad):
            return ChatReply(text="", finish_reason="filter")
        subject = request.subject
        assert subject is not None
        worth = [candidate.index for candidate in subject.candidates]
        best_first = sorted(range(len(worth)), key=lambda place: -worth[place])
        if subject.task == "listwise":
            return ChatReply(text=str({"ranking": [place + 1 for place in best_first]}).replace("'", '"'))
        if subject.options:
            return ChatReply(text=subject.options[best_first[0]])
        if len(worth) > 1:
            rows = [{"id": n, "score": min(10, value + 1)} for n, value in enumerate(worth, start=1)]
            return ChatReply(text=str({"judgments": rows}).replace("'", '"'))
        return ChatReply(text='{"relevant": true}' if subject.task == "binary" else f'{{"score": {worth[0] % 10 + 1}}}')

    return FakeBackend(reply)


@pytest.mark.parametrize(
    "strategy", ["listwise(window_size=4, stride=2)", "listwise", "setwise", "pairwise", "tournament", "blitz", "joint"]
)
def test_a_filtered_document_is_left_out_of_a_comparison(strategy: str) -> None:
    backend = filtering("passage number 4")
    ranking = Judge(backend).rerank("q", DOCS, strategy)
    assert sorted(ranking.order) == list(range(12))
    assert (ranking.status, ranking.integrity.unjudged) == ("partial", (4,))
    assert ranking.order[0] == 11
    assert {judgment.failure for judgment in ranking[ranking.order.index(4)].judgments} == {"refused"}
    assert any("refused" in reason for reason in ranking.reasons)


def test_the_others_are_ordered_as_without_it() -> None:
    ranking = Judge(filtering("passage number 4")).rerank("q", DOCS, "listwise")
    without = Judge(filtering()).rerank("q", DOCS[:4] + DOCS[5:], "listwise")
    assert [DOCS[i] for i in ranking.order if i != 4] == [place.document.text for place in without]


@pytest.mark.parametrize(
    ("strategy", "more"), [("listwise(window_size=4, stride=2)", 6), ("setwise", 12), ("pairwise", 4)]
)
def test_once_found_it_is_not_sent_again(strategy: str, more: int) -> None:
    backend, without = filtering("passage number 4"), filtering()
    Judge(backend, concurrency=1).rerank("q", DOCS, strategy)
    sent = [i for i, request in enumerate(backend.requests) if "passage number 4" in request.messages[-1].content]
    assert len(sent) <= 4
    Judge(without, concurrency=1).rerank("q", DOCS, strategy)
    assert len(backend.requests) <= len(without.requests) + more


def test_two_are_found_wherever_they_stand() -> None:
    for pair in combinations(range(8), 2):
        ranking = Judge(filtering(*(f"passage number {i}" for i in pair))).rerank("q", DOCS[:8], "listwise")
        assert ranking.integrity.unjudged == pair
        assert ranking.order[:6] == tuple(i for i in reversed(range(8)) if i not in pair)


def test_what_is_refused_in_company_is_still_asked_about_alone() -> None:
    def reply(request: ChatRequest) -> ChatReply:
        subject = request.subject
        assert subject is not None
        if subject.task != "score" and "passage number 4" in request.messages[-1].content:
            return ChatReply(text="", finish_reason="filter")
        places = range(1, len(subject.candidates) + 1)
        answers = {"listwise": {"ranking": list(places)}, "score": {"score": 8}, "binary": {"relevant": True}}
        return ChatReply(text=json.dumps(answers[subject.task]))

    ranking = Judge(FakeBackend(reply)).rerank("q", DOCS, "listwise % 12 >> score")
    assert [place.relevance_score is None for place in ranking] == [False] * 12


def test_a_batch_of_grades_loses_only_the_one() -> None:
    ranking = Judge(filtering("passage number 4", "passage number 7")).rerank("q", DOCS, "score(batch_size=6)")
    assert ranking.integrity.unjudged == (4, 7)
    assert [place.index for place in ranking if place.relevance_score is None] == [4, 7]


def test_a_query_that_is_refused_is_not_looked_for_in_the_documents() -> None:
    backend = filtering("passage number")
    ranking = Judge(backend).rerank("q", DOCS, "listwise(window_size=4, stride=2)")
    assert (ranking.order, ranking.status) == (tuple(range(12)), "partial")
    assert len(backend.requests) <= 5 + 16


def test_single_documents_are_refused_one_by_one() -> None:
    ranking = Judge(filtering("passage number 4", "passage number 5", "passage number 6")).rerank("q", DOCS, "score")
    assert (ranking.status, ranking.integrity.unjudged) == ("partial", (4, 5, 6))


def test_the_trace_has_the_judgment_of_the_whole_call(tmp_path: Path) -> None:
    trace = Trace(tmp_path / "trace.db")
    ranking = Judge(filtering("passage number 4"), trace=trace).rerank("q", DOCS, "listwise")
    read = trace.ranking("last", "q")
    assert read.order == ranking.order
    assert [[(j.position, j.failure) for j in place.judgments] for place in read] == [
        [(j.position, j.failure) for j in place.judgments] for place in ranking
    ]
    whole = trace.calls()[-1]
    assert (len(whole.window), whole.prompt, whole.prompt_hash) == (
        (12, ranking[0].judgments[0].prompt, ranking[0].judgments[0].prompt_hash)
    )
    assert whole.prompt
