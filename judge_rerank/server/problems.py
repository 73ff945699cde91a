"""Why a request is not answered with a ranking: a status, a sentence, and when to try again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from judge_rerank.core import (
    AuthenticationError,
    BudgetError,
    ContextTooLong,
    InputError,
    LedgerError,
    PricingUnknown,
    ProviderError,
    ProviderTimeout,
    RateLimited,
    RerankError,
    UnknownName,
)

KINDS: Mapping[int, str] = {
    400: "invalid_request",
    401: "invalid_key",
    402: "budget_exceeded",
    403: "not_allowed",
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    413: "too_large",
    422: "invalid_request",
    429: "rate_limited",
    500: "internal_error",
    502: "provider_failed",
    503: "unavailable",
    504: "provider_timeout",
}
"""By status, what programs may call a problem."""


class Problem(Exception):
    """A request that is refused or failed.

    Args:
        status: the HTTP status.
        message: what is wrong and what to do, for the client's user.
        retry_after_s: when the same request may work, where that is known.
    """

    def __init__(self, status: int, message: str, *, retry_after_s: float | None = None) -> None:
        self.status, self.message, self.retry_after_s = status, message, retry_after_s
        super().__init__(message)

    @property
    def kind(self) -> str:
        """What programs may call it."""
        return KINDS.get(self.status, "error")

    @property
    def headers(self) -> dict[str, str]:
        """The headers that go with it."""
        if self.retry_after_s is None:
            return {}
        return {"Retry-After": str(max(1, -int(-self.retry_after_s // 1)))}


_OF: tuple[tuple[type[RerankError], int, str], ...] = (
    (UnknownName, 404, ""),
    (InputError, 422, ""),
    (PricingUnknown, 500, "This server has a budget, and no price for its model, so it spends nothing."),
    (BudgetError, 402, ""),
    (ContextTooLong, 413, "The query is too long: it leaves the model no room for documents."),
    (RateLimited, 503, "The model's provider has too many requests."),
    (ProviderTimeout, 504, "The model's provider did not answer in time."),
    (AuthenticationError, 502, "The model's provider does not take this server's key."),
    (ProviderError, 502, "The model's provider failed."),
    (LedgerError, 503, "The spending cannot be recorded, so nothing is spent."),
    (RerankError, 500, "The ranking failed. The server's log says why."),
)
"""By kind of error, the first that fits: the status, and what clients are told; "" for the error's own words.

What is wrong with the server's own model or key is told to its operator by the log, and not to clients.
"""


def problem_of(error: RerankError) -> Problem:
    """What an error of the judge is to a client."""
    status, message = next((status, message) for kind, status, message in _OF if isinstance(error, kind))
    wait_s = getattr(error, "retry_after_s", None)
    return Problem(status, message or str(error), retry_after_s=(wait_s or 1) if status == 503 else None)


def plain_error(problem: Problem) -> dict[str, Any]:
    """A problem in a body that clients of several APIs can read."""
    return {
        "message": problem.message,
        "detail": problem.message,
        "error": {"message": problem.message, "type": problem.kind, "code": problem.status},
    }
