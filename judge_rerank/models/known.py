"""What is known of models by their names: the languages that they were trained on, and what they want before a text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from judge_rerank.core import NAMES

ENGLISH = frozenset({"en"})
EVERY = frozenset(NAMES)
"""The hundred languages of XLM-RoBERTa, among which are all that are told apart."""

_MMARCO = frozenset(["ar", "de", "en", "es", "fr", "hi", "id", "it", "ja", "nl", "pt", "ru", "vi", "zh"])
# BERT's multilingual vocabulary has none of these; the distilled sentence-transformers were trained on some fifty.
_MBERT = EVERY - {"am", "km", "lo", "or", "si"}
_FIFTY = EVERY - {"am", "bn", "km", "kn", "lo", "ml", "or", "pa", "si", "sw", "ta", "te", "tl"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What is known of a model.

    Attributes:
        languages: by their codes in `judge_rerank.core.NAMES`.
        query_prefix, document_prefix: what an embedding model was trained to see before each text.
    """

    languages: frozenset[str]
    query_prefix: str = ""
    document_prefix: str = ""


E5 = Known(languages=EVERY, query_prefix="query: ", document_prefix="passage: ")
_E5_ENGLISH = Known(languages=ENGLISH, query_prefix="query: ", document_prefix="passage: ")
_BY_LANGUAGES = {
    ENGLISH: (
        "all-minilm-l6-v2 all-minilm-l6-v2-int8 all-minilm-l12-v2 all-mpnet-base-v2 "
        "multi-qa-mpnet-base-dot-v1 multi-qa-minilm-l6-cos-v1 bge-small-en-v1.5 bge-base-en-v1.5 bge-large-en-v1.5 "
        "gte-small gte-base gte-large "
        "ms-marco-minilm-l2-v2 ms-marco-minilm-l4-v2 ms-marco-minilm-l6-v2 ms-marco-minilm-l12-v2 "
        "ms-marco-electra-base ms-marco-tinybert-l2-v2 ms-marco-tinybert-l-2-v2 ms-marco-minilm-l-6-v2 "
        "ms-marco-minilm-l-12-v2 rank-t5-flan ce-esci-minilm-l12-v2 mxbai-rerank-xsmall-v1 mxbai-rerank-base-v1 "
        "mxbai-rerank-large-v1 colbertv2.0 answerai-colbert-small-v1 gte-moderncolbert-v1"
    ),
    EVERY: "bge-m3 bge-reranker-v2-m3 bge-reranker-v2-gemma jina-reranker-v2-base-multilingual jina-colbert-v2 "
    "gte-multilingual-base gte-multilingual-reranker-base qwen3-embedding-0.6b qwen3-reranker-0.6b",
    _MMARCO: "mmarco-mminilmv2-l12-h384-v1 mmarco-mdeberta-v3-base-5negs-v1",
    _MBERT: "ms-marco-multibert-l-12",
    _FIFTY: "paraphrase-multilingual-minilm-l12-v2 paraphrase-multilingual-mpnet-base-v2 "
    "distiluse-base-multilingual-cased-v2",
    frozenset({"ar"}): "minireranker_arabic_v1",
    frozenset({"en", "zh"}): "bge-reranker-base bge-reranker-large",
    frozenset({"zh"}): "bge-small-zh-v1.5 bge-base-zh-v1.5 bge-large-zh-v1.5",
}

KNOWN: Mapping[str, Known] = MappingProxyType(
    {name: Known(languages=languages) for languages, names in _BY_LANGUAGES.items() for name in names.split()}
    | dict.fromkeys(("e5-small-v2", "e5-base-v2", "e5-large-v2"), _E5_ENGLISH)
    | dict.fromkeys(
        ("multilingual-e5-small-q4", "multilingual-e5-small", "multilingual-e5-base", "multilingual-e5-large"), E5
    )
)
"""By the last part of the name, in lower case."""


def known_model(model: str) -> Known | None:
    """What is known of a model of the registry, of FlashRank or of the Hugging Face hub; None for any other."""
    return KNOWN.get(model.rstrip("/").rpartition("/")[2].lower())


def languages_of_model(model: str) -> frozenset[str] | None:
    """The languages of a model, by their codes; None where nothing is known of it."""
    found = known_model(model)
    return None if found is None else found.languages
