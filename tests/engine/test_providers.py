"""The same call against providers of three shapes, over real sockets."""

import pytest

from judge_rerank import AuthenticationError, Judge, UnknownName
from tests.provider import Fault, Provider, QrelsJudge

GRADES = {
    "Sand dunes are hills of loose sand that the wind has built.": 0,
    "Frank Herbert wrote the novel Dune, published in 1965.": 3,
    "Denis Villeneuve directed the film Dune of 2021.": 1,
    "A desert planet is the scene of the novel Dune.": 2,
}
DOCS = list(GRADES)
IDEAL = (1, 3, 2, 0)
SHAPES = {
    "openai/gpt-4.1-mini": "/v1",
    "anthropic/claude-haiku-4-5": "",
    "gemini/gemini-2.5-flash": "/v1beta",
    "hosted_vllm/qwen": "/v1",
}


@pytest.mark.parametrize("model", SHAPES)
@pytest.mark.parametrize("strategy", ["binary", "score", "listwise", "score(batch_size=4)", "score(explain=True)"])
def test_the_same_call_on_every_wire(model: str, strategy: str) -> None:
    with (
        Provider(QrelsJudge(GRADES)) as provider,
        Judge(model, api_base=provider.url + SHAPES[model], api_key="sk-loopback") as judge,
    ):
        ranking = judge.rerank("who wrote the novel Dune?", DOCS, strategy)
        assert ranking.status == "complete"
        assert ranking[0].index == 1
        if strategy == "listwise":
            assert ranking.order == IDEAL
        else:
            scores = {r.index: r.relevance_score for r in ranking}
            assert scores[1] >= scores[3] >= scores[2] >= scores[0]
        assert ranking.usage.calls == provider.requests
        assert ranking.usage.input_tokens > 0


def test_a_rate_limit_is_waited_out() -> None:
    with (
        Provider(QrelsJudge(GRADES)) as provider,
        Judge("openai/gpt-4.1-mini", api_base=f"{provider.url}/v1", api_key="sk-loopback") as judge,
    ):
        provider.misbehave(Fault.too_many(0.2))
        ranking = judge.rerank("who wrote the novel Dune?", DOCS, "listwise")
        assert ranking.order == IDEAL
        assert ranking.usage.retries == 1


def test_without_a_key_nothing_is_sent() -> None:
    with pytest.raises(AuthenticationError, match="OPENAI_API_KEY"):
        Judge("openai/gpt-4.1-mini").rerank("q", ["a"], "binary")


def test_a_wrong_key_is_an_error_that_does_not_show_it() -> None:
    with (
        Provider(QrelsJudge(GRADES), keys={"sk-right"}) as provider,
        Judge("openai/gpt-4.1-mini", api_base=f"{provider.url}/v1", api_key="sk-wrong-secret") as judge,
        pytest.raises(AuthenticationError) as caught,
    ):
        judge.rerank("q", DOCS, "binary")
    assert "sk-wrong-secret" not in str(caught.value)


def test_an_unknown_model_is_named_with_its_neighbours() -> None:
    with pytest.raises(UnknownName, match="model"):
        Judge("opnai/gpt-4.1-mini").rerank("q", ["a"], "binary")
