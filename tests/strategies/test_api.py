"""Rerank APIs, each in its own shape over a real socket: scores, bills, cache, faults."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from judge_rerank import Budget, Document, InputError, Judge, Price, RerankAPI, Score
from judge_rerank.core import Failed, RequestRejected, Scores
from judge_rerank.core.backend import ChatReply
from judge_rerank.prompting.tasks.rerank import Rerank
from judge_rerank.strategies import spec
from judge_rerank.testing import FakeBackend, check_strategy
from tests.provider import Answer, Asked, Fault, Provider, QrelsJudge, Received
from tests.provider import Price as Charge
from tests.provider.meter import quarter_of_bytes

WISHED = "prefer primary sources\nWeigh by these criteria: relevance 50% and recency 50%."
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


def saying(scores: dict[str, float]) -> Callable[[Asked], Answer]:
    """A reranker that gives these raw scores, whatever their kind."""
    return lambda asked: Answer(text=str(next(s for text, s in scores.items() if asked.prompt.endswith(text)) * 1000))


@pytest.mark.parametrize(
    ("raw", "order", "relevance"),
    [
        ([2.0, -1.0, 0.9, 0.3], (0, 2, 3, 1), [0.881, 0.711, 0.574, 0.269]),  # logits that look like probabilities
        ([44.0, 52.1, 48.3], (1, 2, 0), [0.521, 0.483, 0.44]),  # sums of MaxSim
        ([87, 0, 12, 0.4], (0, 2, 3, 1), [0.87, 0.12, 0.004, 0.0]),  # grades from 0 to 100
        ([45.5, -3.0, 46.0, 45.75], (2, 3, 0, 1), [1.0, 1.0, 1.0, 0.047]),  # logits of which the sigmoid is 1
        ([0.9, 0.2, 0.4], (0, 2, 1), [0.9, 0.4, 0.2]),
    ],
)
@pytest.mark.parametrize("batch_size", [1, 2, 1000])
def test_one_scale_for_all_batches(
    judge: OpenJudge, raw: list[float], order: tuple[int, ...], relevance: list[float], batch_size: int
) -> None:
    docs = [f"document {index}" for index in range(len(raw))]
    with Provider(saying(dict(zip(docs, raw, strict=True)))) as provider:
        ranking = judge().rerank("q", docs, api(provider, batch_size=batch_size))
        assert (ranking.order, ranking.status) == (order, "complete")
        scores = [place.relevance_score for place in ranking]
        assert scores == pytest.approx(relevance, abs=1e-3)
        assert len(set(scores)) == len(scores)
        assert [place.judgments[0].raw for place in ranking] == pytest.approx(sorted(raw, reverse=True))
        cut = judge().rerank("q", docs, api(provider, batch_size=batch_size), min_score=scores[1])
        assert cut.order == order[:2]


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


def test_a_budget_has_room_for_the_query_with_every_document(judge: OpenJudge) -> None:
    model, folder = "hosted_vllm/BAAI/bge-reranker-v2-m3", "/vllm"
    query, docs = "who wrote Dune? " * 30, [f"d{number}" for number in range(60)]
    with Provider(QrelsJudge({}), default_price=Charge(input=1_000_000, output=0)) as provider:
        asking = judge(prices={model: Price(input_usd_per_mtok=1)})
        most = asking.estimate(query, docs, api(provider, model, folder)).cost_usd
        assert asking.rerank(query, docs, api(provider, model, folder)).status == "complete"
        assert most is not None
        assert 60 * len(query) // 4 < provider.bill.microusd <= most * 1_000_000


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


def too_many(most: int, message: str) -> Callable[[Received], tuple[int, str] | None]:
    return lambda request: (422, message) if len(texts_of(request)) > most else None


def texts_of(request: Received) -> list[str]:
    return request.body.get("texts", request.body.get("documents"))


@pytest.mark.parametrize(
    "message",
    [
        "batch size 40 > maximum allowed batch size 32",
        "total number of documents must be at most 32 - received 40",
        "Value error, batch size is invalid, it should not be larger than 32.",
        "List should have at most 32 items after validation, not 40",
        "Too many documents in one request.",
    ],
)
@pytest.mark.parametrize("model", ["huggingface/BAAI/bge-reranker-base", "cohere/rerank-v3.5"])
def test_a_limit_of_documents_is_learnt(judge: OpenJudge, model: str, message: str) -> None:
    folder = dict(BY_TOKENS).get(model, "")
    docs = [f"document {number}" for number in range(40)]
    raw = {text: number / 100 for number, text in enumerate(docs)}
    with Provider(saying(raw), refuses=too_many(32, message)) as provider:
        asking = judge()
        ranking = asking.rerank("q", docs, api(provider, model, folder))
        assert ranking.order == tuple(reversed(range(40)))
        assert (ranking.status, ranking.integrity.unjudged) == ("complete", ())
        assert ranking.integrity.failed == {"oversized": 1}
        assert ranking.usage.calls == 2
        if "32" in message:
            again = asking.rerank("another", docs, api(provider, model, folder))
            assert (again.usage.rounds, again.integrity.failed) == (1, {})
            assert asking.estimate("q", docs, api(provider, model, folder)).calls == 2


@pytest.mark.parametrize("text", ["", "  \n", "\u200b"])
def test_a_document_without_text_is_last_and_unjudged(judge: OpenJudge, text: str) -> None:
    docs = [text, *DOCS]
    refuses = too_many(3, "Input cannot contain empty strings")
    with Provider(QrelsJudge(DOCS), refuses=refuses) as provider:
        ranking = judge().rerank("who wrote Dune?", docs, api(provider))
        assert ranking.order == (2, 1, 3, 0)
        assert (ranking[-1].relevance_score, ranking.integrity.unjudged) == (None, (0,))
        assert ranking.notes == ("api: 1 document has no text and was not sent",)
        assert provider.requests == 1
        nothing = judge().rerank("who wrote Dune?", [text, text], api(provider))
        assert (nothing.order, nothing.integrity.unjudged, provider.requests) == ((0, 1), (0, 1), 1)


def too_long(most: int, message: str, status: int = 413) -> Callable[[Received], tuple[int, str] | None]:
    """Counts as an API does that reads query and document together."""

    def refuses(request: Received) -> tuple[int, str] | None:
        longest = max(quarter_of_bytes(text) + quarter_of_bytes(request.body["query"]) for text in texts_of(request))
        return (status, message.format(longest)) if longest >= most else None

    return refuses


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (413, "`inputs` must have less than 512 tokens. Given: {}"),
        (400, "Input length {} exceeds maximum allowed token size 512"),
        (400, "This model's maximum context length is 512 tokens. However, you requested {} tokens."),
        (500, "input ({} tokens) is too large to process. increase the physical batch size (current batch size: 512)"),
        (400, "The document is too long."),
    ],
)
def test_a_document_that_is_too_long_is_cut_and_costs_the_others_nothing(
    judge: OpenJudge, status: int, message: str
) -> None:
    docs = ["Frank Herbert " * 400, *DOCS]
    grades = {"Frank Herbert Frank": 2, **DOCS}
    with Provider(QrelsJudge(grades), refuses=too_long(512, message, status)) as provider:
        model, folder = BY_TOKENS[-1]
        asking = judge()
        ranking = asking.rerank("who wrote Dune?", docs, api(provider, model, folder))
        assert ranking.order == (2, 0, 1, 3)
        assert (ranking.status, ranking.integrity.unjudged, ranking.integrity.truncated) == ("complete", (), (0,))
        assert len(provider.received[-1].body["texts"][0]) < 2_048
        if "512" in message:
            again = asking.rerank("who filmed Dune?", docs, api(provider, model, folder))
            assert (again.usage.rounds, again.integrity.failed) == (1, {})


@pytest.mark.parametrize(
    ("message", "failure", "advice"),
    [
        ("Input cannot contain empty strings", "refused", "Leave out documents without text."),
        ("The document has too many characters: too long.", "oversized", "Set a lower max_tokens_per_doc, or"),
    ],
)
def test_a_document_that_is_refused_however_it_is_asked(
    judge: OpenJudge, message: str, failure: str, advice: str
) -> None:
    docs = [*DOCS, "X marks the spot. " * 40, *(f"document {number}" for number in range(20))]
    refuses = too_long(0, message, 400)

    def refused(request: Received) -> tuple[int, str] | None:
        return refuses(request) if any(text.startswith("X") for text in request.body["documents"]) else None

    with Provider(QrelsJudge(DOCS), refuses=refused) as provider:
        ranking = judge().rerank("who wrote Dune?", docs, api(provider))
        assert ranking.order[:2] == (1, 0)
        assert (ranking.order[-1], ranking.integrity.unjudged, ranking.status) == (3, (3,), "partial")
        assert ranking[-1].judgments[-1].failure == failure
        (reason,) = ranking.reasons
        assert advice in reason
        assert provider.requests < 20


def test_a_query_that_is_too_long_is_not_asked_for_every_document(judge: OpenJudge) -> None:
    refuses = too_long(0, "`inputs` must have less than 512 tokens. Given: {}")
    with Provider(QrelsJudge(DOCS), refuses=refuses) as provider:
        ranking = judge().rerank("q", [f"document {number}" for number in range(300)], api(provider))
        assert (ranking.status, len(ranking.integrity.unjudged)) == ("partial", 300)
        assert provider.requests == 4
        assert "max_tokens_per_doc" in ranking.reasons[0]
        assert ranking.usage.cost_usd == 0


def test_smaller_calls_are_paid_for_one_by_one(judge: OpenJudge) -> None:
    """The request that was reserved counts as one call; its parts are two, and the cap has room for one of them."""
    docs = [f"document {number}" for number in range(40)]
    refuses = too_many(32, "batch size 40 > maximum allowed batch size 32")
    price = Charge(input=0, output=0, request=2000)
    with Provider(QrelsJudge({}), default_price=price, refuses=refuses) as provider:
        ranking = judge(budget=Budget(usd="0.003")).rerank("q", docs, api(provider))
        assert provider.bill.microusd == 2000
        assert ranking.usage.cost_usd == Decimal("0.002")
        assert ranking.status == "partial"
        assert ranking.integrity.failed == {"oversized": 1, "budget": 1}


def test_a_request_that_is_refused_for_something_else_is_asked_once(judge: OpenJudge) -> None:
    with Provider(refuses=lambda _request: (400, "Argument 'top_n' is not supported by our API")) as provider:
        with pytest.raises(RequestRejected, match="top_n"):
            judge().rerank("q", list(DOCS), api(provider))
        assert provider.requests == 1


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


@pytest.mark.parametrize(
    ("model", "folder", "instruct", "query", "field"),
    [
        ("hosted_vllm/Qwen/Qwen3-Reranker-0.6B", "/vllm", "auto", "q", WISHED),
        ("voyage/rerank-2.5", "/voyage/v1", "auto", f"{WISHED}\nQuery: q", None),
        ("voyage/rerank-2", "/voyage/v1", "auto", "q", None),
        ("cohere/rerank-v3.5", "", "auto", "q", None),
        ("cohere/rerank-v3.5", "", "query", f"{WISHED}\nQuery: q", None),
        ("hosted_vllm/BAAI/bge-reranker-v2-m3", "/vllm", "none", "q", None),
    ],
)
def test_an_instruction_goes_where_the_api_takes_one(
    judge: OpenJudge, tmp_path: Path, model: str, folder: str, instruct: str, query: str, field: str | None
) -> None:
    with Provider(QrelsJudge(DOCS)) as provider:
        asking = judge(cache_dir=tmp_path)
        strategy = api(provider, model, folder, instruct=instruct)
        docs = [{"text": text, "date": "2024"} for text in DOCS]
        wishes: dict[str, Any] = {"criteria": {"relevance": 1, "recency": 1}, "fields": ["date"]}
        ranking = asking.rerank("q", docs, strategy, instruction="prefer primary sources", **wishes)
        body = provider.received[0].body
        assert (body["query"], body.get("instruction")) == (query, field)
        assert body["documents"][0] == f"date: 2024\n{docs[0]['text']}"
        heard = query != "q" or field is not None
        assert ranking.notes == (() if heard else (f"api: {model} takes no instruction, so it was not sent",))
        again = asking.rerank("q", docs, strategy, instruction="another", **wishes)
        assert again.usage.cached_calls == (0 if heard else 1)


def test_where_an_instruction_goes_is_one_of_few_words() -> None:
    with pytest.raises(InputError, match="instruct is 'body'; it must be one of auto, field, query, none"):
        RerankAPI("cohere/rerank-v3.5", instruct="body")  # pyright: ignore[reportArgumentType]
