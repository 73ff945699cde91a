"""From scores to the probability that any document answers: fitted on lists with a relevant document and without one.

A twin is the list of a query without its relevant documents: nothing in it answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from judge_rerank.core import Document, Query, Ranking, answer_signal
from judge_rerank.learning.fit import Fit, Sample, auroc, cross_validated

Grades: TypeAlias = Mapping[str, Mapping[str, float]]

_STEPS = 50
_LEAST = 1e-4
"""How near a signal may be to 0 or 1, so that its log-odds are finite."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answering:
    """A logistic function of the log-odds of `answer_signal` (Platt, 1999); it rises.

    Attributes:
        intercept, slope: of the function; the slope is not negative.
        queries: how many queries there were.
        answered, unanswered: how many lists with a relevant document, and without one.
        auroc: the probability that a list with one has the higher signal.
        held_out: the errors on queries that it was not fitted on, by cross-validation.
    """

    intercept: float
    slope: float
    queries: int
    answered: int
    unanswered: int
    auroc: float
    held_out: Fit

    def apply(self, signal: float) -> float:
        """The probability that any document answers."""
        return _logistic(self.intercept + self.slope * _log_odds(signal))


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
        rankings: complete ones, made without a calibration; of queries that `qrels` does not name none is used.
        qrels: grades by query id and document id.
        min_grade: the lowest grade that counts as relevant.
    """
    by_query: dict[str, list[Sample]] = {}
    for ranking in rankings:
        grades, signal = qrels.get(ranking.query.id or ""), signal_of(ranking)
        if grades and signal is not None and len(ranking):
            answered = any(grades.get(each.document.id or "", -math.inf) >= min_grade for each in ranking)
            by_query.setdefault(ranking.query.id or "", []).append((signal, answered))
    groups = list(by_query.values())
    everything = [sample for samples in groups for sample in samples]
    area = auroc(everything)
    if area is None or len(groups) < 2:
        return None
    intercept, slope = logistic_fit(everything)
    answered = sum(label for _, label in everything)
    return Answering(
        intercept=intercept,
        slope=slope,
        queries=len(groups),
        answered=answered,
        unanswered=len(everything) - answered,
        auroc=area,
        held_out=cross_validated(groups, _fit),
    )


def signal_of(ranking: Ranking) -> float | None:
    """What a ranking without a calibration says of its query being answered; None where it has no scores."""
    if ranking.answerable is not None:
        return ranking.answerable
    return answer_signal(each.relevance_score for each in ranking if each.relevance_score is not None)


def logistic_fit(samples: Sequence[Sample]) -> tuple[float, float]:
    """Intercept and slope of the likeliest logistic function of the log-odds of a score, by Newton's method.

    Targets are drawn in from 0 and 1 as in Platt's method, so that the fit is finite where the samples are separable.
    A fit that falls is replaced by the constant.
    """
    trues = sum(label for _, label in samples)
    falses = len(samples) - trues
    target = {True: (trues + 1) / (trues + 2), False: 1 / (falses + 2)}
    points = [(_log_odds(score), target[label]) for score, label in samples]
    intercept, slope = 0.0, 0.0
    for _ in range(_STEPS):
        g0 = g1 = 0.0
        h00 = h01 = h11 = 1e-9
        for x, wanted in points:
            p = _logistic(intercept + slope * x)
            weight = p * (1 - p)
            g0, g1 = g0 + wanted - p, g1 + (wanted - p) * x
            h00, h01, h11 = h00 + weight, h01 + weight * x, h11 + weight * x * x
        determinant = h00 * h11 - h01 * h01
        if determinant <= 0:
            break
        step = ((h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant)
        intercept, slope = intercept + step[0], slope + step[1]
        if abs(step[0]) + abs(step[1]) < 1e-10:
            break
    return (intercept, slope) if slope >= 0 else (_log_odds(sum(wanted for _, wanted in points) / len(points)), 0.0)


def _fit(samples: Sequence[Sample]) -> Callable[[float], float]:
    intercept, slope = logistic_fit(samples)
    return lambda signal: _logistic(intercept + slope * _log_odds(signal))


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _log_odds(p: float) -> float:
    within = min(max(p, _LEAST), 1 - _LEAST)
    return math.log(within / (1 - within))
