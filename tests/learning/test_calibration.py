"""Calibration and the dynamic cut: what is fitted, stored, applied, and left out."""

from __future__ import annotations

import json
import logging
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge_rerank import Calibration, DataError, InputError, Judge, Query, Score
from judge_rerank.core.backend import ChatRequest
from judge_rerank.core.errors import RerankError
from judge_rerank.learning.calibration import calibrate, isotonic
from judge_rerank.learning.fit import brier, expected_error
from judge_rerank.testing import FakeBackend

DICE = random.Random(5)
DOCS = {f"d{n}": 1 + n % 10 for n in range(40)}
"""Documents and the scores that they get; one is relevant with the square of (score / 10) as its probability."""
QRELS = {f"q{q}": {d: float(DICE.random() < (score / 10) ** 2) for d, score in DOCS.items()} for q in range(10)}
PAIRS = [
    (Query(text=f"query {query}", id=query), [{"id": d, "text": f"{d} scores {score}"} for d, score in DOCS.items()])
    for query in QRELS
]


def scoring(request: ChatRequest) -> str:
    assert request.subject is not None
    return json.dumps({"score": int(request.subject.candidates[0].document.text.split()[-1])})


@pytest.fixture(scope="module")
def fitted() -> Calibration:
    with Judge(FakeBackend(scoring)) as judge:
        return calibrate(judge.rerank_many(PAIRS, "score"), QRELS)


SAMPLES = st.lists(st.tuples(st.sampled_from([n / 9 for n in range(10)]) | st.floats(0, 1), st.booleans()), min_size=1)


@given(samples=SAMPLES)
def test_the_steps_rise_and_keep_the_mean(samples: list[tuple[float, bool]]) -> None:
    points = isotonic(samples)
    scores, probabilities = [p[0] for p in points], [p[1] for p in points]
    assert scores == sorted(set(scores))
    assert probabilities == sorted(probabilities)
    assert all(0 <= p <= 1 for p in probabilities)
    at = dict(points)
    low = [max(s for s in scores if s <= score) for score, _ in samples]
    fit = [(at[score], label) for score, (_, label) in zip(low, samples, strict=True)]
    assert sum(p for p, _ in fit) == pytest.approx(sum(label for _, label in fit))
    assert expected_error(fit) <= 1
    mean = sum(label for _, label in samples) / len(samples)
    assert brier(fit) <= brier([(mean, label) for _, label in samples]) + 1e-9


def test_errors_of_known_samples() -> None:
    assert isotonic([(0.1, False), (0.2, True), (0.3, False), (0.4, True)]) == (
        (0.1, 0.0),
        (0.2, 0.5),
        (0.3, 0.5),
        (0.4, 1.0),
    )
    samples = [(0.9, True), (0.9, False), (0.1, False), (0.1, False)]
    assert brier(samples) == pytest.approx((0.01 + 0.81 + 0.01 + 0.01) / 4)
    assert expected_error(samples) == pytest.approx((2 * 0.4 + 2 * 0.1) / 4)


def test_it_is_better_on_queries_that_it_has_not_seen(fitted: Calibration) -> None:
    assert (fitted.model, fitted.strategy, fitted.queries, fitted.documents) == ("fake", "score", 10, 400)
    assert len(fitted.prompts) == 1
    assert fitted.relevant == sum(sum(grades.values()) for grades in QRELS.values())
    assert fitted.held_out.ece_after < fitted.held_out.ece_before / 2
    assert fitted.held_out.brier_after < fitted.held_out.brier_before
    assert fitted.apply(7 / 9) == pytest.approx(0.64, abs=0.15)


