"""From scores to the probability that any document answers: fitted on lists with a relevant document and without one.

A twin is the list of a query without its relevant documents: nothing in it answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import add, mul
from statistics import fmean
from typing import TypeAlias

from judge_rerank.core import Document, Query, Ranking
from judge_rerank.learning.fit import Fit, auroc, errors_of, held_out

Grades: TypeAlias = Mapping[str, Mapping[str, float]]

_STEPS = 50
_RIDGE = 1.0
_LEAST = 0.01
"""How near to 0 and 1 a score is told apart, so that its log-odds are finite."""

Seen: TypeAlias = tuple[Sequence[float], bool]
"""The scores of a list, and whether one of its documents is relevant."""

Weights: TypeAlias = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answering:
    """A logistic function of the log-odds of the highest score of a list and of the mean of its scores.

    What the mean adds differs: where few documents are relevant, a list that scores high as a whole says that the judge
    likes the query; where many are, it says that they answer it. It rises with the scores of all documents together.

    Attributes:
        intercept, highest, mean: of the function; its weights for the highest score and for the mean.
        queries: how many queries there were.
        answered, unanswered: how many lists with a relevant document, and without one.
        auroc: the probability that a list with one has the higher value, on queries that it was not fitted on.
        held_out: the errors on such queries; before: those of the highest score itself.
    """

    intercept: float
    highest: float
    mean: float
    queries: int
    answered: int
    unanswered: int
    auroc: float
    held_out: Fit

    def apply(self, scores: Collection[float]) -> float:
        """The probability that any of the documents with these scores answers; 0 for no documents."""
        return probability((self.intercept, self.highest, self.mean), scores) if scores else 0.0


def twin(documents: Iterable[Document], grades: Mapping[str, float], min_grade: float = 1.0) -> list[Document]:
    """The documents of a list that are not relevant; those without a grade are not."""
    return [document for document in documents if grades.get(document.id or "", -math.inf) < min_grade]


def twins(
    pairs: Iterable[tuple[Query, Sequence[Document]]], qrels: Grades, *, min_grade: float = 1.0
) -> list[tuple[Query, list[Document]]]:
    """The twins of lists that have a relevant document and others beside it."""
    made: list[tuple[Query, list[Document]]] = []
    for query, documents in pairs:
        left = twin(documents, qrels.get(query.id or "", {}), min_grade)
        if 0 < len(left) < len(documents):
            made.append((query, left))
    return made


def fitted_answering(rankings: Iterable[Ranking], qrels: Grades, *, min_grade: float = 1.0) -> Answering | None:
    """Fit on rankings with a relevant document and without one; None where one kind, or a second query, is missing.

    Args:
        rankings: complete ones with scores, made without a calibration; of queries that `qrels` does not name none is
            used.
        qrels: grades by query id and document id.
        min_grade: the lowest grade that counts as relevant.
    """
    by_query: dict[str, list[Seen]] = {}
    for ranking in rankings:
        grades = qrels.get(ranking.query.id or "")
        scores = [each.relevance_score for each in ranking if each.relevance_score is not None]
        if grades and scores:
            answered = any(grades.get(each.document.id or "", -math.inf) >= min_grade for each in ranking)
            by_query.setdefault(ranking.query.id or "", []).append((scores, answered))
    groups = list(by_query.values())
    everything = [seen for group in groups for seen in group]
    answered = sum(label for _, label in everything)
    if not 0 < answered < len(everything) or len(groups) < 2:
        return None
    before, after = held_out(groups, _fit, max)
    intercept, highest, mean = fitted_weights(everything)
    return Answering(
        intercept=intercept,
        highest=highest,
        mean=mean,
        queries=len(groups),
        answered=answered,
        unanswered=len(everything) - answered,
        auroc=auroc(after) or 0.0,
        held_out=errors_of(before, after),
    )


def fitted_weights(seen: Sequence[Seen]) -> Weights:
    """Intercept and weights of the likeliest logistic function, with a ridge, by Newton's method.

    Targets are drawn in from 0 and 1 as in Platt's method (1999), so that the fit is finite where the samples are
    separable. A fit that falls as scores rise is replaced: by one of the highest score alone, else by the constant.
    """
    answered = sum(label for _, label in seen)
    target = {True: (answered + 1) / (answered + 2), False: 1 / (len(seen) - answered + 2)}
    points = [((1.0, *_features(scores)), target[label]) for scores, label in seen]
    for used in (3, 2, 1):
        weights = (*_newton([(x[:used], wanted) for x, wanted in points], used), 0.0, 0.0)
        if weights[1] >= 0 and weights[1] + weights[2] >= 0:
            break
    return weights[0], weights[1], weights[2]


def _newton(points: Sequence[tuple[tuple[float, ...], float]], n: int) -> list[float]:
    weights = [0.0] * n
    for _ in range(_STEPS):
        slope = [0.0] + [-_RIDGE * weight for weight in weights[1:]]
        curvature = [[_RIDGE * (row == column > 0) + 1e-9 for column in range(n)] for row in range(n)]
        for x, wanted in points:
            p = _logistic(sum(map(mul, weights, x)))
            for row in range(n):
                slope[row] += (wanted - p) * x[row]
                for column in range(n):
                    curvature[row][column] += p * (1 - p) * x[row] * x[column]
        step = _solved(curvature, slope)
        weights = list(map(add, weights, step))
        if max(map(abs, step)) < 1e-10:
            break
    return weights


def _solved(matrix: Sequence[Sequence[float]], wanted: Sequence[float]) -> list[float]:
    """x with matrix · x = wanted, by elimination; the matrix is symmetric and positive definite."""
    rows = [[*row, value] for row, value in zip(matrix, wanted, strict=True)]
    for place, row in enumerate(rows):
        row[:] = [value / row[place] for value in row]
        for other in rows:
            if other is not row:
                factor = other[place]
                other[:] = [value - factor * mine for value, mine in zip(other, row, strict=True)]
    return [row[-1] for row in rows]


def _fit(seen: Sequence[Seen]) -> Callable[[Sequence[float]], float]:
    weights = fitted_weights(seen)
    return lambda scores: probability(weights, scores)


def probability(weights: Weights, scores: Collection[float]) -> float:
    """What a fit says of a list with these scores."""
    highest, mean = _features(scores)
    return _logistic(weights[0] + weights[1] * highest + weights[2] * mean)


def _features(scores: Collection[float]) -> tuple[float, float]:
    return _log_odds(max(scores)), _log_odds(fmean(scores))


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _log_odds(p: float) -> float:
    within = min(max(p, _LEAST), 1 - _LEAST)
    return math.log(within / (1 - within))
