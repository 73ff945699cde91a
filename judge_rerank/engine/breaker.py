"""Ends a ranking whose provider is out of reach, before every document has paid for finding out."""

from __future__ import annotations

from judge_rerank.core import AuthenticationError, LedgerError, ProviderError, QuotaExhausted
from judge_rerank.engine.result import CallResult
from judge_rerank.engine.stop import Stop

# Calls in a row that a provider may fail, each after all its retries, before the rest of a ranking is given up.
_FAILURES_IN_A_ROW = 3
# Errors that no other call of the ranking can escape.
_HOPELESS = (AuthenticationError, QuotaExhausted)


class CircuitBreaker:
    """Watches the calls of a round, and stops the ranking where going on cannot help.

    Attributes:
        error: what the provider said; None while it answers. One that no retry can repair counts before any other.
    """

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._in_a_row = 0
        self.error: ProviderError | None = None

    def note(self, result: CallResult) -> None:
        """Count a finished call. A call that a budget denies is no failure: a smaller one may still fit."""
        error = result.error
        if error is None:
            self._in_a_row = 0
            return
        if isinstance(error, LedgerError):  # nothing more can be paid for; what was judged stays
            self._stop.now("ledger", str(error))
        if not isinstance(error, ProviderError):
            return
        self._in_a_row += 1
        if self.error is None or self.error.retryable:
            self.error = error
        if isinstance(error, _HOPELESS) or error.status == 404 or self._in_a_row >= _FAILURES_IN_A_ROW:
            self._stop.now("provider", str(error))
