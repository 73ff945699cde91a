"""A scorer that was trained on judgments: `judge-rerank distill` makes its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judge_rerank.errors import DataError
from judge_rerank.scorers.base import LocalScorer, positive
from judge_rerank.scorers.computing import TURN
from judge_rerank.scorers.cross_encoder import sigmoid
from judge_rerank.scorers.weights import needed
from judge_rerank.strategies.base import Group

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FILE = "distilled.json"
FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a folder of a distilled scorer holds.

    Attributes:
        model: the bi-encoder whose vectors are compared.
        weights: by signal (`judge_rerank.scorers.features.NAMES`); those left out are 0.
        report: what it was trained on and what it was worth on unseen queries, for people.
    """

    model: str
    weights: Mapping[str, float]
    report: Mapping[str, Any]

    def save(self, folder: Path | str) -> None:
        """Write the folder, which is made if there is none."""
        home = Path(folder).expanduser()
        home.mkdir(parents=True, exist_ok=True)
        told = {"format": FORMAT, "model": self.model, "weights": dict(self.weights), "report": dict(self.report)}
        (home / FILE).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path | str) -> Recipe:
        """Read what `save` wrote.

        Raises:
            DataError: the folder cannot be read, or holds something else.
        """
        path = Path(folder).expanduser() / FILE
        try:
            told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if told["format"] != FORMAT:
                raise KeyError("format")  # noqa: TRY301
            weights = {str(name): float(weight) for name, weight in told["weights"].items()}
            return cls(model=str(told["model"]), weights=weights, report=dict(told["report"]))
        except OSError as error:
            raise DataError(f"The distilled scorer cannot be read: {error.strerror}.", path=path) from None
        except (ValueError, KeyError, TypeError, AttributeError):
            msg = "This is no distilled scorer of this version; make one with judge-rerank distill."
            raise DataError(msg, path=path) from None


@dataclass(frozen=True)
class Distilled(LocalScorer):
    """Scores by a weighted sum of free signals whose weights were learnt from judgments.

    Signals are standardised over the candidates of a query, so that raw scores compare candidates of one query and
    not queries; as relevance, their sigmoid. One round, no calls.

    Attributes:
        folder: what `judge-rerank distill` wrote.
        batch_size: texts that go through the bi-encoder at once.
    """

    folder: str
    _: KW_ONLY
    batch_size: int = 32

    def __post_init__(self) -> None:
        positive(self, "batch_size")
        _recipe(self.folder)  # a folder that cannot be read is found before anything is spent

    @property
    def name(self) -> str:
        """Its name in spec strings."""
        return "distilled"

    def score(self, groups: Sequence[Group]) -> Sequence[Sequence[float]]:
        """Weighted sums; the texts of all groups are encoded together."""
        recipe = _recipe(self.folder)
        names, found = signals_of(recipe.model, groups, self.batch_size)
        weights = [recipe.weights.get(name, 0.0) for name in names]
        return [(signals @ weights).tolist() for signals in found]

    def unit(self, raw: float) -> float:
        """The sigmoid."""
        return sigmoid(raw)


def signals_of(
    model: str, groups: Sequence[Group], batch_size: int = 32
) -> tuple[Sequence[str], list[NDArray[np.float64]]]:
    """The names of the signals, and for each group a row a candidate with their values."""
    features: Any = needed("A distilled scorer", "embedding", _features)
    from judge_rerank.scorers.encoders import encoder

    with TURN:
        return features.NAMES, features.signals(groups, encoder(model, "auto", None), model, batch_size)


@lru_cache(maxsize=8)
def _recipe(folder: str) -> Recipe:
    return Recipe.load(folder)


def _features() -> Any:
    from judge_rerank.scorers import features

    return features
