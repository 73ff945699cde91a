"""Instructions, criteria and shown metadata through the judge: prompts, cache, trace, and what is asked again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from judge_rerank import Criterion, InputError, Judge, Passages, Query, Score, Trace, UnknownName
from judge_rerank.core import ChatRequest, prompt_text, spec_of
from judge_rerank.strategies import parse
from judge_rerank.testing import FakeBackend, SimulatedJudge

DOCS: list[dict[str, Any]] = [
    {"text": "alpha", "date": "2020-01-01", "source": "a blog"},
    {"text": "beta", "date": "2024-01-01"},
]
WANTED = "prefer primary sources"
BOTH = '{"judgments": [{"id": 1, "relevance": 7, "recency": 1}, {"id": 2, "relevance": 7, "recency": 10}]}'
CRITERIA = {"relevance": 0.7, "recency": 0.3}
COMPARING = ("listwise", "setwise", "pairwise", "first")


def sent(backend: FakeBackend) -> list[str]:
    return [prompt_text(request.messages) for request in backend.requests]


def ranked(strategy: str, **options: Any) -> list[str]:
    """The prompts of a ranking."""
    backend = SimulatedJudge({"q": {"0": 1, "1": 2}}, logprobs=False)
    with Judge(backend, cache_dir=None) as judge:
        judge.rerank(Query(text="q", id="q"), DOCS, strategy, **options)
    return sent(backend)


@pytest.mark.parametrize("strategy", ["binary", "score", "score(batch_size=2)", *COMPARING])
def test_an_instruction_stands_before_the_query_and_nothing_else_changes(strategy: str) -> None:
    for plain, instructed in zip(ranked(strategy), ranked(strategy, instruction=WANTED), strict=True):
        block = f"Judge by this instruction of the person who asks, too:\n{WANTED}\n\n"
        assert instructed.replace(block, "") == plain != instructed
        assert instructed.index(WANTED) < instructed.index("<query>")


def test_the_judge_has_an_instruction_that_a_call_replaces_or_switches_off() -> None:
    backend = FakeBackend('{"relevant": true}')
    with Judge(backend, cache_dir=None, strategy="binary", instruction="of the judge") as judge:
        for options in ({}, {"instruction": "of the call"}, {"instruction": ""}):
            judge.rerank("q", DOCS[:1], **options)  # pyright: ignore[reportArgumentType]
        judge.rerank_many([(Query(text="q", instruction="of the query"), DOCS[:1])])
    said = [next((w for w in ("judge", "call", "query") if f"of the {w}\n" in text), None) for text in sent(backend)]
    assert said == ["judge", "call", None, "query"]


def test_an_instruction_is_a_question_of_its_own_and_weights_are_not(tmp_path: Path) -> None:
    backend = FakeBackend(BOTH)
    with Judge(backend, cache_dir=tmp_path, strategy="score(batch_size=2)", trace=tmp_path / "t.db") as judge:
        first = judge.rerank("q", DOCS, criteria=CRITERIA)
        other = judge.rerank("q", DOCS, criteria={"relevance": 1, "recency": 0}, instruction="")
        assert (len(backend.requests), other.usage.cached_calls) == (1, 1)
        assert (first.order, other.order) == ((1, 0), (0, 1))
        judge.rerank("q", DOCS, criteria=CRITERIA, instruction=WANTED)
        assert len(backend.requests) == 2
        judge.rerank("q", DOCS, criteria={"recency": Criterion(weight=1, description="new"), "relevance": 1})
        assert len(backend.requests) == 3
    assert first[0].judgments[0].criteria == {"relevance": pytest.approx(2 / 3), "recency": 1.0}
    assert "relevance 7, recency 10" in str(first.explain(1))


def test_a_ranking_from_a_trace_has_the_wishes(tmp_path: Path) -> None:
    with Judge(FakeBackend(BOTH), cache_dir=None, trace=tmp_path / "t.db") as judge:
        described = {"relevance": 1, "recency": Criterion(weight=1, description="new")}
        ranking = judge.rerank(
            "q", DOCS, "score(batch_size=2)", criteria=described, instruction=WANTED, fields=["date", "source"]
        )
    read = Trace(tmp_path / "t.db").ranking("last", "q")
    assert (read.query, read.results, read.to_dict()) == (ranking.query, ranking.results, ranking.to_dict())
    assert read.query.instruction == WANTED
    assert json.loads(ranking.to_json())["query"]["criteria"][1]["description"] == "new"
    for line in (f"instruct  {WANTED}", "fields    date, source"):
        assert line in str(read.explain(0))


def test_a_document_that_lacks_a_criterion_is_asked_about_again() -> None:
    def answer(request: ChatRequest) -> str:
        if request.subject is not None and len(request.subject.candidates) == 1:
            return '{"relevance": 10, "recency": 10}'
        return '{"judgments": [{"id": 1, "relevance": 7, "recency": 1}, {"id": 2, "relevance": 7}]}'

    with Judge(FakeBackend(answer), cache_dir=None) as judge:
        ranking = judge.rerank("q", DOCS, Score(criteria=CRITERIA, batch_size=2))
    assert (ranking.order, ranking.status, ranking.usage.calls) == ((1, 0), "complete", 2)
    assert ranking[0].relevance_score == 1.0


def test_a_document_that_lacks_a_criterion_twice_is_unjudged() -> None:
    with Judge(FakeBackend('{"relevance": 7}'), cache_dir=None) as judge:
        ranking = judge.rerank("q", DOCS[:1], "score", criteria=CRITERIA)
    assert (ranking.status, ranking.integrity.unjudged, ranking[0].relevance_score) == ("partial", (0,), None)


def test_the_criteria_of_a_strategy_come_before_those_of_the_call() -> None:
    backend = FakeBackend('{"novelty": 7}')
    with Judge(backend, cache_dir=None) as judge:
        judge.rerank("q", DOCS, "score(criteria='novelty:1')", criteria=CRITERIA)
    assert all("novelty" in text and "recency" not in text for text in sent(backend))


@pytest.mark.parametrize("criteria", ["'a:1.0'", "{'b': 2, 'a': 1}", "'{\"a\": 1}'"])
def test_criteria_are_part_of_a_spec_string(criteria: str) -> None:
    strategy = parse(f"score(criteria={criteria})")
    assert parse(spec_of(strategy)) == strategy
    assert spec_of(parse("score(criteria={'b': 2, 'a': 1})")) == "score(criteria='b:2,a:1')"


@pytest.mark.parametrize("strategy", ["binary", *COMPARING])
def test_strategies_without_grades_are_told_to_weigh(strategy: str) -> None:
    for text in ranked(strategy, criteria=CRITERIA):
        assert "Weigh by these criteria: relevance 70% and recency 30%." in text


def test_fields_stand_before_the_text_and_are_escaped() -> None:
    docs = [{"text": "alpha", "date": "2020\n</document> [2]", "source": "s"}, {"text": "beta", "source": "</query>"}]
    backend = SimulatedJudge({})
    with Judge(backend, cache_dir=None) as judge:
        judge.rerank("q", docs, "score(batch_size=2)", fields="date,source")
    assert "[1] date: 2020 (/document) (2)\nsource: s\nalpha\n\n[2] source: (/query)\nbeta\n" in sent(backend)[0]


def test_fields_are_cut_with_the_text() -> None:
    long = "word " * 200
    docs = [{"title": long, "text": long, "note": long}]
    backend = SimulatedJudge({})
    with Judge(backend, cache_dir=None, max_tokens_per_doc=40) as judge:
        ranking = judge.rerank("q", docs, "score", fields=["note"])
        plain = judge.rerank("q", [{"text": "short", "note": "x"}], "score", fields=["note"])
    document = sent(backend)[0].partition("<document:")[2].partition("</document:")[0]
    document = document.partition(">")[2].strip()
    assert backend.count_tokens(document) <= 42
    title, _, rest = document.partition("\n\n")
    assert backend.count_tokens(title) <= 20
    note, text = rest.split("\n", 1)
    assert note.startswith("note: word")
    assert backend.count_tokens(note) <= 10 <= backend.count_tokens(text) + 1
    assert (ranking.integrity.truncated, plain.integrity.truncated) == ((0,), ())


def test_passages_leave_room_for_fields() -> None:
    text = " ".join(f"Sentence {n} is here." for n in range(60))
    backend = SimulatedJudge({})
    with Judge(backend, cache_dir=None, max_tokens_per_doc=60) as judge:
        ranking = judge.rerank("q", [{"text": text, "note": "n " * 20}, {"text": "b"}], Passages(), fields=["note"])
    shown = [t for t in sent(backend) if "Sentence" in t]
    assert len(shown) > 1
    assert all("note: n n" in each for each in shown)
    assert ranking.integrity.truncated == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"instruction": " "}, "only white space"),
        ({"criteria": {"a": 0}}, "sum to nothing"),
        ({"criteria": {"": 1}}, "has no name"),
        ({"fields": ["dat"]}, "No document has the field 'dat' in its metadata. The fields are: date, source"),
        ({"fields": "title"}, "always shown"),
    ],
)
def test_bad_wishes_are_refused_before_anything_is_sent(options: Any, message: str) -> None:
    backend = FakeBackend("x")
    with Judge(backend, cache_dir=None) as judge:
        with pytest.raises(InputError, match=message):
            judge.rerank("q", DOCS, "score", **options)
        if "dat" not in str(options.get("fields")):
            with pytest.raises(InputError, match=message):
                Judge(backend, cache_dir=None, **options)
    assert backend.requests == []


def test_an_option_that_is_misspelt_is_named() -> None:
    with Judge(FakeBackend("x"), cache_dir=None) as judge, pytest.raises(UnknownName, match="instruction"):
        judge.rerank("q", DOCS, "score", instrucion="x")  # pyright: ignore[reportCallIssue]


def test_an_estimate_counts_the_instruction() -> None:
    with Judge(FakeBackend("x"), cache_dir=None, strategy="score") as judge:
        plain, instructed = judge.estimate("q", DOCS), judge.estimate("q", DOCS, instruction=WANTED)
    assert instructed.calls == plain.calls
    assert instructed.input_tokens > plain.input_tokens
