"""The engine through the facade: rounds, failures, deadlines, threads and loops."""

import asyncio
import json
import threading
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge_rerank import (
    AuthenticationError,
    Binary,
    CancelToken,
    ContextTooLong,
    InputError,
    Judge,
    Listwise,
    Progress,
    ProviderUnavailable,
    Query,
    QuotaExhausted,
    RequestRejected,
    Score,
    StrategyError,
    UnknownName,
)
from judge_rerank.core import Candidates, Ordering, Plan
from judge_rerank.core.backend import ChatReply, ChatRequest, ModelInfo
from judge_rerank.testing import FakeBackend, SimulatedJudge

DOCS = [{"id": str(i), "text": f"document number {i}"} for i in range(12)]
QRELS = {"q": {str(i): (i * 5) % 12 for i in range(12)}}
IDEAL = sorted(range(12), key=lambda i: -QRELS["q"][str(i)])
QUERY = Query(text="which number?", id="q")


def always(verdict: dict[str, object]) -> FakeBackend:
    return FakeBackend(json.dumps(verdict))


# --- what comes back ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "strategy", ["binary", "score", "listwise", "score(batch_size=5)", "listwise(window_size=6, stride=2)"]
)
@pytest.mark.parametrize("logprobs", [True, False])
def test_a_perfect_judge_gives_the_ideal_order(strategy: str, logprobs: bool) -> None:
    ranking = Judge(SimulatedJudge(QRELS, logprobs=logprobs)).rerank(QUERY, DOCS, strategy)
    top = 4 if strategy.startswith("listwise(") else 12
    if (logprobs and "batch" not in strategy) or strategy.startswith("listwise"):
        assert list(ranking.order[:top]) == IDEAL[:top]
    else:  # a word or a whole number cannot tell all twelve apart, but never contradicts their order
        scores = [r.relevance_score for r in ranking]
        assert scores == sorted(scores, reverse=True)
        assert QRELS["q"][str(ranking[0].index)] >= 10
    assert ranking.status == "complete"
    assert ranking.integrity.unjudged == ()
    assert all(r.judgments for r in ranking)


@settings(deadline=None, max_examples=60)
@given(
    st.text(max_size=200), st.sampled_from(["binary", "score", "listwise", "score(batch_size=4)"]), st.integers(0, 9)
)
def test_always_a_permutation(reply: str, strategy: str, n: int) -> None:
    ranking = Judge(FakeBackend(reply)).rerank("q", [str(i) for i in range(n)], strategy)
    assert sorted(ranking.order) == list(range(n))
    json.loads(ranking.to_json())


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 30), st.integers(0, 99), st.sampled_from(["binary", "score", "listwise"]))
def test_sync_equals_async_equals_many(n: int, seed: int, strategy: str) -> None:
    docs = [{"id": str(i), "text": f"text {i}"} for i in range(n)]
    judge = Judge(SimulatedJudge({"q": {str(i): float(i % 7) for i in range(n)}}, noise=1.0, seed=seed))
    one = judge.rerank(QUERY, docs, strategy)
    other = asyncio.run(judge.arerank(QUERY, docs, strategy))
    (third,) = judge.rerank_many([(QUERY, docs)], strategy)
    assert one.order == other.order == third.order
    assert one.usage.calls == other.usage.calls == third.usage.calls


def test_judgments_say_where_they_come_from() -> None:
    ranking = Judge(always({"reason": "it fits", "score": 10})).rerank("q", ["a", "b"], Score(explain=True))
    judgment = ranking[0].judgments[0]
    assert judgment.stage == "score"
    assert judgment.score == 1.0
    assert judgment.label == "10"
    assert judgment.reason == "it fits"
    assert judgment.window == (0,)
    assert judgment.prompt.startswith("score/")
    assert len(judgment.prompt_hash) >= 16
    assert judgment.reply == '{"reason": "it fits", "score": 10}'
    assert judgment.cost_usd == 0
    assert ranking[0].relevance_score == 1.0


def test_a_pure_order_has_no_scores() -> None:
    ranking = Judge(always({"ranking": [2, 1]})).rerank("q", ["a", "b"], "listwise")
    assert ranking.order == (1, 0)
    assert [r.relevance_score for r in ranking] == [None, None]
    assert [r.judgments[0].position for r in ranking] == [1, 2]


