"""Chat backends, through LiteLLM and without, against a loopback provider: what goes over the wire, and what comes."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import math
import random
import subprocess
import sys
from decimal import Decimal

import pytest

from judge_rerank.core.backend import Backend, ChatReply
from judge_rerank.core.errors import (
    AuthenticationError,
    ContextTooLong,
    InputError,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
    RequestRejected,
    UnknownName,
)
from judge_rerank.providers.chat import ChatBackend
from judge_rerank.providers.concurrency import ConcurrencyLimiter
from judge_rerank.providers.litellm import LiteLLMBackend
from judge_rerank.providers.retry import Retrier
from tests.provider import Answer, Fault, Provider, QrelsJudge, ScriptedJudge, Step
from tests.providers.asking import (
    ANTHROPIC,
    BOTH,
    DIRECT_OPENAI,
    DIRECT_VLLM,
    EVERY_WIRE,
    GEMINI,
    KEY,
    OPENAI,
    OPENAIS,
    PATHS,
    SCORE,
    VLLM,
    ask,
    backend_for,
    failure,
    name_of,
    opened,
    request,
    using,
)

# What goes over the wire


@EVERY_WIRE
def test_a_reply_its_usage_and_its_model(provider: Provider, model: str):
    reply = ask(backend_for(provider, model))
    (received,) = provider.received
    assert (reply.text, reply.finish_reason) == ("yes", "stop")
    assert reply.model == model.partition("/")[2]
    assert (reply.input_tokens, reply.output_tokens) == (provider.bill.input_tokens, provider.bill.output_tokens)
    assert received.asked is not None
    assert received.asked.system == "You judge."
    assert received.asked.max_tokens == 50
    assert KEY in " ".join(received.headers.values())


@BOTH
def test_openai_is_sent_the_schema_as_it_is(provider: Provider, model: str):
    assert ask(backend_for(provider, model), request(schema=SCORE, seed=7)).text == '{"score": 10}'
    body = provider.received[0].body
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "score", "strict": True, "schema": SCORE.schema},
    }
    assert (body["temperature"], body["seed"]) == (0, 7)


def test_claude_is_sent_its_native_format_without_bounds(provider: Provider):
    assert ask(backend_for(provider, ANTHROPIC), request(schema=SCORE)).text == '{"score": 10}'
    sent = provider.received[0].body["output_format"]
    assert sent["type"] == "json_schema"
    assert sent["schema"]["properties"]["score"]["type"] == "integer"
    assert "minimum" not in sent["schema"]["properties"]["score"]


def test_an_older_claude_is_made_to_use_a_tool(provider: Provider):
    backend = LiteLLMBackend("anthropic/claude-3-haiku-20240307", api_base=provider.url, api_key=KEY)
    reply = ask(backend, request(schema=SCORE))
    assert (reply.text, reply.finish_reason) == ('{"score": 10}', "stop")
    body = provider.received[0].body
    assert body["tool_choice"] == {"type": "tool", "name": "json_tool_call"}
    assert body["tools"][0]["input_schema"]["properties"] == SCORE.schema["properties"]


def test_gemini_is_sent_a_response_schema(provider: Provider):
    assert ask(backend_for(provider, GEMINI), request(schema=SCORE)).text == '{"score": 10}'
    config = provider.received[0].body["generationConfig"]
    assert config["response_mime_type"] == "application/json"
    assert config["response_json_schema"]["properties"] == SCORE.schema["properties"]


@pytest.mark.parametrize("model", ["openai/gpt-5-mini", "direct:openai/gpt-5-mini"])
def test_a_model_that_reasons_is_not_sent_a_temperature_it_refuses(provider: Provider, model: str):
    backend = backend_for(provider, model)
    ask(backend)
    (received,) = provider.received
    assert "temperature" not in received.body
    assert received.body["max_completion_tokens"] == 50
    assert backend.info.reasoning_tokens > 0


@BOTH
def test_the_users_parameters_go_along_and_ours_stay_here(provider: Provider, model: str):
    params = {"top_p": 0.5, "temperature": 0.7, "context_tokens": 1000, "concurrency": 3, "reasoning_tokens": 9}
    backend = backend_for(provider, model, params=params)
    ask(backend)
    body = provider.received[0].body
    assert (body["top_p"], body["temperature"]) == (0.5, 0.7)
    assert not {"context_tokens", "concurrency", "reasoning_tokens"} & body.keys()
    assert (backend.info.context_tokens, backend.info.concurrency, backend.info.reasoning_tokens) == (1000, 3, 9)


@BOTH
def test_connections_are_kept_and_closed(provider: Provider, model: str):
    backend = backend_for(provider, model)
    ask(backend, *[request()] * 5)
    assert (provider.requests, provider.connections) == (5, 1)


@EVERY_WIRE
def test_one_backend_serves_one_event_loop_after_another(provider: Provider, model: str):
    backend = backend_for(provider, model)
    for _ in range(3):
        assert ask(backend).text == "yes"
    assert (provider.requests, provider.connections) == (3, 3)


@BOTH
def test_closing_one_backend_leaves_another_in_peace(provider: Provider, model: str):
    async def run() -> None:
        first, second = backend_for(provider, model), backend_for(provider, model)
        await asyncio.gather(first.complete(request()), second.complete(request()))
        await first.aclose()
        assert (await second.complete(request())).text == "yes"
        await second.aclose()

    asyncio.run(run())


# What the provider will not take


@BOTH
@pytest.mark.parametrize(
    ("rejects", "sent"),
    [
        (["json_schema"], ["json_schema", "json_object", "json_object"]),
        (["json_schema", "json_object"], ["json_schema", "json_object", None, None]),
    ],
)
def test_a_refused_format_costs_one_call_and_is_remembered(rejects: list[str], sent: list[str | None], model: str):
    refused = {f"response_format={kind}": f"'response_format' of type {kind} is not supported" for kind in rejects}
    with Provider(QrelsJudge({"alpha": 3}), rejects=refused) as provider:
        ask(backend_for(provider, model), request(schema=SCORE), request(schema=SCORE))
        formats = [(received.body.get("response_format") or {}).get("type") for received in provider.received]
        assert formats == sent
        assert provider.bill.requests == 2


@BOTH
def test_a_rejection_for_another_reason_is_not_asked_again(provider: Provider, model: str):
    provider.misbehave(Fault(kind="status", status=400, message="messages: too many of them"))
    assert isinstance(failure(backend_for(provider, model), request(schema=SCORE)), RequestRejected)
    assert provider.requests == 1


@BOTH
def test_a_refused_temperature_is_left_out(model: str):
    with Provider(rejects={"temperature": "temperature is not supported with this model"}) as provider:
        ask(backend_for(provider, model), request(), request())
        assert ["temperature" in received.body for received in provider.received] == [True, False, False]


# Log-probabilities

TEN = Answer(
    text="10", steps=(Step(token="1", top={"1": -0.1, "7": -2.5}), Step(token="0", top={"0": -0.2, "\n": -1.7}))
)


@OPENAIS
def test_branches_follow_the_reply(provider: Provider, model: str):
    provider.judge = ScriptedJudge(TEN)
    backend = backend_for(provider, model)
    reply = ask(backend, request(labels=("1", "7", "10"), schema=SCORE))
    assert reply.branches == {"": {"1": -0.1, "7": -2.5}, "1": {"0": -0.2, "\n": -1.7}}
    body = provider.received[0].body
    assert (body["logprobs"], body["top_logprobs"]) == (True, 20)
    assert "response_format" not in body
    assert backend.info.logprobs


@BOTH
def test_probabilities_of_labels_add_up(provider: Provider, model: str):
    reply = ask(backend_for(provider, model), request(labels=("yes", "no")))
    assert sum(math.exp(value) for value in reply.branches[""].values()) == pytest.approx(1)


@BOTH
def test_without_labels_none_are_asked_for(provider: Provider, model: str):
    assert ask(backend_for(provider, model)).branches == {}
    assert "logprobs" not in provider.received[0].body


@BOTH
def test_refused_logprobs_are_remembered(model: str):
    with Provider(rejects={"logprobs": "logprobs are not supported by this model"}) as provider:
        backend = backend_for(provider, model)
        labelled = request(labels=("yes", "no"), schema=SCORE)
        assert backend.info.logprobs
        assert ask(backend, labelled, labelled).branches == {}
        assert not backend.info.logprobs
        assert ["logprobs" in received.body for received in provider.received] == [True, False, False]


@BOTH
def test_fewer_alternatives_are_asked_for_where_twenty_are_too_many(model: str):
    with Provider(rejects={"top_logprobs:20": "top_logprobs must be at most 5"}) as provider:
        backend = backend_for(provider, model)
        labelled = request(labels=("yes", "no"))
        assert ask(backend, labelled, labelled).branches[""]
        assert [received.body["top_logprobs"] for received in provider.received] == [20, 5, 5]
        assert backend.info.logprobs


@BOTH
def test_logprobs_that_vanish_silently_leave_no_branches(model: str):
    with Provider(logprobs=False) as provider:
        assert ask(backend_for(provider, model), request(labels=("yes", "no"))).branches == {}


@pytest.mark.parametrize("model", [ANTHROPIC, GEMINI, "openai/gpt-5-mini", "direct:openai/gpt-5-mini"])
def test_models_without_logprobs_are_not_asked_for_them(provider: Provider, model: str):
    backend = backend_for(provider, model)
    assert not backend.info.logprobs
    assert ask(backend, request(labels=("yes", "no"))).branches == {}


# What came back


@BOTH
def test_the_price_counts_cached_tokens_as_the_provider_does(model: str):
    with Provider(cached_share=0.5) as provider:
        reply = ask(backend_for(provider, model), request("x" * 8000))
    assert reply.input_tokens is not None
    assert reply.cached_input_tokens == reply.input_tokens // 2
    fresh = reply.input_tokens - reply.cached_input_tokens
    micro = Decimal(fresh) * Decimal("0.4") + reply.cached_input_tokens * Decimal("0.1") + Decimal("1.6")
    assert reply.cost_usd is not None
    assert micro <= reply.cost_usd * 1_000_000 < micro + 1  # by our own arithmetic it is rounded up


@pytest.mark.parametrize("model", [VLLM, DIRECT_VLLM])
def test_a_price_that_is_not_known_is_none(provider: Provider, model: str):
    assert ask(backend_for(provider, model)).cost_usd is None


def test_a_price_that_is_nothing_is_nothing(provider: Provider):
    from judge_rerank.providers import catalog, litellm

    route = catalog.route(litellm._litellm(), "ollama/llama3", None)
    assert route.priced
    assert not catalog.route(litellm._litellm(), VLLM, None).priced


@BOTH
def test_usage_that_is_missing_is_not_zero(provider: Provider, model: str):
    provider.misbehave(Fault(kind="no_usage"))
    reply = ask(backend_for(provider, model))
    assert reply.text == "yes"
    assert (reply.input_tokens, reply.output_tokens, reply.cached_input_tokens, reply.cost_usd) == (None,) * 4


@EVERY_WIRE
def test_a_cut_off_reply_says_so(provider: Provider, model: str):
    provider.judge = ScriptedJudge("[3] > [1] > [2]")
    provider.misbehave(Fault(kind="truncated"))
    reply = ask(backend_for(provider, model))
    assert (reply.text, reply.finish_reason) == ("[3] > [", "length")


@pytest.mark.parametrize(
    ("model", "reason"), [(OPENAI, "refusal"), (DIRECT_OPENAI, "refusal"), (ANTHROPIC, "refusal"), (GEMINI, "filter")]
)
def test_a_refusal_says_so(provider: Provider, model: str, reason: str):
    provider.misbehave(Fault(kind="refusal"))
    reply = ask(backend_for(provider, model))
    assert reply.finish_reason == ("filter" if model == GEMINI else "refusal")
    assert (reply.input_tokens or 0) > 0


@BOTH
def test_an_answer_that_comes_twice_is_read_once(provider: Provider, model: str):
    provider.judge = ScriptedJudge("first", "second")
    provider.misbehave(Fault(kind="duplicate"))
    assert ask(backend_for(provider, model), request(), request()).text == "second"
    assert provider.requests == 2


# Errors

STATUSES = [
    (400, "unknown field", RequestRejected),
    (400, "This model's maximum context length is 8192 tokens", ContextTooLong),
    (400, "Your credit balance is too low to access the API", QuotaExhausted),
    (401, "Incorrect API key provided", AuthenticationError),
    (402, "Insufficient Balance", QuotaExhausted),
    (403, "No access", AuthenticationError),
    (404, "No such model", RequestRejected),
    (408, "Too slow", ProviderTimeout),
    (413, "Too large", RequestRejected),
    (422, "Unprocessable", RequestRejected),
    (429, "Slow down", RateLimited),
    (500, "Sorry", ProviderUnavailable),
    (502, "Sorry", ProviderUnavailable),
    (503, "Sorry", ProviderUnavailable),
    (504, "Sorry", ProviderTimeout),
    (529, "Overloaded", ProviderUnavailable),
]


@EVERY_WIRE
def test_every_status_becomes_our_error_after_one_request(provider: Provider, model: str):
    provider.misbehave(*[Fault(kind="status", status=status, message=said) for status, said, _ in STATUSES])

    async def work(backend: ChatBackend) -> list[ProviderError]:
        outcomes = [(await asyncio.gather(backend.complete(request()), return_exceptions=True))[0] for _ in STATUSES]
        return [outcome for outcome in outcomes if isinstance(outcome, ProviderError)]

    raised = using(backend_for(provider, model), work)
    assert [type(error) for error in raised] == [kind for _, _, kind in STATUSES]
    assert [error.status for error in raised] == [status for status, _, _ in STATUSES]
    assert all(
        said in str(error) and name_of(model) in str(error)
        for error, (_, said, _) in zip(raised, STATUSES, strict=True)
    )
    assert all(error.sent for error in raised)
    assert provider.requests == len(STATUSES)
    assert provider.bill.requests == 0


BROKEN = ["reset", "drop", "half_body", "bad_json", "wrong_type"]


@EVERY_WIRE
def test_every_broken_answer_is_one_request_and_unavailable(provider: Provider, model: str):
    provider.misbehave(*[Fault(kind=kind) for kind in BROKEN])  # pyright: ignore[reportArgumentType]

    async def work(backend: ChatBackend) -> list[object]:
        return [(await asyncio.gather(backend.complete(request()), return_exceptions=True))[0] for _ in BROKEN]

    raised = using(backend_for(provider, model), work)
    assert [type(error) for error in raised] == [ProviderUnavailable] * len(BROKEN)
    assert provider.requests == len(BROKEN)
    assert provider.bill.requests == len(BROKEN) - 1


@pytest.mark.parametrize("model", [OPENAI, GEMINI, VLLM, DIRECT_OPENAI, DIRECT_VLLM])
def test_an_answer_without_a_reply_is_unavailable(provider: Provider, model: str):
    provider.misbehave(Fault(kind="no_choices"))
    assert isinstance(failure(backend_for(provider, model)), ProviderUnavailable)


@EVERY_WIRE
def test_an_answer_that_does_not_come_is_a_timeout(provider: Provider, model: str):
    backend = backend_for(provider, model)
    ask(backend)
    provider.misbehave(Fault(kind="hang"))
    error = failure(backend, request(timeout_s=1.0))
    assert isinstance(error, ProviderTimeout)
    assert "1 s" in str(error)
    assert error.sent
    assert provider.requests <= 2


@EVERY_WIRE
def test_an_address_where_nobody_listens(provider: Provider, model: str):
    backend = opened(model, api_base="http://127.0.0.1:1" + PATHS[name_of(model)], api_key=KEY)
    error = failure(backend)
    assert isinstance(error, ProviderUnavailable)
    assert not error.sent


@BOTH
def test_quota_and_rate_limit_are_told_apart(provider: Provider, model: str):
    provider.misbehave(Fault.too_many(code="insufficient_quota"), Fault.too_many("7"))
    backend = backend_for(provider, model)
    assert isinstance(failure(backend), QuotaExhausted)
    limited = failure(backend)
    assert isinstance(limited, RateLimited)
    assert limited.retry_after_s == 7


@EVERY_WIRE
def test_no_key_in_any_error_or_log(provider: Provider, model: str, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    said = f"Bad key {KEY}, and sk-another-key-0123456789, and Bearer abcdefghijklmnop"
    provider.misbehave(*[Fault(kind="status", status=status, message=said) for status in (400, 401, 429, 500)])
    backend = backend_for(provider, model)
    for _ in range(4):
        error = failure(backend)
        chain = [error, error.__cause__, None if error.__suppress_context__ else error.__context__]
        for shown in (*(str(link) for link in chain), repr(error), repr(backend)):
            assert KEY not in shown
            assert "another-key" not in shown
            assert "abcdefghijkl" not in shown
    ours = "\n".join(r.getMessage() for r in caplog.records if r.name.startswith("judge_rerank"))
    assert ours
    assert KEY not in ours


@BOTH
def test_nothing_is_printed(provider: Provider, capfd: pytest.CaptureFixture[str], model: str):
    provider.misbehave(Fault(kind="status", status=500), Fault(kind="bad_json"))
    failure(backend_for(provider, model))
    failure(backend_for(provider, model))
    with pytest.raises(UnknownName):
        ask(LiteLLMBackend("no-such-model"))
    assert capfd.readouterr() == ("", "")


# Keys and names


def test_a_missing_key_is_named_before_anything_is_sent():
    for model in (OPENAI, DIRECT_OPENAI):
        error = failure(opened(model))
        assert isinstance(error, AuthenticationError)
        assert "OPENAI_API_KEY" in str(error)
        assert not error.sent
    assert "GEMINI_API_KEY" in str(failure(LiteLLMBackend(GEMINI)))


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC, VLLM, DIRECT_OPENAI, DIRECT_VLLM])
def test_a_server_of_ones_own_needs_no_key(provider: Provider, model: str):
    assert ask(backend_for(provider, model, api_key=None)).text == "yes"


@BOTH
def test_the_key_of_the_environment_is_used(provider: Provider, monkeypatch: pytest.MonkeyPatch, model: str):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    ask(backend_for(provider, model, api_key=None))
    assert provider.received[0].headers["authorization"] == f"Bearer {KEY}"


def test_an_unknown_name_brings_the_nearest():
    with pytest.raises(UnknownName, match=r"gpt-4\.1-mini"):
        _ = LiteLLMBackend("gpt-4.1-mni").info
    with pytest.raises(UnknownName, match=r"Did you mean 'openai/gpt-4\.1-mini'"):
        _ = LiteLLMBackend("opnai/gpt-4.1-mini").info
    with pytest.raises(UnknownName) as caught:
        _ = LiteLLMBackend("zzzzzzzzzzzzzzzzzzzz").info
    assert len(str(caught.value)) < 300


def test_a_model_that_the_table_lacks_gets_a_careful_context(caplog: pytest.LogCaptureFixture):
    backend = LiteLLMBackend("hosted_vllm/never-heard-of")
    assert (backend.info.context_tokens, backend.info.context_tokens) == (8192, 8192)
    assert len([r for r in caplog.records if "never-heard-of" in r.getMessage()]) == 1


@BOTH
def test_what_the_table_says(model: str):
    info = opened(model).info
    assert (info.context_tokens, info.max_output_tokens) == (1_047_576, 32_768)
    assert (info.reasoning_tokens, info.local, info.name) == (0, False, OPENAI)
    assert LiteLLMBackend(ANTHROPIC).info.reasoning_tokens == 0
    assert LiteLLMBackend(ANTHROPIC, params={"reasoning_effort": "low"}).info.reasoning_tokens > 0


@pytest.mark.parametrize("name", ["max_retries", "num_retries", "stream", "api_key", "response_format", "fallbacks"])
def test_parameters_that_the_judge_sets_are_refused(name: str):
    with pytest.raises(InputError, match=name):
        LiteLLMBackend(OPENAI, params={name: 1})


def test_nothing_known_of_a_model_needs_a_network():
    code = (
        "import sys; from judge_rerank.providers.litellm import LiteLLMBackend;"
        "sys.addaudithook(lambda event, _: event in ('socket.connect', 'socket.getaddrinfo') and sys.exit(event));"
        "backends = [LiteLLMBackend(name + '/meta-llama/Llama-3-8b') for name in"
        " ('openai', 'ollama', 'ollama_chat', 'huggingface', 'lemonade', 'groq', 'together_ai', 'hosted_vllm')];"
        "[(backend.info, backend.count_tokens('hello')) for backend in backends]"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr


def test_it_is_a_backend():
    assert isinstance(LiteLLMBackend(OPENAI), Backend)


def test_litellm_is_not_imported_before_it_is_needed():
    code = (
        "import sys; from judge_rerank.providers.litellm import LiteLLMBackend;"
        "LiteLLMBackend('openai/x', api_key='k');"
        "sys.exit(any(m in sys.modules for m in ('litellm', 'aiohttp', 'tiktoken', 'tenacity', 'openai')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Counting tokens


@BOTH
def test_openai_tokens_are_exact(model: str):
    import tiktoken

    backend = opened(model)
    text = "Dune was written by Frank Herbert. <|endoftext|> 沙丘 🏜️ \ud800"
    assert backend.count_tokens("") == 0
    assert backend.count_tokens(text) == len(tiktoken.get_encoding("o200k_base").encode_ordinary(text))


@pytest.mark.parametrize("model", [ANTHROPIC, GEMINI, VLLM, "groq/Llama-3-70b", "together_ai/meta-llama/Llama-3-8b"])
def test_other_tokens_are_a_little_above(model: str):
    text = "Dune was written by Frank Herbert in 1965. " * 50
    exact = LiteLLMBackend(OPENAI).count_tokens(text)
    assert 1.15 * exact <= LiteLLMBackend(model).count_tokens(text) <= 1.4 * exact


def test_long_texts_are_counted_in_pieces():
    text = "Lorem ipsum dolor sit amet, " * 20_000
    count = LiteLLMBackend(OPENAI).count_tokens(text)
    assert 120_000 <= count <= 120_100


# With the retrier and the limiter


@BOTH
def test_retry_after_is_honoured_as_the_provider_sees_it(provider: Provider, model: str):
    limited = Fault(kind="status", status=429, headers={"retry-after-ms": "300"}, message="Slow down")
    provider.misbehave(limited, limited)
    limiter = ConcurrencyLimiter(8)

    async def work(backend: ChatBackend) -> ChatReply:
        async def attempt(number: int) -> ChatReply:
            async with limiter:
                return await backend.complete(request())

        return await Retrier(base_s=0.001).run(attempt)

    assert using(backend_for(provider, model), work).text == "yes"
    gaps = [later.at - earlier.at for earlier, later in itertools.pairwise(provider.received)]
    assert len(gaps) == 2
    assert all(gap >= 0.29 for gap in gaps)
    assert limiter.limit == 2


@BOTH
def test_quota_is_not_tried_again(provider: Provider, model: str):
    provider.misbehave(Fault.too_many(code="insufficient_quota"))

    async def work(backend: ChatBackend) -> None:
        await Retrier(base_s=0.001).run(lambda number: backend.complete(request()))

    with pytest.raises(QuotaExhausted):
        using(backend_for(provider, model), work)
    assert provider.requests == 1


@EVERY_WIRE
def test_calls_cancelled_at_any_moment_are_sent_once_or_not_at_all(provider: Provider, model: str):
    rng = random.Random(5)

    async def one(backend: ChatBackend, delay_s: float) -> bool:
        task = asyncio.create_task(backend.complete(request()))
        await asyncio.sleep(delay_s)
        task.cancel()
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        return not isinstance(outcome, BaseException)

    async def work(backend: ChatBackend) -> int:
        return sum(await asyncio.gather(*(one(backend, rng.uniform(0, 0.1)) for _ in range(24))))

    answered = using(backend_for(provider, model), work)
    gc.collect()
    assert answered <= provider.requests <= 24


@BOTH
def test_many_calls_side_by_side(provider: Provider, model: str):
    provider.judge = lambda asked: Answer(text=asked.prompt)

    async def work(backend: ChatBackend) -> list[ChatReply]:
        return await asyncio.gather(*(backend.complete(request(f"call {number}")) for number in range(40)))

    replies = using(backend_for(provider, model), work)
    assert [reply.text for reply in replies] == [f"call {number}" for number in range(40)]
    assert provider.requests == 40
