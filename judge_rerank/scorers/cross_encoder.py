"""Cross-encoders: query and document go through the model together."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from judge_rerank.core import Group, InputError, ModelUnavailable, sigmoid, told
from judge_rerank.models import languages_of_model
from judge_rerank.scorers import computing, weights
from judge_rerank.scorers.base import LocalScorer, full_text, positive
from judge_rerank.strategies import scorer

Pair = tuple[str, str]

# Architectures that give a score; any other would get a head of random numbers.
_HEADS = ("ForSequenceClassification", "ForCausalLM")
# The library that runs a backend, and the files that it reads.
_NEEDED = {
    "torch": ("sentence_transformers", weights.TORCH_WEIGHTS),
    "onnx": ("onnxruntime", weights.ONNX_WEIGHTS),
}


@scorer("cross-encoder")
@dataclass(frozen=True)
class CrossEncoder(LocalScorer):
    """Scores by a cross-encoder (Nogueira and Cho, arXiv:1901.04085), through sentence-transformers or ONNX.

    The raw score is the logit of a model with one label, the log-odds of the second label or of `label` for one with
    more, and those of "yes" against "no" for a language model such as Qwen3-Reranker; as relevance, its sigmoid.
    One round, no calls. Pairs of all queries that wait are sorted by length and share batches.

    A language model on PyTorch is given an instruction (and criteria, as a sentence) as the prompt that
    sentence-transformers has for it; a classifier knows none, and leaves it out.

    Attributes:
        model: a folder, or a name on the Hugging Face hub.
        backend: sentence-transformers on PyTorch, or onnxruntime for a model with ONNX weights.
        max_length: the tokens that are read of a pair; None for the model's maximum, up to 512.
        batch_size: pairs that go through the model at once.
        label: which label means relevant, from 0, for classifiers with more than two.
    """

    by_itself: ClassVar[bool] = True

    model: str = "cross-encoder/ms-marco-MiniLM-L6-v2"
    _: KW_ONLY
    backend: Literal["torch", "onnx"] = "torch"
    max_length: int | None = None
    batch_size: int = 32
    label: int | None = None

    def __post_init__(self) -> None:
        positive(self, "batch_size", "max_length")
        if self.backend not in ("torch", "onnx"):
            raise InputError(f"backend is {self.backend!r}; expected 'torch' or 'onnx'.")
        if self.label is not None and self.label < 0:
            raise InputError(f"label is {self.label}; labels count from 0.")

    def is_here(self) -> bool:
        """Whether the model is on this machine, with what runs it."""
        library, files = _NEEDED[self.backend]
        return find_spec(library) is not None and weights.weights_here(self.model, files)

    @property
    def languages(self) -> frozenset[str] | None:
        """Those of the model, if it is known by its name."""
        return languages_of_model(self.model)

    def score(self, groups: Sequence[Group]) -> Sequence[Sequence[float]]:
        """Logits or log-odds; the pairs of all groups are one list."""
        if not any(candidates for _, candidates in groups):
            return [[] for _ in groups]
        with computing.TURN:
            model = _loaded(self.model, self.backend, self.max_length)
            prompts = [told(query.instruction, query.criteria) if model.takes_prompt else "" for query, _ in groups]
            found: dict[int, Sequence[float]] = {}
            for prompt in dict.fromkeys(prompts):  # pairs share batches where they share the prompt
                places = [place for place, each in enumerate(prompts) if each == prompt]
                found |= zip(places, self._of_groups(model, [groups[place] for place in places], prompt), strict=True)
        return [found[place] for place in range(len(groups))]

    def _of_groups(self, model: _Model, groups: Sequence[Group], prompt: str) -> Sequence[Sequence[float]]:
        pairs = [(query.text, full_text(c.document)) for query, candidates in groups for c in candidates]
        scores = iter(self._scores(model.logits(pairs, self.batch_size, prompt)) if pairs else [])
        return [[next(scores) for _ in candidates] for _, candidates in groups]

    def unit(self, raw: float) -> float:
        """The sigmoid."""
        return sigmoid(raw)

    def _scores(self, logits: Sequence[Sequence[float]]) -> list[float]:
        return [log_odds(row, self.label, self.model) for row in logits]


def log_odds(logits: Sequence[float], label: int | None, model: str) -> float:
    """One number of a classifier's logits.

    Raises:
        InputError: it has more than two labels and `label` is not given, or it has fewer labels than `label` requires.
    """
    if len(logits) == 1:
        return logits[0]
    if label is None and len(logits) > 2:
        raise InputError(f"{model} has {len(logits)} labels; name the one that means relevant with label=.")
    chosen = 1 if label is None else label
    if chosen >= len(logits):
        raise InputError(f"label is {chosen}, but {model} has {len(logits)}, which count from 0.")
    others = [logit for place, logit in enumerate(logits) if place != chosen]
    highest = max(others)
    return logits[chosen] - highest - math.log(math.fsum(math.exp(logit - highest) for logit in others))


class _Model(Protocol):
    takes_prompt: bool

    def logits(self, pairs: Sequence[Pair], batch_size: int, prompt: str) -> list[list[float]]: ...


class _Torch:
    def __init__(self, folder: Path, max_length: int | None) -> None:
        torch = computing.import_torch()
        from sentence_transformers import CrossEncoder as Model

        self.takes_prompt = _architecture(folder).endswith("ForCausalLM")
        self._identity = torch.nn.Identity()
        with computing.silent_transformers():
            self._model: Any = Model(str(folder), local_files_only=True, activation_fn=self._identity)
        longest = self._model.max_seq_length or 512
        if max_length is not None and max_length > longest:
            raise InputError(f"max_length is {max_length}; {folder.name} reads at most {longest} tokens.")
        self._model.max_seq_length = max_length or min(longest, 512)

    def logits(self, pairs: Sequence[Pair], batch_size: int, prompt: str) -> list[list[float]]:
        asked = {"prompt": prompt} if prompt else {}
        # It sorts by length itself.
        found: Any = self._model.predict(
            list(pairs), batch_size=batch_size, activation_fn=self._identity, show_progress_bar=False, **asked
        )
        return found.reshape(len(pairs), -1).tolist()


class _Onnx:
    takes_prompt = False

    def __init__(self, folder: Path, max_length: int | None) -> None:
        from judge_rerank.scorers.onnx import OnnxModel

        self._model = OnnxModel(folder, max_length)

    def logits(self, pairs: Sequence[Pair], batch_size: int, prompt: str) -> list[list[float]]:  # noqa: ARG002
        return self._model.run(list(pairs), batch_size, lambda found: found[1].ravel().tolist())


@lru_cache(maxsize=4)
def _loaded(model: str, backend: str, max_length: int | None) -> _Model:
    torch = backend == "torch"
    folder = weights.weights_folder(model, weights.TORCH_WEIGHTS if torch else weights.ONNX_WEIGHTS)
    _check_head(model, folder)
    kind, extra = (_Torch, "cross-encoder") if torch else (_Onnx, "embedding")
    return weights.needed_weights(
        f"The cross-encoder {model}", extra, lambda: weights.load_weights(model, lambda: kind(folder, max_length))
    )


def _architecture(folder: Path) -> str:
    record: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return str((record.get("architectures") or ["no architecture"])[0])


def _check_head(model: str, folder: Path) -> None:
    try:
        architecture = _architecture(folder)
    except (OSError, ValueError):
        raise ModelUnavailable(
            f"{model} has no config.json that can be read; {folder} is not a model folder."
        ) from None
    if not architecture.endswith(_HEADS):
        raise ModelUnavailable(
            f"{model} is {architecture}, which gives no score for a pair. A cross-encoder is a model for sequence "
            "classification, or a language model that answers yes or no."
        )
