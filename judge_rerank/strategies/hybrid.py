"""Several signals about the same candidates, weighted and summed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from judge_rerank.core import Candidates, InputError, Ordering, Outcome, Plan, Query, Strategy, by_score, sigmoid
from judge_rerank.strategies import spec
from judge_rerank.strategies.algorithms.combinators import Steps, side_by_side, watched
from judge_rerank.strategies.algorithms.score_fusion import Signal, by_place, minmax, ranks, settled, zscores
from judge_rerank.strategies.cascade import Composable

FIRST_STAGE = "first-stage"
"""The signal that comes with the documents: their scores, or their places where they have none."""

_RRF_K = 60


@dataclass(frozen=True)
class Hybrid(Composable):
    """Sorts by the weighted sum of several signals, each put on one scale within the query first.

    A signal is a scorer or any other strategy, by name, spec string or as an object, or "first-stage", which is the
    score that came with each document. All signals advance side by side, so a hybrid has as many rounds as its longest
    signal, and the calls of all of them. Documents for which a signal has no value are ranked by the others; a signal
    that has none for any document is left out, and `ranking.notes` says so. Ties stand in first-stage order.

    Scores are in [0, 1]: the weighted mean, after a logistic function for z-scores, divided by the best possible sum
    for reciprocal ranks (Cormack et al., doi:10.1145/1571941.1572114).

    Attributes:
        weights: by signal; at least 0, and not all 0. Only their ratios count.
        norm: "zscore", "minmax", "rank" (equal steps from 1 to 0), or "rrf", 1 / (60 + rank).
    """

    weights: Mapping[Any, float]
    norm: Literal["zscore", "minmax", "rank", "rrf"] = field(default="zscore", kw_only=True)

    def __post_init__(self) -> None:
        if self.norm not in _SCALES:
            raise InputError(f"norm is {self.norm!r}; expected one of {', '.join(map(repr, _SCALES))}.")
        if not self.weights:
            raise InputError("A hybrid needs a weight for at least one signal, such as {'bm25': 1, 'score': 3}.")
        for signal, weight in self.weights.items():
            if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 <= weight < math.inf:  # pyright: ignore[reportUnnecessaryIsInstance]
                raise InputError(f"The weight of {_name(signal)!r} is {weight!r}; a number of at least 0 was expected.")
        if not any(self.weights.values()):
            raise InputError("All weights of the hybrid are 0; at least one signal has to count.")
        _ = self._signals  # names that nothing answers to are found now

    @property
    def name(self) -> str:
        """As it stands in rankings and traces."""
        return "hybrid"

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """The rounds of all signals, side by side."""
        asked = {name: strategy for name, (strategy, _) in self._signals.items() if strategy is not None}
        parts = [_heard(strategy.plan(query, candidates)) for strategy in asked.values()]
        results = yield from side_by_side(parts)
        found = {name: values for name, (values, _) in zip(asked, results, strict=True)}
        if FIRST_STAGE in self._signals:
            found[FIRST_STAGE] = candidates.prior or by_place([c.index for c in candidates])
        missing = [name for name, values in found.items() if not values and len(candidates)]
        notes = tuple(f"hybrid: the signal {name!r} has no value for any document" for name in missing)
        weights = {name: weight for name, (_, weight) in self._signals.items()}
        ordering = by_score(
            candidates, summed({n: values for n, values in found.items() if values}, weights, self.norm)
        )
        said = tuple(note for _, each in results for note in each)
        return Ordering(order=ordering.order, scores=ordering.scores, notes=(*notes, *said))

    @cached_property
    def _signals(self) -> Mapping[str, tuple[Strategy | None, float]]:
        """Strategy and weight by name, of those that count."""
        return {
            _name(signal): (None if signal == FIRST_STAGE else spec.resolve(signal), float(weight))
            for signal, weight in self.weights.items()
            if weight
        }


def summed(found: Mapping[str, Signal], weights: Mapping[str, float], norm: str) -> dict[int, float]:
    """By `index`, the weighted mean of the signals that have a value, each put on one scale."""
    scaled = {name: _SCALES[norm](values) for name, values in found.items() if weights.get(name)}
    sums: dict[int, float] = {}
    for index in sorted({index for values in scaled.values() for index in values}):
        parts = [(weights[name], values[index]) for name, values in scaled.items() if index in values]
        sums[index] = settled(sum(weight * value for weight, value in parts) / sum(weight for weight, _ in parts))
    return {index: sigmoid(total) for index, total in sums.items()} if norm == "zscore" else sums


def reciprocal(values: Signal) -> dict[int, float]:
    """61 / (60 + rank): 1 for the highest; equal values share the best rank among them."""
    first: dict[float, int] = {}
    for rank, value in enumerate(sorted(values.values(), reverse=True), start=1):
        first.setdefault(value, rank)
    return {index: (_RRF_K + 1) / (_RRF_K + first[value]) for index, value in values.items()}


_SCALES: Mapping[str, Callable[[Signal], dict[int, float]]] = {
    "zscore": zscores,
    "minmax": minmax,
    "rank": ranks,
    "rrf": reciprocal,
}


def _heard(plan: Plan) -> Steps[tuple[Signal, tuple[str, ...]]]:
    """What a signal says and notes: its scores, or its places where it has only an order, or nothing."""
    comparisons: list[Outcome] = []
    ordering = yield from watched(plan, lambda outcomes: comparisons.extend(o for o in outcomes if o.compares))
    return ordering.scores or (by_place(ordering.order) if comparisons else {}), ordering.notes


def _name(signal: str | Strategy) -> str:
    return signal if isinstance(signal, str) else signal.name
