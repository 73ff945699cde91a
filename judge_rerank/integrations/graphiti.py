"""Graphiti: a cross-encoder client that asks a judge."""

from __future__ import annotations

import logging
from typing import Unpack

from judge_rerank import MissingExtra
from judge_rerank.integrations.reranking import Arguments, Reranking, numbers, warn_if_partial

try:
    from graphiti_core.cross_encoder.client import CrossEncoderClient
except ImportError as error:
    raise MissingExtra("The adapter for Graphiti", "graphiti", error.name or "graphiti_core") from None

_log = logging.getLogger(__name__)


class JudgeReranker(CrossEncoderClient):
    """Ranks facts, names and episodes: `Graphiti(..., cross_encoder=JudgeReranker(model="openai/gpt-4.1-mini"))`.

    Graphiti wants a number for each passage: 0 for one without a score. Where the strategy gives only an order, scores
    are by rank, and a `reranker_min_score` cuts by rank. There is no place for the status, so a partial ranking is a
    warning in the log.

    Args:
        arguments: `judge` or `model`, `strategy`, `top_n` and the other options of `Judge.rerank`.
    """

    def __init__(self, **arguments: Unpack[Arguments]) -> None:
        self._reranking = Reranking(**{"scores": "rank", **arguments}).built()

    async def rank(self, query: str, passages: list[str]) -> list[tuple[str, float]]:
        """The passages with their scores, best first."""
        ranking = await self._reranking.arerank(query, passages)
        warn_if_partial(ranking, _log)
        return [(passages[index], score) for index, score in zip(ranking.order, numbers(ranking), strict=True)]
