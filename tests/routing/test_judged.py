"""The judge as the classifier."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from judge_rerank import (
    AuthenticationError,
    Budget,
    InputError,
    Judge,
    JudgeClassifier,
    Price,
    ProviderUnavailable,
    Query,
)
from judge_rerank.core import Candidates, Choice, Failed, Ordering, Plan
from judge_rerank.core.backend import ChatReply, ChatRequest
from judge_rerank.routing import asked
from judge_rerank.testing import FakeBackend
from judge_rerank.tracing.trace import Trace


def answers(request: ChatRequest) -> str:
    assert request.subject is not None
    return json.dumps({"label": "complex" if "older" in request.subject.query.text else "factual"})


def test_one_call_for_each_distinct_query() -> None:
    backend = FakeBackend(answers)
    with Judge(backend) as judge:
        found = JudgeClassifier(judge=judge).classify_many(["which is older?", "who?", "which is older?"])
    assert [each.label for each in found] == ["complex", "factual", "complex"]
    assert [each.confidence for each in found] == [None] * 3
    assert not any(each.fallback for each in found)
    assert len(backend.requests) == 2
    assert backend.requests[0].subject is not None
    assert backend.requests[0].subject.options == ("factual", "semantic", "complex")


def test_log_probabilities_are_the_confidence() -> None:
    spread = {"factual": -0.2231435513, "semantic": -1.6094379124}
    reply = ChatReply(text="factual", branches={"": spread, "factual": {"": 0.0}}, output_tokens=1, cost_usd=Decimal(0))
    with Judge(FakeBackend(reply, logprobs=True)) as judge:
        found = JudgeClassifier(judge=judge).classify("who wrote Dune?")
    assert found.label == "factual"
    assert found.confidence == pytest.approx(0.8)


def test_a_reason_where_one_is_wanted() -> None:
    backend = FakeBackend('{"reason": "one name answers it", "label": "factual"}')
    with Judge(backend) as judge:
        found = JudgeClassifier(judge=judge, explain=True).classify("who wrote Dune?")
    assert found.reasons == ("one name answers it",)


def test_labels_of_ones_own() -> None:
    backend = FakeBackend('{"label": "billing"}')
    with Judge(backend) as judge:
        assert JudgeClassifier(judge=judge, labels=("billing", "sales")).classify("my invoice").label == "billing"
        for labels in ((), ("one",), ("one", "one"), ("one", " ")):
            with pytest.raises(InputError, match="two different"):
                JudgeClassifier(judge=judge, labels=labels)


@pytest.mark.parametrize("reply", ["I cannot say.", ProviderUnavailable("down", status=503)])
def test_without_an_answer_the_fallback_is_called_one(reply: str | Exception) -> None:
    with Judge(FakeBackend(reply), max_attempts=1) as judge:
        found = JudgeClassifier(judge=judge).classify("Who wrote Dune?")
        own = JudgeClassifier(judge=judge, labels=("billing", "sales")).classify("my invoice")
    assert (found.label, found.fallback) == ("factual", True)
    assert found.reasons[0].startswith("the judge gave no answer")
    assert (own.label, own.confidence, own.fallback) == ("billing", None, True)


def test_what_no_retry_can_help_is_raised() -> None:
    with Judge(FakeBackend(AuthenticationError("no key"))) as judge, pytest.raises(AuthenticationError):
        JudgeClassifier(judge=judge).classify("who?")


def test_an_empty_query_costs_nothing() -> None:
    backend = FakeBackend(answers)
    with Judge(backend) as judge, pytest.raises(InputError):
        JudgeClassifier(judge=judge).classify_many(["who?", " "])
    assert backend.requests == []


def test_budget_cache_and_trace_hold(tmp_path: Path) -> None:
    price = Price(input_usd_per_mtok=1, output_usd_per_mtok=1)
    backend = FakeBackend(answers, local=False)
    trace = Trace(tmp_path / "trace.db")
    options = {"prices": {"fake": price}, "cache_dir": tmp_path / "cache", "trace": trace}
    with Judge(backend, budget=Budget(usd="1"), **options) as judge:
        first = JudgeClassifier(judge=judge).classify("who?")
        again = JudgeClassifier(judge=judge).classify("who?")
        assert first == again
        assert len(backend.requests) == 1
        with judge.limit(calls=1):
            found = [JudgeClassifier(judge=judge).classify(query) for query in ("when was it?", "where is it?")]
        assert [each.fallback for each in found] == [False, True]
        assert "used up" in found[1].reasons[0]
        assert len(backend.requests) == 2
    assert (tmp_path / "trace.db").exists()


class Routed:
    """Asks of what kind the query is, and turns the order round for complex ones."""

    name = "routed"

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        found = yield from asked(query)
        indices = tuple(candidate.index for candidate in candidates)
        return Ordering(order=indices[::-1] if found.label == "complex" else indices)


def test_within_a_strategy() -> None:
    backend = FakeBackend(answers)
    with Judge(backend) as judge:
        assert judge.rerank("which is older?", ["a", "b"], Routed()).order == (1, 0)
        ranking = judge.rerank("who?", ["a", "b"], Routed())
        assert ranking.order == (0, 1)
        assert (ranking.usage.calls, ranking.usage.rounds) == (1, 1)
        forecast = judge.estimate("who?", ["a", "b"], Routed())
    assert (forecast.calls, forecast.rounds) == (1, 1)


def test_the_generator_alone() -> None:
    plan = asked(Query(text="who?"), labels=("a", "b"), prompt="mine", model="other")
    (call,) = next(plan)
    assert (call.task, call.options, call.prompt, call.model, call.candidates) == (
        "classify",
        ("a", "b"),
        "mine",
        "other",
        (),
    )
    with pytest.raises(StopIteration) as end:
        plan.send([Choice(label="b", probabilities={"b": 0.9, "a": 0.1})])
    assert (end.value.value.label, end.value.value.confidence) == ("b", 0.9)


def test_the_generator_falls_back() -> None:
    plan = asked(Query(text="why is the sky blue?"))
    next(plan)
    with pytest.raises(StopIteration) as end:
        plan.send([Failed(reason="budget", message="The budget is used up.")])
    assert end.value.value.label == "semantic"
    assert end.value.value.reasons[0] == "the judge gave no answer: The budget is used up."
