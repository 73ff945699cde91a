"""What one call said of one document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from judge_rerank.core.documents import Passage

FailureReason = Literal[
    "refused", "unreadable", "truncated", "oversized", "provider", "budget", "ledger", "deadline", "cancelled", "scorer"
]
"""Why a call gave no judgment. The first three are replies that came and could not be used; the rest never came.
"oversized" is a request that the provider would have taken with fewer or shorter documents."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgment:
    """The statement of one call about one document, with everything needed to check it.

    Attributes:
        stage: the strategy that asked ("score", "listwise").
        round: which round of the ranking it was, from 1.
        score: relevance in [0, 1]; None where the judge gave an order only.
        raw: the score as a scorer gave it, on its own scale; None where an LLM judged.
        label: the judge's own words for it ("yes", "7"); None for an order.
        position: place among the documents of the same call, from 1 (best); None for a score.
        window: first-stage positions of the documents the call showed, in the order shown; of a scorer, or of vectors
            that are compared, which see one document at a time, that of the document itself.
        passage: the part of the document that was shown; None where it was shown as a whole.
        reason: the judge's explanation, where one was asked for.
        prompt, prompt_hash: the template.
        model: the model that answered.
        reply: its raw text.
        repairs: what was repaired while reading the reply; empty for a clean one.
        failure: why there is no judgment, if there is none; score, label and position are then None.
        criteria: by criterion, the values in [0, 1] that the score was weighed from; None where there were no criteria.
        input_tokens, output_tokens, cost_usd, latency_s: of the whole call, which may have judged other documents too.
        cached: whether the reply came from the cache and cost nothing.
    """

    stage: str
    round: int
    score: float | None = None
    raw: float | None = None
    label: str | None = None
    position: int | None = None
    window: tuple[int, ...] = ()
    passage: Passage | None = None
    reason: str | None = None
    prompt: str | None = None
    prompt_hash: str | None = None
    model: str | None = None
    reply: str | None = None
    repairs: tuple[str, ...] = ()
    failure: FailureReason | None = None
    criteria: Mapping[str, float] | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal | None = None
    latency_s: float = 0.0
    cached: bool = False
