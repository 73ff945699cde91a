"""Many rankings side by side: what is made when one of them cannot be."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass

import pytest

from judge_rerank import AuthenticationError, InputError, Judge, Ranking, RerankError
from judge_rerank.core import Candidates, ChatReply, ChatRequest, JudgeCall, Plan, Query, by_score
from judge_rerank.engine.admission import Admission
from judge_rerank.testing import FakeBackend


class Told(FakeBackend):
    """Does what the query says: fails, fails after a second, or never answers."""

    def __init__(self) -> None:
        super().__init__(json.dumps({"score": 7}), concurrency=16)

    async def complete(self, request: ChatRequest) -> ChatReply:
        assert request.subject is not None
        said = request.subject.query.text
        if said == "never":
            await asyncio.sleep(3_600)
        if said == "late":
            await asyncio.sleep(1)
        if said in {"fail", "late"}:
            raise AuthenticationError("no key")
        return await super().complete(request)


def pairs(*queries: str) -> list[tuple[str, list[str]]]:
    return [(query, ["a", "b"]) for query in queries]


def test_an_error_names_its_place_and_what_was_made_and_waits_for_nobody() -> None:
    with Judge(Told(), strategy="score") as judge, pytest.raises(AuthenticationError, match="no key") as raised:
        judge.rerank_many(pairs("good", "fail", "never", "fail"))
    assert raised.value.pair == 1
    assert set(raised.value.rankings_made) == {0}
    assert raised.value.rankings_made[0].status == "complete"


def test_an_error_holds_what_was_made_beside_it() -> None:
    with Judge(Told(), strategy="score") as judge, pytest.raises(AuthenticationError) as raised:
        judge.rerank_many(pairs("good", "late", "good", "fail", "good"))
    assert raised.value.pair == 1
    assert set(raised.value.rankings_made) == {0, 2, 4}


def test_an_error_can_stand_in_the_place_of_its_ranking() -> None:
    with Judge(Told(), strategy="score") as judge:
        made = judge.rerank_many(pairs("good", "fail", "late", "good"), on_error="return")
    assert [isinstance(each, Ranking) for each in made] == [True, False, False, True]
    assert [each.pair for each in made if isinstance(each, RerankError)] == [1, 2]
    with Judge(Told()) as judge, pytest.raises(InputError, match="expected 'raise' or 'return'"):
        judge.rerank_many(pairs("good"), on_error="ignore")  # type: ignore[call-overload]


def test_rankings_come_as_soon_as_those_before_them_are_made() -> None:
    async def first_two() -> list[str]:
        with Judge(Told(), strategy="score") as judge:
            stream = judge.arerank_many(pairs("one", "two", "never"))
            found = [(await anext(stream)).query.text for _ in range(2)]
            await stream.aclose()
            return found

    started = time.monotonic()
    assert asyncio.run(first_two()) == ["one", "two"]
    assert time.monotonic() - started < 60


def test_a_slow_answer_at_the_head_does_not_hold_up_those_behind_it() -> None:
    """As many as before are under way; what is made and waits for its turn is bounded, by eight times that."""
    asked_by_then: list[int] = []

    class Straggling(FakeBackend):
        async def complete(self, request: ChatRequest) -> ChatReply:
            if request.subject is not None and request.subject.query.text == "query 0":
                await asyncio.sleep(1.0)
                asked_by_then.append(len(self.requests))
            return await super().complete(request)

    backend = Straggling('{"score": 5}', concurrency=2, latency_s=0.001)

    rankings = Judge(backend).rerank_many([(f"query {number}", ["one"]) for number in range(100)], "score")

    assert [ranking.query.text for ranking in rankings] == [f"query {number}" for number in range(100)]
    assert 10 < asked_by_then[0] <= 8 * 4 + 1


def test_rankings_begin_when_the_models_have_too_little_to_do() -> None:
    """Two calls at once, and no more of the others made ready than are needed next."""
    begun: list[str] = []
    at_first_answer: list[int] = []

    @dataclass(frozen=True, kw_only=True)
    class Noting:
        name: str = "noting"

        def plan(self, query: Query, candidates: Candidates) -> Plan:
            begun.append(query.text)
            calls = [JudgeCall(task="score", query=query, candidates=(each,)) for each in candidates]
            outcomes = yield calls
            scores = {c.index: o.scores(call)[c.index] for c, call, o in zip(candidates, calls, outcomes, strict=True)}
            return by_score(candidates, scores)

    class Slow(FakeBackend):
        async def complete(self, request: ChatRequest) -> ChatReply:
            await asyncio.sleep(0.05)
            at_first_answer.append(len(begun))
            return await super().complete(request)

    queries = [f"query {number}" for number in range(40)]
    with Judge(Slow(json.dumps({"score": 7}), concurrency=2), strategy=Noting()) as judge:
        made = judge.rerank_many([(query, list("abcd")) for query in queries])
    assert begun == queries
    assert all(ranking.status == "complete" for ranking in made)
    assert at_first_answer[0] <= 4


def test_a_ranking_that_is_given_up_before_its_turn_leaves_it_to_the_next() -> None:
    async def turns() -> list[str]:
        admission = Admission(lambda: 1)
        came: list[str] = []

        async def wait(name: str) -> None:
            await admission.turn(name)
            came.append(name)

        admission.asked(1)
        waiting = [asyncio.create_task(wait(name)) for name in ("first", "second", "third")]
        await asyncio.sleep(0)
        waiting[0].cancel()
        admission.asked(-1)
        waiting[1].cancel()  # its turn had just come
        await asyncio.gather(*waiting, return_exceptions=True)
        return came

    assert asyncio.run(turns()) == ["third"]
