"""Graphiti: a cross-encoder client that asks a judge."""

from __future__ import annotations

from typing import Unpack

from judge_rerank.integrations.reranking import Arguments, Reranking, installed, numbers

with installed("Graphiti", "graphiti"):
    from graphiti_core.cross_encoder.client import CrossEncoderClient


class JudgeReranker(CrossEncoderClient):
    """Ranks facts, names and episodes: `Graphiti(..., cross_encoder=JudgeReranker(model="openai/gpt-6-luna"))`.

    Graphiti wants a number for each passage: 0 for one without a score. Where the strategy gives only an order, scores
    are by rank, and a `reranker_min_score` cuts by rank. There is no place for the
    status; the log has a warning of a partial ranking.

    Args:
        **arguments: `judge` or `model`, `strategy`, `top_n` and the other options of `Judge.rerank`.
    """

    def __init__(self, **arguments: Unpack[Arguments]) -> None:
        self._reranking = Reranking(**{"scores": "rank", **arguments}).built()

    async def rank(self, query: str, passages: list[str]) -> list[tuple[str, float]]:
        """The passages with their scores, best first."""
        ranking = await self._reranking.arerank(query, passages)
        return [(passages[index], score) for index, score in zip(ranking.order, numbers(ranking), strict=True)]
