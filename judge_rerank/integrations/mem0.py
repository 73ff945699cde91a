"""Mem0: a reranker of memories. Importing this module makes the provider "judge_rerank" known to Mem0."""

# Mem0 is not among what this package is developed with: its protobuf is too old for the rest.
# pyright: reportMissingImports=false, reportUntypedBaseClass=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false

from __future__ import annotations

from typing import Any, Unpack

from pydantic import ConfigDict

from judge_rerank.integrations.reranking import Arguments, Reranking, installed, numbers, placed

with installed("Mem0", "mem0"):
    from mem0.configs.rerankers.base import BaseRerankerConfig
    from mem0.reranker.base import BaseReranker
    from mem0.utils.factory import RerankerFactory


class JudgeRerankerConfig(BaseRerankerConfig):
    """What `config={"reranker": {"provider": "judge_rerank", "config": {...}}}` may hold: the reranker's arguments."""

    model_config = ConfigDict(extra="allow")


class JudgeReranker(BaseReranker):
    """Reranks memories: `memory.search(..., rerank=True)`.

    What comes back are copies with `rerank_score`: the score, 0 for a memory without one. Where the strategy gives only
    an order, scores are by rank. `judge_rerank` has the rank, the index in the memories given, and the status.

    Args:
        config: what Mem0 makes of its configuration; it comes before the other arguments.
        top_k: how many memories come back; None for all, or as `search` says.
        **arguments: `judge` or `model`, `strategy` and the options of `Judge.rerank`.
    """

    def __init__(
        self, config: BaseRerankerConfig | None = None, *, top_k: int | None = None, **arguments: Unpack[Arguments]
    ) -> None:
        told = config.model_dump(exclude={"provider"}, exclude_none=True) if config else {}
        given: dict[str, Any] = {"scores": "rank", "top_k": top_k, **arguments, **told}
        most = given.pop("top_k")
        given |= {} if most is None else {"top_n": most}
        self._reranking = Reranking(**given).built()  # Mem0 passes over what fails later

    def rerank(self, query: str, documents: list[dict[str, Any]], top_k: int | None = None) -> list[dict[str, Any]]:
        """The memories, best first; `top_k` comes before the configuration's."""
        texts = [each.get("memory") or each.get("text") or each.get("content") or str(each) for each in documents]
        ranking = self._reranking.rerank(query, texts, top_n=top_k)
        ranked = zip(placed(ranking, documents), numbers(ranking), strict=True)
        return [{**given, "rerank_score": score, "judge_rerank": said} for (given, _, said), score in ranked]


_providers: dict[str, Any] = RerankerFactory.provider_to_class
_providers["judge_rerank"] = (f"{__name__}.JudgeReranker", JudgeRerankerConfig)
