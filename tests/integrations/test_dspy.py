"""The DSPy adapter: as a module of a program."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from judge_rerank import InputError, Judge
from tests.integrations.collection import backend, overlapping, partly_judged, ranked, topics
from tests.provider import Provider, QrelsJudge

pytest.importorskip("dspy")

import dspy

from judge_rerank.integrations.dspy import Rerank


class Program(dspy.Module):
    """Retrieval and reranking, as a program has them."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        self.rerank = Rerank(**arguments)

    def forward(self, question: str) -> Any:
        (topic,) = [each for each in topics() if each.text == question]
        return self.rerank(query=question, passages=topic.texts)


@pytest.mark.parametrize("strategy", ["score", "listwise(window_size=6, stride=3)"])
def test_the_order_is_that_of_the_judge(strategy: str) -> None:
    program = Program(judge=Judge(backend()), strategy=strategy)
    for topic in topics():
        wanted = ranked(topic, strategy, ids=False)
        for found in (
            program(question=topic.text),
            asyncio.run(program.rerank.acall(query=topic.text, passages=topic.texts)),
        ):
            assert found.passages == [each.document.text for each in wanted]
            assert found.indices == [*wanted.order]
            assert found.scores == [each.relevance_score for each in wanted]
            assert found.status == "complete"


def test_passages_come_back_as_they_were() -> None:
    passages = [{"long_text": "a", "text": "bad"}, {"long_text": "b", "text": "good"}]
    before = [dict(each) for each in passages]
    found = Rerank(judge=Judge(backend()), strategy="none", top_n=2)(query="which?", passages=passages, k=1)
    assert found.passages == [passages[0]]
    assert found.passages[0] is passages[0]
    assert passages == before


def test_optimizers_copy_it_with_its_judge(tmp_path: Any) -> None:
    program = Program(judge=Judge(backend()))
    copied = program.deepcopy().reset_copy()
    assert copied.rerank._reranking.judge is program.rerank._reranking.judge
    assert program.predictors() == []
    program.save(tmp_path / "state.json")
    program.load(tmp_path / "state.json")


def test_a_language_model_of_dspy_is_a_judge() -> None:
    texts = ("A bell is loud.", "Brakes squeal when oil has reached the rotor.")
    with Provider(QrelsJudge({texts[1]: 3}), keys=frozenset({"sk-loopback-1"})) as provider:
        lm = dspy.LM(
            "openai/gpt-4.1-mini", api_base=f"{provider.url}/v1", api_key="sk-loopback-1", temperature=0.9, user="ada"
        )
        found = Rerank(model=lm, strategy="score")(query="why do my brakes squeal?", passages=texts)
        body = provider.received[0].body
    assert found.indices == [1, 0]
    assert (body["user"], body["temperature"]) == ("ada", 0)
    assert found.ranking["usage"]["cost_usd"]


def test_two_at_once_overlap() -> None:
    topic = topics()[0]

    def make(judge: Judge) -> Any:
        rerank = Rerank(judge=judge)
        return lambda: rerank.acall(query=topic.text, passages=topic.texts)

    overlapping(make)


def test_a_partial_ranking_says_so_and_bad_input_is_told() -> None:
    found = Rerank(judge=partly_judged(), strategy="score")(query="which?", passages=["a", "b"])
    assert (found.passages, found.status) == (["a", "b"], "partial")
    assert found.ranking["reasons"]
    with pytest.raises(InputError, match="query is empty"):
        Rerank(judge=Judge(backend()))(query="", passages=["a"])
    with pytest.raises(InputError, match="top_m"):
        Rerank(judge=Judge(backend()), top_m=3)
