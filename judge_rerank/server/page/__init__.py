"""The page at `/`: documents and a query, two rerankers side by side, and rankings kept in a trace to link to."""

from __future__ import annotations

from judge_rerank.server.page.paths import add_page

__all__ = ["add_page"]
