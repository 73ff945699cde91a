"""What a provider refuses is learnt from its own words, once for a model and an address, and has a switch."""

from __future__ import annotations

import logging

import pytest

from judge_rerank.core.backend import ChatReply
from judge_rerank.core.errors import InputError, RequestRejected
from judge_rerank.providers.litellm import LiteLLMBackend
from tests.provider import Fault, Provider, QrelsJudge
from tests.providers.asking import BOTH, KEY, OPENAI, SCORE, VLLM, ask, backend_for, failure, request, using

LABELLED = request(labels=("yes", "no"), schema=SCORE)
UNKNOWN = "openai/a-name-that-no-table-knows"


def refusing(**rejects: str) -> Provider:
    return Provider(QrelsJudge({"alpha": 3}), rejects={name.replace("__", ":"): said for name, said in rejects.items()})


def test_another_name_for_the_limit(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    said = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    with refusing(max_tokens=said) as provider:
        ask(backend_for(provider, UNKNOWN), request(), request())
        names = [sorted(name for name in each.body if "max" in name) for each in provider.received]
        assert names == [["max_tokens"], ["max_completion_tokens"], ["max_completion_tokens"]]
    assert [record.levelname for record in caplog.records if "will be asked without" in record.getMessage()] == ["INFO"]


def test_the_name_is_remembered_for_the_model_and_the_address():
    with refusing(max_tokens="'max_tokens' is not supported") as provider:
        ask(backend_for(provider, UNKNOWN))
        ask(backend_for(provider, UNKNOWN))
        assert provider.requests == 3
        ask(backend_for(provider, "openai/another"))
        assert provider.requests == 5


def test_a_model_with_a_new_name_on_an_old_server():
    with refusing(max_completion_tokens="Unrecognized request argument: max_completion_tokens") as provider:
        ask(backend_for(provider, "openai/gpt-5-mini"), request(), request())
        assert [each.body.get("max_tokens") for each in provider.received][-2:] == [50, 50]


@BOTH
def test_a_limit_that_is_too_high_is_lowered(model: str):
    said = "max_tokens is too large: 50. This model supports at most 40 completion tokens."
    with refusing(max_tokens__50=said) as provider:
        backend = backend_for(provider, model)
        ask(backend, request(), request())
        assert [each.body["max_tokens"] for each in provider.received] == [50, 40, 40]
        assert backend.info.max_output_tokens == 40


@BOTH
@pytest.mark.parametrize(
    ("said", "most"),
    [
        ("logprobs must be at most 5", 5),
        ("Invalid value for top_logprobs: must be between 0 and 8", 8),
        ("top_logprobs should be less than or equal to 11", 11),
        ("`top_logprobs` has to be in the range [0, 4]", 4),
        ("top_logprobs: maximum value is 3", 3),
    ],
)
def test_as_many_log_probabilities_as_there_are(said: str, most: int, model: str):
    with refusing(top_logprobs__20=said) as provider:
        backend = backend_for(provider, model)
        assert ask(backend, LABELLED, LABELLED).branches[""]
        assert [each.body["top_logprobs"] for each in provider.received] == [20, most, most]
        assert backend.info.logprobs


@BOTH
@pytest.mark.parametrize("field", ["response_format", "output_format", "json_schema", "structured outputs", "tools"])
def test_a_format_that_goes_by_another_name(field: str, model: str):
    refused = {"response_format=json_schema": f"{field}: Extra inputs are not permitted"}
    with Provider(QrelsJudge({"alpha": 3}), rejects=refused) as provider:
        ask(backend_for(provider, model), request(schema=SCORE), request(schema=SCORE))
        formats = [each.body["response_format"]["type"] for each in provider.received]
        assert formats == ["json_schema", "json_object", "json_object"]


@BOTH
@pytest.mark.parametrize("status", [400, 404, 422, 501])
def test_a_parameter_named_in_the_body_alone(status: int, model: str):
    body = {"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs are not permitted", "type": "extra_forbidden"}]}
    with Provider(QrelsJudge({"alpha": 3})) as provider:
        provider.misbehave(Fault.says(body, status=status))
        ask(backend_for(provider, model), request(seed=3), request(seed=3))
        assert ["seed" in each.body for each in provider.received] == [True, False, False]


@BOTH
def test_what_the_user_wants_is_not_dropped(model: str):
    with refusing(temperature="temperature is not supported") as provider:
        assert isinstance(failure(backend_for(provider, model, params={"temperature": 0.3})), RequestRejected)
        assert provider.requests == 1


@BOTH
def test_a_404_that_explains_nothing(provider: Provider, model: str):
    provider.misbehave(Fault(kind="status", status=404, message="Not found"))
    ask(backend_for(provider, model), request(schema=SCORE), request(schema=SCORE))
    assert ["response_format" in each.body for each in provider.received] == [True, False, False]


@BOTH
@pytest.mark.parametrize("said", ["The model `m` does not exist", "No such deployment", "Unknown path /v2/x"])
def test_a_404_that_explains_itself(provider: Provider, said: str, model: str):
    provider.misbehave(Fault(kind="status", status=404, message=said))
    assert isinstance(failure(backend_for(provider, model), request(schema=SCORE)), RequestRejected)
    assert provider.requests == 1


def attempts(backend: LiteLLMBackend, count: int) -> list[object]:
    """What comes of asking the same until it works, as a retrier does."""

    async def work(one: LiteLLMBackend) -> list[object]:
        outcomes: list[object] = []
        while len(outcomes) < count and not isinstance(outcomes[-1] if outcomes else None, ChatReply):
            try:
                outcomes.append(await one.complete(LABELLED))
            except Exception as error:
                outcomes.append(error)
        return outcomes

    return using(backend, work)


@BOTH
def test_a_500_that_trying_again_does_not_cure(model: str):
    with Provider(QrelsJudge({"alpha": 3})) as provider:
        provider.misbehave(*[Fault(kind="status", status=500)] * 2)
        backend = backend_for(provider, model)
        assert isinstance(attempts(backend, 4)[-1], ChatReply)
        assert ["logprobs" in each.body for each in provider.received] == [True, True, False]
        assert not backend.info.logprobs


@BOTH
def test_a_500_of_another_cause_teaches_nothing(model: str):
    with Provider(QrelsJudge({"alpha": 3})) as provider:
        provider.misbehave(*[Fault(kind="status", status=500)] * 4)
        backend = backend_for(provider, model)
        assert not any(isinstance(outcome, ChatReply) for outcome in attempts(backend, 4))
        assert backend.info.logprobs


def test_every_feature_has_a_switch(provider: Provider):
    off = {"logprobs": False, "json_format": "none", "temperature": None, "limit_param": "max_completion_tokens"}
    ask(backend_for(provider, params=off), LABELLED)
    body = provider.received[0].body
    assert not {"logprobs", "response_format", "temperature", "max_tokens"} & body.keys()
    assert body["max_completion_tokens"] == 50
    ask(backend_for(provider, VLLM, params={"logprobs": 7}), LABELLED)
    assert provider.received[1].body["top_logprobs"] == 7


@pytest.mark.parametrize(
    "params", [{"json_format": "xml"}, {"limit_param": "max"}, {"logprobs": 21}, {"logprobs": "yes"}]
)
def test_a_switch_that_there_is_not(params: dict[str, object]):
    with pytest.raises(InputError, match=next(iter(params))):
        LiteLLMBackend(OPENAI, api_key=KEY, params=params)
