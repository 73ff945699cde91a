"""Rankings by the million: from files to files, on one machine or many, and as batch jobs of providers."""

from __future__ import annotations

from judge_rerank.bulk.forecast import BulkForecast
from judge_rerank.bulk.local import Local
from judge_rerank.bulk.on_ray import OnRay
from judge_rerank.bulk.record import BulkRun, Totals
from judge_rerank.bulk.run import BulkKeywords, estimate_files, rerank_files
from judge_rerank.bulk.session import BulkProgress

__all__ = [
    "BulkForecast",
    "BulkKeywords",
    "BulkProgress",
    "BulkRun",
    "Local",
    "OnRay",
    "Totals",
    "estimate_files",
    "rerank_files",
]