def test_it_is_stored_and_applied(fitted: Calibration, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "calibration.json"
    fitted.save(path)
    assert Calibration.load(path) == fitted
    query, docs = PAIRS[0]
    with Judge(FakeBackend(scoring)) as plain, Judge(FakeBackend(scoring), calibration=path) as judge:
        before, after = plain.rerank(query, docs, "score"), judge.rerank(query, docs, "score")
        assert judge.rerank(query, docs, "listwise")[0].relevance_score is None
    assert after.order == before.order
    assert [r.relevance_score for r in after] == [fitted.apply(r.relevance_score or 0.0) for r in before]
    assert after[0].judgments[0].score == before[0].judgments[0].score
    assert not [record for record in caplog.records if "calibration" in record.message]


@pytest.mark.parametrize("other", [Score(batch_size=8, explain=True), "score % 20", "passages(strategy=score)"])
def test_options_make_another_strategy(
    fitted: Calibration, caplog: pytest.LogCaptureFixture, other: str | Score
) -> None:
    query, docs = PAIRS[0]
    with caplog.at_level(logging.WARNING), Judge(FakeBackend(scoring), calibration=fitted) as judge:
        strategy = judge.rerank(query, docs, other).strategy
    assert f"the strategy is {strategy!r}, but it was fitted on 'score'" in caplog.text


def test_another_prompt_or_strategy_is_warned_of_once(fitted: Calibration, caplog: pytest.LogCaptureFixture) -> None:
    query, docs = PAIRS[0]
    with caplog.at_level(logging.WARNING), Judge(FakeBackend(scoring), calibration=fitted) as judge:
        for _ in range(2):
            judge.rerank(query, docs, "score(prompt='rubric')")
    warned = [record.message for record in caplog.records if "calibration" in record.message]
    assert len(warned) == 2
    assert "score(prompt='rubric')" in warned[0]
    assert "the prompt is another one" in warned[1]
    assert len(fitted.differences(model="other", strategy="binary", prompts=["x"])) == 3


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "points": []}', "nonsense"])
def test_a_file_that_is_none(text: str, tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(text)
    with pytest.raises(DataError, match="calibration"):
        Judge(FakeBackend(scoring), calibration=path)
    with pytest.raises(DataError, match="cannot be read"):
        Calibration.load(tmp_path / "missing.json")


def test_what_cannot_be_fitted() -> None:
    with Judge(FakeBackend(scoring)) as judge:
        rankings = judge.rerank_many(PAIRS[:3], "score")
    for qrels, message in (
        ({}, "0 of 3 queries"),
        ({"q0": {"d1": 1.0}}, "1 of 3"),
        ({query: {"d1": 1.0} for query in QRELS}, "All"),
    ):
        with pytest.raises(InputError, match=message):
            calibrate(rankings, qrels)
    counted = calibrate(rankings, {query: {"d9": 1.0} for query in QRELS}, unjudged="irrelevant")
    assert (counted.documents, counted.relevant) == (120, 3)


def test_documents_below_the_lowest_score_are_counted() -> None:
    query, docs = PAIRS[0]
    with Judge(FakeBackend(scoring)) as judge:
        everything = judge.rerank(query, docs, "score")
        kept = judge.rerank(query, docs, "score", min_score=0.5)
        top = judge.rerank_many([(query, docs)], "score", min_score=0.5, top_n=3)[0]
        none = judge.rerank(query, ["it scores 1"], "score", min_score=0.1)
    assert everything.integrity.cut == ()
    assert kept.order == everything.order[: len(kept)]
    assert len(kept) == 20
    assert all(r.relevance_score is not None and r.relevance_score >= 0.5 for r in kept)
    assert sorted((*kept.order, *kept.integrity.cut)) == list(range(40))
    assert (len(top), top.integrity.cut) == (3, kept.integrity.cut)
    assert (len(none), none.integrity.cut, none.status) == (0, (0,), "complete")
    assert kept.to_dict()["integrity"]["cut"] == list(kept.integrity.cut)


def test_a_document_without_a_score_is_not_below() -> None:
    def some(request: ChatRequest) -> str:
        return "no idea" if any("unclear" in m.content for m in request.messages) else scoring(request)

    with Judge(FakeBackend(some)) as judge:
        ranking = judge.rerank("q", ["unclear scores 1", "low scores 1", "high scores 9"], "score", min_score=0.5)
    assert ranking.order == (2, 0)
    assert ranking.integrity.cut == (1,)
    assert ranking.status == "partial"


@pytest.mark.parametrize(
    ("strategy", "min_score"), [("listwise", 0.5), ("none", 0.5), ("adaptive", 0.5), ("score", 1.5), ("score", -0.1)]
)
def test_a_cut_needs_scores(strategy: str, min_score: float) -> None:
    backend = FakeBackend(scoring)
    with Judge(backend) as judge, pytest.raises(RerankError, match="min_score"):
        judge.rerank("q", ["a 1", "b 2"], strategy, min_score=min_score)
    assert not backend.requests
