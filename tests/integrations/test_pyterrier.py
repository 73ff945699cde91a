"""The PyTerrier adapter: in an experiment, by the checks of `pt.inspect`, and by itself. No Java is started."""

from __future__ import annotations

import pickle

import pytest

from judge_rerank import InputError, Judge
from tests.integrations.collection import backend, partly_judged, ranked, topics

pytest.importorskip("pyterrier")

import ir_measures
import pandas as pd
import pyterrier as pt

from judge_rerank.integrations.pyterrier import JudgeReranker

COLUMNS = ["qid", "query", "docno", "text", "score", "rank"]


def first_stage() -> pd.DataFrame:
    rows = [
        (topic.id, topic.text, name, text, 100.0 - place, place)
        for topic in topics()
        for place, (name, text) in enumerate(topic.documents)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def reranker(**options: object) -> JudgeReranker:
    return JudgeReranker(judge=Judge(backend()), **options)


@pytest.mark.parametrize("strategy", ["score", "listwise(window_size=6, stride=3)"])
def test_the_order_is_that_of_the_judge(strategy: str) -> None:
    # In the frame the first stage is out of order; its ranks say what it is.
    found = reranker(strategy=strategy).transform(first_stage().sample(frac=1, random_state=1))
    for topic in topics():
        rows = found[found["qid"] == topic.id]
        wanted = ranked(topic, strategy, query_id=True)
        assert [*rows["docno"]] == [each.document.id for each in wanted]
        assert [*rows["rank"]] == [*range(len(wanted))]
        assert [*rows["score"]] == sorted(set(rows["score"]), reverse=True)
        own = [None if pd.isna(each) else each for each in rows["relevance_score"]]
        assert own == [each.relevance_score for each in wanted]


def test_an_experiment_gives_the_figures_of_the_ranking() -> None:
    pipeline = pt.Transformer.from_df(first_stage()) >> reranker(strategy="score")
    grades = {
        topic.id: {name: int(g) for (name, _), g in zip(topic.documents, topic.grades, strict=True)}
        for topic in topics()
    }
    qrels = pd.DataFrame(
        [(qid, name, grade) for qid, known in grades.items() for name, grade in known.items()],
        columns=["qid", "docno", "label"],
    )
    queries = pd.DataFrame([(topic.id, topic.text) for topic in topics()], columns=["qid", "query"])
    figures = pt.Experiment([pipeline], queries, qrels, ["ndcg_cut_10", "recip_rank"], names=["judge"])
    run = {
        topic.id: {each.document.id: -float(each.rank) for each in ranked(topic, "score", query_id=True)}
        for topic in topics()
    }
    wanted = ir_measures.calc_aggregate([ir_measures.nDCG @ 10], grades, run)
    assert figures["ndcg_cut_10"][0] == pytest.approx(wanted[ir_measures.nDCG @ 10])


def test_it_passes_the_inspection_of_pyterrier() -> None:
    made = reranker()
    assert pt.inspect.transformer_inputs(made) == [["qid", "query", "docno", "text"]]
    given = [*COLUMNS, "url"]
    said = pt.inspect.transformer_outputs(made, given)
    assert said == [*made.transform(first_stage().assign(url="u")).columns]
    assert said == [*made.transform(pd.DataFrame(columns=given)).columns]
    with pytest.raises(pt.validate.InputValidationError, match="text"):
        made.transform(first_stage().drop(columns="text"))
    titled = reranker(title_field="title")
    with pytest.raises(pt.validate.InputValidationError, match="title"):
        titled.transform(first_stage())
    assert len(titled.transform(first_stage().assign(title="t"))) == len(first_stage())


def test_it_takes_what_other_transformers_give() -> None:
    topic = topics()[0]
    frame = first_stage()
    best = (pt.Transformer.from_df(frame) % 5 >> reranker(strategy="score") % 2).search(topic.text, qid=topic.id)
    assert len(best) == 2
    records = [
        {"qid": "1", "query": "q", "docno": "a", "text": "one"},
        {"qid": "1", "query": "q", "docno": "b", "text": "two"},
    ]
    assert [each["docno"] for each in reranker()(records)] == ["a", "b"]
    cut = reranker(strategy="score", top_n=3).transform(frame)
    assert [*cut.groupby("qid").size()] == [3] * len(topics())


def test_the_frame_given_is_left_alone() -> None:
    given = first_stage()
    reranker(strategy="score").transform(given)
    pd.testing.assert_frame_equal(given, first_stage())


def test_a_partial_ranking_says_so_and_the_query_goes_on() -> None:
    frame = pd.DataFrame([("1", "q", "a", "x"), ("1", "q", "b", "y")], columns=COLUMNS[:4])
    found = JudgeReranker(judge=partly_judged(), strategy="score").transform(frame)
    assert [*found["docno"]] == ["a", "b"]
    assert set(found["status"]) == {"partial"}


def test_bad_input_and_another_process() -> None:
    with pytest.raises(InputError, match="top_m"):
        reranker(top_m=3)
    with pytest.raises(InputError, match=r"pairs\[0\]: .*query is empty"):
        reranker().transform(pd.DataFrame([("1", " ", "a", "x")], columns=COLUMNS[:4]))
    with pytest.raises(InputError, match="cannot be pickled"):
        pickle.dumps(reranker())
    named = JudgeReranker(model="openai/gpt-4.1-mini", strategy="score")
    assert pickle.loads(pickle.dumps(named))._reranking.written() == named._reranking.written()
