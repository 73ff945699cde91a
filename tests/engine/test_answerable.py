"""Whether anything answers: from what was judged anyway, by one question, or not known; and what is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from judge_rerank import Budget, Document, InputError, Judge, Passages, Price, Query, Trace
from judge_rerank.core.backend import ChatRequest
from judge_rerank.learning import Calibration, calibrate, twins
from judge_rerank.strategies import RerankAPI
from judge_rerank.testing import FakeBackend
from tests.provider import Provider, QrelsJudge

QUERY = Query(id="q", text="who wrote Dune?")
DOCS = [Document(id=f"d{n}", text=f"text of {n}") for n in range(4)]
FREE = {"fake": Price.free()}


def points(*by_document: int) -> Any:
    """A judge that gives these scores by document, answers yes from 6 on, and orders by them."""

    def reply(request: ChatRequest) -> str:
        assert request.subject is not None
        shown = request.subject.candidates
        worth = [by_document[int((c.document.id or "d0")[1:])] for c in shown]
        if request.subject.task == "listwise":
            best = sorted(range(len(shown)), key=lambda place: -worth[place])
            return " > ".join(f"[{place + 1}]" for place in best)
        if request.subject.task == "binary":
            return json.dumps({"relevant": "yes" if worth[0] >= 6 else "no"})
        return json.dumps({"score": worth[0]})

    return FakeBackend(reply)


def test_what_was_judged_says_it_for_free() -> None:
    with Judge(points(3, 8, 1, 2), cache_dir=None) as judge:
        ranking = judge.rerank(QUERY, DOCS, "score", answerable=True)
        plain = judge.rerank(QUERY, DOCS, "score")
        below = judge.rerank(QUERY, DOCS, "score % 2 >> listwise")
    assert ranking.answerable == ranking[0].relevance_score == plain.answerable
    assert ranking.usage.calls == 4
    assert below.answerable == ranking.answerable, "what an earlier stage judged counts"


def test_an_order_says_nothing_until_one_question_is_put(tmp_path: Path) -> None:
    with Judge(points(3, 8, 1, 2), trace=tmp_path / "trace.db", cache_dir=None) as judge:
        silent = judge.rerank(QUERY, DOCS, "listwise")
        asked = judge.rerank(QUERY, DOCS, "listwise", answerable=True)
        low = judge.estimate(QUERY, DOCS, "listwise")
        high = judge.estimate(QUERY, DOCS, "listwise", answerable=True)
    assert silent.answerable is None
    assert asked.answerable == 1.0
    assert (asked.usage.calls, asked.usage.rounds) == (2, 2)
    assert (low.calls, high.calls, high.rounds) == (1, 2, 2)
    assert asked.order == silent.order
    assert [judgment.stage for judgment in asked[0].judgments] == ["listwise", "answerable"]
    read = Trace(tmp_path / "trace.db").ranking("last", "q")
    assert read.to_dict() == asked.to_dict()
    assert read.answerable == 1.0


def test_the_question_is_capped_and_its_failure_is_said() -> None:
    def reply(request: ChatRequest) -> str:
        assert request.subject is not None
        return "[1] > [2] > [3] > [4]" if request.subject.task == "listwise" else "hm"

    with Judge(FakeBackend(reply), cache_dir=None) as judge:
        unread = judge.rerank(QUERY, DOCS, "listwise", answerable=True)
        with judge.limit(calls=1):
            capped = judge.rerank(QUERY, DOCS, "listwise", answerable=True)
    assert (unread.answerable, unread.status) == (None, "partial")
    assert (capped.answerable, capped.integrity.failed) == (None, {"budget": 1})
    assert unread.order == capped.order == (0, 1, 2, 3)


def test_scorers_say_nothing_without_a_calibration_and_nothing_answers_from_no_documents() -> None:
    with Judge(points(1, 1, 1, 1), cache_dir=None) as judge:
        assert judge.rerank(QUERY, DOCS, "bm25").answerable is None
        assert judge.rerank(QUERY, DOCS, "bm25", answerable=True).answerable == 0.0
        empty = judge.rerank(QUERY, [], "listwise", answerable=True)
        assert (empty.answerable, empty.usage.calls) == (0.0, 0)


def test_rerank_apis_say_nothing() -> None:
    with Provider(QrelsJudge({document.text: float(n) for n, document in enumerate(DOCS)})) as provider:
        strategy = RerankAPI("infinity/some", api_base=provider.url, api_key="k")
        with Judge(prices={"infinity/some": Price.free()}, cache_dir=None) as judge:
            ranking = judge.rerank(QUERY, DOCS, strategy)
    assert ranking[0].relevance_score is not None
    assert ranking.answerable is None


def test_of_passages_the_best_counts_and_of_repeated_questions_the_mean() -> None:
    texts = ["poor " * 12 + "\n\n" + "good " * 12, "fair " * 24]
    worth = {"good": 9, "fair": 5, "poor": 1}

    def reply(request: ChatRequest) -> str:
        assert request.subject is not None
        return json.dumps({"score": worth[request.subject.candidates[0].document.text.split()[0]]})

    with Judge(FakeBackend(reply), cache_dir=None) as judge:
        ranking = judge.rerank(QUERY, texts, Passages(max_tokens=16, overlap_tokens=0))
    assert ranking.answerable == pytest.approx(8 / 9)


QUERIES = [f"q{n}" for n in range(12)]
QRELS = {query: {f"d{n}": float(n == 1) for n in range(4)} for query in QUERIES}
PAIRS = [(Query(id=query, text=f"question {query}"), DOCS) for query in QUERIES]


@pytest.fixture(scope="module")
def fitted() -> Calibration:
    """Relevant documents have 5 of 10 points, others 3 at most."""
    with Judge(points(3, 5, 1, 2), cache_dir=None) as judge:
        made = judge.rerank_many(PAIRS, "score")
        without = judge.rerank_many(twins(PAIRS, QRELS), "score")
        return calibrate(made, QRELS, twins=without)


def test_a_calibration_makes_a_probability_of_it(fitted: Calibration) -> None:
    assert fitted.answering is not None
    assert (fitted.answering.answered, fitted.answering.unanswered, fitted.answering.auroc) == (12, 12, 1.0)
    with Judge(points(3, 5, 1, 2), calibration=fitted, cache_dir=None) as judge:
        found = judge.rerank(QUERY, DOCS, "score")
        nothing = judge.rerank(QUERY, [DOCS[0], *DOCS[2:]], "score")
    assert found.answerable is not None
    assert nothing.answerable is not None
    assert nothing.answerable < 0.3 < 0.7 < found.answerable


def test_a_calibrated_scorer_says_it_without_a_question() -> None:
    docs = [Document(id="d0", text="Dune was written by Frank Herbert"), Document(id="d1", text="sand and spice")]
    qrels = {query: {"d0": 1.0, "d1": 0.0} for query in QUERIES}
    pairs = [(Query(id=query, text="who has written Dune"), docs) for query in QUERIES]
    with Judge(points(1, 1), cache_dir=None) as judge:
        made = calibrate(judge.rerank_many(pairs, "bm25"), qrels, twins=judge.rerank_many(twins(pairs, qrels), "bm25"))
    with Judge(points(1, 1), calibration=made, cache_dir=None) as judge:
        ranking = judge.rerank("who has written Dune", docs, "bm25", answerable=True)
    assert ranking.answerable is not None
    assert ranking.answerable > 0.7
    assert ranking.usage.calls == 0


def test_only_what_is_relevant_is_kept_and_nothing_where_nothing_answers(fitted: Calibration, tmp_path: Path) -> None:
    with Judge(points(3, 5, 1, 2), calibration=fitted, trace=tmp_path / "trace.db", cache_dir=None) as judge:
        found = judge.rerank(QUERY, DOCS, "score", keep="relevant")
        nothing = judge.rerank(QUERY, [DOCS[0], *DOCS[2:]], "score", keep="relevant")
    assert [result.document.id for result in found] == ["d1"]
    assert found.integrity.cut == (0, 2, 3)
    assert (len(nothing), nothing.status, nothing.integrity.cut) == (0, "complete", (0, 1, 2))
    assert "nothing here answers" in nothing.notes[-1]
    assert Trace(tmp_path / "trace.db").ranking("last", "q").to_dict() == nothing.to_dict()


def test_what_could_not_be_judged_is_not_kept(fitted: Calibration) -> None:
    def reply(request: ChatRequest) -> str:
        assert request.subject is not None
        name = request.subject.candidates[0].document.id
        return "hm" if name == "d2" else json.dumps({"score": 5})

    with Judge(FakeBackend(reply), calibration=fitted, cache_dir=None) as judge:
        ranking = judge.rerank(QUERY, DOCS, "score", keep="relevant")
    assert ranking.order == (0, 1, 3)
    assert (ranking.integrity.cut, ranking.integrity.unjudged, ranking.status) == ((2,), (2,), "partial")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": "best"}, "keep is 'best'; expected 'relevant'"),
        ({"answerable": "yes"}, "answerable is 'yes'; expected True or False"),
        ({"keep": "relevant"}, "keep='relevant' needs a calibration"),
        ({"keep": "relevant", "strategy": "listwise"}, "has no scores to cut by \\(keep\\)"),
    ],
    ids=str,
)
def test_bad_values(options: dict[str, Any], message: str) -> None:
    backend, given = points(1, 1, 1, 1), dict[str, Any]({"strategy": "score"} | options)
    with Judge(backend, budget=Budget(usd=1), prices=FREE) as judge, pytest.raises(InputError, match=message):
        judge.rerank(QUERY, DOCS, **given)
    assert not backend.requests
