"""Judgments turned into a free prefilter: weights for free signals, fitted listwise and checked on unseen queries."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

from judge_rerank.errors import InputError
from judge_rerank.scorers.base import LocalScorer
from judge_rerank.scorers.distilled import Recipe, signals_of
from judge_rerank.scorers.embedding import Embedding
from judge_rerank.scorers.weights import needed
from judge_rerank.strategies.base import Group
from judge_rerank.types import Candidate, Document, Query

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from judge_rerank.trace import Trace

Grades = Mapping[str, Mapping[str, float]]

FEWEST_QUERIES = 10
_DEPTH = 10
_FOLDS, _REPEATS = 5, 3
_STRENGTHS = (0.003, 0.03, 0.3)
# How much a candidate that nobody judged counts as an irrelevant one: most are, some are not.
_UNJUDGED = 0.3
_LEVEL, _FLIPS = 0.05, 10_000


@dataclass(frozen=True, kw_only=True)
class Example:
    """A query with what is known of its candidates.

    Attributes:
        group: the query and its candidates.
        signals: a row a candidate.
        grades: by place; None for candidates that nobody judged.
        before: the scores of the prefilter in use.
    """

    group: Group
    signals: NDArray[np.float64]
    grades: tuple[float | None, ...]
    before: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """What came of it.

    Attributes:
        recipe: for `Recipe.save`.
        queries, judged: that it was trained on.
        before, after: mean nDCG@10 of the prefilter in use and of the distilled scorer, on queries that the fit has not
            seen (nested cross-validation), by the grades it was trained on.
        p_value: of a paired sign-flip test over the queries, one-sided.
        held_out: the distilled scores by query, each by a fit that has not seen the query.
    """

    recipe: Recipe
    queries: int
    judged: int
    before: float
    after: float
    p_value: float
    held_out: Mapping[str, tuple[float, ...]]

    @property
    def better(self) -> bool:
        """Whether it beats the prefilter in use, with significance."""
        return self.after > self.before and self.p_value < _LEVEL


def examples(
    pairs: Sequence[tuple[Query, Sequence[Document]]],
    grades: Grades,
    *,
    model: str = "all-minilm-l6-v2",
    prefilter: LocalScorer | None = None,
) -> list[Example]:
    """Queries with their candidates' signals. Costs no calls.

    Args:
        pairs: queries, with ids, and their candidates in the first stage's order.
        grades: by query id and document id; candidates without a grade are weak negatives.
        model: the bi-encoder that the signals come from.
        prefilter: the scorer in use; None for the order given.

    Raises:
        InputError: fewer than ten queries have candidates of different grades.
    """
    groups: list[Group] = []
    known: list[tuple[float | None, ...]] = []
    for query, documents in pairs:
        graded = grades.get(query.id or "", {})
        found = tuple(graded.get(document.id or "") for document in documents)
        if len({0.0 if grade is None else grade for grade in found}) > 1:
            groups.append((query, tuple(Candidate(index=i, document=d) for i, d in enumerate(documents))))
            known.append(found)
    if len(groups) < FEWEST_QUERIES:
        raise InputError(
            f"{len(groups)} of {len(pairs)} queries have candidates of different grades; at least {FEWEST_QUERIES} are "
            "needed to fit on some and check on others. Do the ids of the judgments fit those of the run?"
        )
    names, signals = signals_of(model, groups)
    if prefilter == Embedding(model):  # its scores are among the signals
        before = [one[:, names.index("cosine")].tolist() for one in signals]
    else:
        before = prefilter.score(groups) if prefilter else [[-float(c.index) for c in group] for _, group in groups]
    return [
        Example(group=group, signals=one, grades=found, before=tuple(scores))
        for group, one, found, scores in zip(groups, signals, known, before, strict=True)
    ]


def traced(trace: Trace, run: str | None = None) -> tuple[list[tuple[Query, list[Document]]], Grades]:
    """The queries of a trace with their documents, and as grades the mean of the scores that the judge gave.

    Args:
        trace: what was asked so far.
        run: only this run; None for all, where the last ranking of a query counts.

    Raises:
        InputError: there is no such run.
    """
    pairs: dict[str, tuple[Query, list[Document]]] = {}
    grades: dict[str, dict[str, float]] = {}
    for name in [run] if run is not None else [known.id for known in trace.runs()]:
        for text in dict.fromkeys(call.query.id or call.query.text for call in trace.calls(run=name, failed=False)):
            results = sorted(trace.ranking(name, text), key=lambda result: result.index)
            named = [replace(r.document, id=r.document.id or str(r.index)) for r in results]
            said = [[j.score for j in r.judgments if j.score is not None and j.prompt is not None] for r in results]
            pairs[text] = (Query(text=trace.ranking(name, text).query.text, id=text), named)
            grades[text] = {str(d.id): fmean(scores) for d, scores in zip(named, said, strict=True) if scores}
    return list(pairs.values()), grades


def distill(seen: Sequence[Example], *, model: str = "all-minilm-l6-v2") -> Distillation:
    """Fit weights that are not negative by a listwise loss, and measure them on unseen queries.

    The strength of the regularisation is chosen within each training part, so that the figures stay honest.
    """
    lists = _lists(seen)
    held_out = _cross_validated(seen, lists)
    after = [_ndcg(one, scores) for one, scores in zip(seen, held_out, strict=True)]
    before = [_ndcg(one, one.before) for one in seen]
    weights = _fit(lists, _strength(seen, lists))
    judged = sum(grade is not None for one in seen for grade in one.grades)
    names, _ = signals_of(model, [])
    p_value = sign_flip([a - b for a, b in zip(after, before, strict=True)])
    report = {
        "queries": len(seen),
        "judged": judged,
        "ndcg_before": round(fmean(before), 4),
        "ndcg_after": round(fmean(after), 4),
        "p_value": round(p_value, 4),
    }
    return Distillation(
        recipe=Recipe(
            model=model, weights={n: round(float(w), 6) for n, w in zip(names, weights, strict=True)}, report=report
        ),
        queries=len(seen),
        judged=judged,
        before=fmean(before),
        after=fmean(after),
        p_value=p_value,
        held_out={
            one.group[0].id or one.group[0].text: tuple(scores) for one, scores in zip(seen, held_out, strict=True)
        },
    )


def sign_flip(gains: Sequence[float]) -> float:
    """How probable a mean at least as great is if each query's gain might as well have been a loss."""
    draw = random.Random(0)  # noqa: S311  a test of significance, no secret
    observed = math.fsum(gains)
    as_great = sum(
        math.fsum(gain if draw.random() < 0.5 else -gain for gain in gains) >= observed for _ in range(_FLIPS)
    )
    return (as_great + 1) / (_FLIPS + 1)


