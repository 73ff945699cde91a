"""What fits into one request: windows keep their size, long documents are cut, and the ranking says which."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from judge_rerank import Judge, Listwise
from judge_rerank.core import (
    Candidate,
    ContextTooLong,
    Document,
    EmbedTexts,
    Endpoint,
    JudgeCall,
    ModelInfo,
    Query,
    RerankCall,
)
from judge_rerank.core.backend import ChatRequest
from judge_rerank.prompting import ApiRenderer, Library, Renderer
from judge_rerank.testing import FakeBackend

QUERY = Query(text="who wrote Dune?")
SHORT = [f"{place} " + "word " * 40 for place in range(12)]


def in_order(request: ChatRequest) -> str:
    assert request.subject is not None
    return json.dumps({"ranking": list(range(1, len(request.subject.candidates) + 1))})


def renderer(context_tokens: int) -> Renderer:
    return Renderer(FakeBackend("", context_tokens=context_tokens), Library(), max_tokens_per_doc=1000)


def asking(*texts: str) -> JudgeCall:
    candidates = tuple(Candidate(index=place, document=Document(text=text)) for place, text in enumerate(texts))
    return JudgeCall(task="listwise", query=QUERY, candidates=candidates)


@pytest.mark.parametrize("place", [0, 5, 11])
@pytest.mark.parametrize("words", [500, 800, 5000])
def test_a_long_document_is_cut_and_costs_no_further_call(place: int, words: int) -> None:
    docs = [*SHORT]
    docs[place] = "long " * words
    strategy = Listwise(window_size=4, stride=2)
    backend = FakeBackend(in_order, context_tokens=700)
    judge = Judge(backend, max_tokens_per_doc=1000)
    rankings = [judge.rerank(QUERY, texts, strategy) for texts in (SHORT, docs)]
    assert [ranking.usage.calls for ranking in rankings] == [5, 5]
    assert [ranking.integrity.truncated for ranking in rankings] == [(), (place,)]
    for request in backend.requests:
        assert sum(backend.count_tokens(m.content) for m in request.messages) + request.max_output_tokens <= 700


def test_where_most_are_long_the_window_shrinks() -> None:
    long = ["long " * 200] * 7 + SHORT[:5]
    assert renderer(900).largest(asking(*SHORT), 4) == 4
    assert renderer(900).largest(asking(*long), 4) == 2
    assert renderer(2000).largest(asking(*long), 4) == 4


def test_a_document_cut_to_almost_nothing_is_not_judged() -> None:
    call = asking(*["word " * 300] * 4)
    shown: list[int] = []
    for context_tokens in range(150, 700, 5):
        try:
            prepared = renderer(context_tokens).prepare(call)
        except ContextTooLong:
            assert not shown, "more room is never too little"
            continue
        documents = prepared.request.messages[-1].content.split("[")
        shown.append(min(text.count("word") for text in documents if "word" in text))
    assert shown
    assert shown[0] >= 10  # 16 tokens, less what is cut to end with a word


class Narrow(FakeBackend):
    """An API that takes few tokens, the query's among them."""

    @property
    def info(self) -> ModelInfo:
        return replace(super().info, input_tokens=64)


@pytest.mark.parametrize("beside", ["who wrote Dune?", "who wrote Dune? " * 40])
@pytest.mark.parametrize("halvings", [0, 3, 30])
def test_an_api_is_shown_some_of_every_document(beside: str, halvings: int) -> None:
    candidates = asking("word " * 300, "short").candidates
    endpoint = Endpoint(model="api")
    calls = [
        RerankCall(task="api", query=Query(text=beside), candidates=candidates, api=endpoint, halvings=halvings),
        EmbedTexts(
            task="embed", query=QUERY, candidates=candidates, api=endpoint, prefix=beside + " ", halvings=halvings
        ),
    ]
    for call in calls:
        prepared = ApiRenderer(Narrow(""), max_tokens_per_doc=200).prepare(call)
        *_, long, short = [message.content.removeprefix(beside).strip() for message in prepared.request.messages]
        assert 10 <= long.count("word") <= 50  # 16 tokens at least, less what is cut to end with a word
        assert short == "short"
        assert prepared.truncated == (0,)