def test_top_n_cuts_the_results_and_not_the_work() -> None:
    ranking = Judge(SimulatedJudge(QRELS)).rerank(QUERY, DOCS, "binary", top_n=3)
    assert list(ranking.order) == IDEAL[:3]
    assert ranking.usage.calls == 12


def test_no_documents_no_call() -> None:
    backend = always({})
    ranking = Judge(backend).rerank("q", [], "listwise")
    assert len(ranking) == 0
    assert ranking.status == "complete"
    assert ranking.usage.calls == 0
    assert backend.requests == []


def test_usage_adds_up() -> None:
    ranking = Judge(always({"relevant": True})).rerank("q", ["a", "b", "c"], "binary")
    assert (ranking.usage.calls, ranking.usage.rounds, ranking.usage.reasks) == (3, 1, 0)
    assert ranking.usage.input_tokens > 0
    assert ranking.usage.cost_usd == Decimal(0)
    assert ranking.integrity.parsed == 3


def test_an_unknown_price_makes_the_cost_unknown_and_not_zero() -> None:
    backend = FakeBackend(
        [ChatReply(text='{"relevant": true}', cost_usd=Decimal("0.1")), ChatReply(text='{"relevant": false}')],
        local=False,
    )
    assert Judge(backend).rerank("q", ["a", "b"], "binary").usage.cost_usd is None


# --- replies that cannot be used ---------------------------------------------------------------------------------


def test_an_unreadable_reply_is_asked_for_once_more_with_the_error() -> None:
    backend = FakeBackend(["what a question", '{"ranking": [2, 1]}'])
    ranking = Judge(backend).rerank("q", ["a", "b"], "listwise")
    assert ranking.order == (1, 0)
    assert ranking.usage.reasks == 1
    assert ranking.usage.calls == 2
    again = backend.requests[1].messages
    assert again[-2].role == "assistant"
    assert again[-2].content == "what a question"
    assert again[-1].role == "user"
    assert "format" in again[-1].content


def test_a_judgment_given_up_leaves_first_stage_order_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    ranking = Judge(FakeBackend("no idea, really")).rerank("q", ["a", "b", "c"], "listwise")
    assert ranking.order == (0, 1, 2)
    assert ranking.status == "partial"
    assert ranking.reasons[0].startswith("unreadable")
    assert ranking.integrity.unjudged == (0, 1, 2)
    assert ranking.integrity.failed == {"unreadable": 1}
    assert "partial ranking" in caplog.text
    assert all(r.relevance_score is None for r in ranking)


def test_a_refusal_is_no_score_and_not_asked_again() -> None:
    def reply(request: ChatRequest) -> str | ChatReply:
        if "bad" in request.messages[-1].content:
            return ChatReply(text="I can't help with that.", finish_reason="refusal")
        return '{"relevant": false}'

    backend = FakeBackend(reply)
    ranking = Judge(backend).rerank("q", ["bad", "good"], "binary")
    assert ranking.order == (1, 0), "a document without a judgment follows those that have one"
    assert ranking.status == "partial"
    assert ranking.integrity.failed == {"refused": 1}
    assert len(backend.requests) == 2


@pytest.mark.parametrize(
    ("first", "times"),
    [
        (ChatReply(text='{"ranking": [2', finish_reason="length"), 2),
        (ChatReply(text="what a question"), 1),
    ],
    ids=["truncated", "unreadable"],
)
def test_a_reply_that_was_cut_off_gets_twice_the_room(first: ChatReply, times: int) -> None:
    backend = FakeBackend([first, '{"ranking": [2, 1]}'])
    ranking = Judge(backend).rerank("q", ["a", "b"], "listwise")
    assert (ranking.order, ranking.usage.reasks) == ((1, 0), 1)
    asked, again = (request.max_output_tokens for request in backend.requests)
    assert again == times * asked


# --- providers that fail -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [AuthenticationError("no key"), QuotaExhausted("no credit"), RequestRejected("no", status=404)]
)
def test_a_fatal_error_is_raised_and_stops_the_rest(error: Exception) -> None:
    backend = FakeBackend(error, concurrency=2)
    with pytest.raises(type(error), match=str(error)):
        Judge(backend).rerank("q", DOCS, "binary")
    assert len(backend.requests) <= 4


