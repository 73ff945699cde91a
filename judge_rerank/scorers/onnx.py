"""A transformer in ONNX with its tokenizer: onnxruntime and tokenizers alone, without PyTorch."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import onnxruntime
import tokenizers
from numpy.typing import NDArray

from judge_rerank.core import ModelUnavailable
from judge_rerank.scorers.computing import in_batches, threads
from judge_rerank.scorers.weights import ONNX_WEIGHTS, found

Text = str | tuple[str, str]
"""A text, or a pair of query and document."""

_Kept = TypeVar("_Kept")


class OnnxModel:
    """Runs texts, or pairs, through a model.

    Args:
        folder: with the `.onnx` file (if there are several, `model.onnx`), `tokenizer.json`, and perhaps the
            model's configuration files.
        max_length: tokens that are read of a text; None for as many as the model takes, at most 512.
    """

    def __init__(self, folder: Path, max_length: int | None) -> None:
        files = found(folder, ONNX_WEIGHTS)
        weights = next((file for file in files if file.name == "model.onnx"), files[0])
        if not (folder / "tokenizer.json").is_file():
            raise ModelUnavailable(f"{folder} has no tokenizer.json, which its ONNX model needs.")
        self.folder = folder
        self.max_length = min(_longest(folder), max_length or 512)
        self._tokenizer = _tokenizer(folder, self.max_length)
        self._session = session(weights)
        self._inputs = {given.name for given in self._session.get_inputs()}
        self._pad = int(_json(folder / "config.json").get("pad_token_id") or 0)

    def run(
        self, texts: Sequence[Text], batch_size: int, keep: Callable[[tuple[list[int], NDArray[np.float32]]], _Kept]
    ) -> list[_Kept]:
        """What is kept of each text's token ids and the model's first output: logits, or a vector for each token."""
        encoded: list[Any] = self._tokenizer.encode_batch(list(texts))
        return in_batches(encoded, batch_size, lambda one: len(one.ids), self._batch, keep)

    def _batch(self, encoded: Sequence[Any]) -> list[tuple[list[int], NDArray[np.float32]]]:
        shape = (len(encoded), max(len(one.ids) for one in encoded))
        feed = {name: np.zeros(shape, np.int64) for name in ("attention_mask", "token_type_ids")}
        feed["input_ids"] = np.full(shape, self._pad, np.int64)
        for row, one in enumerate(encoded):
            size = len(one.ids)
            feed["input_ids"][row, :size], feed["attention_mask"][row, :size] = one.ids, 1
            feed["token_type_ids"][row, :size] = one.type_ids
        output = self._session.run(None, {name: feed[name] for name in feed if name in self._inputs})[0]
        return [
            (list(one.ids), value[: len(one.ids)] if output.ndim == 3 else value)
            for one, value in zip(encoded, output, strict=True)
        ]


def session(weights: Path) -> Any:
    """A session that uses the processors of this process, and does not spin while it waits for others."""
    runtime: Any = onnxruntime  # it has no types
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return runtime.InferenceSession(str(weights), options, providers=runtime.get_available_providers())


def _tokenizer(folder: Path, max_length: int) -> Any:
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    return tokenizer


def _longest(folder: Path) -> int:
    """How many tokens the model takes."""
    lengths = (
        _json(folder / "sentence_bert_config.json").get("max_seq_length"),
        _json(folder / "tokenizer_config.json").get("model_max_length"),
        _json(folder / "config.json").get("max_position_embeddings"),
    )
    return int(min((length for length in lengths if length), default=512))


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
