"""Several signals about the same candidates, weighted and summed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias

from judge_rerank.core import Candidates, InputError, Outcome, Plan, Query, Steps, Strategy, by_score, sigmoid, spec_of
from judge_rerank.strategies.algorithms.combinators import side_by_side, watched
from judge_rerank.strategies.algorithms.score_fusion import (
    Signal,
    by_agreement,
    by_place,
    log_odds,
    minmax,
    ranks,
    rounded,
    zscores,
)
from judge_rerank.strategies.canonical import called, written
from judge_rerank.strategies.cascade import Composable
from judge_rerank.strategies.decorators import strategy
from judge_rerank.strategies.fitting import EMBEDDERS, first_fitting
from judge_rerank.strategies.spec import parse

FIRST_STAGE = "first-stage"
"""The signal that comes with the documents: their scores, or their places where they have none."""

USUAL_WEIGHTS: Mapping[float, tuple[str, ...]] = {
    0.2: EMBEDDERS,
    0.06: ("bm25",),
    0.5: (
        "cross-encoder",
        "flashrank",
        "cross-encoder('cross-encoder/mmarco-mMiniLMv2-L12-H384-v1')",
        "flashrank('ms-marco-MultiBERT-L-12')",
    ),
}
"""What a hybrid without weights sums: for each weight, the first of these scorers that is on this machine and knows the
languages of query and documents. All but the greatest weight are then lowered to what the signals agree on."""

_SQUASHED = 0.5
"""The weight of the scorers in it whose scores are probabilities."""

_RRF_K = 60

Asked: TypeAlias = Mapping[str, tuple[Strategy | None, float]]
"""By spec string, what gives a signal (None for the first stage) and its weight."""


@strategy("hybrid")
@dataclass(frozen=True)
class Hybrid(Composable):
    """Sorts by the weighted sum of several signals, each put on one scale within the query first.

    A signal is a scorer or any other strategy, by name, spec string or as an object, or "first-stage", which is the
    score that came with each document. All signals advance side by side, so a hybrid has as many rounds as its longest
    signal, and the calls of all of them. Documents for which a signal has no value are ranked by the others; a signal
    that has none for any document is left out, and `ranking.notes` says so. Ties keep first-stage order.

    Without weights it sums what is on this machine: 0.2 vectors, 0.06 BM25 and 0.5 a cross-encoder, in these ratios.
    All weights but the greatest are multiplied by the signal's correlation with that of the greatest, for each query,
    so that a signal that contradicts it, as BM25 does where the documents use other words, counts little or nothing.
    A cross-encoder counts by its log-odds. `ranking.notes` says what was summed. Weights fitted to one's own data
    (`judge-rerank tune`) are better.

    What is summed is relevance, not the scorers' raw scores, from which score fusion usually starts (Montague and
    Aslam, CIKM 2001): a signal may be any strategy, and a judge or a cascade has no raw score, so a weight would mean
    one thing beside a scorer and another beside a cascade that ends in it. It costs little: with vectors and BM25, 0.7
    and 0.3, z-scores of raw scores had nDCG@10 0.832 and those of relevance 0.830 (WikiQA, 40 queries).

    Scores are in [0, 1]: the weighted mean, after a logistic function for z-scores, divided by the best possible sum
    for reciprocal ranks (Cormack et al., doi:10.1145/1571941.1572114).

    Example:
        ```python
        from judge_rerank import BM25, Hybrid, Judge, Score

        docs = ["A bell is loud.", "Squealing brakes need clean rotors."]
        strategy = Hybrid({BM25(): 0.3, Score(): 0.7})
        ranking = Judge("openai/gpt-6-luna").rerank("why do my brakes squeal?", docs, strategy)
        print([result.index for result in ranking], ranking.usage.rounds)  # [1, 0] 1
        ```

    Attributes:
        weights: by signal; at least 0, and not all 0. Only their ratios count. None for those of what is installed.
        norm: "zscore", "minmax", "rank" (equal steps from 1 to 0), or "rrf", 1 / (60 + rank).
    """

    # Two hybrids are equal where their signals are, however these were given.
    weights: Mapping[Any, float] | None = field(default=None, compare=False)
    norm: Literal["zscore", "minmax", "rank", "rrf"] = field(default="zscore", kw_only=True)
    _counted: tuple[tuple[str, float], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.norm not in _SCALES:
            raise InputError(f"norm is {self.norm!r}; expected one of {', '.join(map(repr, _SCALES))}.")
        if self.weights is not None:
            _check_weights(self.weights)
        counted = sorted((name, weight) for name, (_, weight) in self._given.items())
        object.__setattr__(self, "_counted", tuple(counted))

    @property
    def spec(self) -> str:
        """`hybrid(weights={'bm25': 0.3, 'score': 0.7})`."""
        options = {} if self.weights is None else {"weights": written(dict(self._counted))}
        if self.norm != "zscore":
            options["norm"] = written(self.norm)
        return called("hybrid", options)

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """The rounds of all signals, side by side."""
        signals, notes = (self._given, tuple[str, ...]()) if self.weights is not None else _installed(candidates)
        asked = {name: strategy for name, (strategy, _) in signals.items() if strategy is not None}
        results = yield from side_by_side([_signal(each.plan(query, candidates)) for each in asked.values()])
        found = {name: values for name, (values, _) in zip(asked, results, strict=True)}
        if FIRST_STAGE in signals:
            found[FIRST_STAGE] = candidates.prior or by_place([c.index for c in candidates])
        for name, values in found.items():
            if not values and len(candidates):
                notes = (*notes, f"hybrid: the signal {name!r} has no value for any document")
        found = {name: values for name, values in found.items() if values}
        weights = {name: weight for name, (_, weight) in signals.items()}
        if self.weights is None:
            # A logistic function leaves the best of a cross-encoder so close together that another signal orders them.
            found = {name: log_odds(values) if weights[name] == _SQUASHED else values for name, values in found.items()}
            weights = by_agreement(found, weights) if found else weights
            notes = (_used(weights), *notes)
        ordering = by_score(candidates, summed(found, weights, self.norm))
        return replace(ordering, notes=(*notes, *(note for _, each in results for note in each)))

    @cached_property
    def _given(self) -> Asked:
        """The signals that were given and count."""
        found: dict[str, tuple[Strategy | None, float]] = {}
        for signal, weight in (self.weights or {}).items():
            strategy = None if signal == FIRST_STAGE else parse(signal)
            name = FIRST_STAGE if strategy is None else spec_of(strategy)
            if name in found:
                raise InputError(f"The signal {name!r} appears in the hybrid twice; give it one weight.")
            found[name] = strategy, float(weight)
        return {name: each for name, each in found.items() if each[1]}


def _check_weights(weights: Mapping[Any, float]) -> None:
    if not weights:
        raise InputError("A hybrid needs a weight for at least one signal, such as {'bm25': 1, 'score': 3}.")
    for signal, weight in weights.items():
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 <= weight < math.inf:  # pyright: ignore[reportUnnecessaryIsInstance]
            name = signal if isinstance(signal, str) else spec_of(signal)
            raise InputError(f"The weight of {name!r} is {weight!r}; expected a number of at least 0.")
    if not any(weights.values()):
        raise InputError("All weights of the hybrid are 0; at least one signal needs a weight above 0.")


def _installed(candidates: Candidates) -> tuple[Asked, tuple[str, ...]]:
    """The usual signals that can be had on this machine, the first stage where there is none; and notes on them."""
    found: dict[str, tuple[Strategy | None, float]] = {}
    notes: list[str] = []
    for weight, names in USUAL_WEIGHTS.items():
        chosen = first_fitting(names, candidates)
        if chosen.strategy is not None:
            found[spec_of(chosen.strategy)] = chosen.strategy, weight
        notes += [f"hybrid: {chosen.left_out}"] if chosen.left_out else []
    return found or {FIRST_STAGE: (None, 1)}, tuple(notes)


def _used(weights: Mapping[str, float]) -> str:
    """What was summed, as a note."""
    total = sum(weights.values()) or 1.0
    parts = ", ".join(f"{round(weight / total, 2):g} {name}" for name, weight in weights.items())
    how = ", weighed by how far they agree" if len(weights) > 1 else ""
    return f"hybrid: no weights were given, so the scorers on this machine are used{how}: {parts}"


def summed(found: Mapping[str, Signal], weights: Mapping[str, float], norm: str) -> dict[int, float]:
    """By `index`, the weighted mean of the signals that have a value, each put on one scale."""
    scaled = {name: _SCALES[norm](values) for name, values in found.items() if weights.get(name)}
    sums: dict[int, float] = {}
    for index in sorted({index for values in scaled.values() for index in values}):
        parts = [(weights[name], values[index]) for name, values in scaled.items() if index in values]
        sums[index] = rounded(sum(weight * value for weight, value in parts) / sum(weight for weight, _ in parts))
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


def _signal(plan: Plan) -> Steps[tuple[Signal, tuple[str, ...]]]:
    """The values that a plan gives, and its notes: its scores, or places where it has only an order, or nothing."""
    comparisons: list[Outcome] = []
    ordering = yield from watched(plan, lambda outcomes: comparisons.extend(o for o in outcomes if o.compares))
    return ordering.scores or (by_place(ordering.order) if comparisons else {}), ordering.notes
