"""The LangChain adapter: in a retriever, by itself, and with a chat model of LangChain as the judge."""

from __future__ import annotations

import asyncio
import copy
import pickle
import subprocess
import sys
from decimal import Decimal
from importlib.util import find_spec
from typing import Any

import pytest

from judge_rerank import Budget, InputError, Judge, Price, ProviderError, UnknownName
from tests.integrations.collection import Topic, backend, overlapping, partly_judged, ranked, topics

pytest.importorskip("langchain_core")

from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.retrievers import BaseRetriever

from judge_rerank.integrations.langchain import ChatModelBackend, JudgeReranker

STRATEGIES = ("score", "listwise(window_size=6, stride=3)")


def documents(topic: Topic) -> list[Document]:
    return [Document(id=name, page_content=text, metadata={"from": "wiki"}) for name, text in topic.documents]


class FirstStage(BaseRetriever):
    """Gives the candidates of whatever topic is asked for."""

    k: int = 20

    def _get_relevant_documents(self, query: str, *, run_manager: Any, **options: Any) -> list[Document]:
        (topic,) = [each for each in topics() if each.text == query]
        return documents(topic)[: options.get("k", self.k)]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_order_is_that_of_the_judge(strategy: str) -> None:
    reranker = JudgeReranker(judge=Judge(backend()), strategy=strategy)
    for topic in topics():
        wanted = ranked(topic, strategy)
        found = reranker.compress_documents(documents(topic), topic.text)
        assert [each.id for each in found] == [each.document.id for each in wanted]
        assert [each.metadata["relevance_score"] for each in found] == [each.relevance_score for each in wanted]
        assert [each.metadata["judge_rerank"]["index"] for each in found] == [*wanted.order]
        assert asyncio.run(reranker.acompress_documents(documents(topic), topic.text)) == found


def test_it_works_inside_a_retriever() -> None:
    classic = pytest.importorskip("langchain_classic.retrievers")
    reranker = JudgeReranker(judge=Judge(backend()), strategy="score", top_n=3)
    retriever = classic.ContextualCompressionRetriever(base_compressor=reranker, base_retriever=FirstStage())
    topic = topics()[0]
    wanted = [each.document.id for each in ranked(topic, "score", top_n=3)]
    assert [each.id for each in retriever.invoke(topic.text)] == wanted
    assert [each.id for each in asyncio.run(retriever.ainvoke(topic.text))] == wanted


def test_the_documents_given_are_left_alone() -> None:
    topic = topics()[0]
    given = documents(topic)
    before = copy.deepcopy(given)
    found = JudgeReranker(judge=Judge(backend())).compress_documents(given, topic.text)
    found[0].metadata["from"] = "changed"
    assert given == before


def test_two_at_once_overlap() -> None:
    topic = topics()[0]

    def make(judge: Judge) -> Any:
        reranker = JudgeReranker(judge=judge)
        return lambda: reranker.acompress_documents(documents(topic), topic.text)

    overlapping(make)


def test_an_order_has_no_scores_unless_they_are_asked_for() -> None:
    topic = topics()[0]
    reranker = JudgeReranker(judge=Judge(backend()), strategy="listwise")
    assert {each.metadata["relevance_score"] for each in reranker.compress_documents(documents(topic), topic.text)} == {
        None
    }
    by_rank = JudgeReranker(judge=Judge(backend()), strategy="listwise", scores="rank")
    scores = [each.metadata["relevance_score"] for each in by_rank.compress_documents(documents(topic), topic.text)]
    assert scores[0] == 1
    assert scores == sorted(scores, reverse=True)


def test_a_partial_ranking_says_so() -> None:
    found = JudgeReranker(judge=partly_judged(), strategy="score").compress_documents(
        [Document(page_content="a"), Document(page_content="b")], "which?"
    )
    assert [each.page_content for each in found] == ["a", "b"]
    assert {each.metadata["judge_rerank"]["status"] for each in found} == {"partial"}
    assert found[0].metadata["judge_rerank"]["reasons"]


def test_bad_input_is_told_when_it_is_given() -> None:
    with pytest.raises(InputError, match="Both judge and model"):
        JudgeReranker(judge=Judge(backend()), model="openai/gpt-4.1-mini")
    with pytest.raises(UnknownName, match="top_n"):
        JudgeReranker(judge=Judge(backend()), top_m=3)
    with pytest.raises(UnknownName, match="Did you mean 'score'"):
        JudgeReranker(judge=Judge(backend()), strategy="scor")
    with pytest.raises(InputError, match="top_n is 0"):
        JudgeReranker(judge=Judge(backend()), top_n=0)
    with pytest.raises(InputError, match="concurency"):
        JudgeReranker(judge={"model": backend(), "concurency": 3})
    with pytest.raises(InputError, match="arguments of Budget cannot be used"):
        JudgeReranker(judge={"model": backend(), "budget": {"dollars": 3}})
    with pytest.raises(ValueError, match="query is empty"):
        JudgeReranker(judge=Judge(backend())).compress_documents([Document(page_content="a")], " ")
    assert JudgeReranker(judge=Judge(backend())).compress_documents([], "q") == []


