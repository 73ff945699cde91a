"""Bi-encoders behind one face: sentence-transformers, ONNX alone, or packed weights and numpy."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from judge_rerank.core import InputError
from judge_rerank.scorers import computing, weights

Backend = Literal["auto", "torch", "onnx"]
Vectors = NDArray[np.float32]


class Encoder(Protocol):
    """Turns texts into vectors of length 1."""

    def encode(self, texts: Sequence[str], batch_size: int) -> Vectors:
        """One row a text."""
        ...

    def tokens(self, texts: Sequence[str], batch_size: int) -> list[tuple[list[int], Vectors]]:
        """For each text the ids of its tokens and the model's vector for each, not normalised."""
        ...


class _Torch:
    def __init__(self, folder: Path, max_length: int | None) -> None:
        computing.import_torch()
        from sentence_transformers import SentenceTransformer

        with computing.silent_transformers():
            self._model: Any = SentenceTransformer(str(folder), local_files_only=True)
        longest = self._model.max_seq_length or max_length or 512
        if max_length is not None and max_length > longest:
            raise InputError(f"max_length is {max_length}; {folder.name} reads at most {longest} tokens.")
        self._model.max_seq_length = max_length or longest

    def encode(self, texts: Sequence[str], batch_size: int) -> Vectors:
        vectors: Any = self._model.encode(
            list(texts), batch_size=batch_size, normalize_embeddings=True, show_progress_bar=False
        )
        return vectors.astype(np.float32)

    def tokens(self, texts: Sequence[str], batch_size: int) -> list[tuple[list[int], Vectors]]:
        found: Any = self._model.encode(
            list(texts), batch_size=batch_size, output_value=None, show_progress_bar=False, convert_to_numpy=False
        )
        return [
            (one["input_ids"][mask].tolist(), one["token_embeddings"][mask].float().cpu().numpy())
            for one in found
            for mask in [one["attention_mask"].bool()]
        ]


_Tokens = tuple[list[int], Vectors]
_Kept = TypeVar("_Kept")


class _Model(Protocol):
    def run(self, texts: Sequence[str], batch_size: int, keep: Callable[[_Tokens], _Kept]) -> list[_Kept]: ...


class _Pooled:
    """A model that gives a vector for each token: their mean, or the first where the folder says so."""

    def __init__(self, model: _Model, folder: Path) -> None:
        self._model = model
        pooling = folder / "1_Pooling" / "config.json"
        record: dict[str, Any] = json.loads(pooling.read_text(encoding="utf-8")) if pooling.is_file() else {}
        self._first = bool(record.get("pooling_mode_cls_token"))

    def encode(self, texts: Sequence[str], batch_size: int) -> Vectors:
        return normalised(np.stack(self._model.run(texts, batch_size, self._pooled)))

    def tokens(self, texts: Sequence[str], batch_size: int) -> list[_Tokens]:
        return self._model.run(texts, batch_size, lambda tokens: tokens)

    def _pooled(self, tokens: _Tokens) -> Vectors:
        """A vector that does not keep those of all tokens in memory, as a part of their array would."""
        vectors = tokens[1]
        if vectors.ndim == 1:
            return vectors
        return vectors[0].copy() if self._first else vectors.mean(axis=0)


@lru_cache(maxsize=4)
def encoder(model: str, backend: Backend, max_length: int | None) -> Encoder:
    """The bi-encoder; loaded once a process.

    Raises:
        SetupError: it, or a library that it needs, is not on this machine.
    """
    kinds = {"torch": weights.TORCH_WEIGHTS, "onnx": weights.ONNX_WEIGHTS}
    fitting = kinds.get(backend, (*weights.TORCH_WEIGHTS, *weights.ONNX_WEIGHTS, *weights.PACKED_WEIGHTS))
    folder = weights.weights_folder(model, fitting)
    kind, extra = _kind(folder, backend)
    return weights.needed_weights(
        f"The embedding model {model}", extra, lambda: weights.load_weights(model, lambda: kind(folder, max_length))
    )


def _kind(folder: Path, backend: Backend) -> tuple[Callable[[Path, int | None], Encoder], str]:
    """What runs a model, and the extra that it needs."""
    if backend == "torch" or (backend == "auto" and weights.found(folder, weights.TORCH_WEIGHTS)):
        return _Torch, "cross-encoder"
    if backend == "onnx" or weights.found(folder, weights.ONNX_WEIGHTS):
        return _onnx, "embedding"
    return _packed, "embedding"


def _onnx(folder: Path, max_length: int | None) -> Encoder:
    from judge_rerank.scorers.onnx import OnnxModel

    return _Pooled(OnnxModel(folder, max_length), folder)


def _packed(folder: Path, max_length: int | None) -> Encoder:
    from judge_rerank.scorers.packed import PackedModel

    return _Pooled(PackedModel(folder, weights.found(folder, weights.PACKED_WEIGHTS)[0], max_length), folder)


def normalised(vectors: Vectors) -> Vectors:
    """Each row with length 1; a row of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return (vectors / np.where(lengths == 0, 1, lengths)).astype(np.float32)
