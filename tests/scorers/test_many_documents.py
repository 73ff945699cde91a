"""Many documents for one query: parts of bounded size, the same order, and nothing that grows with their square."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest

from judge_rerank import BM25, CancelToken, Judge
from judge_rerank.core import Candidate, Document, Group, Query
from judge_rerank.scorers.base import LocalScorer
from judge_rerank.scorers.computing import in_batches
from judge_rerank.testing import FakeBackend
from tests.timing import soon

WORDS = [f"word{number}" for number in range(40)]


@dataclass(frozen=True)
class Digits(LocalScorer):
    """Scores by the last digits of the text, which many documents share; notes how many it was given at once."""

    by_itself: ClassVar[bool] = True

    given: list[int] = field(default_factory=list, compare=False)
    takes_s: float = 0.0

    @property
    def name(self) -> str:
        return "digits"

    def score(self, groups: Sequence[Group]) -> Sequence[Sequence[float]]:
        self.given.append(sum(len(candidates) for _, candidates in groups))
        time.sleep(self.takes_s)
        return [[int(c.document.text[-2:]) / 100 for c in candidates] for _, candidates in groups]

    def unit(self, raw: float) -> float:
        return raw


def texts(n: int) -> list[str]:
    return [f"document {number * 7919 % 100_000:05d}" for number in range(n)]


def test_parts_are_bounded_and_the_order_is_that_of_all_at_once() -> None:
    scorer, documents = Digits(), texts(5_000)

    ranking = Judge(FakeBackend("")).rerank("query", documents, scorer)

    assert sum(scorer.given) == len(documents)
    assert max(scorer.given) <= 1_024
    assert ranking.usage.rounds == 1
    assert list(ranking.order) == sorted(range(len(documents)), key=lambda index: (-int(documents[index][-2:]), index))


def test_documents_may_come_from_a_generator() -> None:
    ranking = Judge(FakeBackend("")).rerank("query", (text for text in texts(3_000)), Digits() % 10)

    assert sorted(ranking.order) == list(range(3_000))


def test_a_deadline_keeps_what_was_scored_before_it() -> None:
    scorer = Digits(takes_s=0.3)

    ranking = Judge(FakeBackend("")).rerank("query", texts(5_000), scorer, deadline_s=0.5)

    assert (ranking.status, len(ranking)) == ("partial", 5_000)
    assert sum(result.relevance_score is not None for result in ranking) in (1_024, 2_048)
    assert len(scorer.given) <= 3  # what nobody waits for is not scored


def test_a_ranking_can_be_cancelled_between_parts() -> None:
    scorer, cancel = Digits(takes_s=0.05), CancelToken()

    ranking = Judge(FakeBackend("")).rerank(
        "query", texts(9_000), scorer, cancel=cancel, progress=lambda progress: cancel.cancel()
    )

    assert ranking.status == "partial"
    assert len(scorer.given) <= 3


def test_a_cascade_of_many_documents_takes_time_in_proportion() -> None:
    with soon():
        ranking = Judge(FakeBackend("")).rerank("query", texts(60_000), Digits() % 30_000 >> Digits() % 10)

    assert len(set(ranking.order)) == 60_000
    assert [len(kept.indices) for kept in ranking.kept] == [30_000, 10]


def test_what_is_written_of_a_ranking_grows_in_proportion(tmp_path: Path) -> None:
    def written(n: int) -> tuple[int, int]:
        file = tmp_path / f"trace{n}.db"
        with Judge(FakeBackend(""), trace=file) as judge:
            ranking = judge.rerank("query", texts(n), "bm25")
            assert judge.trace is not None
            assert judge.trace.ranking("last", "query").to_dict() == ranking.to_dict()
        return len(ranking.to_json()), file.stat().st_size

    (json, trace), (longer_json, longer_trace) = written(250), written(2_000)

    assert longer_json < 9 * json
    assert longer_trace < 9 * trace


@pytest.mark.parametrize("method", ["lucene", "robertson", "atire", "bm25l", "bm25+"])
def test_bm25_of_one_query_is_that_of_the_whole_index(method: str) -> None:
    rng, scorer = random.Random(method), BM25(method=method)  # type: ignore[arg-type]
    for _ in range(20):
        documents = [" ".join(rng.choices(WORDS, k=rng.randint(0, 12))) for _ in range(rng.randint(1, 30))]
        query = " ".join(rng.choices([*WORDS, "unseen"], k=5))
        candidates = tuple(Candidate(index=i, document=Document(text=text)) for i, text in enumerate(documents))

        (scores,) = scorer.score([(Query(text=query), candidates)])

        assert list(scores) == list(scorer.index(documents)(query))


def test_no_more_than_one_batch_is_kept() -> None:
    living = most = 0

    def run(items: Sequence[int]) -> list[int]:
        nonlocal living, most
        living += len(items)
        most = max(most, living)
        return list(items)

    def keep(item: int) -> str:
        nonlocal living
        living -= 1
        return str(item)

    kept = in_batches(list(range(100)), 8, lambda item: item % 13, run, keep)

    assert kept == [str(item) for item in range(100)]
    assert most == 8
