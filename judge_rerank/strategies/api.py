"""A rerank API as the judge: one call scores all documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from judge_rerank.checks import require
from judge_rerank.errors import InputError
from judge_rerank.strategies.base import Candidates, Endpoint, Plan, RerankCall, by_score, scored
from judge_rerank.strategies.composing import Composable
from judge_rerank.types import Query
from judge_rerank.windows import batches


@dataclass(frozen=True)
class RerankAPI(Composable):
    """Sorts by the scores of a rerank API: Cohere, Jina, Voyage, Together, Bedrock; vLLM, TEI or Infinity of one's own.

    ⌈n / batch_size⌉ calls in one round, each priced as the API bills it: by search unit (up to 100 documents; a long
    document counts as several), by token, or as `Judge(prices=...)` says. Scores outside [0, 1] count as logits. Ties
    stand in first-stage order; documents that a reply leaves out follow those that have a score.

    Attributes:
        model: LiteLLM's name, "cohere/rerank-v3.5"; for a server of one's own "hosted_vllm/NAME", "infinity/NAME" or
            "huggingface/NAME" (TEI) with `api_base`.
        api_base: another address than the provider's own.
        api_key: the key; None for the provider's environment variable.
        params: LiteLLM's further parameters for every call.
        batch_size: the most documents a call; scores of different calls can be compared.
    """

    model: str
    api_base: str | None = field(default=None, kw_only=True)
    api_key: str | None = field(default=None, kw_only=True, repr=False)
    params: Mapping[str, Any] = field(default_factory=dict[str, Any], kw_only=True, hash=False)
    batch_size: int = field(default=1000, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.model, str) or not self.model.strip():  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError("RerankAPI needs a model, such as RerankAPI('cohere/rerank-v3.5').")
        require("batch_size", self.batch_size, at_least=1)

    @property
    def name(self) -> str:
        """As it stands in rankings and traces."""
        return "api"

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """One round of independent calls."""
        api = Endpoint(
            model=self.model, api_base=self.api_base, api_key=self.api_key, params=tuple(sorted(self.params.items()))
        )
        asked = [tuple(batch) for batch in batches(candidates[:], self.batch_size)]
        if not asked:
            return by_score(candidates, {})
        outcomes = yield [
            RerankCall(api=api, task="rerank", model=self.model, query=query, candidates=batch, stage=self.name)
            for batch in asked
        ]
        return by_score(candidates, scored(asked, outcomes))
