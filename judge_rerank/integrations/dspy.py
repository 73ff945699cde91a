"""DSPy: a module that puts passages in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from judge_rerank import Ranking
from judge_rerank.integrations.reranking import Arguments, Reranking, installed, summary

with installed("DSPy", "dspy"):
    import dspy

_OURS = ("temperature", "max_tokens", "max_completion_tokens", "rollout_id")


class Rerank(dspy.Module):
    """Reranks passages: `Rerank(model="openai/gpt-6-luna", top_n=5)(query=question, passages=found)`.

    The prediction has `passages` (as they were given, best first), `indices` (their places in the list given), `scores`
    (None where the strategy gives only an order), `status` ("complete" or "partial") and `ranking`: the reasons, the
    notes and the usage. It has no parameters to be optimized. Copies of it share the judge.

    Args:
        **arguments: `judge` or `model`, `strategy`, `top_n` and the other options of `Judge.rerank`. A `dspy.LM` as the
            model is asked by its name, key, address and further settings; its temperature and length are the judge's.
    """

    def __init__(self, **arguments: Unpack[Arguments]) -> None:
        super().__init__()
        lm = arguments.get("model")
        if isinstance(lm, dspy.LM):
            arguments |= {"model": None, "judge": _judge_of(lm)}
        self._reranking = Reranking(**arguments).built()

    def forward(self, query: str, passages: Sequence[Any], k: int | None = None) -> dspy.Prediction:
        """The passages in order; `k` comes before `top_n`."""
        return _prediction(passages, self._reranking.rerank(query, passages, top_n=k))

    async def aforward(self, query: str, passages: Sequence[Any], k: int | None = None) -> dspy.Prediction:
        """`forward` for asynchronous code."""
        return _prediction(passages, await self._reranking.arerank(query, passages, top_n=k))


def _judge_of(lm: dspy.LM) -> dict[str, Any]:
    """The arguments of a judge that asks the model of an LM."""
    settings: dict[str, Any] = {name: value for name, value in lm.kwargs.items() if name not in _OURS}
    connection = {name: settings.pop(name, None) for name in ("api_key", "api_base")}
    return {"model": lm.model, **connection, "params": {k: v for k, v in settings.items() if v is not None}}


def _prediction(passages: Sequence[Any], ranking: Ranking) -> dspy.Prediction:
    return dspy.Prediction(
        passages=[passages[index] for index in ranking.order],
        indices=[*ranking.order],
        scores=[result.relevance_score for result in ranking],
        status=ranking.status,
        ranking=summary(ranking),
    )
