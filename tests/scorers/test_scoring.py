"""Local scorers through the judge: batches across queries, failures, and no LLM needed."""

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from judge_rerank import BM25, CorpusStatistics, DataError, InputError, Judge, Score, ScorerError, SetupError
from judge_rerank.core import Group, sigmoid
from judge_rerank.scorers.base import LocalScorer
from judge_rerank.testing import FakeBackend, check_strategy


@dataclass(frozen=True)
class Lengths(LocalScorer):
    """Scores by the length of the text, and does as it is told when it meets certain words."""

    batches: list[int] = field(default_factory=list, compare=False)
    opened: threading.Event = field(default_factory=threading.Event, compare=False)

    @property
    def name(self) -> str:
        return "lengths"

    def score(self, groups: Sequence[Group]) -> Sequence[Sequence[float]]:
        self.opened.wait(10)
        self.batches.append(len(groups))
        return [[self._one(c.document.text) for c in candidates] for _, candidates in groups]

    def unit(self, raw: float) -> float:
        return raw / 100

    def _one(self, text: str) -> float:
        if text == "crash":
            raise RuntimeError("out of memory")
        return {"nan": math.nan, "inf": math.inf}.get(text, float(len(text)))


def ready() -> Lengths:
    scorer = Lengths()
    scorer.opened.set()
    return scorer


@pytest.mark.parametrize("scorer", [BM25(), ready()], ids=lambda scorer: scorer.name)
def test_conformance(scorer: LocalScorer) -> None:
    check_strategy(scorer)


def test_no_llm_is_needed_where_none_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_RERANK_MODELS", "")
    judge = Judge()
    ranking = judge.rerank("flea life", ["a dog", "the life of a flea", "a flea"], "bm25")
    assert ranking.order == (1, 2, 0)
    assert ranking.model == ""
    assert (ranking.status, ranking.usage.calls, ranking.usage.cost_usd, ranking.usage.scored_pairs) == (
        "complete",
        0,
        0,
        3,
    )
    first = ranking[0].judgments[0]
    assert first.raw is not None
    assert first.raw > 0
    assert first.score == ranking[0].relevance_score == pytest.approx(first.raw / (first.raw + 8))
    assert judge.estimate("flea", ["a", "b"], "bm25").scored_pairs == 2
    with pytest.raises(SetupError, match="No model is named"):
        judge.rerank("flea", ["a", "b"], "bm25 >> score")
    with pytest.raises(SetupError, match="No model is named"):
        judge.rerank("flea", ["a", "b"])


def test_queries_that_wait_are_one_batch() -> None:
    scorer = Lengths()
    threading.Timer(0.5, scorer.opened.set).start()
    pairs = [(f"query {number}", ["one", "three", "seventeen"]) for number in range(16)]
    rankings = Judge(FakeBackend("")).rerank_many(pairs, scorer)
    assert [ranking.order for ranking in rankings] == [(2, 1, 0)] * 16
    assert sum(scorer.batches) == 16
    assert len(scorer.batches) < 16


def test_a_judge_that_takes_one_call_at_a_time_does_not_make_small_batches() -> None:
    scorer = Lengths()
    threading.Timer(0.5, scorer.opened.set).start()
    pairs = [(f"query {number}", ["one", "three"]) for number in range(40)]
    Judge(FakeBackend("", concurrency=1)).rerank_many(pairs, scorer % 1)
    assert sum(scorer.batches) == 40
    assert max(scorer.batches) > 3  # two queries ahead of the one that is waited for


def test_a_scorer_that_fails_takes_down_only_the_query_that_made_it_fail() -> None:
    judge = Judge(FakeBackend(""))
    scorer = Lengths()
    threading.Timer(0.5, scorer.opened.set).start()
    cascade = scorer >> Score()
    good = [("fine", ["a", "bbb"])] * 4
    rankings = Judge(FakeBackend('{"score": 5}')).rerank_many([*good, ("bad", ["ok", "crash"]), *good], cascade)
    assert [ranking.status for ranking in rankings] == ["complete"] * 9
    assert rankings[4].integrity.failed == {"scorer": 1}
    with pytest.raises(ScorerError, match=r"Scorer 'lengths' failed: RuntimeError: out of memory"):
        judge.rerank("bad", ["ok", "crash"], scorer)


