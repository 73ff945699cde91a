"""Haystack: a ranker for pipelines."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self, Unpack

from judge_rerank import Ranking
from judge_rerank.integrations.reranking import Arguments, Reranking, installed, placed, summary

with installed("Haystack", "haystack"):
    from haystack import Document, component, default_from_dict, default_to_dict


@component
class JudgeRanker:
    """Ranks documents: `pipeline.add_component("ranker", JudgeRanker(model="openai/gpt-6-luna", top_k=5))`.

    The documents that come back are copies with the score, None where the strategy gives only an order, and with
    `meta["judge_rerank"]`: rank, index in the documents given, and status. A second output, `ranking`, has the status,
    the reasons and the usage. The judge is built by `warm_up`, or when it is first needed.

    Args:
        top_k: how many documents come back; None for all.
        **arguments: `judge` or `model`, `strategy` and the options of `Judge.rerank`. Live objects cannot be written.
    """

    def __init__(self, *, top_k: int | None = None, **arguments: Unpack[Arguments]) -> None:
        self._reranking = Reranking(**{"top_n": top_k, **arguments})

    def warm_up(self) -> None:
        """Load what the first ranking needs. Nothing is sent."""
        self._reranking.judge.warm_up(*[self._reranking.strategy] if self._reranking.strategy else [])

    def to_dict(self) -> dict[str, Any]:
        """The component as plain values; a live object among them is an InputError."""
        written = self._reranking.written()
        return default_to_dict(self, **{"top_k" if name == "top_n" else name: value for name, value in written.items()})

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The component that `to_dict` wrote."""
        return default_from_dict(cls, data)

    @component.output_types(documents=list[Document], ranking=dict[str, Any])
    def run(self, query: str, documents: list[Document], top_k: int | None = None) -> dict[str, Any]:
        """The documents, best first."""
        return _outputs(documents, self._reranking.rerank(query, documents, top_n=top_k))

    @component.output_types(documents=list[Document], ranking=dict[str, Any])
    async def run_async(self, query: str, documents: list[Document], top_k: int | None = None) -> dict[str, Any]:
        """`run` for asynchronous code."""
        return _outputs(documents, await self._reranking.arerank(query, documents, top_n=top_k))

    def close(self) -> None:
        """Close the judge, unless it is the caller's."""
        self._reranking.shared.close()


def _outputs(documents: list[Document], ranking: Ranking) -> dict[str, Any]:
    places = placed(ranking, documents)
    ranked = [replace(each, score=score, meta={**each.meta, "judge_rerank": said}) for each, score, said in places]
    return {"documents": ranked, "ranking": summary(ranking)}
