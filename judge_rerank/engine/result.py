"""What comes of a call."""

from __future__ import annotations

from dataclasses import dataclass, field

from judge_rerank.core import (
    BudgetExceeded,
    ChatReply,
    DocumentRefused,
    FailureReason,
    JudgeCall,
    LedgerError,
    Outcome,
    ProviderError,
    RequestTooLarge,
    ScorerError,
    Usage,
)
from judge_rerank.prompting import Prepared


@dataclass(frozen=True, kw_only=True, slots=True)
class CallResult:
    """What came of a call.

    Attributes:
        call: what was asked.
        outcome: the judgment, or why there is none.
        prepared: what was sent; None when nothing was.
        reply: the last reply, if there was any.
        usage: tokens, attempts and cost of all attempts together.
        cached: whether the reply came from the cache, or from the same question asked at the same time.
        error: the provider's, the budget's or the scorer's error, where that is why there is no judgment.
        model: what was asked, where the reply does not say.
    """

    call: JudgeCall
    outcome: Outcome
    prepared: Prepared | None = None
    reply: ChatReply | None = None
    usage: Usage = field(default_factory=Usage)
    cached: bool = False
    error: ProviderError | BudgetExceeded | LedgerError | ScorerError | None = None
    model: str | None = None


def reason_of(error: ProviderError | BudgetExceeded | LedgerError, *, divisible: bool) -> FailureReason:
    """Why there is no judgment; `divisible` says whether the strategy asks again about fewer documents.

    What an API refuses for the documents that were sent says nothing against the provider, nor against the rest."""
    if isinstance(error, (BudgetExceeded, LedgerError)):
        return "budget" if isinstance(error, BudgetExceeded) else "ledger"
    if isinstance(error, DocumentRefused):
        return "refused"
    return "oversized" if isinstance(error, RequestTooLarge) and divisible else "provider"
