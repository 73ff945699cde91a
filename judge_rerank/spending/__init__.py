"""Prices, budgets, the ledger, and reports of both."""

from __future__ import annotations

from judge_rerank.spending.budget import (
    BUDGET_VARIABLE,
    Amount,
    Budget,
    Cap,
    Charge,
    Period,
    to_decimal,
    to_micro_usd,
)
from judge_rerank.spending.cost_map import bundled, chat_models, decision_models, entry_of, only_decides
from judge_rerank.spending.ledger import Label, Ledger, LimitKeywords, Receipt, Reservation, limit_cap
from judge_rerank.spending.metering import Metered, metered, plausible_count, read_usage
from judge_rerank.spending.open_limits import OpenLimits
from judge_rerank.spending.price import Price, bill, worst_case
from judge_rerank.spending.pricing import Pricing

__all__ = [
    "BUDGET_VARIABLE",
    "Amount",
    "Budget",
    "Cap",
    "Charge",
    "Label",
    "Ledger",
    "LimitKeywords",
    "Metered",
    "OpenLimits",
    "Period",
    "Price",
    "Pricing",
    "Receipt",
    "Reservation",
    "bill",
    "bundled",
    "chat_models",
    "decision_models",
    "entry_of",
    "limit_cap",
    "metered",
    "only_decides",
    "plausible_count",
    "read_usage",
    "to_decimal",
    "to_micro_usd",
    "worst_case",
]
