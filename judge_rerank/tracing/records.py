"""Attempts at calls, as they are handed to the trace and as they come out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from judge_rerank.core import Candidate, Message, Outcome, Passage, Query


@dataclass(frozen=True, kw_only=True, slots=True)
class CallRecord:
    """One attempt at one call, or one look-up that the cache answered.

    Attributes:
        ranking: what `Trace.begin` returned.
        call: the number of the call in its ranking, from 1; attempts and re-asks share it.
        attempt: the number of the attempt at this call, from 1.
        time: when it was sent, in seconds since 1970.
        task, stage, round: what asked.
        candidates: the documents shown, in the order shown.
        prompt, prompt_hash: the template.
        messages: as sent.
        params: the caller's own parameters; secrets are left out when it is written.
        model: that answered, or was asked.
        latency_s: of this attempt.
        input_tokens, output_tokens, cached_input_tokens: of this attempt; for a cached reply, the original's.
        cost_usd: of this attempt; 0 for a cached reply, None where it is not known.
        cached: whether the reply came from the cache.
        reply, finish_reason: as it came; None when nothing came.
        outcome: what was read from it; None when there was nothing to read.
        error: what went wrong, if anything.
    """

    ranking: str
    call: int
    attempt: int = 1
    time: float
    task: str
    stage: str
    round: int
    candidates: tuple[Candidate, ...]
    prompt: str | None = None
    prompt_hash: str | None = None
    messages: tuple[Message, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    model: str | None = None
    latency_s: float = 0.0
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    cost_usd: Decimal | None = None
    cached: bool = False
    reply: str | None = None
    finish_reason: str | None = None
    outcome: Outcome | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TracedCall:
    """A call as the trace holds it: a `CallRecord` with the run, query and strategy that it belongs to.

    `window` holds the first-stage positions of the documents shown, in the order shown, and `passages` which part of
    each was shown, None for the whole.
    """

    id: int
    run: str
    ranking: str
    query: Query
    strategy: str
    call: int
    attempt: int
    time: float
    task: str
    stage: str
    round: int
    window: tuple[int, ...]
    passages: tuple[Passage | None, ...]
    prompt: str | None
    prompt_hash: str | None
    messages: tuple[Message, ...]
    params: Mapping[str, Any]
    model: str | None
    latency_s: float
    input_tokens: int | None
    output_tokens: int | None
    cached_input_tokens: int | None
    cost_usd: Decimal | None
    cached: bool
    reply: str | None
    finish_reason: str | None
    outcome: Outcome | None
    error: str | None
