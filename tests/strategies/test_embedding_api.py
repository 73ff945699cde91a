"""Embedding APIs over a real socket: vectors compared, bills, cache, budget, trace, and what is wrong with replies."""

import asyncio
import json
import math
from array import array
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal

import pytest

from judge_rerank import (
    AuthenticationError,
    Budget,
    Document,
    EmbeddingAPI,
    Hybrid,
    InputError,
    Judge,
    Passages,
    Price,
    PricingUnknown,
    Score,
    SelfConsistent,
    Trace,
)
from judge_rerank.core import Failed, Scores
from judge_rerank.core.backend import ChatReply
from judge_rerank.prompting.tasks.embedding import Embedding, Vectors, compared, packed
from judge_rerank.strategies import spec
from judge_rerank.testing import FakeBackend, check_strategy
from tests.provider import Fault, Provider, QrelsJudge, Received
from tests.provider import Price as Charge
from tests.provider.meter import quarter_of_bytes

QUERY = "who wrote Dune?"
DOCS = {"Dune is a film of 1984.": 1, "Frank Herbert wrote Dune.": 3, "A dune is a hill of sand.": 0}
GRADES = {QUERY: 3, **DOCS}
OPENAI = "openai/text-embedding-3-small"

OpenJudge = Callable[..., Judge]


@pytest.fixture
def judge() -> Iterator[OpenJudge]:
    """Opens judges, and closes them at the end."""
    with ExitStack() as opened:
        yield lambda **options: opened.enter_context(Judge(FakeBackend('{"score": 5}'), **options))


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider(QrelsJudge(GRADES), default_price=Charge(input=20_000, output=0)) as opened:
        yield opened


def api(provider: Provider, model: str = OPENAI, folder: str = "/v1", **options: object) -> EmbeddingAPI:
    return EmbeddingAPI(model, api_base=f"{provider.url}{folder}", api_key="sk-loopback", **options)  # type: ignore[arg-type]


def test_conformance() -> None:
    check_strategy(EmbeddingAPI(OPENAI))
    check_strategy(EmbeddingAPI(OPENAI, batch_size=7))


def test_cosines_in_one_round_with_a_price(judge: OpenJudge, provider: Provider) -> None:
    ranking = judge(budget=Budget(usd="0.01")).rerank(QUERY, list(DOCS), api(provider, dimensions=2))
    assert (ranking.order, ranking.status) == ((1, 0, 2), "complete")
    assert [place.relevance_score for place in ranking] == pytest.approx([1.0, (1 + 0.5) / 2, 0.5], abs=2e-3)
    assert (ranking.usage.calls, ranking.usage.rounds) == (2, 1)
    assert ranking.usage.cost_usd is not None
    assert provider.bill.microusd <= ranking.usage.cost_usd * 1_000_000 <= provider.bill.microusd + 2
    (first,) = ranking[0].judgments
    assert (first.stage, first.raw, first.failure) == ("embedding-api", pytest.approx(1.0, abs=1e-3), None)
    sent = sorted((request.body for request in provider.received), key=lambda body: len(body["input"]))
    assert [body["input"] for body in sent] == [[QUERY], list(DOCS)]
    assert {body["dimensions"] for body in sent} == {2}
    assert {request.headers["authorization"] for request in provider.received} == {"Bearer sk-loopback"}


@pytest.mark.parametrize(
    ("model", "folder", "types"),
    [
        ("cohere/embed-v4.0", "/v2/embed", {"search_query", "search_document"}),
        ("voyage/voyage-3", "/v1", {"query", "document"}),
        ("hosted_vllm/BAAI/bge-m3", "/v1", {None}),
        ("infinity/BAAI/bge-m3", "", {None}),
        ("mistral/mistral-embed", "/v1", {None}),
        ("openai/my-own", "/v1", {None}),
    ],
)
def test_other_providers(judge: OpenJudge, provider: Provider, model: str, folder: str, types: set[str | None]) -> None:
    ranking = judge(prices={model: Price(input_usd_per_mtok="0.02")}).rerank(
        QUERY, list(DOCS), api(provider, model, folder)
    )
    assert (ranking.order, ranking.status) == ((1, 0, 2), "complete")
    assert {request.body.get("input_type") for request in provider.received} == types
    assert ranking.usage.input_tokens == provider.bill.input_tokens


