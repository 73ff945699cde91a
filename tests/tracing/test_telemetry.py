"""OpenTelemetry spans in the GenAI conventions."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from textwrap import dedent

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from judge_rerank.core import Query, Ranking, Usage
from judge_rerank.core.backend import ChatReply, ChatRequest, Message
from judge_rerank.tracing.telemetry import chat_attributes, chat_span_name, ranking_attributes, reply_attributes, span

REQUEST = ChatRequest(messages=(Message(role="user", content="private"),), max_output_tokens=5, seed=3)


def test_a_call_is_a_client_span_inside_its_ranking(spans: InMemorySpanExporter) -> None:
    usage = Usage(calls=1, rounds=1, input_tokens=9, output_tokens=1)
    made = Ranking([], query=Query(text="private"), strategy="score", model="openai/m", usage=usage)
    with span("rerank openai/m", {"gen_ai.operation.name": "rerank"}) as outer:
        with span(chat_span_name("openai/m"), chat_attributes(REQUEST, model="openai/m", attempt=2), client=True) as s:
            s.set_attributes(
                reply_attributes(ChatReply(text="7", model="m-1", input_tokens=9, output_tokens=1, cost_usd=Decimal(0)))
            )
        outer.set_attributes(ranking_attributes(made, documents=3))
    chat, ranking = spans.get_finished_spans()
    assert (chat.name, chat.kind.name, chat.parent.span_id) == ("chat openai/m", "CLIENT", ranking.context.span_id)
    assert dict(chat.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "openai/m",
        "gen_ai.request.max_tokens": 5,
        "gen_ai.request.temperature": 0.0,
        "gen_ai.request.seed": 3,
        "gen_ai.output.type": "text",
        "gen_ai.response.model": "m-1",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 9,
        "gen_ai.usage.output_tokens": 1,
        "judge_rerank.attempt": 2,
        "judge_rerank.cost_usd": 0.0,
        "judge_rerank.cached": False,
    }
    assert ranking.attributes["judge_rerank.rounds"] == 1


def test_an_error_is_noted_by_its_type_and_not_its_text(spans: InMemorySpanExporter) -> None:
    with pytest.raises(ConnectionError), span("chat m", {}):
        raise ConnectionError("sk-abcdefghijklmnopqrstuv was refused")
    [failed] = spans.get_finished_spans()
    assert failed.attributes["error.type"] == "ConnectionError"
    assert failed.status.status_code.name == "ERROR"
    assert "sk-" not in failed.to_json()


def test_without_an_sdk_spans_go_nowhere_and_opentelemetry_waits_for_the_first() -> None:
    script = """
        import sys
        import judge_rerank
        from judge_rerank.tracing.telemetry import span
        assert "opentelemetry" not in sys.modules
        with span("chat m", {"a": 1}) as current:
            current.set_attributes({"b": 2})
        assert not current.is_recording()
    """
    subprocess.run([sys.executable, "-W", "error", "-c", dedent(script)], check=True, timeout=300)