def test_a_score_that_is_no_number_is_no_judgment() -> None:
    ranking = Judge(FakeBackend("")).rerank("q", ["nan", "aa", "inf", "bbbb"], ready())
    assert ranking.order == (3, 1, 0, 2)
    assert ranking.status == "partial"
    assert ranking.integrity.unjudged == (0, 2)
    assert "was not a number" in ranking.reasons[0]


def test_a_scorer_that_returns_too_few() -> None:
    @dataclass(frozen=True)
    class Short(Lengths):
        def score(self, groups: Sequence[Group]) -> Sequence[Sequence[float]]:
            return [[1.0]]

    with pytest.raises(ScorerError, match="gave 1 scores in 1 groups for 2 documents"):
        Judge(FakeBackend("")).rerank("q", ["a", "b"], Short())


def test_raw_scores_decide_where_relevance_is_saturated() -> None:
    @dataclass(frozen=True)
    class Logits(Lengths):
        def unit(self, raw: float) -> float:
            return sigmoid(raw)

    scorer = Logits()
    scorer.opened.set()
    ranking = Judge(FakeBackend("")).rerank("q", ["x" * 45, "x" * 44, "x" * 46, "x", "x" * 45], scorer)
    assert ranking.order == (2, 0, 4, 1, 3)
    scores = [place.relevance_score for place in ranking]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 4
    assert scores[0] == 1.0
    assert scores[-1] == sigmoid(1)


def test_the_trace_has_scores(tmp_path) -> None:
    judge = Judge(FakeBackend('{"score": 9}'), trace=tmp_path / "trace.db")
    ranking = judge.rerank("flea", ["a flea", "a dog"], "bm25 >> score")
    path = ranking.explain(index=0).path
    judge.close()
    assert path.startswith("first stage 1 → bm25 ")
    from judge_rerank import Trace

    calls = Trace(tmp_path / "trace.db").calls()
    assert [call.stage for call in calls] == ["bm25", "score", "score"]
    assert calls[0].cost_usd == 0


def test_bm25_options() -> None:
    with pytest.raises(InputError, match="k1=-1"):
        BM25(k1=-1)
    documents = ["", "!!!", "flea"]
    assert Judge().rerank("flea", documents, BM25(b=0)).order == (2, 0, 1)
    assert Judge().rerank("!!!", documents, BM25()).order == (0, 1, 2)


def test_bm25_with_the_statistics_of_a_collection(tmp_path) -> None:
    documents = ["a flea and a dog", "the dog", "the dog barks at dogs", ""]
    known = CorpusStatistics.of(documents)
    assert (known.documents, known.mean_length, known.frequencies["dog"]) == (4, 3, 3)
    own = Judge().rerank("flea dog dog", documents, BM25())
    given = Judge().rerank("flea dog dog", documents, BM25(statistics=known))
    for one, other in zip(own, given, strict=True):
        assert one.index == other.index
        assert one.judgments[0].raw == pytest.approx(other.judgments[0].raw, abs=1e-5)
    known.save(tmp_path / "statistics.json")
    again = Judge().rerank("flea dog dog", documents, f"bm25(statistics='{tmp_path / 'statistics.json'}')")
    assert [r.relevance_score for r in again] == [r.relevance_score for r in given]
    alone = Judge().rerank("dog", ["the dog"], BM25(statistics=known))[0].judgments[0].raw
    assert alone == pytest.approx(given.results[[r.index for r in given].index(1)].judgments[0].raw / 2, rel=1e-6)


def test_statistics_that_cannot_be_used(tmp_path) -> None:
    with pytest.raises(InputError, match="at least one document with a word"):
        CorpusStatistics.of(["", "!"])
    with pytest.raises(InputError, match="does not accept the statistics"):
        BM25(statistics=CorpusStatistics.of(["dog"]), method="bm25+")
    with pytest.raises(DataError, match="cannot be read"):
        BM25(statistics=str(tmp_path / "none.json"))
    (tmp_path / "wrong.json").write_text("[1]")
    with pytest.raises(DataError, match="does not hold the statistics"):
        BM25(statistics=str(tmp_path / "wrong.json"))