@pytest.mark.parametrize(
    "error",
    [AuthenticationError("no key"), QuotaExhausted("no credit"), RequestRejected("no such model", status=404)],
    ids=lambda error: type(error).__name__,
)
def test_what_every_call_would_hear_is_asked_once(error: Exception) -> None:
    backend = FakeBackend(error, concurrency=1)
    with pytest.raises(type(error)):
        Judge(backend).rerank("q", DOCS, "binary")
    assert len(backend.requests) == 1


def test_a_rejection_of_one_document_stops_no_other() -> None:
    backend = FakeBackend([RequestRejected("bad text", status=400), '{"relevant": true}'], concurrency=1)
    ranking = Judge(backend).rerank("q", DOCS, "binary")
    assert (len(backend.requests), ranking.integrity.unjudged) == (12, (0,))


def test_a_fatal_error_after_judgments_keeps_them() -> None:
    backend = FakeBackend(['{"relevant": true}'] * 5 + [QuotaExhausted("no credit")], concurrency=1)
    ranking = Judge(backend).rerank("q", DOCS, "binary")
    assert ranking.status == "partial"
    assert sum(r.relevance_score == 1.0 for r in ranking) == 5
    assert any("no credit" in reason for reason in ranking.reasons)
    assert len(backend.requests) == 6


def test_a_passing_failure_is_retried() -> None:
    backend = FakeBackend([ProviderUnavailable("503", retry_after_s=0.001), '{"ranking": [2, 1]}'])
    ranking = Judge(backend).rerank("q", ["a", "b"], "listwise")
    assert ranking.order == (1, 0)
    assert ranking.usage.retries == 1


def test_a_provider_that_stays_down_gives_a_partial_ranking_soon() -> None:
    backend = FakeBackend(ProviderUnavailable("503", retry_after_s=0.001), concurrency=1)
    ranking = Judge(backend, max_attempts=2).rerank("q", DOCS, "binary")
    assert ranking.status == "partial"
    assert sorted(ranking.order) == list(range(12))
    assert len(backend.requests) < 24, "three calls in a row that failed are enough to know"


def test_one_rejected_document_does_not_end_the_ranking() -> None:
    def reply(request: ChatRequest) -> str | Exception:
        return (
            RequestRejected("bad", status=400) if "number 3" in request.messages[-1].content else '{"relevant": true}'
        )

    ranking = Judge(FakeBackend(reply)).rerank("q", DOCS, "binary")
    assert ranking.status == "partial"
    assert ranking.integrity.unjudged == (3,)
    assert ranking.order[-1] == 3


# --- time, threads, loops ----------------------------------------------------------------------------------------


class Halting(SimulatedJudge):
    """Answers so many requests, one at a time, and no other, ever."""

    def __init__(self, answers: int) -> None:
        super().__init__(QRELS)
        self.answers = answers
        self.halted, self.given_up = threading.Event(), threading.Event()

    @property
    def info(self) -> ModelInfo:
        return replace(super().info, concurrency=1)

    async def complete(self, request: ChatRequest) -> ChatReply:
        if len(self.requests) < self.answers:
            return await super().complete(request)
        self.requests.append(request)
        self.halted.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.given_up.set()
        raise AssertionError


class Together(SimulatedJudge):
    """Answers nothing until so many requests are under way at once."""

    def __init__(self, many: int) -> None:
        super().__init__(QRELS)
        self._many, self._waiting, self._met = many, 0, asyncio.Event()

    async def complete(self, request: ChatRequest) -> ChatReply:
        self._waiting += 1
        if self._waiting == self._many:
            self._met.set()
        await asyncio.wait_for(self._met.wait(), 300)
        return await super().complete(request)


def test_a_deadline_returns_what_there_is() -> None:
    backend = Halting(2)
    ranking = Judge(backend).rerank(QUERY, DOCS, "binary", deadline_s=0.7)
    assert ranking.status == "partial"
    assert "deadline" in ranking.reasons[0]
    assert len(ranking) - len(ranking.integrity.unjudged) == min(2, ranking.usage.calls)
    assert sorted(ranking.order) == list(range(12))


def test_cancelling_from_another_thread_returns_what_there_is() -> None:
    token, backend = CancelToken(), Halting(2)

    def cancel() -> None:
        backend.halted.wait()
        token.cancel()

    threading.Thread(target=cancel).start()
    ranking = Judge(backend).rerank(QUERY, DOCS, "binary", cancel=token)
    assert ranking.status == "partial"
    assert "cancelled" in ranking.reasons[0]
    assert ranking.integrity.unjudged == tuple(range(2, 12))
    assert len(backend.requests) == 3
    assert Judge(always({})).rerank("q", ["a"], "binary", cancel=token).usage.calls == 0


