"""Scores where the strategy gives only an order; and the strategy that is used where none is named."""

import asyncio
from pathlib import Path

import pytest

from judge_rerank import Document, Judge, Query, RankOptions, RerankError, Trace
from judge_rerank.core import HOSTED_STRATEGY, InputError
from judge_rerank.testing import FakeBackend, SimulatedJudge

DOCS = ["a", "b", "c", "d"]


def ranked(reply: str = "[3] > [1] > [2] > [4]", strategy: str = "listwise", **options: object) -> list[float | None]:
    ranking = Judge(FakeBackend(reply)).rerank("q", DOCS, strategy, **options)  # type: ignore[arg-type]
    return [result.relevance_score for result in ranking]


def test_an_order_has_no_scores_unless_they_are_asked_for() -> None:
    assert ranked() == [None] * 4
    assert ranked(scores=None) == [None] * 4
    assert ranked(scores="rank") == [1, 0.75, 0.5, 0.25]
    assert ranked(scores="rank", top_n=2) == [1, 0.75]
    assert ranked(strategy="bm25 % 2 >> listwise", reply="[2] > [1]", scores="rank") == [1, 0.75, 0.5, 0.25]


def test_that_they_are_derived_is_said() -> None:
    ranking = Judge(FakeBackend("[2] > [1] > [3] > [4]")).rerank("q", DOCS, "listwise", scores="rank")
    assert "derived from the ranks" in ranking.notes[-1]


def test_scores_of_the_strategys_own_stay() -> None:
    assert ranked('{"score": 7}', "score", scores="rank") == [pytest.approx(2 / 3)] * 4


def test_what_was_asked_about_in_vain_has_no_score() -> None:
    assert ranked("no idea", scores="rank") == [None] * 4
    assert ranked("no idea", "score", scores="rank") == [None] * 4


def test_another_word_is_an_error() -> None:
    for given in ("ranks", "", 1, True):
        with pytest.raises(InputError, match=r"scores is .*expected 'rank'"):
            RankOptions(scores=given)  # type: ignore[arg-type]


def test_they_cannot_be_cut_by(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no scores to cut by"):
        ranked(scores="rank", min_score=0.5)


async def _arerank(judge: Judge) -> list[float | None]:
    found = [await judge.arerank("q", DOCS, "listwise", scores="rank")]
    found += [made async for made in judge.arerank_many([("q", DOCS)], "listwise", scores="rank")]
    assert found[0].order == found[1].order
    return [result.relevance_score for ranking in found for result in ranking]


def test_every_way_to_rank_takes_it_and_a_trace_keeps_it(tmp_path: Path) -> None:
    with Judge(FakeBackend("[2] > [1] > [3] > [4]"), trace=Trace(tmp_path / "trace.db", run="r")) as judge:
        ranking = judge.rerank("q", DOCS, "listwise", scores="rank")
        (other,) = judge.rerank_many([("q2", DOCS)], "listwise", scores="rank")
        assert [result.relevance_score for result in other] == [1, 0.75, 0.5, 0.25]
        assert asyncio.run(_arerank(judge)) == [1, 0.75, 0.5, 0.25] * 2
        read = Trace(tmp_path / "trace.db").ranking("r", "q2")
    assert read.to_dict() == other.to_dict()
    assert ranking.to_dict()["results"][1]["relevance_score"] == 0.75


def test_without_a_strategy_a_hosted_model_gives_scores_in_one_round() -> None:
    documents = [Document(id=text, text=text) for text in DOCS]
    ranking = Judge(SimulatedJudge({"q": {"b": 3, "c": 1}})).rerank(Query(text="q", id="q"), documents)
    assert ranking.strategy == HOSTED_STRATEGY
    assert [result.document.text for result in ranking][:2] == ["b", "c"]
    assert all(result.relevance_score is not None for result in ranking)


def test_the_default_costs_no_more_than_a_third_more_than_an_order_and_less_for_many() -> None:
    judge = Judge("openai/gpt-4.1-mini", cache_dir=None)
    for n, most, rounds in ((20, 1.33, 1), (50, 0.85, 1), (100, 0.75, 1)):
        docs = [f"{'word ' * 100}{i}" for i in range(n)]
        default, order = judge.estimate("q", docs), judge.estimate("q", docs, "listwise")
        assert default.rounds == rounds
        assert default.expected_cost_usd is not None
        assert order.expected_cost_usd is not None
        assert float(default.expected_cost_usd / order.expected_cost_usd) < most


def test_errors_are_ours() -> None:
    with pytest.raises(RerankError):
        ranked(scores="best")
