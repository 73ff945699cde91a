"""A small trained classifier: two logistic regressions over words, shapes and letters, shipped as JSON."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeAlias

from judge_rerank.core import DataError, sigmoid
from judge_rerank.routing.classifier import QueryClass, checked
from judge_rerank.routing.features import asks, features, in_words, words
from judge_rerank.strategies import option_value

FORMAT = 1
_REASONS = 3
_LEAST_SHARE = 0.02
"""A feature with a smaller share of all that speaks for a label is not worth naming."""

Weights: TypeAlias = Mapping[str, tuple[int, int]]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainedModel:
    """Two questions, one after the other: is it complex? If not, is it semantic rather than factual?

    Attributes:
        weights: by feature, what it adds to the log-odds of "complex" and of "semantic", in units of `unit`.
        unit: log-odds of a weight of 1, of both.
        bias: log-odds of both without any feature.
        slope: by which both log-odds are multiplied, so that probabilities are right on unseen queries.
        no_question: offset and slope instead, of "semantic" for keywords and claims, which few questions teach.
    """

    weights: Weights
    unit: tuple[float, float]
    bias: tuple[float, float]
    slope: tuple[float, float]
    no_question: tuple[float, float]

    @classmethod
    def load(cls, text: str, *, path: Path | str) -> TrainedModel:
        """Read what `eval/train_classifier.py` writes.

        Raises:
            DataError: it is not a model of this version.
        """
        try:
            record: dict[str, Any] = json.loads(text)
            if record["format"] != FORMAT:
                raise KeyError("format")  # noqa: TRY301
            weights: dict[str, tuple[int, int]] = {}
            for pair, names in record["weights"].items():
                hard, meant = map(int, pair.split())
                weights.update(dict.fromkeys(names.split("\t"), (hard, meant)))
            unit, bias, slope, no_question = (
                (float(record[name][0]), float(record[name][1])) for name in ("unit", "bias", "slope", "no_question")
            )
            return cls(weights=weights, unit=unit, bias=bias, slope=slope, no_question=no_question)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            msg = "This is not a classifier of this version; make one with eval/train_classifier.py."
            raise DataError(msg, path=path) from error

    def complex(self, found: Iterable[str]) -> float:
        """The probability that a query with these features is complex."""
        return sigmoid(self.slope[0] * self._log_odds(found, 0))

    def semantic(self, found: Iterable[str], *, asks: bool) -> float:
        """The probability that it is semantic, if it is not complex."""
        offset, slope = (0.0, self.slope[1]) if asks else self.no_question
        return sigmoid(offset + slope * self._log_odds(found, 1))

    def _log_odds(self, found: Iterable[str], question: int) -> float:
        total = sum(pair[question] for name in found if (pair := self.weights.get(name)))
        return self.bias[question] + self.unit[question] * total


@option_value("trained")
class TrainedClassifier:
    """Classifies with a model that comes with the package: no call, no network, well under a millisecond per query.

    It is trained on questions in English. The query's first 64 words count; case and punctuation do not. What is not
    a question (keywords, a claim) is never "complex", and mostly "semantic", with a low confidence.

    Args:
        path: your own model, as `eval/train_classifier.py` writes it; None for the one that is shipped.

    Raises:
        DataError: the file cannot be read, or is not such a model.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = None if path is None else str(path)
        self._model: TrainedModel | None = None if path is None else _read(Path(path).expanduser())
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return "TrainedClassifier()" if self.path is None else f"TrainedClassifier({self.path!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TrainedClassifier) and self.path == other.path

    def __hash__(self) -> int:
        return hash(self.path)

    def classify(self, query: str) -> QueryClass:
        """The class of one query; the confidence is the label's probability.

        Raises:
            InputError: the query is empty.
        """
        model, tokens = self._loaded(), words(checked(query))
        found, question = features(tokens), asks(tokens)
        hard = model.complex(found) if question else 0.0
        meant = model.semantic(found, asks=question)
        probabilities = {"complex": hard, "semantic": (1 - hard) * meant, "factual": (1 - hard) * (1 - meant)}
        label = max(probabilities, key=probabilities.__getitem__)
        reasons = _reasons(model, found, label)
        return QueryClass(
            label=label,
            confidence=round(probabilities[label], 4),
            reasons=reasons if question else ("it asks no question", *reasons),
        )

    def classify_many(self, queries: Iterable[str]) -> list[QueryClass]:
        """The classes of several queries, in their order."""
        return [self.classify(query) for query in queries]

    def _loaded(self) -> TrainedModel:
        if self._model is None:
            with self._lock:
                self._model = _shipped()
        return self._model


@cache
def _shipped() -> TrainedModel:
    source = files("judge_rerank.routing").joinpath("classifier.json")
    return TrainedModel.load(source.read_text(encoding="utf-8"), path=str(source))


def _read(path: Path) -> TrainedModel:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"The classifier cannot be read: {error.strerror}.", path=path) from error
    except UnicodeDecodeError as error:
        raise DataError("The classifier is not UTF-8 text.", path=path) from error
    return TrainedModel.load(text, path=path)


def _reasons(model: TrainedModel, found: Iterable[str], label: str) -> tuple[str, ...]:
    """The features that say most for the label, without those that only repeat one already named."""
    question, sign = (0, 1) if label == "complex" else (1, 1 if label == "semantic" else -1)
    weighed = {name: sign * pair[question] for name in found if (pair := model.weights.get(name))}
    ordered = sorted((name for name in weighed if weighed[name] > 0), key=lambda name: (-weighed[name], name))
    least = _LEAST_SHARE * sum(weighed[name] for name in ordered)
    said: dict[str, str] = {}
    for name in ordered:
        what = in_words(name)
        named = what.partition("“")[2].rstrip("”") or what
        if weighed[name] >= least and named.strip("… ") and not any(named in other or other in named for other in said):
            said[named] = what
        if len(said) == _REASONS:
            break
    return tuple(said.values())
