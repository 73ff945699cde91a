"""Where the answer stands when the content is empty, and thinking that leaves no room for one."""

from __future__ import annotations

from typing import Any

import pytest

from judge_rerank import Judge
from judge_rerank.core.backend import ChatReply
from tests.provider import Fault, Provider
from tests.providers.asking import DIRECT_VLLM, KEY, OPENAI, SCORE, VLLM, ask, backend_for, request

EIGHT = '{"score": 8}'
TOOL = {"id": "call_1", "type": "function", "function": {"name": "judge", "arguments": EIGHT}}


def saying(message: dict[str, Any], finish: str = "stop", **usage: Any) -> Fault:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    used = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, **usage}
    return Fault.says({"id": "x", "object": "chat.completion", "model": "m", "choices": [choice], "usage": used})


def answer(provider: Provider, message: dict[str, Any], model: str = OPENAI, **options: Any) -> ChatReply:
    provider.misbehave(saying(message))
    return ask(backend_for(provider, model), request(**{"schema": SCORE, **options}))


ELSEWHERE: list[dict[str, Any]] = [
    {"content": None, "reasoning_content": EIGHT},
    {"content": "", "reasoning": EIGHT},
    {"content": "", "thinking": f"```json\n{EIGHT}\n```"},
    {"content": None, "thinking_blocks": [{"type": "thinking", "thinking": EIGHT}]},
    {"content": None, "tool_calls": [TOOL]},
    {"content": None, "tool_calls": [{**TOOL, "function": {"name": "judge", "arguments": {"score": 8}}}]},
    {"content": None, "function_call": {"name": "judge", "arguments": EIGHT}},
    {"content": [{"type": "text", "text": EIGHT}]},
    {"content": [{"type": "thinking", "thinking": "9?"}, {"type": "text", "text": EIGHT}]},
    {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "9?"}]}, {"type": "text", "text": EIGHT}]},
    {"content": {"score": 8}},
]


@pytest.mark.parametrize("model", [OPENAI, VLLM, DIRECT_VLLM])
@pytest.mark.parametrize("message", ELSEWHERE)
def test_the_answer_stands_elsewhere(provider: Provider, model: str, message: dict[str, Any]):
    reply = answer(provider, message, model)
    assert (reply.text.strip("`json \n"), reply.finish_reason) == (EIGHT, "stop")
    assert (reply.input_tokens, reply.output_tokens) == (10, 5)
    assert provider.requests == 1


@pytest.mark.parametrize(
    "thought",
    ["It could be 8.", f"Perhaps {EIGHT}", f"{EIGHT} or rather 9", '{"mark": 8}', "8", '["score", 8]', ""],
)
def test_thinking_out_loud_is_no_answer(provider: Provider, thought: str):
    assert answer(provider, {"content": "", "reasoning_content": thought}).text == ""


def test_a_word_that_was_asked_for(provider: Provider):
    options: dict[str, Any] = {"schema": None, "labels": ("yes", "no")}
    assert answer(provider, {"content": "", "reasoning_content": " Yes.\n"}, **options).text.strip() == "Yes."
    assert answer(provider, {"content": "", "reasoning_content": "Yes, I think"}, **options).text == ""


def test_content_beats_what_stands_elsewhere(provider: Provider):
    reply = answer(provider, {"content": '{"score": 2}', "reasoning_content": EIGHT, "tool_calls": [TOOL]})
    assert reply.text == '{"score": 2}'


def test_thinking_that_took_all_the_room_is_remembered(provider: Provider):
    provider.misbehave(saying({"content": "", "reasoning_content": "Let me see"}, "length"))
    backend = backend_for(provider)
    reply = ask(backend, request(schema=SCORE))
    assert (reply.thought_only, reply.finish_reason, reply.text) == (True, "length", "")
    assert backend.info.reasoning_tokens == 4096
    assert backend_for(provider).info.reasoning_tokens == 4096


def test_thinking_that_is_only_counted(provider: Provider):
    counted = {"completion_tokens_details": {"reasoning_tokens": 50}}
    provider.misbehave(saying({"content": None}, "length", **counted))
    assert ask(backend_for(provider)).thought_only


def test_it_is_asked_again_with_head_room(provider: Provider):
    provider.misbehave(saying({"content": "", "reasoning_content": "Let me see"}, "length"))
    with Judge(VLLM, api_base=provider.url + "/v1", api_key=KEY, params={"context_tokens": 32_000}) as judge:
        assert judge.rerank("alpha", ["alpha", "beta"], strategy="listwise").status == "complete"
        judge.rerank("alpha", ["alpha", "gamma"], strategy="listwise")
    limits = [each.body["max_tokens"] for each in provider.received]
    assert len(limits) == 3
    assert limits[1] >= limits[0] + 4096
    assert limits[2] >= limits[0] + 4096
