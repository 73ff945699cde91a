"""The small trained model: trees that add up to the log-odds that a sentence is written for the judge, as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeAlias, cast

from judge_rerank.core import DataError, sigmoid

FORMAT = 1
MODEL = "guard.json"

Node: TypeAlias = "float | tuple[int, float, Node, Node]"
"""A leaf's log-odds, or a feature with its threshold and what follows for values up to it and for greater ones."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GuardModel:
    """Gradient-boosted trees over the features of `judge_rerank.guarding.features`.

    Attributes:
        bias: the log-odds before the first tree.
        trees: what each adds.
        threshold: the probability from which a sentence is suspicious.
        beside: the probability from which a sentence beside a suspicious one is, too.
    """

    bias: float
    trees: tuple[Node, ...]
    threshold: float
    beside: float

    @classmethod
    def load(cls, text: str, *, path: Path | str, names: Sequence[str]) -> GuardModel:
        """Read what `eval/train_guard.py` writes.

        Args:
            text: the file's content.
            path: its name, for errors.
            names: the features that the program computes.

        Raises:
            DataError: it is not a model of this version, or one over other features.
        """
        try:
            record: dict[str, Any] = json.loads(text)
            if record["format"] != FORMAT or record["features"] != list(names):
                raise KeyError("format")  # noqa: TRY301
            trees = tuple(_node(tree) for tree in record["trees"])
            numbers = {name: float(record[name]) for name in ("bias", "threshold", "beside")}
            return cls(trees=trees, **numbers)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            msg = "This is not a guard of this version; make one with eval/train_guard.py."
            raise DataError(msg, path=path) from error

    def probability(self, vector: Sequence[float]) -> float:
        """How probable it is that a sentence with these features is written for the judge."""
        total = self.bias
        for tree in self.trees:
            node = tree
            while isinstance(node, tuple):
                feature, threshold, low, high = node
                node = low if vector[feature] <= threshold else high
            total += node
        return sigmoid(total)


@cache
def shipped(names: tuple[str, ...]) -> GuardModel:
    """The model that comes with the package."""
    source = files("judge_rerank.guarding").joinpath(MODEL)
    return GuardModel.load(source.read_text(encoding="utf-8"), path=str(source), names=names)


def _node(given: Any) -> Node:
    if not isinstance(given, list):
        return float(given)
    feature, threshold, low, high = cast("list[Any]", given)
    return int(feature), float(threshold), _node(low), _node(high)
