"""APIs that score without a prompt: rerank APIs, and embedding APIs by the cosine of vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from judge_rerank.core import (
    Candidate,
    Candidates,
    Document,
    EmbedCall,
    Endpoint,
    InputError,
    Ordering,
    Plan,
    Query,
    RerankCall,
    as_relevance,
    by_raw,
    kept_apart,
    public_repr,
    raw_scores,
    require_one_of,
    scored,
    told,
)
from judge_rerank.strategies.algorithms.api_calls import asked_in_parts
from judge_rerank.strategies.cascade import Composable
from judge_rerank.strategies.decorators import strategy


@strategy("api")
@dataclass(frozen=True)
class RerankAPI(Composable):
    """Sorts by the scores of a rerank API: Cohere, Jina, Voyage, Together, Bedrock; your own vLLM, TEI or Infinity.

    ⌈n / batch_size⌉ calls in one round, each priced as the API bills it: by search unit (up to 100 documents; a long
    document counts as several), by token, or as `Judge(prices=...)` says.

    Documents are sorted by the raw scores of all calls together. These are probabilities, logits, sums or grades, as
    the API likes; what they are as relevance is decided once, over all of them (`judge_rerank.core.as_relevance`), so
    that a batch of logits and one of numbers that look like probabilities are not put on two scales. Ties keep
    first-stage order; documents that a reply leaves out follow those that have a score.

    A document without text is not sent. A call that the API refuses for its documents (more than it takes at once, one
    too long, empty or filtered) is asked again in halves, or in batches as large as the API says; one document alone
    that is too long, with half of its text, five times at most. What it still refuses is unjudged. Refused requests are
    not billed, and the others' scores count.

    Example:
        ```python
        from judge_rerank import Judge, RerankAPI

        docs = ["A bell is loud.", "Squealing brakes need clean rotors."]
        api = RerankAPI("hosted_vllm/bge-reranker-v2-m3")
        ranking = Judge().rerank("why do my brakes squeal?", docs, api)
        print([result.index for result in ranking], ranking.usage.calls)  # [1, 0] 1
        ```

    Attributes:
        model: LiteLLM's name, "cohere/rerank-v3.5"; for your own server "hosted_vllm/NAME", "infinity/NAME" or
            "huggingface/NAME" (TEI) with `api_base`.
        api_base: another address than the provider's own.
        api_key: the key; None for the provider's environment variable. It is not part of the strategy's identity.
        params: LiteLLM's further parameters for every call.
        batch_size: the most documents per call, at least 1, where the API does not say that it takes fewer.
        instruct: where an instruction goes (and criteria, as a sentence): into the "field" `instruction` of the
            request, before the "query", or nowhere ("none"), which a note of the ranking says. "auto" is what the API
            is known to take: the field for `hosted_vllm` and `deepinfra`, the query for `voyage/rerank-2.5` and the
            like, and nowhere for all others.
    """

    model: str
    api_base: str | None = field(default=None, kw_only=True)
    api_key: str | None = field(default=None, kw_only=True, repr=False, compare=False)
    params: Mapping[str, Any] = field(default_factory=dict[str, Any], kw_only=True, hash=False)
    batch_size: int = field(default=1000, kw_only=True)
    instruct: Literal["auto", "field", "query", "none"] = field(default="auto", kw_only=True)

    __repr__ = public_repr

    def __post_init__(self) -> None:
        _check(self, "RerankAPI('cohere/rerank-v3.5')")
        require_one_of("instruct", self.instruct, ("auto", "field", "query", "none"))

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """One round of independent calls."""
        api = Endpoint(
            model=self.model, api_base=self.api_base, api_key=self.api_key, params=tuple(sorted(self.params.items()))
        )
        shown = _with_text(candidates)
        call = RerankCall(
            api=api,
            task="rerank",
            model=self.model,
            query=query,
            candidates=shown,
            stage=self.name,
            instructed=self._instructed,
        )
        asked, outcomes = yield from asked_in_parts(call, candidates.limits, self.batch_size)
        raw = raw_scores(asked, outcomes)
        heard = self._instructed != "none"
        return _noted(
            by_raw(candidates, raw, as_relevance(raw)), self, query, len(candidates) - len(shown), heard=heard
        )

    @property
    def _instructed(self) -> Literal["field", "query", "none"]:
        if self.instruct != "auto":
            return self.instruct
        for start, where in _INSTRUCTED.items():
            if self.model.startswith(start):
                return where
        return "none"


@strategy("embedding-api")
@dataclass(frozen=True)
class EmbeddingAPI(Composable):
    """Sorts by the cosine of the vectors of query and document (Reimers and Gurevych, arXiv:1908.10084), from an API.

    Any embedding model of LiteLLM. 1 + ⌈n / batch_size⌉ calls in one round, billed by token. Raw scores are
    cosines; as relevance, (1 + cosine) / 2. Ties keep first-stage order; documents without a vector follow those
    that have a score. Documents without text, and those that the API refuses, as in `RerankAPI`.

    Attributes:
        model: LiteLLM's name, "openai/text-embedding-3-small"; for your own server "hosted_vllm/NAME",
            "infinity/NAME" or "openai/NAME" with `api_base`.
        api_base: another address than the provider's own.
        api_key: the key; None for the provider's environment variable. It is not part of the strategy's identity.
        params: LiteLLM's further parameters for every call.
        dimensions: the length of the vectors, for models that give several; None for the model's own.
        query_prefix, document_prefix: what the model expects before each text, such as "query: " for E5.
        query_input_type, document_input_type: LiteLLM's `input_type`, for models that distinguish queries from
            documents; None for the provider's own where it is known (Cohere, Voyage), else none.
        batch_size: the most documents per call, where the API does not say that it takes fewer.
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

    __repr__ = public_repr

    def __post_init__(self) -> None:
        _check(self, "EmbeddingAPI('openai/text-embedding-3-small')")
        if self.dimensions is not None and self.dimensions < 1:
            raise InputError(f"dimensions is {self.dimensions}; it must be at least 1.")

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """One round: the query's vector, and those of the documents."""
        shown = _with_text(candidates)
        of_query, of_document = _INPUT_TYPES.get(self.model.partition("/")[0], (None, None))
        call = EmbedCall(
            task="embedding",
            query=query,
            candidates=shown,
            model=self.model,
            stage=self.name,
            api=self._endpoint(self.document_input_type or of_document),
            query_api=self._endpoint(self.query_input_type or of_query),
            prefix=self.document_prefix,
            query_prefix=self.query_prefix,
        )
        asked, outcomes = yield from asked_in_parts(call, candidates.limits, self.batch_size)
        raw = raw_scores(asked, outcomes)
        ordering = by_raw(candidates, raw, kept_apart(raw, scored(asked, outcomes)))
        return _noted(ordering, self, query, len(candidates) - len(shown), heard=False)

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


