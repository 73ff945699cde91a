"""Whether variants know that nothing answers: the figures against brute force, and the twins that a run asks about."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge_rerank import InputError
from judge_rerank.evaluation import Experiment, RunFolder, answers, evaluate, page, run_as_json, run_as_markdown, scopes
from judge_rerank.evaluation.answering import curve, false_accepts, with_interval
from judge_rerank.evaluation.judges import Judges, forecast
from judge_rerank.evaluation.preparing import prepare
from judge_rerank.evaluation.report.answering import curves
from judge_rerank.evaluation.sources import load
from judge_rerank.learning import auroc
from judge_rerank.testing import FakeBackend, SimulatedJudge
from tests.evaluation.conftest import CANDIDATES, QUERIES, Written

SAMPLES = st.lists(st.tuples(st.sampled_from([n / 9 for n in range(10)]) | st.floats(0, 1), st.booleans()), min_size=1)


@given(samples=SAMPLES, recall=st.sampled_from([0.5, 0.9, 1.0]))
def test_false_accepts_are_those_of_the_highest_threshold_that_reaches_the_recall(
    samples: list[tuple[float, bool]], recall: float
) -> None:
    trues, falses = ([score for score, label in samples if label is wanted] for wanted in (True, False))
    if not trues or not falses:
        assert false_accepts(samples, recall) is None
        return
    reached = [t for t in trues if sum(score >= t for score in trues) >= recall * len(trues) - 1e-9]
    assert false_accepts(samples, recall) == sum(score >= max(reached) for score in falses) / len(falses)


@given(samples=SAMPLES)
def test_the_curve_holds_every_list_once(samples: list[tuple[float, bool]]) -> None:
    bins = curve(samples)
    assert sum(each.lists for each in bins) == len(samples)
    assert sum(each.so * each.lists for each in bins) == pytest.approx(sum(label for _, label in samples))
    assert [each.said for each in bins] == sorted(each.said for each in bins)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Of many samples of 40 queries with a list and a twin each, about 95 % have an interval around the true AUROC."""
    true, held = 0.7602, 0  # P(N(1, 1) > N(0, 1)) = Φ(1 / √2)
    runs = 40
    for seed in range(runs):
        rng = random.Random(seed)

        def score(mean: float, rng: random.Random = rng) -> float:
            return 1 / (1 + math.exp(-rng.gauss(mean, 1)))

        found = with_interval([[[(score(1), True), (score(0), False)] for _ in range(40)]], auroc)
        assert found is not None
        held += found.low <= true <= found.high
    assert held >= 0.85 * runs


def test_a_figure_of_several_datasets_is_the_mean_of_theirs() -> None:
    one = [[(0.9, True), (0.1, False)]] * 5
    other = [[(0.1, True), (0.9, False)]] * 50
    found = with_interval([one, other], auroc)
    assert found is not None
    assert found.value == found.low == found.high == 0.5
    assert with_interval([[[(0.9, True)]]], auroc) is None


def test_a_run_asks_of_each_query_twice_and_pays_for_no_reply_twice(
    written: Written, log: Path, tmp_path: Path
) -> None:
    judge = SimulatedJudge(load(log).grades)
    file = written(answerable=True, strategies=["score", "listwise", "bm25"], prompts=None)
    with Judges(prepare(Experiment.load(file)).experiment, backends={"fake": judge}, cache_dir=None) as judges:
        cells = {cell.variant: cell for cell in forecast(prepare(Experiment.load(file)), judges)}
    assert cells["score"].queries == QUERIES
    assert cells["score"].estimate.calls > QUERIES * CANDIDATES

    found = evaluate(file, output=tmp_path / "run", backends={"fake": judge}, cache_dir=tmp_path / "cache")
    assert {request.subject.task for request in judge.requests if request.subject} == {"score", "listwise", "binary"}
    results = [result for result in found.results if result.variant == "score"]
    twins = [result.twin for result in results if result.twin is not None]
    assert twins
    assert all(twin.usage["calls"] == 0 for twin in twins), "each document by itself: the cache knows all of it"
    rows = {row.variant: row for row in answers(found.info, found.results)}
    assert set(rows) == {"score", "listwise"}, "no judge is asked for a scorer"
    score = rows["score"]
    assert (score.answered, score.unanswered, score.unknown) == (QUERIES, len(twins), 0)
    assert (score.auroc.value, score.false_accepts.value) == (1.0, 0.0)
    assert {row.variant.name: row for row in found.summary.rows}["score"].calls == CANDIDATES


def test_reports_have_the_table_and_the_curve(written: Written, log: Path, tmp_path: Path) -> None:
    judge = SimulatedJudge(load(log).grades)
    file = written(answerable=True, strategies=["score"], prompts=None)
    found = evaluate(file, output=tmp_path / "run", backends={"fake": judge}, cache_dir=tmp_path / "cache")
    made = scopes(found.info, found.results)
    text = run_as_markdown(made)
    assert "False accepts at 90% recall" in text
    assert json.loads(run_as_json(made))["scopes"][0]["answers"][0]["auroc"]["value"] == 1.0
    drawn = curves(made[0].answers)
    assert [curve.variant for curve in drawn] == ["score"]
    html = page(made, found.results, RunFolder(tmp_path / "run").documents())
    assert "Nothing answers" in html
    assert drawn[0].told in html


def test_without_it_nothing_is_asked_and_nothing_is_shown(written: Written, tmp_path: Path) -> None:
    backend = FakeBackend('{"score": 5}')
    file = written(strategies=["score"], prompts=None)
    found = evaluate(file, output=tmp_path / "run", backends={"fake": backend})
    assert len(backend.requests) == QUERIES * CANDIDATES
    assert all(result.twin is None for result in found.results)
    assert "False accepts" not in run_as_markdown(scopes(found.info, found.results))
    with pytest.raises(InputError, match="answerable was false, and now true"):
        evaluate(
            written(strategies=["score"], prompts=None, answerable=True),
            output=tmp_path / "run",
            backends={"fake": backend},
            resume=True,
        )
