"""The Haystack adapter: in pipelines, synchronous and not, and to YAML and back."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest

from judge_rerank import InputError, Judge
from judge_rerank import backend as registered
from tests.integrations.collection import Topic, backend, overlapping, partly_judged, ranked, topics

pytest.importorskip("haystack")

from haystack import Document, Pipeline
from haystack.components.joiners import DocumentJoiner
from haystack.core.errors import PipelineRuntimeError

from judge_rerank.integrations.haystack import JudgeRanker


@pytest.fixture(autouse=True, scope="module")
def _by_name() -> None:
    """A model name for the simulated judge, for what is written and read."""

    @registered("wikiqa-grades")
    def _open(name: str, **_options: Any) -> Any:
        return backend()


def documents(topic: Topic) -> list[Document]:
    return [Document(id=name, content=text, meta={"from": "wiki"}) for name, text in topic.documents]


def pipeline(ranker: JudgeRanker) -> Pipeline:
    made = Pipeline()
    made.add_component("joiner", DocumentJoiner(sort_by_score=False))
    made.add_component("ranker", ranker)
    made.connect("joiner.documents", "ranker.documents")
    return made


def asked(topic: Topic, **more: Any) -> dict[str, Any]:
    return {"joiner": {"documents": documents(topic)}, "ranker": {"query": topic.text, **more}}


@pytest.mark.parametrize("strategy", ["score", "listwise(window_size=6, stride=3)"])
def test_the_order_is_that_of_the_judge(strategy: str) -> None:
    made = pipeline(JudgeRanker(judge=Judge(backend()), strategy=strategy))
    for topic in topics():
        wanted = ranked(topic, strategy)
        out = made.run(asked(topic))["ranker"]
        assert [each.id for each in out["documents"]] == [each.document.id for each in wanted]
        assert [each.score for each in out["documents"]] == [each.relevance_score for each in wanted]
        assert [each.meta["judge_rerank"]["index"] for each in out["documents"]] == [*wanted.order]
        assert out["ranking"]["status"] == "complete"
        assert out["ranking"]["usage"]["calls"] == wanted.usage.calls


def test_a_pipeline_runs_asynchronously() -> None:
    topic = topics()[0]
    made = pipeline(JudgeRanker(judge=Judge(backend()), strategy="score"))
    out = asyncio.run(made.run_async(asked(topic)))
    wanted = ranked(topic, "score")
    assert [each.id for each in out["ranker"]["documents"]] == [each.document.id for each in wanted]


def test_a_pipeline_goes_to_yaml_and_back() -> None:
    topic = topics()[1]
    ranker = JudgeRanker(
        judge={"model": "wikiqa-grades/any", "budget": {"usd": "5"}}, strategy="score", top_k=4, deadline_s=60
    )
    text = pipeline(ranker).dumps()
    assert "usd: '5'" in text
    again = Pipeline.loads(text, allowed_modules=[JudgeRanker.__module__])
    assert again.dumps() == text
    wanted = [each.document.id for each in ranked(topic, "score", top_n=4)]
    assert [each.id for each in again.run(asked(topic))["ranker"]["documents"]] == wanted
    assert [each.id for each in again.run(asked(topic, top_k=2))["ranker"]["documents"]] == wanted[:2]


def test_a_live_object_is_not_written() -> None:
    with pytest.raises(InputError, match="judge is a live Judge"):
        JudgeRanker(judge=Judge(backend())).to_dict()
    with pytest.raises(InputError, match="model is a live SimulatedJudge"):
        JudgeRanker(model=backend()).to_dict()
    with pytest.raises(InputError, match="api_key"):
        JudgeRanker(judge={"model": "openai/gpt-4.1-mini", "api_key": "sk-12345678"}).to_dict()


def test_an_error_in_a_pipeline_is_the_one_that_happened() -> None:
    """Haystack writes a pipeline that fails; a live judge, which cannot be written, must not hide why it failed."""
    made = pipeline(JudgeRanker(judge=Judge(backend())))
    with pytest.raises(PipelineRuntimeError, match="query is empty"):
        made.run({"joiner": {"documents": documents(topics()[0])}, "ranker": {"query": " "}})


def test_nothing_is_loaded_before_warm_up_and_close_spares_the_callers_judge() -> None:
    ranker = JudgeRanker(model="nobody/knows-this-model")
    assert JudgeRanker.from_dict(ranker.to_dict()).to_dict() == ranker.to_dict()
    ranker = JudgeRanker(model="wikiqa-grades/any", strategy="score")
    ranker.warm_up()
    ranker.close()
    model = backend()
    JudgeRanker(judge=Judge(model)).close()
    assert not model.closed


def test_the_documents_given_are_left_alone() -> None:
    topic = topics()[0]
    given = documents(topic)
    before = copy.deepcopy(given)
    JudgeRanker(judge=Judge(backend())).run(query=topic.text, documents=given)
    assert given == before


def test_two_at_once_overlap() -> None:
    topic = topics()[0]

    def make(judge: Judge) -> Any:
        ranker = JudgeRanker(judge=judge)
        return lambda: ranker.run_async(query=topic.text, documents=documents(topic))

    overlapping(make)


def test_an_order_has_no_scores_and_a_partial_ranking_says_so() -> None:
    topic = topics()[0]
    out = JudgeRanker(judge=Judge(backend()), strategy="listwise").run(query=topic.text, documents=documents(topic))
    assert {each.score for each in out["documents"]} == {None}
    out = JudgeRanker(judge=partly_judged(), strategy="score").run(
        query="which?", documents=[Document(content="a"), Document(content="b")]
    )
    assert [each.content for each in out["documents"]] == ["a", "b"]
    assert out["ranking"]["status"] == "partial"
    assert out["documents"][0].meta["judge_rerank"]["reasons"] == out["ranking"]["reasons"]


def test_bad_input_is_a_value_error() -> None:
    ranker = JudgeRanker(judge=Judge(backend()))
    with pytest.raises(ValueError, match="top_n is 0"):
        ranker.run(query="q", documents=[Document(content="a")], top_k=0)
    with pytest.raises(ValueError, match="query is empty"):
        ranker.run(query=" ", documents=[Document(content="a")])
    with pytest.raises(ValueError, match="docs"):
        ranker.run(query="q", documents=[Document(content=None)])
    with pytest.raises(ValueError, match="top_m"):
        JudgeRanker(judge=Judge(backend()), top_m=1)
    assert ranker.run(query="q", documents=[])["documents"] == []
