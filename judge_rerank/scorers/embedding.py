"""Bi-encoders: query and document as vectors, compared by cosine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from judge_rerank.core import Candidate, Group, InputError
from judge_rerank.models import known_model, languages_of_model
from judge_rerank.scorers.base import LocalScorer, full_text, positive
from judge_rerank.scorers.computing import TURN
from judge_rerank.scorers.weights import ONNX_WEIGHTS, PACKED_WEIGHTS, TORCH_WEIGHTS, needed_weights, weights_here
from judge_rerank.strategies import scorer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@scorer("embedding")
@dataclass(frozen=True)
class Embedding(LocalScorer):
    """Scores by the cosine of the vectors of query and document (Reimers and Gurevych, arXiv:1908.10084).

    Raw scores are cosines; as relevance, (1 + cosine) / 2. One round, no calls. A document that several queries share
    is encoded once, and its vector is kept in memory.

    Attributes:
        model: a name from `judge-rerank models list`, a folder, or a name on the Hugging Face hub.
        backend: what runs it; "auto" takes sentence-transformers, or onnxruntime where the model has only ONNX weights.
        query_prefix, document_prefix: what the model expects before each text, such as "query: " for E5; None for what
            is known of the model by its name.
        max_length: the tokens that are read of a text; None for the model's maximum.
        batch_size: texts that go through the model at once.
        memory: how many vectors of documents are kept.
        vector_key: the key of the documents' metadata under which their vectors are stored. A document without one
            gets no score.
        query_vector: what makes a query's vector, with stored vectors of another model; None for `model`.
    """

    alone: ClassVar[bool] = True

    model: str = "all-minilm-l6-v2"
    _: KW_ONLY
    backend: Literal["auto", "torch", "onnx"] = "auto"
    query_prefix: str | None = None
    document_prefix: str | None = None
    max_length: int | None = None
    batch_size: int = 32
    memory: int = 50_000
    vector_key: str | None = None
    query_vector: Callable[[str], Sequence[float]] | None = None

    def __post_init__(self) -> None:
        positive(self, "batch_size", "max_length", "memory")
        if self.backend not in ("auto", "torch", "onnx"):
            raise InputError(f"backend is {self.backend!r}; expected 'auto', 'torch' or 'onnx'.")
        if self.query_vector is not None and self.vector_key is None:
            raise InputError(
                "query_vector is for stored vectors, so vector_key must name the field that has the documents' vectors."
            )

    def is_here(self) -> bool:
        """Whether the model is on this machine, with what runs it."""
        torch = bool(find_spec("sentence_transformers")) and weights_here(self.model, TORCH_WEIGHTS)
        if self.backend == "torch":
            return torch
        onnx = bool(find_spec("onnxruntime")) and weights_here(self.model, ONNX_WEIGHTS)
        return onnx or (self.backend == "auto" and (torch or self._is_packed_here()))

    def _is_packed_here(self) -> bool:
        return all(map(find_spec, ("numpy", "tokenizers"))) and weights_here(self.model, PACKED_WEIGHTS)

    @property
    def languages(self) -> frozenset[str] | None:
        """Those of the model; None for vectors that another model has made."""
        return None if self.vector_key is not None else languages_of_model(self.model)

    def warm_up(self) -> None:
        """Load the model, unless all vectors are given: `query_vector` may ask somebody."""
        if self.query_vector is None:
            with TURN:
                self._encode(["query"])

    def score(self, groups: Sequence[Group]) -> Sequence[Sequence[float]]:
        """Cosines; what all groups need is encoded together."""
        numpy: Any = needed_weights("Comparing vectors", "embedding", _numpy)
        with TURN:
            queries = self._queries([query.text for query, _ in groups])
            documents = self._documents([c for _, candidates in groups for c in candidates])
        scores: list[list[float]] = []
        rows = iter(documents)
        for query, (_, candidates) in zip(queries, groups, strict=True):
            vectors = [next(rows) for _ in candidates]
            if any(vector is not None and len(vector) != len(query) for vector in vectors):
                raise InputError(f"A query's vector has {len(query)} numbers, but a document's has a different length.")
            scores.append([float("nan") if v is None else float(numpy.dot(v, query)) for v in vectors])
        return scores

    def unit(self, raw: float) -> float:
        """(1 + cosine) / 2."""
        return (1 + raw) / 2

    def _queries(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        if self.query_vector is not None:
            return [_vector(self.query_vector(text), "the query") for text in texts]
        unique = list(dict.fromkeys(texts))
        prefix = self._prefix(self.query_prefix, "query_prefix")
        encoded = dict(zip(unique, self._encode([prefix + text for text in unique]), strict=True))
        return [encoded[text] for text in texts]

    def _documents(self, candidates: Sequence[Candidate]) -> list[NDArray[np.float32] | None]:
        if self.vector_key is not None:
            stored = [c.document.metadata.get(self.vector_key) for c in candidates]
            return [
                None if v is None else _vector(v, f"document {c.index}")
                for v, c in zip(stored, candidates, strict=True)
            ]
        from judge_rerank.scorers.memory import memory

        held = memory((self.model, self.backend, self.max_length), self.memory)
        prefix = self._prefix(self.document_prefix, "document_prefix")
        return held.recall([prefix + full_text(c.document) for c in candidates], self._encode)

    def _prefix(self, given: str | None, name: str) -> str:
        return given if given is not None else getattr(known_model(self.model), name, "")

    def _encode(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        from judge_rerank.scorers.encoders import encoder

        return list(encoder(self.model, self.backend, self.max_length).encode(texts, self.batch_size))


def _vector(given: Any, owner: str) -> NDArray[np.float32]:
    """A stored vector with length 1."""
    import numpy as np

    from judge_rerank.scorers.encoders import normalised

    try:
        vector = np.asarray(given, dtype=np.float32)
    except (TypeError, ValueError):
        vector = np.empty((0, 0), np.float32)
    if vector.ndim != 1 or not vector.size:
        raise InputError(f"The vector of {owner} is not a sequence of numbers.")
    return normalised(vector)


def _numpy() -> Any:
    import numpy as np

    return np
