"""What happened, written down and read again; OpenTelemetry spans."""

from __future__ import annotations

from judge_rerank.tracing.telemetry import chat_attributes, chat_span_name, ranking_attributes, reply_attributes, span
from judge_rerank.tracing.trace import CallRecord, Trace, TracedCall, opened_trace

__all__ = [
    "CallRecord",
    "Trace",
    "TracedCall",
    "chat_attributes",
    "chat_span_name",
    "opened_trace",
    "ranking_attributes",
    "reply_attributes",
    "span",
]
