"""A scorer that was trained on judgments: `judge-rerank distill` makes its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from judge_rerank.core import DataError, Group, sigmoid
from judge_rerank.models import languages_of_model
from judge_rerank.scorers.base import LocalScorer, positive
from judge_rerank.scorers.computing import TURN
from judge_rerank.scorers.cross_encoder import CrossEncoder
from judge_rerank.scorers.embedding import Embedding
from judge_rerank.scorers.weights import needed_weights
from judge_rerank.strategies import scorer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Kind = Literal["weights", "bi-encoder", "cross-encoder"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FILE = "distilled.json"
MODEL = "model"
"""The folder of a fine-tuned model, beside the file."""
FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a folder of a distilled scorer holds.

    Attributes:
        kind: what was trained: weights for free signals, or a model, which lies in the folder beside the recipe.
        model: the bi-encoder whose vectors are compared, or the model that the training started from.
        weights: by signal (`judge_rerank.scorers.features.NAMES`); those left out are 0.
        report: what it was trained on and what it was worth on unseen queries, for people.
    """

    kind: Kind = "weights"
    model: str
    weights: Mapping[str, float] = field(default_factory=dict[str, float])
    report: Mapping[str, Any]

    def save(self, folder: Path | str) -> None:
        """Write the folder, which is made if there is none."""
        home = Path(folder).expanduser()
        home.mkdir(parents=True, exist_ok=True)
        record = {"format": FORMAT, **asdict(self)}
        (home / FILE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path | str) -> Recipe:
        """Read what `save` wrote.

        Raises:
            DataError: the folder cannot be read, or holds something else.
        """
        path = Path(folder).expanduser() / FILE
        try:
            record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if record["format"] != FORMAT or record["kind"] not in KINDS:
                raise KeyError("format")  # noqa: TRY301
            weights = {str(name): float(weight) for name, weight in record["weights"].items()}
            return cls(kind=record["kind"], model=str(record["model"]), weights=weights, report=dict(record["report"]))
        except OSError as error:
            raise DataError(f"The distilled scorer cannot be read: {error.strerror}.", path=path) from None
        except (ValueError, KeyError, TypeError, AttributeError):
            msg = "This is not a distilled scorer of this version; train one with judge-rerank distill."
            raise DataError(msg, path=path) from None


@scorer("distilled")
@dataclass(frozen=True)
class Distilled(LocalScorer):
    """Scores by what was learnt from judgments: weights of free signals, a bi-encoder or a cross-encoder.

    Signals are standardised over the candidates of a query, so that raw sums compare candidates of one query and not
    queries; as relevance, their sigmoid. A model's scores are those of `Embedding` or `CrossEncoder`. One round, no
    calls.

    Attributes:
        folder: what `judge-rerank distill` wrote.
        batch_size: texts that go through the model at once.
    """

    folder: str
    _: KW_ONLY
    batch_size: int = 32

    def __post_init__(self) -> None:
        positive(self, "batch_size")
        _recipe(self.folder)  # a folder that cannot be read is found before anything is spent

    @property
    def languages(self) -> frozenset[str] | None:
        """Those of the model that it compares vectors with, or was trained from."""
        return languages_of_model(_recipe(self.folder).model)

    def score(self, groups: Sequence[Group]) -> Sequence[Sequence[float]]:
        """Raw scores; the texts of all groups go through the model together."""
        if (model := self._model()) is not None:
            return model.score(groups)
        recipe = _recipe(self.folder)
        names, found = signals_of(recipe.model, groups, self.batch_size)
        weights = [recipe.weights.get(name, 0.0) for name in names]
        return [(signals @ weights).tolist() for signals in found]

    def unit(self, raw: float) -> float:
        """As the model has it; the sigmoid for weighted sums."""
        model = self._model()
        return sigmoid(raw) if model is None else model.unit(raw)

    def _model(self) -> Embedding | CrossEncoder | None:
        """What scores with the fine-tuned model, if there is one."""
        return tuned(_recipe(self.folder).kind, Path(self.folder).expanduser() / MODEL, self.batch_size)


def tuned(kind: Kind, folder: Path, batch_size: int = 32) -> Embedding | CrossEncoder | None:
    """What scores with the fine-tuned model in a folder; None where weights of signals were learnt instead."""
    if kind == "bi-encoder":
        return Embedding(str(folder), batch_size=batch_size)
    return CrossEncoder(str(folder), batch_size=batch_size) if kind == "cross-encoder" else None


def signals_of(
    model: str, groups: Sequence[Group], batch_size: int = 32
) -> tuple[Sequence[str], list[NDArray[np.float64]]]:
    """The names of the signals, and for each group a row a candidate with their values."""
    features: Any = needed_weights("A distilled scorer", "embedding", _features)
    from judge_rerank.scorers.encoders import encoder

    with TURN:
        return features.NAMES, features.signals(groups, encoder(model, "auto", None), model, batch_size)


@lru_cache(maxsize=8)
def _recipe(folder: str) -> Recipe:
    return Recipe.load(folder)


def _features() -> Any:
    from judge_rerank.scorers import features

    return features
