"""The fit of `answerable`: its mathematics, its file, and what it is fitted on."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge_rerank import Calibration, DataError, Document, Query
from judge_rerank.core import RankedDocument, Ranking
from judge_rerank.learning import auroc, calibrate, twin, twins
from judge_rerank.learning.answering import fitted_answering, fitted_weights

SAMPLES = st.lists(st.tuples(st.sampled_from([n / 9 for n in range(10)]) | st.floats(0, 1), st.booleans()), min_size=1)


@given(samples=SAMPLES)
def test_auroc_is_the_share_of_pairs_in_order(samples: list[tuple[float, bool]]) -> None:
    pairs = [(a > b) + (a == b) / 2 for a, yes in samples if yes for b, other in samples if not other]
    assert auroc(samples) == (pytest.approx(sum(pairs) / len(pairs)) if pairs else None)


LISTS = st.lists(
    st.tuples(st.lists(st.sampled_from([n / 9 for n in range(10)]) | st.floats(0, 1), min_size=1), st.booleans()),
    min_size=1,
    max_size=20,
)


@given(seen=LISTS)
def test_the_fit_is_finite_and_rises_with_all_scores_together(seen: list[tuple[list[float], bool]]) -> None:
    intercept, highest, mean = fitted_weights(seen)
    assert math.isfinite(intercept)
    assert math.isfinite(mean)
    assert highest >= 0
    assert highest + mean >= 0


def test_the_fit_finds_the_function_that_made_the_samples() -> None:
    rng = random.Random(1)
    seen: list[tuple[list[float], bool]] = []
    for _ in range(4000):
        scores = [rng.uniform(0.02, 0.98) for _ in range(rng.randint(1, 6))]
        highest, mean = (math.log(p / (1 - p)) for p in (max(scores), sum(scores) / len(scores)))
        seen.append((scores, rng.random() < 1 / (1 + math.exp(1 - 2 * highest + mean))))
    assert fitted_weights(seen) == pytest.approx((-1, 2, -1), abs=0.25)


def ranking(query: str, **scores: float) -> Ranking:
    results = [
        RankedDocument(rank=rank, index=rank - 1, relevance_score=score, document=Document(id=name, text="t"))
        for rank, (name, score) in enumerate(sorted(scores.items(), key=lambda item: -item[1]), start=1)
    ]
    return Ranking(results, query=Query(id=query, text="t"), strategy="score", model="m")


def test_it_takes_queries_that_were_judged_and_needs_both_kinds() -> None:
    qrels = {"q1": {"a": 1.0}, "q2": {"a": 2.0, "b": 0.0}}
    both = [ranking("q1", a=0.9, b=0.2), ranking("q1", b=0.2), ranking("q2", a=0.8, b=0.3), ranking("q2", b=0.3)]
    found = fitted_answering([*both, ranking("q3", a=0.1)], qrels)
    assert found is not None
    assert (found.queries, found.answered, found.unanswered, found.auroc) == (2, 2, 2, 1.0)
    assert found.apply([0.9, 0.2]) > 0.5 > found.apply([0.1])
    assert found.apply([]) == 0
    assert fitted_answering(both[::2], qrels) is None, "something answers in all of them"
    assert fitted_answering(both[:2], qrels) is None, "one query: nothing to check on"


def test_twins() -> None:
    documents = [Document(id=name, text=name) for name in "abc"]
    grades = {"a": 2.0, "b": 1.0}
    assert [d.id for d in twin(documents, grades)] == ["c"]
    assert [d.id for d in twin(documents, grades, 2)] == ["b", "c"]
    queries = [Query(id=name, text=name) for name in ("some", "none", "all")]
    qrels = {"some": {"a": 1.0}, "all": dict.fromkeys("abc", 1.0)}
    assert [(q.id, len(left)) for q, left in twins([(q, documents) for q in queries], qrels)] == [("some", 2)]


def test_the_file_has_it_and_older_files_do_not(tmp_path: Path) -> None:
    qrels = {query: {"a": 1.0, "b": 0.0} for query in ("q1", "q2", "q3")}
    made = [ranking(query, a=0.9, b=0.2) for query in qrels]
    fitted = calibrate(made, qrels, twins=[ranking(query, b=0.2) for query in qrels])
    assert fitted.answering is not None
    fitted.save(tmp_path / "fit.json")
    assert Calibration.load(tmp_path / "fit.json") == fitted
    record = json.loads((tmp_path / "fit.json").read_text())
    older = {name: value for name, value in record.items() if name != "answering"}
    (tmp_path / "older.json").write_text(json.dumps(older))
    assert Calibration.load(tmp_path / "older.json").answering is None
    (tmp_path / "broken.json").write_text(json.dumps(record | {"answering": {"slope": 1}}))
    with pytest.raises(DataError, match="not a calibration"):
        Calibration.load(tmp_path / "broken.json")
