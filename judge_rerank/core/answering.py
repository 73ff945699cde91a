"""Whether any document answers a query."""

from __future__ import annotations

ENOUGH = 0.5
"""The probability from which on a document counts as relevant, and a query as answered, for `keep="relevant"`."""