def test_it_is_written_by_names_and_copied_with_its_judge() -> None:
    judge = {"model": "openai/gpt-4.1-mini", "budget": {"usd": "1"}}
    named = JudgeReranker(judge=judge, strategy="score", max_usd=Decimal("0.1"))
    again = pickle.loads(pickle.dumps(named))
    assert again.model_dump() == named.model_dump() == JudgeReranker(**named.model_dump()).model_dump()
    assert again.options == {"max_usd": "0.1"}
    live = JudgeReranker(judge=Judge(backend()), strategy="score")
    assert copy.deepcopy(live).reranking.judge is live.reranking.judge
    assert live.model_copy(update={"top_n": 1}).reranking.options == {"top_n": 1}
    with pytest.raises(Exception, match="judge is a live Judge"):
        live.model_dump()
    with pytest.raises(Exception, match="api_key"):
        JudgeReranker(judge={"model": "openai/gpt-4.1-mini", "api_key": "sk-123456789"}).model_dump()


class Grader(BaseChatModel):
    """A chat model that gives every document the grade that stands in it."""

    model_name: str = "grader-1"
    max_tokens: int | None = None
    fails_with: Any = None
    limits: list[int | None] = []  # noqa: RUF012 -- a field of pydantic

    @property
    def _llm_type(self) -> str:
        return "grader"

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **options: Any
    ) -> ChatResult:
        self.limits.append(self.max_tokens)
        if self.fails_with is not None:
            raise self.fails_with
        shown = str(messages[-1].content)
        grade = 9 if "good" in shown else 2
        message = AIMessage(
            content=f'{{"score": {grade}}}',
            usage_metadata={"input_tokens": 100, "output_tokens": 7, "total_tokens": 107},
            response_metadata={"model_name": "grader-1-2026", "finish_reason": "stop"},
        )
        return ChatResult(generations=[ChatGeneration(message=message)])


def test_a_chat_model_of_langchain_is_a_judge() -> None:
    model = Grader()
    given = [Document(page_content="bad"), Document(page_content="good")]
    reranker = JudgeReranker(model=model, strategy="score")
    found = reranker.compress_documents(given, "which?")
    assert [each.page_content for each in found] == ["good", "bad"]
    usage = reranker.reranking.rerank("which?", given).usage
    assert (usage.calls, usage.input_tokens, usage.output_tokens, usage.cost_usd) == (2, 200, 14, None)
    assert all(model.limits)
    assert model.max_tokens is None


def test_a_price_makes_a_cap_possible() -> None:
    prices = {"langchain/grader-1": Price(input_usd_per_mtok=1, output_usd_per_mtok=1)}
    judge = Judge(ChatModelBackend(Grader()), prices=prices, budget=Budget(usd="1"))
    assert str(judge.rerank("which?", ["good", "bad"], "score").usage.cost_usd) == "0.000214"
    with pytest.raises(Exception, match="price of 'langchain/grader-1' is not known"):
        JudgeReranker(judge={"model": Grader(), "budget": {"usd": "1"}}).compress_documents(
            [Document(page_content="a")], "q"
        )


class Refused(Exception):
    """What the client of a provider raises."""

    status_code = 401


class Slow(Grader):
    """Answers too late."""

    def _generate(self, *arguments: Any, **options: Any) -> ChatResult:
        import time

        time.sleep(0.5)
        return super()._generate(*arguments, **options)


def test_errors_of_a_chat_model_are_ours() -> None:
    judge = Judge(ChatModelBackend(Grader(fails_with=Refused("Incorrect API key provided: sk-abcdefghijklmnop"))))
    with pytest.raises(ProviderError, match="does not accept the key") as caught:
        judge.rerank("which?", ["good", "bad"], "score")
    assert "abcdefghijklmnop" not in str(caught.value)
    slow = Judge(ChatModelBackend(Slow()), timeout_s=0.1, max_attempts=1)
    ranking = slow.rerank("which?", ["good", "bad"], "score")
    assert "no complete answer in 0.1 seconds" in ranking.reasons[0]


def test_the_standard_tests_of_langchain_for_retrievers() -> None:
    """In a process of their own, because langchain-tests brings marks and plugins that are not ours."""
    pytest.importorskip("langchain_classic")
    if find_spec("langchain_tests") is None:
        pytest.skip("langchain-tests is not installed")
    command = [sys.executable, "-m", "tests.integrations.langchain_standard"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "4 passed\n"
