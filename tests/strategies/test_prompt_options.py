"""First-stage scores in the prompt, and the calibration of positions by a question without content."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from judge_rerank import First, InputError, Judge, Listwise, Pairwise, Passages, Score, Setwise, Trace
from judge_rerank.core import ChatReply, ChatRequest, Choice, Order, Strategy, prompt_text, spec_of
from judge_rerank.strategies import parse
from judge_rerank.testing import FakeBackend, SimulatedJudge, check_strategy

GRADES = {"a": 0.0, "b": 1.0, "c": 3.0, "d": 2.0}
DOCS: list[dict[str, Any]] = [{"id": name, "text": f"text {name}", "score": 5.0 - n} for n, name in enumerate(GRADES)]


def biased(request: ChatRequest) -> ChatReply:
    """A judge who likes the first position so much that it hides what it thinks of the documents."""
    assert request.subject is not None
    grades = [GRADES.get(str(c.document.id), 0.0) for c in request.subject.candidates]
    weights = [math.exp(grade + (6.0 if place == 0 else 0.0)) for place, grade in enumerate(grades)]
    total = sum(weights)
    logprobs = {label: math.log(w / total) for label, w in zip(request.labels, weights, strict=True)}
    return ChatReply(text=max(logprobs, key=lambda label: logprobs[label]), branches={"": logprobs})


@pytest.mark.parametrize(
    ("strategy", "rounds"), [(First(), 1), (Setwise(c=3, k=2), None), (Pairwise(method="allpair"), 1)]
)
def test_without_the_bias_the_order_is_that_of_the_documents(strategy: Any, rounds: int | None) -> None:
    free = replace(strategy, content_free=True)
    backend = FakeBackend(biased, logprobs=True)
    with Judge(backend, cache_dir=None) as judge:
        plain, corrected = judge.rerank("q", DOCS, strategy), judge.rerank("q", DOCS, free)
    assert [place.document.id for place in corrected][:2] == ["c", "d"]
    assert [place.document.id for place in plain][:2] != ["c", "d"]
    if rounds is not None:
        assert corrected.usage.rounds == rounds
        assert corrected.usage.calls == plain.usage.calls + 1
    assert all(len(place.judgments) == len(plain[0].judgments) for place in corrected) or rounds is None


@pytest.mark.parametrize(
    "strategy", [First(content_free=True), Setwise(content_free=True), Pairwise(content_free=True)]
)
def test_conformance(strategy: Strategy) -> None:
    check_strategy(strategy)
    assert parse(spec_of(strategy)) == strategy


def test_one_call_for_each_size_and_query_is_paid_for_once(tmp_path: Path) -> None:
    backend = FakeBackend(biased, logprobs=True)
    docs = DOCS * 4
    strategy = First(window_size=4, stride=2, content_free=True)
    with Judge(backend, cache_dir=tmp_path, trace=tmp_path / "t.db") as judge:
        first = judge.rerank("q", docs, strategy)
        free = [r for r in backend.requests if prompt_text(r.messages).count("N/A") == 4]
        assert len(free) == 1
        judge.rerank("q", docs[:4], strategy)
        assert len([r for r in backend.requests if prompt_text(r.messages).count("N/A") == 4]) == 1
    assert first.usage.calls + first.usage.cached_calls == 1 + 1 + (16 - 4) // 2
    assert Trace(tmp_path / "t.db").ranking("last", "q").order[:2] == (2, 3)
    windows = {call.window for call in Trace(tmp_path / "t.db").calls() if "N/A" in prompt_text(call.messages)}
    assert windows == {()}, "it is about none of the documents"


def test_without_log_probabilities_nothing_changes() -> None:
    backend = SimulatedJudge({"q": GRADES}, logprobs=False)
    with Judge(backend, cache_dir=None) as judge:
        assert judge.rerank("q", DOCS, First(content_free=True)).order == judge.rerank("q", DOCS, First()).order


def test_corrections() -> None:
    said = Order(order=(0, 1, 2), stated=3, chances=(0.6, 0.3, 0.1))
    assert said.corrected(Order(order=(0, 1, 2), stated=3, chances=(0.9, 0.05, 0.05))).order == (1, 2, 0)
    assert said.corrected(Order(order=(0, 1), stated=2, chances=(0.9, 0.1))) == said, "of another size"
    unlisted = Order(order=(0, 1, 2), stated=2, missing=1, chances=(0.5, 0.5, 0.0))
    assert unlisted.corrected(Order(order=(0, 1, 2), stated=2, chances=(0.9, 0.1, 0.0))).order == (1, 0, 2)
    choice = Choice(label="A", probabilities={"A": 0.6, "B": 0.4})
    assert choice.corrected(Choice(label="A", probabilities={"A": 0.8, "B": 0.2})).label == "B"
    assert choice.corrected(Choice(label="A")) == choice


def test_passages_of_long_documents_are_corrected_too() -> None:
    backend = FakeBackend(biased, logprobs=True)
    with Judge(backend, cache_dir=None, max_tokens_per_doc=40) as judge:
        docs = [*DOCS, {"id": "e", "text": "A sentence of some words. " * 20}]
        ranking = judge.rerank("q", docs, Passages(strategy=First(content_free=True)))
    assert ranking[0].document.id == "c"
    assert ranking.status == "complete"


@pytest.mark.parametrize("spec", ["listwise", "score", "score(batch_size=4)", "first"])
def test_first_stage_scores_are_shown_from_0_to_100(spec: str) -> None:
    base = f"{spec[:-1]}, " if spec.endswith(")") else f"{spec}("
    backend = SimulatedJudge({"q": GRADES}, logprobs=False)
    with Judge(backend, cache_dir=None) as judge:
        judge.rerank("q", DOCS, f"{base}first_stage_scores=True)")
    text = "".join(prompt_text(request.messages) for request in backend.requests)
    for shown, name in ((100, "a"), (67, "b"), (33, "c"), (0, "d")):
        assert f"retrieval score (0 to 100): {shown}\ntext {name}" in text


def test_the_scores_are_those_of_the_stage_before() -> None:
    backend = SimulatedJudge({"q": GRADES}, logprobs=False)
    docs = ["dune", "dune dune dune", "other"]
    with Judge(backend, cache_dir=None) as judge:
        judge.rerank("dune", docs, "bm25 >> listwise(first_stage_scores=True)")
    assert "retrieval score (0 to 100): 0\nother" in prompt_text(backend.requests[0].messages)


def test_a_document_without_a_score_is_an_error_before_anything_is_sent() -> None:
    backend = FakeBackend("x")
    with Judge(backend, cache_dir=None) as judge:
        for strategy in (Listwise(first_stage_scores=True), Score(first_stage_scores=True)):
            with pytest.raises(InputError, match=r"docs\[1\] has none. Give each document its `score`"):
                judge.rerank("q", [DOCS[0], "no score"], strategy)
            judge.warm_up(strategy)
    assert backend.requests == []


def test_passages_show_the_score_of_their_document() -> None:
    backend = SimulatedJudge({"q": GRADES}, logprobs=False)
    long = [{"text": "A sentence of some words. " * 20, "score": 2.0}, {"text": "short", "score": 1.0}]
    with Judge(backend, cache_dir=None, max_tokens_per_doc=60) as judge:
        judge.rerank("q", long, Passages(strategy=Listwise(first_stage_scores=True)))
    assert prompt_text(backend.requests[0].messages).count("retrieval score (0 to 100): 100\nA sentence") > 1
