"""Retrieval in two stages."""

import asyncio
from pathlib import Path

import pytest

from judge_rerank import BM25Retriever, CallableRetriever, Document, InputError, Judge, RerankedRetriever
from judge_rerank.core.errors import DataError
from judge_rerank.testing import SimulatedJudge

TEXTS = [f"a flea of kind {number}" for number in range(30)] + ["a dog", "a cat"]
BEST = {"fleas": {"28": 3.0, "7": 2.0, "3": 1.0}}


def judge() -> Judge:
    return Judge(SimulatedJudge(BEST))


def documents() -> list[Document]:
    return [Document(text=text, id=str(number)) for number, text in enumerate(TEXTS)]


def test_bm25_finds_what_shares_a_word() -> None:
    found = BM25Retriever(documents()).retrieve("dog or cat", 10)
    assert [document.id for document in found] == ["30", "31"]
    assert all(document.score and document.score > 0 for document in found)
    assert BM25Retriever(documents()).retrieve("!!!", 10) == []
    assert BM25Retriever([]).retrieve("dog", 10) == []


def test_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "docs.jsonl").write_text('{"id": "one", "text": "Fleas jump."}\n')
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "dogs.md").write_text("# Dogs\n\nDogs bark at night.\n")
    retriever = BM25Retriever.from_files(tmp_path / "docs.jsonl", tmp_path / "notes")
    assert retriever.retrieve("fleas", 3)[0].id == "one"
    assert "bark" in retriever.retrieve("dogs bark", 3)[0].text
    with pytest.raises(DataError):
        BM25Retriever.from_files(tmp_path / "missing.jsonl")


def test_more_is_fetched_than_is_wanted_and_the_best_is_kept() -> None:
    fetched: list[int] = []

    def search(_query: str, k: int) -> list[tuple[Document, float]]:
        fetched.append(k)
        return [(document, 1.0) for document in documents()]

    retriever = RerankedRetriever(CallableRetriever(search), judge(), "score", k=2, overfetch=5)
    assert [place.document.id for place in retriever.retrieve("fleas")] == ["7", "3"]
    assert [place.document.id for place in retriever.retrieve("fleas", 6)][:3] == ["28", "7", "3"]
    assert fetched == [10, 30]
    by_plan = RerankedRetriever(CallableRetriever(search), judge(), "score", overfetch=lambda k: k + 1)
    assert len(asyncio.run(by_plan.aretrieve("fleas", 3))) == 3
    assert fetched[-1] == 4


def test_scores_of_the_first_stage_come_along() -> None:
    ranking = RerankedRetriever(BM25Retriever(documents()), judge(), "none").retrieve("flea of kind 7")
    assert ranking[0].document.id == "7"
    assert ranking[0].document.score


def test_nothing_found_is_an_empty_ranking() -> None:
    assert len(RerankedRetriever(BM25Retriever(documents()), judge()).retrieve("quantum")) == 0


def test_bad_input() -> None:
    base = BM25Retriever(documents())
    for options in ({"k": 0}, {"overfetch": 0.5}, {"k": True}):
        with pytest.raises(InputError):
            RerankedRetriever(base, judge(), **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="k is -1"):
        RerankedRetriever(base, judge()).retrieve("q", -1)
    with pytest.raises(InputError, match="query is empty"):
        RerankedRetriever(base, judge()).retrieve(" ")
    with pytest.raises(InputError, match="a pair of it and a number"):
        CallableRetriever(lambda _query, _k: [("text", "high")]).retrieve("q", 1)
