"""FlashRank: small cross-encoders in ONNX, without PyTorch."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from judge_rerank.core import Group, ModelUnavailable, UnknownName, sigmoid
from judge_rerank.models import languages_of_model
from judge_rerank.scorers import computing, weights
from judge_rerank.scorers.base import LocalScorer, full_text, positive
from judge_rerank.scorers.cross_encoder import Pair, log_odds
from judge_rerank.storage import cache_dir
from judge_rerank.strategies import scorer


@scorer("flashrank")
@dataclass(frozen=True)
class FlashRank(LocalScorer):
    """Scores by a model of FlashRank (https://github.com/PrithivirajDamodaran/FlashRank) on onnxruntime.

    The raw score is the logit, or the log-odds of the second of two labels; as relevance, its sigmoid, which is
    FlashRank's own score. One round, no calls. FlashRank scores one query's passages at a time; here the pairs of all
    queries that wait are sorted by length and share batches.

    Attributes:
        model: FlashRank's name for it.
        folder: where models are kept, each in a folder of its name; None for that of the downloaded models.
        max_length: tokens that are read of a pair.
        batch_size: pairs that go through the model at once.
    """

    by_itself: ClassVar[bool] = True

    model: str = "ms-marco-TinyBERT-L-2-v2"
    _: KW_ONLY
    folder: str | None = None
    max_length: int = 512
    batch_size: int = 32

    def __post_init__(self) -> None:
        positive(self, "batch_size", "max_length")

    def is_here(self) -> bool:
        """Whether the model and FlashRank are on this machine."""
        return find_spec("flashrank") is not None and any((self._home / self.model).glob("*.onnx"))

    @property
    def _home(self) -> Path:
        return Path(self.folder).expanduser() if self.folder else cache_dir() / "models" / "flashrank"

    @property
    def languages(self) -> frozenset[str] | None:
        """Those of the model, if it is known by its name."""
        return languages_of_model(self.model)

    def score(self, groups: Sequence[Group]) -> Sequence[Sequence[float]]:
        """Logits; the pairs of all groups are one list."""
        pairs = [(query.text, full_text(c.document)) for query, candidates in groups for c in candidates]
        with computing.TURN:
            scores = iter(_loaded(self.model, self._home, self.max_length).scores(pairs, self.batch_size))
        return [[next(scores) for _ in candidates] for _, candidates in groups]

    def unit(self, raw: float) -> float:
        """The sigmoid."""
        return sigmoid(raw)


class _Model:
    def __init__(self, name: str, ranker: Any, weights_file: Path) -> None:
        from judge_rerank.scorers.onnx import session

        self._name, self._tokenizer = name, ranker.tokenizer
        self._tokenizer.no_padding()
        self._session = session(weights_file)  # FlashRank's own takes every processor there is
        self._inputs = {given.name for given in self._session.get_inputs()}

    def scores(self, pairs: Sequence[Pair], batch_size: int) -> list[float]:
        encoded: list[Any] = self._tokenizer.encode_batch(list(pairs))
        return computing.in_batches(encoded, batch_size, lambda one: len(one.ids), self._batch, float)

    def _batch(self, encoded: Sequence[Any]) -> list[float]:
        import numpy as np

        shape = (len(encoded), max(len(one.ids) for one in encoded))
        feed = {name: np.zeros(shape, np.int64) for name in ("input_ids", "attention_mask", "token_type_ids")}
        for row, one in enumerate(encoded):
            size = len(one.ids)
            feed["input_ids"][row, :size], feed["attention_mask"][row, :size] = one.ids, 1
            feed["token_type_ids"][row, :size] = one.type_ids
        logits = self._session.run(None, {name: feed[name] for name in feed if name in self._inputs})[0]
        return [log_odds(row.ravel().tolist(), None, self._name) for row in logits]


@lru_cache(maxsize=4)
def _loaded(name: str, home: Path, max_length: int) -> _Model:
    config, ranker_class = weights.needed_weights("FlashRank", "flashrank", _flashrank)
    files: dict[str, str] = config.model_file_map
    pairwise = {known: file for known, file in files.items() if known not in config.listwise_rankers}
    if name not in pairwise:
        raise UnknownName("FlashRank model", name, pairwise)
    file = home / name / files[name]
    advice = f"Unpack {config.model_url.format(name)} into {home}."
    if (home / name).is_dir() and not file.is_file():
        raise ModelUnavailable(f"{home / name} has no {file.name}. {advice}")
    if not file.is_file() and weights.offline():
        raise ModelUnavailable(f"{name} is not in {home}, and HF_HUB_OFFLINE prevents the download. {advice}")
    try:
        ranker = weights.load_weights(
            name, lambda: _quietly(lambda: ranker_class(name, str(home), max_length, "WARNING"))
        )
        return weights.load_weights(name, lambda: _Model(name, ranker, file))
    except ModelUnavailable as error:
        if (home / name).is_dir():
            raise ModelUnavailable(f"{error} {advice}") from error
        reason = type(error.__cause__).__name__
        raise ModelUnavailable(f"{name} is not in {home} and could not be fetched ({reason}). {advice}") from error


def _quietly(build: Any) -> Any:
    """FlashRank configures the logging of the whole process; that is taken back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        return build()
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


def _flashrank() -> Any:
    from flashrank import Config, Ranker

    return Config, Ranker