@dataclass(frozen=True)
class _Lists:
    """Queries for the loss, as arrays padded to the longest list; padding has no weight.

    Attributes:
        signals: by query, candidate and signal.
        target: the share of relevance that each candidate should get.
        log_weight: how much each candidate counts.
    """

    signals: NDArray[np.float64]
    target: NDArray[np.float64]
    log_weight: NDArray[np.float64]

    def of(self, places: Sequence[int]) -> _Lists:
        """Only these queries."""
        chosen = list(places)
        return _Lists(self.signals[chosen], self.target[chosen], self.log_weight[chosen])


def _lists(seen: Sequence[Example]) -> _Lists:
    import numpy as np

    highest = max(grade for one in seen for grade in one.grades if grade is not None)
    shape = (len(seen), max(len(one.grades) for one in seen))
    signals = np.zeros((*shape, seen[0].signals.shape[1]))
    target, log_weight = np.zeros(shape), np.full(shape, -1e9)
    for row, one in enumerate(seen):
        gains = np.array([2 ** (3 * max(0.0, grade or 0.0) / (highest or 1)) - 1 for grade in one.grades])
        size = len(gains)
        signals[row, :size] = one.signals
        target[row, :size] = gains / (gains.sum() or 1)
        log_weight[row, :size] = [math.log(_UNJUDGED) if grade is None else 0.0 for grade in one.grades]
    return _Lists(signals, target, log_weight)


def _fit(lists: _Lists, strength: float) -> NDArray[np.float64]:
    """ListNet with the top-one probability (Cao et al., doi:10.1145/1273496.1273513) and a square penalty."""
    import numpy as np

    optimize, threadpoolctl = needed("Fitting weights", "distill", _optimize)
    queries, _, count = lists.signals.shape

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scores = np.einsum("qcs,s->qc", lists.signals, weights) + lists.log_weight
        scores -= scores.max(axis=1, keepdims=True)
        shares = np.exp(scores)
        shares /= shares.sum(axis=1, keepdims=True)
        value = -float((lists.target * np.log(shares + 1e-12)).sum()) / queries
        slope = np.einsum("qcs,qc->s", lists.signals, shares - lists.target) / queries
        return value + strength * float((weights**2).sum()), slope + 2 * strength * weights

    start = np.full(count, 1 / count)
    with threadpoolctl.threadpool_limits(1):  # nine numbers are not worth waiting for other threads
        return optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * count).x


def _strength(seen: Sequence[Example], lists: _Lists) -> float:
    """The one that does best on parts that it was not fitted on."""
    every = range(len(seen))

    def worth(strength: float) -> float:
        gained: list[float] = []
        for fold in range(_FOLDS):
            weights = _fit(lists.of([place for place in every if place % _FOLDS != fold]), strength)
            gained += [_ndcg(one, (one.signals @ weights).tolist()) for one in seen[fold::_FOLDS]]
        return fmean(gained)

    return max(_STRENGTHS, key=worth)


def _cross_validated(seen: Sequence[Example], lists: _Lists) -> list[list[float]]:
    """Scores of each query by fits that have not seen it: the mean over several ways to part the queries."""
    import numpy as np

    sums = [np.zeros(len(one.grades)) for one in seen]
    for repeat in range(_REPEATS):
        places = list(range(len(seen)))
        random.Random(repeat).shuffle(places)  # noqa: S311
        for fold in range(_FOLDS):
            held = set(places[fold::_FOLDS])
            rest = [place for place in places if place not in held]
            inner = lists.of(rest)
            weights = _fit(inner, _strength([seen[place] for place in rest], inner))
            for place in held:
                sums[place] += seen[place].signals @ weights
    return [(total / _REPEATS).tolist() for total in sums]


def _ndcg(one: Example, scores: Sequence[float]) -> float:
    """nDCG@10 with exponential gain; ties in the order given, candidates without a grade count as irrelevant."""
    order = sorted(range(len(scores)), key=lambda place: -scores[place] if math.isfinite(scores[place]) else math.inf)
    gains = [2 ** max(0.0, grade or 0.0) - 1 for grade in one.grades]
    discounts = [1 / math.log2(rank + 2) for rank in range(_DEPTH)]
    ideal = math.fsum(g * d for g, d in zip(sorted(gains, reverse=True), discounts, strict=False))
    return math.fsum(gains[place] * d for place, d in zip(order, discounts, strict=False)) / ideal


def _optimize() -> Any:
    import threadpoolctl
    from scipy import optimize

    return optimize, threadpoolctl
