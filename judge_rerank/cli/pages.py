"""Which page of the manual a kind of error is a subject of."""

from __future__ import annotations

from judge_rerank.core import (
    BudgetError,
    LedgerError,
    ModelUnavailable,
    PricingUnknown,
    PromptError,
    RerankError,
    StrategyError,
)

PAGES: tuple[tuple[type[RerankError], str], ...] = (
    (ModelUnavailable, "models"),
    (PromptError, "prompts"),
    (StrategyError, "extending"),
    (PricingUnknown, "spending"),
    (BudgetError, "how-to/cap-spending"),
    (LedgerError, "spending"),
)
"""The first kind that fits decides."""


def page_about(error: Exception) -> str | None:
    """The page to read about an error; None where there is none."""
    return next((page for kind, page in PAGES if isinstance(error, kind)), None)
