"""The LlamaIndex adapter: in a query engine, by itself, and with an LLM of LlamaIndex as the judge."""

from __future__ import annotations

import asyncio
import copy
import pickle
from typing import Any

import pytest

from judge_rerank import InputError, Judge
from tests.integrations.collection import Topic, backend, overlapping, partly_judged, ranked, topics

pytest.importorskip("llama_index.core")

from llama_index.core import VectorStoreIndex
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.llms import ChatMessage, ChatResponse, CustomLLM, LLMMetadata, MockLLM
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle, TextNode

from judge_rerank.integrations.llama_index import JudgeReranker, LLMBackend


def nodes(topic: Topic) -> list[NodeWithScore]:
    return [
        NodeWithScore(node=TextNode(id_=name, text=text, metadata={"from": "wiki"}), score=1 / place)
        for place, (name, text) in enumerate(topic.documents, start=1)
    ]


@pytest.mark.parametrize("strategy", ["score", "listwise(window_size=6, stride=3)"])
def test_the_order_is_that_of_the_judge(strategy: str) -> None:
    reranker = JudgeReranker(judge=Judge(backend()), strategy=strategy)
    for topic in topics():
        wanted = ranked(topic, strategy)
        found = reranker.postprocess_nodes(nodes(topic), query_str=topic.text)
        assert [each.node_id for each in found] == [each.document.id for each in wanted]
        assert [each.score for each in found] == [each.relevance_score for each in wanted]
        assert asyncio.run(reranker.apostprocess_nodes(nodes(topic), QueryBundle(topic.text))) == found


def test_it_works_in_a_query_engine() -> None:
    topic = topics()[0]
    index = VectorStoreIndex([each.node for each in nodes(topic)], embed_model=MockEmbedding(embed_dim=4))
    # The first stage finds every node with the same score, in the order of the index.
    found = index.as_retriever(similarity_top_k=50).retrieve(topic.text)
    assert {each.node_id for each in found} == {name for name, _ in topic.documents}
    reranker = JudgeReranker(judge=Judge(backend()), strategy="score", top_n=3)
    engine = index.as_query_engine(llm=MockLLM(), similarity_top_k=50, node_postprocessors=[reranker])
    wanted = [each.node_id for each in reranker.postprocess_nodes(found, query_str=topic.text)]
    by_grade = [each.document.id for each in ranked(topic, "score", top_n=3)]
    assert set(wanted) == set(by_grade)
    for response in (engine.query(topic.text), asyncio.run(engine.aquery(topic.text))):
        assert [each.node_id for each in response.source_nodes] == wanted
        assert "judge_rerank" not in str(response)


def test_what_is_added_is_kept_from_prompts_and_embeddings_and_the_nodes_given_are_left_alone() -> None:
    topic = topics()[0]
    given = nodes(topic)
    before = copy.deepcopy(given)
    found = JudgeReranker(judge=Judge(backend())).postprocess_nodes(given, query_str=topic.text)
    assert given == before
    assert found[0].metadata["judge_rerank"]["rank"] == 1
    for mode in (MetadataMode.LLM, MetadataMode.EMBED):
        assert "judge_rerank" not in found[0].node.get_content(mode)
        assert "wiki" in found[0].node.get_content(mode)


def test_two_at_once_overlap() -> None:
    topic = topics()[0]

    def make(judge: Judge) -> Any:
        reranker = JudgeReranker(judge=judge)
        return lambda: reranker.apostprocess_nodes(nodes(topic), query_str=topic.text)

    overlapping(make)


def test_an_order_has_no_scores_and_a_partial_ranking_says_so() -> None:
    topic = topics()[0]
    found = JudgeReranker(judge=Judge(backend()), strategy="listwise").postprocess_nodes(
        nodes(topic), query_str=topic.text
    )
    assert {each.score for each in found} == {None}
    partial = JudgeReranker(judge=partly_judged(), strategy="score").postprocess_nodes(
        [NodeWithScore(node=TextNode(text="a")), NodeWithScore(node=TextNode(text="b"))], query_str="which?"
    )
    assert [each.text for each in partial] == ["a", "b"]
    assert {each.metadata["judge_rerank"]["status"] for each in partial} == {"partial"}


def test_bad_input() -> None:
    reranker = JudgeReranker(judge=Judge(backend()))
    with pytest.raises(ValueError, match="There is no query"):
        reranker.postprocess_nodes(nodes(topics()[0]))
    with pytest.raises(ValueError, match="query is empty"):
        reranker.postprocess_nodes(nodes(topics()[0]), query_str="")
    assert reranker.postprocess_nodes([], query_str="q") == []
    with pytest.raises(InputError, match="top_m"):
        JudgeReranker(judge=Judge(backend()), top_m=3)


def test_it_is_written_and_read() -> None:
    named = JudgeReranker(model="openai/gpt-4.1-mini", strategy="score(batch_size=5)", top_n=3, deadline_s=9)
    written = named.to_dict()
    assert written["class_name"] == "JudgeReranker"
    again = JudgeReranker.from_json(named.to_json())
    assert again.to_dict() == written == pickle.loads(pickle.dumps(named)).to_dict()
    assert again.options == {"deadline_s": 9}
    live = JudgeReranker(judge=Judge(backend()))
    assert copy.deepcopy(live).reranking.judge is live.reranking.judge
    with pytest.raises(Exception, match="judge is a live Judge"):
        live.to_dict()


class Grader(CustomLLM):
    """An LLM that grades by what stands in the text, with the usage block of OpenAI's API."""

    max_tokens: int = 512

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(context_window=8192, model_name="grader-1", is_chat_model=True)

    def chat(self, messages: Any, **options: Any) -> ChatResponse:
        assert self.max_tokens != 512
        grade = 9 if "good" in str(messages[-1].content) else 2
        usage = {"prompt_tokens": 90, "completion_tokens": 8}
        raw = {"model": "grader-1-2026", "usage": usage, "choices": [{"finish_reason": "stop"}]}
        return ChatResponse(message=ChatMessage(role="assistant", content=f'{{"score": {grade}}}'), raw=raw)

    def complete(self, prompt: str, formatted: bool = False, **options: Any) -> Any:
        raise NotImplementedError

    def stream_complete(self, prompt: str, formatted: bool = False, **options: Any) -> Any:
        raise NotImplementedError


def test_an_llm_of_llama_index_is_a_judge() -> None:
    reranker = JudgeReranker(model=Grader(), strategy="score")
    given = [NodeWithScore(node=TextNode(text=text)) for text in ("bad", "good")]
    assert [each.text for each in reranker.postprocess_nodes(given, query_str="which?")] == ["good", "bad"]
    judge = Judge(LLMBackend(Grader()))
    usage = judge.rerank("which?", ["bad", "good"], "score").usage
    assert judge.model == "llama-index/grader-1"
    assert (usage.calls, usage.input_tokens, usage.output_tokens, usage.cost_usd) == (2, 180, 16, None)