# vLLM and DeepInfra have a field (https://docs.vllm.ai, https://deepinfra.com/docs/rerank); the instruction of Voyage's
# is a part of the query (https://docs.voyageai.com/docs/reranker). What others would do with one is not known.
_INSTRUCTED: Mapping[str, Literal["field", "query"]] = {
    "hosted_vllm/": "field",
    "deepinfra/": "field",
    "voyage/rerank-2.5": "query",
}

# What the providers call the two sides: https://docs.cohere.com/reference/embed, https://docs.voyageai.com/docs/embeddings
_INPUT_TYPES: Mapping[str, tuple[str, str]] = {
    "cohere": ("search_query", "search_document"),
    "voyage": ("query", "document"),
}


def _with_text(candidates: Candidates) -> tuple[Candidate, ...]:
    """Those that show something. Some APIs refuse an empty text and with it all others; none can judge it."""
    return tuple(candidate for candidate in candidates if _shows_something(candidate.document))


def _shows_something(document: Document) -> bool:
    return any(char.isprintable() and not char.isspace() for char in f"{document.title or ''}{document.text}")


def _noted(
    ordering: Ordering, strategy: RerankAPI | EmbeddingAPI, query: Query, blank: int, *, heard: bool
) -> Ordering:
    notes: list[str] = []
    if blank:
        which = "1 document has no text and was" if blank == 1 else f"{blank} documents have no text and were"
        notes.append(f"{strategy.name}: {which} not sent")
    if not heard and told(query.instruction, query.criteria):
        notes.append(f"{strategy.name}: {strategy.model} takes no instruction, so it was not sent")
    return replace(ordering, notes=tuple(notes))


def _check(strategy: RerankAPI | EmbeddingAPI, example: str) -> None:
    if not strategy.model.strip():
        raise InputError(f"{type(strategy).__name__} needs a model, such as {example}.")
    if strategy.batch_size < 1:
        raise InputError(f"batch_size is {strategy.batch_size}; it must be at least 1.")
