"""APIs that score without a prompt: rerank APIs, and embedding APIs by the cosine of vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from judge_rerank.core import Candidates, EmbedCall, Endpoint, InputError, Plan, Query, RerankCall, by_score, scored
from judge_rerank.strategies.algorithms.windows import batches
from judge_rerank.strategies.cascade import Composable
from judge_rerank.strategies.decorators import strategy


@strategy("api")
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
        api_key: the key; None for the provider's environment variable. It is no part of what identifies the strategy.
        params: LiteLLM's further parameters for every call.
        batch_size: the most documents a call; scores of different calls can be compared.
    """

    model: str
    api_base: str | None = field(default=None, kw_only=True)
    api_key: str | None = field(default=None, kw_only=True, repr=False, compare=False)
    params: Mapping[str, Any] = field(default_factory=dict[str, Any], kw_only=True, hash=False)
    batch_size: int = field(default=1000, kw_only=True)

    def __post_init__(self) -> None:
        _check(self, "RerankAPI('cohere/rerank-v3.5')")

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


@strategy("embedding-api")
@dataclass(frozen=True)
class EmbeddingAPI(Composable):
    """Sorts by the cosine of the vectors of query and document (Reimers and Gurevych, arXiv:1908.10084), from an API.

    Any embedding model that LiteLLM speaks to. 1 + ⌈n / batch_size⌉ calls in one round, billed by token. Raw scores are
    cosines; as relevance, (1 + cosine) / 2. Ties stand in first-stage order; documents without a vector follow those
    that have a score.

    Attributes:
        model: LiteLLM's name, "openai/text-embedding-3-small"; for a server of one's own "hosted_vllm/NAME",
            "infinity/NAME" or "openai/NAME" with `api_base`.
        api_base: another address than the provider's own.
        api_key: the key; None for the provider's environment variable. It is no part of what identifies the strategy.
        params: LiteLLM's further parameters for every call.
        dimensions: the length of the vectors, for models that give several; None for the model's own.
        query_prefix, document_prefix: what the model wants before each text, as in "query: " of E5.
        query_input_type, document_input_type: LiteLLM's `input_type`, for models that tell queries from documents;
            None for the provider's own where it is known (Cohere, Voyage), else none.
        batch_size: the most documents a call.
    """

    model: str
    api_base: str | None = field(default=None, kw_only=True)
    api_key: str | None = field(default=None, kw_only=True, repr=False, compare=False)
    params: Mapping[str, Any] = field(default_factory=dict[str, Any], kw_only=True, hash=False)
    dimensions: int | None = field(default=None, kw_only=True)
    query_prefix: str = field(default="", kw_only=True)
    document_prefix: str = field(default="", kw_only=True)
    query_input_type: str | None = field(default=None, kw_only=True)
    document_input_type: str | None = field(default=None, kw_only=True)
    batch_size: int = field(default=96, kw_only=True)

    def __post_init__(self) -> None:
        _check(self, "EmbeddingAPI('openai/text-embedding-3-small')")
        if self.dimensions is not None and self.dimensions < 1:
            raise InputError(f"dimensions is {self.dimensions}; it has to be at least 1.")

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """One round: the query's vector, and those of the documents."""
        asked = [tuple(batch) for batch in batches(candidates[:], self.batch_size)]
        if not asked:
            return by_score(candidates, {})
        of_query, of_document = _INPUT_TYPES.get(self.model.partition("/")[0], (None, None))
        embed = EmbedCall(
            api=self._endpoint(self.query_input_type or of_query),
            task="embedding",
            model=self.model,
            query=query,
            candidates=(),
            stage=self.name,
            prefix=self.query_prefix,
        )
        documents = replace(
            embed,
            api=self._endpoint(self.document_input_type or of_document),
            prefix=self.document_prefix,
            against=embed,
        )
        _, *outcomes = yield [embed, *(replace(documents, candidates=batch) for batch in asked)]
        return by_score(candidates, scored(asked, outcomes))

    def _endpoint(self, input_type: str | None) -> Endpoint:
        given = {"dimensions": self.dimensions, "input_type": input_type}
        params = {**self.params, **{name: value for name, value in given.items() if value is not None}}
        return Endpoint(
            model=self.model,
            api_base=self.api_base,
            api_key=self.api_key,
            params=tuple(sorted(params.items())),
            kind="embedding",
        )


# What the providers call the two sides: https://docs.cohere.com/reference/embed, https://docs.voyageai.com/docs/embeddings
_INPUT_TYPES: Mapping[str, tuple[str, str]] = {
    "cohere": ("search_query", "search_document"),
    "voyage": ("query", "document"),
}


def _check(strategy: RerankAPI | EmbeddingAPI, example: str) -> None:
    if not strategy.model.strip():
        raise InputError(f"{type(strategy).__name__} needs a model, such as {example}.")
    if strategy.batch_size < 1:
        raise InputError(f"batch_size is {strategy.batch_size}; it has to be at least 1.")
