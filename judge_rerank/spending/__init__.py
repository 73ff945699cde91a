"""Prices, budgets, the ledger, and reports of both."""
