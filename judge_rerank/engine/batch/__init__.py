"""Rankings whose rounds are batch jobs: all advance in step, and what they ask in a round goes into one job."""

from __future__ import annotations

from judge_rerank.engine.batch.running import Ways, batched

__all__ = ["Ways", "batched"]