def test_cancelling_the_task_raises_and_stops_the_calls() -> None:
    backend = Halting(1)
    judge = Judge(backend)

    async def main() -> None:
        task = asyncio.create_task(judge.arerank(QUERY, DOCS, "binary"))
        await asyncio.to_thread(backend.halted.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(backend.given_up.wait)

    asyncio.run(main())
    backend.answers = 100
    assert judge.rerank(QUERY, DOCS, "binary").order == tuple(IDEAL)
    assert len(backend.requests) == 2 + 12, "of the cancelled ranking no call followed"


def test_rerank_works_inside_a_running_loop() -> None:
    async def notebook() -> tuple[int, ...]:
        return Judge(SimulatedJudge(QRELS)).rerank(QUERY, DOCS, "binary").order

    assert list(asyncio.run(notebook())) == IDEAL


def test_one_judge_serves_many_threads_and_loops() -> None:
    judge = Judge(SimulatedJudge(QRELS, latency_s=0.01))
    orders: list[tuple[int, ...]] = []
    threads = [
        threading.Thread(target=lambda: orders.append(judge.rerank(QUERY, DOCS, "score").order)) for _ in range(6)
    ] + [
        threading.Thread(target=lambda: orders.append(asyncio.run(judge.arerank(QUERY, DOCS, "score")).order))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(orders) == 12
    assert set(orders) == {tuple(IDEAL)}


def test_concurrency_is_limited_over_all_queries() -> None:
    backend = Together(3)
    Judge(backend, concurrency=3).rerank_many([(QUERY, DOCS)] * 4, "binary")
    assert backend.most_at_once == 3


def test_many_queries_advance_side_by_side() -> None:
    backend = Together(8)
    Judge(backend, concurrency=8).rerank_many([(QUERY, DOCS)] * 8, "listwise(window_size=4, stride=2)")
    assert backend.most_at_once == 8, "windows of one query come one after the other, those of many together"


def test_rerank_many_keeps_the_input_order_and_takes_a_generator() -> None:
    pairs = ((f"q{i}", [f"d{j}" for j in range(i)]) for i in range(30))
    rankings = Judge(always({"relevant": True}), concurrency=2).rerank_many(pairs, "binary")
    assert [r.query.text for r in rankings] == [f"q{i}" for i in range(30)]
    assert [len(r) for r in rankings] == list(range(30))


def test_progress_is_reported_after_every_call_and_may_fail(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Progress] = []
    Judge(always({"relevant": True})).rerank("q", DOCS, "binary", progress=seen.append)
    assert [p.round_done for p in seen] == list(range(1, 13))
    assert (seen[-1].round_calls, seen[-1].stage) == (12, "binary")
    assert (
        Judge(always({"relevant": True})).rerank("q", ["a"], "binary", progress=lambda _p: 1 / 0).status == "complete"
    )
    assert "progress callback failed" in caplog.text


def test_a_progress_callback_that_reranks_is_an_error_and_not_a_deadlock() -> None:
    judge, errors = Judge(always({"relevant": True})), []

    def again(_progress: Progress) -> None:
        try:
            judge.rerank("q", ["a"], "binary")
        except InputError as error:
            errors.append(str(error))

    judge.rerank("q", ["a"], "binary", progress=again)
    assert "another thread" in errors[0]


# --- what fits ---------------------------------------------------------------------------------------------------


def test_windows_shrink_for_long_documents_and_no_request_exceeds_the_context() -> None:
    docs = [{"id": str(i), "text": f"{i} " + "word " * 500} for i in range(12)]
    backend = SimulatedJudge(QRELS, context_tokens=4096)
    ranking = Judge(backend, max_tokens_per_doc=800).rerank(QUERY, docs, Listwise(window_size=12, stride=6))
    assert len(backend.requests) > 1
    for request in backend.requests:
        used = sum(backend.count_tokens(message.content) for message in request.messages)
        assert used + request.max_output_tokens <= 4096
    assert ranking.integrity.truncated == ()
    assert list(ranking.order[:2]) == IDEAL[:2]


def test_a_document_that_does_not_fit_is_cut_and_named() -> None:
    backend = always({"relevant": True})
    ranking = Judge(backend, max_tokens_per_doc=50).rerank("q", ["short", "long " * 10_000], "binary")
    assert ranking.integrity.truncated == (1,)
    assert max(len(r.messages[-1].content) for r in backend.requests) < 4_000
    assert ranking[1].document.text == "long " * 10_000, "the ranking holds the whole document"


def test_a_prompt_that_fills_the_context_says_so() -> None:
    with pytest.raises(ContextTooLong, match="leaves no room"):
        Judge(FakeBackend("", context_tokens=150)).rerank("word " * 1000, ["a"], "binary")


@pytest.mark.slow
def test_ten_thousand_documents_and_one_of_five_megabytes() -> None:
    docs = ["x"] * 10_000
    assert Judge(always({"relevant": True})).rerank("q", docs, "binary(batch_size=1)").usage.calls == 10_000
    ranking = Judge(always({"relevant": True})).rerank("q", ["lorem ipsum " * 420_000, "b"], "binary")
    assert ranking.integrity.truncated == (0,)


# --- estimates and errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["none", "binary", "score(batch_size=5)", "listwise(window_size=4, stride=2)"])
def test_an_estimate_is_the_run_itself(strategy: str) -> None:
    judge = Judge(SimulatedJudge(QRELS, logprobs=False))
    estimate = judge.estimate(QUERY, DOCS, strategy)
    usage = judge.rerank(QUERY, DOCS, strategy).usage
    assert (estimate.calls, estimate.rounds) == (usage.calls, usage.rounds)
    assert estimate.output_tokens >= usage.output_tokens
    assert estimate.cost_usd == 0
    assert abs(estimate.input_tokens - usage.input_tokens) <= 0.05 * usage.input_tokens


def test_an_estimate_makes_no_call() -> None:
    backend = always({})
    assert Judge(backend).estimate("q", DOCS, "listwise").calls == 1
    assert Judge(backend).estimate("q", [], "listwise").calls == 0
    assert backend.requests == []


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"strategy": "listwize"}, UnknownName, "Did you mean 'listwise'"),
        ({"strategy": Binary(prompt="tersse")}, UnknownName, "prompt"),
        ({"top_n": 0}, InputError, "top_n"),
        ({"deadline_s": -1}, InputError, "deadline_s"),
        ({"query": " "}, InputError, "empty"),
        ({"docs": "a text"}, InputError, "list of documents"),
    ],
)
def test_bad_input_is_named_before_anything_is_sent(
    options: dict[str, object], error: type[Exception], message: str
) -> None:
    backend = always({"relevant": True})
    arguments: dict[str, object] = {"query": "q", "docs": ["a", "b"], "strategy": "binary"} | options
    with pytest.raises(error, match=message):
        Judge(backend).rerank(**arguments)
    assert backend.requests == []