def test_the_key_of_openai_is_not_sent_elsewhere(
    judge: OpenJudge, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai")
    monkeypatch.delenv("MISTRAL_API_KEY", raising=False)
    judge().rerank(QUERY, list(DOCS), EmbeddingAPI("mistral/mistral-embed", api_base=f"{provider.url}/v1"))
    assert provider.received
    assert not any("sk-of-openai" in request.headers["authorization"] for request in provider.received)


def test_input_types_and_prefixes_are_told_apart(judge: OpenJudge, provider: Provider) -> None:
    strategy = api(
        provider,
        query_prefix="query: ",
        document_prefix="passage: ",
        query_input_type="q",
        document_input_type="d",
        params={"user": "somebody"},
    )
    assert judge().rerank(QUERY, list(DOCS), strategy).order == (1, 0, 2)
    sent = {request.body["input_type"]: request.body for request in provider.received}
    assert sent["q"]["input"] == [f"query: {QUERY}"]
    assert sent["d"]["input"] == [f"passage: {text}" for text in DOCS]
    assert {body["user"] for body in sent.values()} == {"somebody"}


def test_batches_are_one_round_and_forecast(judge: OpenJudge, provider: Provider) -> None:
    strategy = api(provider, batch_size=2)
    forecast = judge().estimate(QUERY, list(DOCS), strategy)
    assert provider.requests == 0
    ranking = judge().rerank(QUERY, list(DOCS), strategy)
    assert (ranking.order, ranking.usage.calls, ranking.usage.rounds) == ((1, 0, 2), 3, 1)
    assert (forecast.calls, forecast.rounds, forecast.output_tokens) == (3, 1, 0)
    assert (forecast.cost_usd or 0) >= (ranking.usage.cost_usd or 0) > 0


def test_titles_are_shown_long_documents_are_cut_and_empty_ones_are_no_error(
    judge: OpenJudge, provider: Provider
) -> None:
    docs = [Document(title="Dune", text="sand " * 400), "Frank Herbert wrote Dune.", ""]
    ranking = judge(max_tokens_per_doc=50).rerank(QUERY, docs, api(provider))
    (sent,) = (request.body["input"] for request in provider.received if len(request.body["input"]) == 2)
    assert sent[0].startswith("Dune\nsand sand")
    assert len(sent[0]) < 400
    assert ranking.integrity.truncated == (0,)
    assert (ranking.order[-1], ranking.integrity.unjudged, ranking.status) == (2, (2,), "complete")
    assert ranking.notes == ("embedding-api: 1 document has no text and was not sent",)


def test_texts_that_the_api_refuses_cost_the_others_nothing(judge: OpenJudge, tmp_path) -> None:
    def refuses(request: Received) -> tuple[int, str] | None:
        texts = request.body["input"]
        if len(texts) > 4:
            return 400, f"invalid request: total number of texts must be at most 4 - received {len(texts)}"
        longest = max(quarter_of_bytes(text) for text in texts)
        return (400, f"This model's maximum context length is 64 tokens, you sent {longest}.") if longest > 64 else None

    docs = ["sand " * 400, "A dune is a hill of sand.", *(f"document {number}" for number in range(8)), "  "]
    with Provider(QrelsJudge(GRADES), refuses=refuses) as provider:
        own = judge(cache_dir=tmp_path)
        ranking = own.rerank(QUERY, docs, api(provider))
        assert (ranking.status, ranking.integrity.unjudged, ranking.integrity.truncated) == ("complete", (10,), (0,))
        assert all(place.relevance_score is not None for place in ranking.results[:-1])
        again = own.rerank(QUERY + "?", docs, api(provider))
        assert (again.status, again.integrity.failed, again.usage.rounds) == ("complete", {}, 1)


def test_an_identical_request_is_paid_for_once(judge: OpenJudge, provider: Provider, tmp_path) -> None:
    cached = judge(cache_dir=tmp_path)
    first = cached.rerank(QUERY, list(DOCS), api(provider))
    second = cached.rerank(QUERY, list(DOCS), api(provider))
    assert provider.requests == 2
    assert [p.relevance_score for p in first] == [p.relevance_score for p in second]
    assert (second.usage.calls, second.usage.cached_calls, second.usage.cost_usd) == (0, 2, 0)
    cached.rerank("who filmed Dune?", list(DOCS), api(provider))  # the documents' vectors are there already
    assert provider.requests == 3


def test_a_budget_holds(judge: OpenJudge, provider: Provider) -> None:
    dear = judge(budget=Budget(usd="0.001"), prices={OPENAI: Price(input_usd_per_mtok=1000)})
    ranking = dear.rerank(QUERY, list(DOCS), api(provider))
    assert provider.requests == 0
    assert (ranking.order, ranking.status, ranking.integrity.unjudged) == ((0, 1, 2), "partial", (0, 1, 2))


def test_a_price_that_is_not_known_is_an_error_under_a_cap(judge: OpenJudge, provider: Provider) -> None:
    with pytest.raises(PricingUnknown):
        judge().rerank(QUERY, list(DOCS), api(provider, "hosted_vllm/mine"), max_usd="1")
    assert provider.requests == 0


def test_faults_are_retried_and_a_wrong_key_is_an_error(judge: OpenJudge, provider: Provider) -> None:
    provider.misbehave(Fault(kind="status", status=503))
    ranking = judge().rerank(QUERY, list(DOCS), api(provider))
    assert (ranking.order, ranking.usage.retries, ranking.status) == ((1, 0, 2), 1, "complete")
    provider.keys = frozenset({"another"})
    with pytest.raises(AuthenticationError):
        judge().rerank(QUERY, list(DOCS), api(provider))


@pytest.mark.parametrize("kind", ["no_choices", "truncated", "bad_order"])
def test_a_reply_with_other_vectors_than_asked_for_is_no_judgment(
    judge: OpenJudge, provider: Provider, kind: str
) -> None:
    """Whichever of the calls it answers: without the query's vector no document has a score."""
    provider.misbehave(*[Fault(kind=kind)] * 2)  # type: ignore[arg-type]
    ranking = judge().rerank(QUERY, list(DOCS), api(provider))
    assert (ranking.order, ranking.status, ranking.integrity.unjudged) == ((0, 1, 2), "partial", (0, 1, 2))
    assert set(ranking.integrity.failed) == {"unreadable"}
    assert all(place.relevance_score is None for place in ranking)


def test_one_batch_that_fails_leaves_the_others_their_scores(judge: OpenJudge, provider: Provider) -> None:
    provider.misbehave(None, None, Fault(kind="no_choices"))
    ranking = judge(concurrency=1).rerank(QUERY, list(DOCS), api(provider, batch_size=2))
    assert (ranking.order, ranking.status, ranking.integrity.unjudged) == ((1, 0, 2), "partial", (2,))
    assert ranking[2].judgments[0].failure == "unreadable"


def test_without_the_querys_vector_no_document_has_a_score(judge: OpenJudge, provider: Provider) -> None:
    provider.misbehave(Fault(kind="no_choices"))
    ranking = judge(concurrency=1).rerank(QUERY, list(DOCS), api(provider))
    assert (ranking.order, ranking.status, ranking.integrity.unjudged) == ((0, 1, 2), "partial", (0, 1, 2))


@pytest.mark.parametrize("kind", ["drop", "half_body", "bad_json", "no_usage"])
def test_what_an_api_may_have_billed_is_charged(judge: OpenJudge, provider: Provider, kind: str) -> None:
    provider.misbehave(*[Fault(kind=kind)] * 2)  # type: ignore[arg-type]
    spender = judge(max_attempts=1)
    with spender.limit(usd="0.01") as limit:
        ranking = spender.rerank(QUERY, list(DOCS), api(provider))
    assert limit.spent.micro_usd >= provider.bill.microusd > 0
    assert ranking.usage.cost_usd == Decimal(limit.spent.micro_usd).scaleb(-6)


def test_the_trace_has_every_call_with_its_scores(judge: OpenJudge, provider: Provider, tmp_path) -> None:
    trace = Trace(tmp_path / "trace.db")
    ranking = judge(trace=trace).rerank(QUERY, list(DOCS), api(provider))
    calls = trace.calls()
    assert [
        (call.stage, call.window, call.attempt) for call in sorted(calls, key=lambda call: (call.call, call.window))
    ] == [
        ("embedding-api", (), 1),
        ("embedding-api", (0, 1, 2), 1),
        ("embedding-api", (0, 1, 2), 1),
    ]
    (scores,) = [call.outcome for call in calls if call.outcome is not None]
    assert isinstance(scores, Scores)
    assert scores.values == tuple(p.relevance_score for p in sorted(ranking, key=lambda place: place.index))
    assert sum(call.cost_usd or 0 for call in calls) == ranking.usage.cost_usd


def test_what_was_paid_for_is_in_the_trace_of_a_ranking_that_is_cancelled(
    judge: OpenJudge, provider: Provider, tmp_path
) -> None:
    provider.misbehave(None, Fault(kind="hang"))
    opened = judge(concurrency=1, trace=Trace(tmp_path / "trace.db"))

    async def cancelled() -> None:
        ranking = asyncio.create_task(opened.arerank(QUERY, list(DOCS), api(provider)))
        while provider.requests < 2:  # noqa: ASYNC110  # the provider is in another thread
            await asyncio.sleep(0.01)
        ranking.cancel()
        await asyncio.wait({ranking})

    asyncio.run(cancelled())
    opened.close()
    calls = Trace(tmp_path / "trace.db").calls()
    assert sorted(str(call.error) for call in calls) == ["Cut off before the answer came.", "None"]
    assert all(call.outcome is None for call in calls)


def test_within_other_strategies(judge: OpenJudge, provider: Provider) -> None:
    ranking = judge().rerank(QUERY, list(DOCS), api(provider) % 2 >> Score())
    assert [j.stage for j in ranking[0].judgments] == ["embedding-api", "score"]
    for strategy in (
        Passages(strategy=api(provider)),
        SelfConsistent(strategy=api(provider), n=2),
        Hybrid({api(provider): 3, "first-stage": 1}),
    ):
        assert judge().rerank(QUERY, list(DOCS), strategy).order == (1, 0, 2)


def test_by_name_and_bad_input() -> None:
    assert spec.parse(f"embedding-api('{OPENAI}', batch_size=10)") == EmbeddingAPI(OPENAI, batch_size=10)
    assert "sk-secret" not in repr(EmbeddingAPI(OPENAI, api_key="sk-secret"))
    for options in ({"model": " "}, {"model": OPENAI, "batch_size": 0}, {"model": OPENAI, "dimensions": 0}):
        with pytest.raises(InputError):
            EmbeddingAPI(**options)  # type: ignore[arg-type]


def reply(*vectors: object) -> ChatReply:
    return ChatReply(text=json.dumps([[index, packed(vector)] for index, vector in enumerate(vectors)]))


def test_a_vector_that_is_none_gives_no_score_and_no_other_is_lost() -> None:
    read = Embedding(4).read(reply([1, 0], [math.nan, 1], [0, 0], "text"), 4)
    assert isinstance(read, Vectors)
    query = Vectors(vectors=(array("f", [1, 0]),))
    outcome = compared(query, read)
    assert isinstance(outcome, Scores)
    assert (outcome.values, outcome.raw) == ((1.0, None, None, None), (1.0, None, None, None))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        "[5, 6]",
        "not json",
        reply([1.0, 0.0]).text,
        reply([1.0], [1.0, 0.0]).text,
        json.dumps([[0, packed([1.0])], [0, packed([1.0])]]),
        json.dumps([[0, packed([1.0])], [2, packed([1.0])]]),
        json.dumps([[None, packed([1.0])], [1, packed([1.0])]]),
        json.dumps([[True, packed([1.0])], [0, packed([1.0])]]),
        json.dumps([[0, "no base64"], [1, packed([1.0])]]),
        json.dumps([[0, "AA=="], [1, packed([1.0])]]),
    ],
)
def test_replies_in_which_it_is_not_certain_which_vector_is_whose_are_failures(text: str) -> None:
    assert isinstance(Embedding(2).read(ChatReply(text=text), 2), Failed)


def test_vectors_that_cannot_be_compared_are_failures() -> None:
    one, two = Vectors(vectors=(array("f", [1]),)), Vectors(vectors=(array("f", [1, 0]),))
    assert isinstance(compared(one, two), Failed)
    assert isinstance(compared(Vectors(vectors=(None,)), two), Failed)
    assert compared(Failed(reason="budget", message="no"), two) == Failed(reason="budget", message="no")
