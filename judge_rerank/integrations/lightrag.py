"""LightRAG: a function for `LightRAG(rerank_model_func=...)`. It needs nothing of LightRAG's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Unpack

from judge_rerank.integrations.reranking import Arguments, Reranking, numbers


def rerank_model_func(**arguments: Unpack[Arguments]) -> Callable[..., Awaitable[list[dict[str, Any]]]]:
    """What LightRAG calls with a query and chunks: `LightRAG(rerank_model_func=rerank_model_func(model=...))`.

    It returns `index` and `relevance_score` for each chunk, best first: 0 for one without a score. Where the strategy
    gives only an order, scores are by rank, and LightRAG's `min_rerank_score` cuts by rank. There is no place for the
    status: a partial ranking is a warning in the log.

    Args:
        **arguments: `judge` or `model`, `strategy`, `top_n` and the other options of `Judge.rerank`.
    """
    reranking = Reranking(**{"scores": "rank", **arguments}).built()  # LightRAG passes over what fails later

    # A function, because LightRAG makes deep copies of its settings, and those of a function are the function.
    async def rerank(
        query: str, documents: Sequence[str], top_n: int | None = None, **_others: Any
    ) -> list[dict[str, Any]]:
        ranking = await reranking.arerank(query, documents, top_n=top_n)
        return [
            {"index": index, "relevance_score": score}
            for index, score in zip(ranking.order, numbers(ranking), strict=True)
        ]

    return rerank