@pytest.mark.parametrize(("min_score", "kept"), [(0, 3), (0.5, 2), (1, 1)])
def test_a_least_score_may_be_anything_from_0_to_1_and_keeps_what_has_it(min_score: float, kept: int) -> None:
    judge = Judge(FakeBackend([f'{{"score": {grade}}}' for grade in (1, 6, 10)], concurrency=1), strategy="score")
    ranking = judge.rerank("q", ["a", "b", "c"], min_score=min_score)
    assert [result.index for result in ranking] == [2, 1, 0][:kept]
    for outside in (-0.01, 1.01, float("nan")):
        with pytest.raises(InputError, match="min_score"):
            judge.rerank("q", ["a"], min_score=outside)


@pytest.mark.parametrize("option", ["concurrency", "max_tokens_per_doc", "timeout_s", "max_attempts"])
def test_judge_options_out_of_range(option: str) -> None:
    with pytest.raises(InputError, match=option):
        Judge(always({}), **{option: 0})


class Forgetful:
    """A broken strategy."""

    name = "forgetful"

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        yield from ()
        return Ordering(order=(0, 0))


def test_a_strategy_that_loses_a_document_is_an_error() -> None:
    with pytest.raises(StrategyError, match="permutation"):
        Judge(always({})).rerank("q", ["a", "b"], Forgetful())


def test_a_judge_closes_its_backend_and_opens_again() -> None:
    backend = always({"relevant": True})
    with Judge(backend) as judge:
        judge.rerank("q", ["a"], "binary")
    assert backend.closed
    assert judge.rerank("q", ["a"], "binary").status == "complete"
