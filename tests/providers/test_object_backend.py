"""A model that is an object: its settings, its threads, its errors, and room to think."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar

import pytest
from pydantic import BaseModel, ConfigDict

from judge_rerank import ContextTooLong, Judge, ProviderTimeout, ProviderUnavailable, RateLimited, RequestRejected
from judge_rerank.core import ChatReply, ChatRequest, Message
from judge_rerank.providers import ObjectBackend
from tests.providers.asking import request

CALLER: ContextVar[str] = ContextVar("caller", default="nobody")


class Model(BaseModel):
    """An object with settings."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    temperature: float = 0.3
    max_tokens: int | None = None
    api_key: str = "sk-abcdefghijklmnop"
    base_url: str = "http://one.invalid"


class Asked(ObjectBackend):
    """Answers by a function of the object and the request."""

    def __init__(
        self, answer: Callable[[Model, ChatRequest], ChatReply], model: Model | None = None, **more: int
    ) -> None:
        super().__init__(model or Model(), "mine/model", context_tokens=8192, **more)
        self.answer = answer

    def ask(self, request: ChatRequest) -> ChatReply:
        return self.answer(self.limited(request), request)


def test_the_reply_is_limited_and_the_object_left_alone() -> None:
    model = Model()
    backend = Asked(lambda limited, asked: ChatReply(text=str(limited.max_tokens)), model)
    assert asyncio.run(backend.complete(request(max_output_tokens=77))).text == "77"
    assert model == Model()


def test_settings_say_whose_answer_a_reply_is_and_no_key_is_among_them() -> None:
    params = Asked(lambda *_: ChatReply(text="")).info.params
    assert params == {"temperature": 0.3, "api_key": "[redacted]", "base_url": "http://one.invalid"}
    assert Asked(lambda *_: ChatReply(text=""), Model(base_url="http://two.invalid")).info.params != params


def test_the_caller_s_context_is_there_and_no_more_threads_than_allowed() -> None:
    under_way, most, lock, callers = 0, 0, threading.Lock(), set[str]()

    def answer(model: Model, asked: ChatRequest) -> ChatReply:
        nonlocal under_way, most
        with lock:
            callers.add(CALLER.get())
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.05)
        with lock:
            under_way -= 1
        return ChatReply(text='{"score": 5}', model=CALLER.get())

    backend = Asked(answer, concurrency=3)
    CALLER.set("me")
    with Judge(backend) as judge:
        ranking = judge.rerank("q", [str(n) for n in range(9)], "score")
    assert ranking.usage.calls == 9
    assert callers == {"me"}
    assert most == 3
    assert asyncio.run(backend.complete(request())).model == "me"


class Failed(Exception):
    """An error of a provider's client."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status_code = status


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Failed("slow down", 429), RateLimited),
        (Failed("maximum context length is 4096 tokens", 400), ContextTooLong),
        (TimeoutError("read timed out"), ProviderTimeout),
        (ConnectionError("reset by peer"), ProviderUnavailable),
        (TypeError("invoke() got an unexpected argument"), RequestRejected),
    ],
)
def test_errors_are_ours(error: Exception, kind: type[Exception]) -> None:
    def answer(model: Model, asked: ChatRequest) -> ChatReply:
        raise error

    with pytest.raises(kind):
        asyncio.run(Asked(answer).complete(request()))


def test_what_a_filter_withheld_is_a_reply() -> None:
    def answer(model: Model, asked: ChatRequest) -> ChatReply:
        raise Failed("The response was filtered due to the prompt triggering content management policy", 400)

    assert asyncio.run(Asked(answer).complete(request())).finish_reason == "filter"


def test_one_that_thinks_gets_room_to_think() -> None:
    def answer(model: Model, asked: ChatRequest) -> ChatReply:
        if (model.max_tokens or 0) < 1000:
            return ChatReply(text="", finish_reason="length", thought_only=True)
        return ChatReply(text='{"score": 7}')

    backend = Asked(answer)
    ranking = Judge(backend).rerank("q", ["a", "b"], "score")
    assert [each.judgments[-1].score is not None for each in ranking] == [True, True]
    assert backend.info.reasoning_tokens >= 4096


def test_how_a_reply_ended() -> None:
    ended = {
        "stop": "stop",
        "end_turn": "stop",
        "MAX_TOKENS": "length",
        "SAFETY": "filter",
        None: "stop",
        "odd": "other",
    }
    assert {reason: ObjectBackend.finish(reason) for reason in ended} == ended


def test_messages_are_counted() -> None:
    backend = Asked(lambda *_: ChatReply(text=""))
    assert backend.count_tokens(Message(role="user", content="five words of plain text").content) >= 5
