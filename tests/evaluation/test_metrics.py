"""Metrics are those of ir-measures and pytrec_eval, and the collections' own figures come out again."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean

import ir_measures
import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st

from judge_rerank import InputError, UnknownName
from judge_rerank.evaluation.datasets import NoRelevant, selected
from judge_rerank.evaluation.metrics import Metrics, ideal
from judge_rerank.evaluation.runner import evaluate
from judge_rerank.evaluation.sources import Files, load
from judge_rerank.readers import read_qrels, read_run

DATA = Path(__file__).parents[3] / "shared" / "data"
NAMES = ("nDCG@10", "P@5", "P(rel=2)@5", "R@100", "RR@10", "AP", "AP(rel=2)@100", "Judged@10", "ERR@10")
COLLECTIONS: dict[str, NoRelevant] = {"wikiqa": "skip", "dl19": "skip", "scifact": "zero", "cranfield": "zero"}
"""With what became of queries without a relevant candidate when the collections' own figures were made."""


def folder(name: str) -> Path:
    if not (DATA / name).is_dir():
        pytest.skip(f"the collection {name} is not beside the project (../shared/data)")
    return DATA / name


@pytest.mark.parametrize("name", COLLECTIONS)
def test_equal_to_ir_measures_and_pytrec_eval(name: str) -> None:
    run, grades = read_run(folder(name) / "candidates.trec"), read_qrels(folder(name) / "qrels.tsv")
    order = {query: [entry.document_id for entry in entries] for query, entries in run.items()}
    metrics = Metrics(NAMES)
    qrels = {query: {d: int(g) for d, g in known.items()} for query, known in grades.items()}
    scores = {query: {d: float(len(ids) - rank) for rank, d in enumerate(ids)} for query, ids in order.items()}
    ours = {query: metrics.of(order[query], grades[query]) for query in [*order][:80] if query in grades}
    measures = [ir_measures.parse_measure(metric) for metric in NAMES]
    # The program behind ERR reads query ids as numbers.
    number = {str(place): query for place, query in enumerate(order)}
    numbered = [{place: one[query] for place, query in number.items() if query in one} for one in (qrels, scores)]
    theirs = {(number[m.query_id], str(m.measure)): m.value for m in ir_measures.iter_calc(measures, *numbered)}
    for query, values in ours.items():
        assert values == pytest.approx({metric: theirs[query, metric] for metric in NAMES}, abs=1e-9), query
    trec = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut_10", "map", "P_5", "recall_100"}).evaluate(scores)
    names = {"nDCG@10": "ndcg_cut_10", "AP": "map", "P@5": "P_5", "R@100": "recall_100"}
    for query, values in ours.items():
        assert {m: values[m] for m in names} == pytest.approx({m: trec[query][t] for m, t in names.items()}, abs=1e-9)


@pytest.mark.parametrize("name", COLLECTIONS)
def test_the_first_stage_has_the_figures_of_the_collection(name: str) -> None:
    meta = json.loads((folder(name) / "meta.json").read_text())
    dataset, _ = selected(load(folder(name)), min_grade=meta["rel_threshold"], no_relevant=COLLECTIONS[name])
    metrics = Metrics(meta["metrics"])
    values = [metrics.of([d.id or "" for d in topic.candidates], dataset.grades[topic.id]) for topic in dataset.topics]
    assert len(values) == meta["eval_queries"]
    for metric, expected in meta["metrics"].items():
        assert fmean(value[metric] for value in values) == pytest.approx(expected, abs=5e-5), metric


def test_dl19_by_all_judgments() -> None:
    dataset, skipped = selected(
        load(folder("dl19"), files=Files(qrels="qrels.full.tsv")), min_grade=2, no_relevant="zero"
    )
    values = [Metrics(["nDCG@10"]).of([d.id or "" for d in t.candidates], dataset.grades[t.id]) for t in dataset.topics]
    assert (len(values), skipped) == (43, 0)
    assert fmean(value["nDCG@10"] for value in values) == pytest.approx(0.5058, abs=5e-5)


def test_by_hand() -> None:
    values = Metrics(["P@2", "RR@10", "R@1", "AP", "Judged@2", "P(rel=2)@2"]).of(["x", "a", "b"], {"a": 1, "b": 2})
    third = 1 / 3
    assert values == pytest.approx(
        {"P@2": 0.5, "RR@10": 0.5, "R@1": 0.0, "AP": (0.5 + 2 * third) / 2, "Judged@2": 0.5, "P(rel=2)@2": 0.0}
    )


@given(grades=st.lists(st.integers(0, 3), min_size=1, max_size=12), data=st.data())
def test_no_order_beats_the_ideal_one(grades: list[int], data: st.DataObject) -> None:
    known = {f"d {place}": float(grade) for place, grade in enumerate(grades)}
    order = data.draw(st.permutations(list(known)))
    metrics = Metrics(["nDCG@5", "AP", "RR@10"])
    best, values = metrics.of(ideal(order, known), known), metrics.of(order, known)
    assert all(values[name] <= best[name] + 1e-12 for name in metrics.names)
    assert best["nDCG@5"] == pytest.approx(1.0 if any(grades) else 0.0)


