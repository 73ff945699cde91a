"""Rerank APIs, each in its own shape over a real socket: scores, bills, cache, faults."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal

import pytest

from judge_rerank import Budget, Document, InputError, Judge, Price, RerankAPI, Score
from judge_rerank.core import Failed, Scores
from judge_rerank.core.backend import ChatReply
from judge_rerank.prompting.tasks.rerank import Rerank
from judge_rerank.strategies import spec
from judge_rerank.testing import FakeBackend, check_strategy
from tests.provider import Fault, Provider, QrelsJudge
from tests.provider import Price as Charge

DOCS = {"Dune is a film of 1984.": 1, "Frank Herbert wrote Dune.": 3, "A dune is a hill of sand.": 0}
# LiteLLM's name, the folder that says which shape the provider has, and what is to be paid for a million tokens.
BY_TOKENS = [
    ("jina_ai/jina-reranker-v2-base-multilingual", "/jina/v1"),
    ("voyage/rerank-2.5", "/voyage/v1"),
    ("hosted_vllm/BAAI/bge-reranker-v2-m3", "/vllm"),
    ("infinity/bge", "/infinity"),
    ("huggingface/BAAI/bge-reranker-base", "/tei"),
]


OpenJudge = Callable[..., Judge]


@pytest.fixture
def judge() -> Iterator[OpenJudge]:
    """Opens judges, and closes them at the end."""
    with ExitStack() as opened:
        yield lambda **options: opened.enter_context(Judge(FakeBackend('{"score": 5}'), **options))


def api(provider: Provider, model: str = "cohere/rerank-v3.5", folder: str = "", **options: object) -> RerankAPI:
    return RerankAPI(model, api_base=f"{provider.url}{folder}", api_key="sk-loopback", **options)  # type: ignore[arg-type]


def test_conformance() -> None:
    check_strategy(RerankAPI("cohere/rerank-v3.5"))
    check_strategy(RerankAPI("cohere/rerank-v3.5", batch_size=7))


def test_cohere_is_billed_by_search_units(judge: OpenJudge) -> None:
    with Provider(QrelsJudge(DOCS), default_price=Charge(input=0, output=0, request=2000)) as provider:
        ranking = judge(budget=Budget(usd="0.01")).rerank("who wrote Dune?", list(DOCS), api(provider))
        assert ranking.order == (1, 0, 2)
        assert [place.relevance_score for place in ranking] == [1.0, 0.333, 0.0]
        assert ranking.usage.cost_usd == Decimal("0.002")
        assert provider.bill.microusd == 2000
        assert provider.received[0].path == "/v2/rerank"
        assert provider.received[0].body["documents"] == list(DOCS)
        assert provider.received[0].headers["authorization"] == "Bearer sk-loopback"
        first = ranking[0].judgments[0]
        assert (first.stage, first.model, first.raw) == ("api", "cohere/rerank-v3.5", 1.0)


@pytest.mark.parametrize(("model", "folder"), BY_TOKENS, ids=[model for model, _ in BY_TOKENS])
def test_other_shapes_are_billed_by_tokens(judge: OpenJudge, model: str, folder: str) -> None:
    prices = {model: Price(input_usd_per_mtok="0.05")}
    with Provider(QrelsJudge(DOCS), default_price=Charge(input=50_000, output=0)) as provider:
        spender = judge(budget=Budget(usd="0.01"), prices=prices)
        ranking = spender.rerank("who wrote Dune?", list(DOCS), api(provider, model, folder))
        assert ranking.order == (1, 0, 2)
        assert ranking.status == "complete"
        assert ranking.usage.cost_usd is not None
        assert provider.bill.microusd <= ranking.usage.cost_usd * 1_000_000 <= 100


@pytest.mark.filterwarnings("ignore:The `dict` method is deprecated")  # in LiteLLM
def test_together_has_a_client_of_its_own(judge: OpenJudge) -> None:
    with Provider(QrelsJudge(DOCS)) as provider:
        model = "together_ai/Salesforce/Llama-Rank-V1"
        assert judge().rerank("who wrote Dune?", list(DOCS), api(provider, model, "/v1")).order == (1, 0, 2)


def test_titles_are_shown_and_long_documents_are_cut_and_counted(judge: OpenJudge) -> None:
    docs = [Document(title="Dune", text="sand " * 400), "Frank Herbert wrote Dune."]
    with Provider(QrelsJudge(DOCS)) as provider:
        ranking = judge(max_tokens_per_doc=50).rerank("who wrote Dune?", docs, api(provider))
        sent = provider.received[0].body["documents"][0]
        assert sent.startswith("Dune\nsand sand")
        assert len(sent) < 400
        assert ranking.integrity.truncated == (0,)


def test_batches_are_one_round(judge: OpenJudge) -> None:
    with Provider(QrelsJudge(DOCS)) as provider:
        ranking = judge().rerank("who wrote Dune?", list(DOCS), api(provider, batch_size=2))
        assert (ranking.order, ranking.usage.calls, ranking.usage.rounds) == ((1, 0, 2), 2, 1)
        forecast = judge().estimate("who wrote Dune?", list(DOCS), api(provider, batch_size=2))
        assert (forecast.calls, forecast.rounds, forecast.cost_usd) == (2, 1, Decimal("0.004"))


def test_an_identical_request_is_paid_for_once(judge: OpenJudge, tmp_path) -> None:
    with Provider(QrelsJudge(DOCS)) as provider:
        cached = judge(cache_dir=tmp_path)
        first = cached.rerank("who wrote Dune?", list(DOCS), api(provider))
        second = cached.rerank("who wrote Dune?", list(DOCS), api(provider))
        assert provider.requests == 1
        assert first.order == second.order
        assert (second.usage.calls, second.usage.cached_calls, second.usage.cost_usd) == (0, 1, 0)


def test_a_budget_holds(judge: OpenJudge) -> None:
    with Provider(QrelsJudge(DOCS)) as provider:
        ranking = judge(budget=Budget(usd="0.001")).rerank("who wrote Dune?", list(DOCS), api(provider))
        assert provider.requests == 0
        assert ranking.status == "partial"
        assert ranking.order == (0, 1, 2)


def test_faults_are_retried_and_garbage_is_no_judgment(judge: OpenJudge) -> None:
    with Provider(QrelsJudge(DOCS)) as provider:
        provider.misbehave(Fault(kind="status", status=503))
        ranking = judge().rerank("who wrote Dune?", list(DOCS), api(provider))
        assert (ranking.order, ranking.usage.retries) == ((1, 0, 2), 1)
        provider.misbehave(Fault(kind="no_choices"))
        ranking = judge().rerank("who wrote Dune?", list(DOCS), api(provider))
        assert (ranking.order, ranking.status, ranking.integrity.failed) == ((0, 1, 2), "partial", {"unreadable": 1})


def test_a_reply_with_missing_repeated_and_invented_places_loses_no_document(judge: OpenJudge) -> None:
    with Provider(QrelsJudge(DOCS)) as provider:
        for fault, judged in (("bad_order", {0, 1}), ("truncated", {1})):
            provider.misbehave(Fault(kind=fault))
            ranking = judge().rerank("who wrote Dune?", list(DOCS), api(provider))
            assert sorted(ranking.order) == [0, 1, 2]
            assert {place.index for place in ranking if place.relevance_score is not None} == judged
            assert ranking[0].index == 1
            assert ranking.status == "partial"


@pytest.mark.parametrize("kind", ["drop", "half_body", "bad_json", "no_usage", "hang"])
def test_what_an_api_may_have_billed_is_charged_in_full(judge: OpenJudge, kind: str) -> None:
    with Provider(QrelsJudge(DOCS), default_price=Charge(input=0, output=0, request=2000)) as provider:
        provider.misbehave(Fault(kind=kind))  # type: ignore[arg-type]
        spender = judge(max_attempts=1, timeout_s=1.0 if kind == "hang" else 30.0)
        with spender.limit(usd="0.01") as limit:
            ranking = spender.rerank("who wrote Dune?", list(DOCS), api(provider))
        assert provider.bill.microusd == 2000
        assert limit.spent.micro_usd >= 2000
        assert ranking.usage.cost_usd == Decimal(limit.spent.micro_usd).scaleb(-6)


def test_a_bill_by_something_that_has_no_price_is_charged_in_full(judge: OpenJudge) -> None:
    """It says how many search units it bills, and the price that is known is one for tokens."""
    prices = {"cohere/rerank-v3.5": Price(input_usd_per_mtok=1000)}
    with Provider(QrelsJudge(DOCS)) as provider:
        spender = judge(prices=prices)
        with spender.limit(usd="10") as limit:
            most = spender.estimate("who wrote Dune?", list(DOCS), api(provider)).cost_usd
            assert spender.rerank("who wrote Dune?", list(DOCS), api(provider)).usage.cost_usd == most
        assert limit.spent.micro_usd == int((most or 0) * 1_000_000) > 0


def test_prices_by_the_call_and_by_the_document(judge: OpenJudge) -> None:
    prices = {"cohere/rerank-v3.5": Price(per_call_usd="0.001", per_document_usd="0.0002")}
    with Provider(QrelsJudge(DOCS)) as provider:
        ranking = judge(prices=prices, budget=Budget(usd="0.01")).rerank(
            "who?", list(DOCS), api(provider, batch_size=2)
        )
    assert (ranking.usage.calls, ranking.usage.cost_usd) == (2, Decimal("0.0026"))


def test_a_user_and_a_password_in_the_address_are_sent_as_a_header(judge: OpenJudge) -> None:
    with Provider(QrelsJudge(DOCS)) as provider:
        address = provider.url.replace("//", "//somebody:password@")
        assert judge().rerank("who wrote Dune?", list(DOCS), RerankAPI("cohere/rerank-v3.5", api_base=address)).order
        assert provider.received[0].headers["authorization"].startswith("Basic ")


def test_an_api_before_the_judge(judge: OpenJudge) -> None:
    with Provider(QrelsJudge(DOCS)) as provider:
        ranking = judge().rerank("who wrote Dune?", list(DOCS), api(provider) % 2 >> Score())
        assert ranking.order == (1, 0, 2)
        assert [j.stage for j in ranking[0].judgments] == ["api", "score"]


def test_by_name_and_bad_input() -> None:
    assert spec.parse("api('cohere/rerank-v3.5', batch_size=10)") == RerankAPI("cohere/rerank-v3.5", batch_size=10)
    assert "sk-secret" not in repr(RerankAPI("cohere/rerank-v3.5", api_key="sk-secret"))
    for options in ({"model": " "}, {"model": "cohere/rerank-v3.5", "batch_size": 0}):
        with pytest.raises(InputError):
            RerankAPI(**options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="needs model"):
        spec.parse("api")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("[[0, 0.5], [1, 0.25]]", (0.5, 0.25)),
        ("[[1, 0.25]]", (None, 0.25)),
        ("[[0, 0.5], [0, 0.9], [7, 1.0], [-1, 1.0]]", (0.5, None)),
        ("[[0, 0], [1, 4.0]]", (0.5, pytest.approx(0.982, abs=1e-3))),
        ('[[0, NaN], [1, 1.0], [true, 1], ["1", 1], [0], 5]', (None, 1.0)),
    ],
)
def test_replies_are_read_with_care(text: str, values: tuple[float | None, ...]) -> None:
    outcome = Rerank().read(ChatReply(text=text), 2)
    assert isinstance(outcome, Scores)
    assert outcome.values == values


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "[[5, 1.0]]", "not json"])
def test_replies_without_a_score_are_failures(text: str) -> None:
    assert isinstance(Rerank().read(ChatReply(text=text), 2), Failed)
