"""The adapters for frameworks of memory: Mem0, Graphiti and LightRAG."""

from __future__ import annotations

import asyncio
import copy
from dataclasses import asdict, dataclass, field
from importlib import import_module
from typing import Any

import pytest

from judge_rerank import InputError, Judge
from judge_rerank.integrations.lightrag import rerank_model_func
from tests.integrations.collection import backend, overlapping, partly_judged, ranked, topics

STRATEGIES = ("score", "listwise(window_size=6, stride=3)")


@pytest.fixture(scope="module")
def graphiti() -> Any:
    pytest.importorskip("graphiti_core")
    return import_module("judge_rerank.integrations.graphiti")


@pytest.fixture(scope="module")
def mem0(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MEM0_DIR", str(tmp_path_factory.mktemp("mem0")))
        patched.setenv("MEM0_TELEMETRY", "False")
        pytest.importorskip("mem0")
        return import_module("judge_rerank.integrations.mem0")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_lightrag_gets_the_order_of_the_judge(strategy: str) -> None:
    rerank = rerank_model_func(judge=Judge(backend()), strategy=strategy)
    for topic in topics():
        wanted = ranked(topic, strategy, ids=False, scores="rank")
        found = asyncio.run(rerank(query=topic.text, documents=topic.texts, top_n=4))
        assert [each["index"] for each in found] == [*wanted.order][:4]
        assert [each["relevance_score"] for each in found] == [each.relevance_score for each in wanted][:4]


def test_lightrag_itself_takes_the_function() -> None:
    utils = pytest.importorskip("lightrag.utils")

    @dataclass
    class Settings:
        """LightRAG hands its settings on as `asdict` of itself, which makes deep copies."""

        rerank_model_func: Any = field(default=None)

    topic = topics()[0]
    settings = asdict(Settings(rerank_model_func=rerank_model_func(judge=Judge(backend()), strategy="score")))
    chunks = [{"content": text, "id": name} for name, text in topic.documents]
    before = copy.deepcopy(chunks)
    found = asyncio.run(utils.apply_rerank_if_enabled(topic.text, chunks, settings, enable_rerank=True, top_n=3))
    wanted = ranked(topic, "score", ids=False, top_n=3)
    assert [each["content"] for each in found] == [each.document.text for each in wanted]
    assert [each["rerank_score"] for each in found] == [each.relevance_score for each in wanted]
    assert chunks == before


def test_a_document_that_nobody_judged_has_0_and_stays(caplog: pytest.LogCaptureFixture) -> None:
    rerank = rerank_model_func(judge=partly_judged(), strategy="score")
    found = asyncio.run(rerank("which?", ["a", "b"]))
    assert [each["index"] for each in found] == [0, 1]
    assert found[0]["relevance_score"] > found[1]["relevance_score"] == 0
    assert "partial ranking" in caplog.text


def test_two_at_once_overlap_in_lightrag() -> None:
    topic = topics()[0]

    def make(judge: Judge) -> Any:
        rerank = rerank_model_func(judge=judge)
        return lambda: rerank(topic.text, topic.texts)

    overlapping(make)


def test_what_is_wrong_is_said_before_lightrag_can_pass_over_it() -> None:
    with pytest.raises(InputError, match="top_m"):
        rerank_model_func(judge=Judge(backend()), top_m=3)
    with pytest.raises(InputError, match="unexpected keyword argument 'concurency'"):
        rerank_model_func(judge={"model": backend(), "concurency": 1})


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_graphiti_gets_the_order_of_the_judge(strategy: str, graphiti: Any) -> None:
    client = graphiti.JudgeReranker(judge=Judge(backend()), strategy=strategy)
    for topic in topics():
        wanted = ranked(topic, strategy, ids=False, scores="rank")
        found = asyncio.run(client.rank(topic.text, topic.texts))
        assert found == [(each.document.text, each.relevance_score) for each in wanted]
    assert asyncio.run(client.rank("q", [])) == []


def test_two_at_once_overlap_in_graphiti(graphiti: Any) -> None:
    topic = topics()[0]

    def make(judge: Judge) -> Any:
        client = graphiti.JudgeReranker(judge=judge)
        return lambda: client.rank(topic.text, topic.texts)

    overlapping(make)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_mem0_gets_the_order_of_the_judge(strategy: str, mem0: Any) -> None:
    reranker = mem0.JudgeReranker(judge=Judge(backend()), strategy=strategy)
    for topic in topics():
        given = [{"id": name, "memory": text, "score": 0.5} for name, text in topic.documents]
        before = copy.deepcopy(given)
        wanted = ranked(topic, strategy, ids=False, scores="rank")
        found = reranker.rerank(topic.text, given, 4)
        assert [each["memory"] for each in found] == [each.document.text for each in wanted][:4]
        assert [each["rerank_score"] for each in found] == [each.relevance_score for each in wanted][:4]
        assert found[0]["score"] == 0.5
        assert given == before


def test_mem0_makes_it_of_its_configuration(mem0: Any) -> None:
    from mem0.configs.base import MemoryConfig
    from mem0.utils.factory import RerankerFactory

    settings = {"provider": "judge_rerank", "config": {"judge": {"model": backend()}, "strategy": "score", "top_k": 2}}
    config = MemoryConfig(reranker=settings).reranker
    made = RerankerFactory.create(config.provider, config.config)
    topic = topics()[0]
    found = made.rerank(topic.text, [{"memory": text} for text in topic.texts])
    assert [each["memory"] for each in found] == [e.document.text for e in ranked(topic, "score", ids=False, top_n=2)]
    assert found[0]["judge_rerank"]["status"] == "complete"
    with pytest.raises(InputError, match="strategi"):
        RerankerFactory.create("judge_rerank", {"strategi": "score"})