def test_nothing_to_measure_is_zero() -> None:
    metrics = Metrics(["nDCG@10", "AP"])
    assert metrics.of(["a"], {}) == metrics.of([], {"a": 1}) == {"nDCG@10": 0.0, "AP": 0.0}


def test_two_spellings_are_one_metric() -> None:
    assert Metrics(["MRR@10", "RR@10", "NDCG@10"]).names == ("RR@10", "nDCG@10")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nDGC@10", "Did you mean 'nDCG@10'"),
        ("ndcg@10", "Did you mean 'nDCG@10'"),
        ("hits@5", "There are: AP@5"),
        ("", "Unknown metric"),
    ],
)
def test_unknown_metrics_suggest_the_nearest(name: str, message: str) -> None:
    with pytest.raises(UnknownName, match=message):
        Metrics([name])


@pytest.mark.parametrize("name", ["P", "P@0", "P@x", "P(relx=2)@5", "ERR", "nDCG@10 + 1", "alpha_nDCG@5"])
def test_metrics_that_cannot_be_computed(name: str) -> None:
    with pytest.raises(InputError, match=r"The metric .* cannot be"):
        Metrics([name])


def test_no_metric_and_no_whole_grade() -> None:
    with pytest.raises(InputError, match="No metric is named"):
        Metrics([])
    with pytest.raises(InputError, match="whole numbers"):
        Metrics(["AP"]).of(["a"], {"a": 0.5})
    with pytest.raises(InputError, match=r"ERR@10.* highest grade"):
        Metrics(["ERR@10"]).of(["a"], {"a": 9})


@pytest.mark.parametrize(
    ("names", "min_grades", "called"),
    [
        (["RR@10", "nDCG@10", "AP", "ERR@10"], [2], ["RR(rel=2)@10", "nDCG@10", "AP(rel=2)", "ERR@10"]),
        (["RR@10", "P@5"], [1, 1], ["RR@10", "P@5"]),
        (["RR(rel=1)@10", "RR(rel=3)@10", "RR@10"], [2], ["RR(rel=1)@10", "RR(rel=3)@10", "RR(rel=2)@10"]),
        (["RR@10", "Judged@10"], [2, 1], ["RR(rel=1|2)@10", "Judged@10"]),
        (["Success@5"], [1.5], ["Success(rel=2)@5"]),
        (["Rprec", "Bpref"], [2], ["Rprec(rel=2)", "Bpref(rel=2)"]),
    ],
)
def test_the_lowest_relevant_grade_is_that_of_every_binary_metric(
    names: list[str], min_grades: list[float], called: list[str]
) -> None:
    assert list(Metrics(names, min_grades=min_grades).names) == called


def test_each_collection_is_measured_by_its_own_lowest_grade() -> None:
    metrics = Metrics(["RR@10", "RR(rel=1)@10"], min_grades=[1, 2])
    grades = {"a": 1, "b": 2}
    assert list(metrics.of("ab", grades, min_grade=1).values()) == [1.0, 1.0]
    assert list(metrics.of("ab", grades, min_grade=2).values()) == [0.5, 1.0]


def test_an_experiment_on_deep_learning_has_the_figures_of_ir_measures(tmp_path: Path) -> None:
    """RR@10 of this first stage is .82 at grade 1, ir-measures' default, and .70 at grade 2, which papers quote."""
    dataset = {"path": str(folder("dl19")), "qrels": "qrels.full.tsv", "no_relevant": "zero", "min_grade": 2}
    names = ["nDCG@10", "RR@10", "P@10", "AP", "Success@1", "R@100", "RR(rel=1)@10"]
    experiment = {"name": "dl19", "datasets": [dataset], "strategies": ["none"], "metrics": names}
    found = evaluate(experiment | {"fail_under": {"RR@10": 0.9}}, output=tmp_path / "run", cache_dir=None)
    called = ["nDCG@10", *(f"{n.partition('@')[0]}(rel=2){n[len(n.partition('@')[0]) :]}" for n in names[1:-1])]
    assert list(found.info.metrics) == [*called, "RR(rel=1)@10"]
    run = read_run(folder("dl19") / "candidates.trec")
    scores = {query: {e.document_id: float(len(es) - n) for n, e in enumerate(es)} for query, es in run.items()}
    grades = read_qrels(folder("dl19") / "qrels.full.tsv")
    qrels = {query: {d: int(g) for d, g in known.items()} for query, known in grades.items() if query in run}
    theirs = ir_measures.calc_aggregate([*map(ir_measures.parse_measure, (*called, "RR@10"))], qrels, scores)
    row = next(row for row in found.summary.rows if row.variant.reference == "first-stage")
    expected = {str(measure): value for measure, value in theirs.items()}
    expected["RR(rel=1)@10"] = expected.pop("RR@10")
    assert row.metrics == pytest.approx(expected, abs=1e-9)
    assert [reason for reason in found.failures if "RR(rel=2)@10" in reason]
