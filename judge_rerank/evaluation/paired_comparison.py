"""Two variants against each other, query by query: the A/B test without users."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from judge_rerank.evaluation.power import detectable_effect
from judge_rerank.evaluation.significance import (
    RESAMPLES,
    Values,
    bootstrap_interval,
    paired,
    randomization_test,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_EQUAL = 1e-9


@dataclass(frozen=True, kw_only=True, slots=True)
class Moved:
    """A query and its values under both variants; `difference` is b - a."""

    query_id: str
    a: float
    b: float
    difference: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Versus:
    """How variant b does beside variant a on the queries that both have.

    Attributes:
        queries: how many there are.
        only_a, only_b: queries that only one of them has; they are left out.
        mean_a, mean_b: over the shared queries.
        difference: mean_b - mean_a.
        interval: confidence interval of the difference, by paired bootstrap.
        p: of the paired randomization test, two-sided.
        significant: whether p is at most alpha.
        wins, losses, ties: queries on which b is better, worse, equal.
        moved: the queries that differ, those that differ most first; ties by query id.
        detectable: the smallest true difference that so many queries find with a power of 80 %; None for one query.
    """

    queries: int
    only_a: int
    only_b: int
    mean_a: float
    mean_b: float
    difference: float
    interval: tuple[float, float]
    p: float
    significant: bool
    wins: int
    losses: int
    ties: int
    moved: tuple[Moved, ...]
    detectable: float | None


def versus(
    a: Values,
    b: Values,
    *,
    alpha: float = 0.05,
    most_moved: int | None = 10,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Versus:
    """Compare two variants on the queries that both have.

    Args:
        a: values by query of the variant that was there before.
        b: of the one that may replace it.
        alpha: the greatest probability of calling a difference significant where there is none.
        most_moved: how many of the queries that differ are listed; None for all.
        resamples: of the test and of the interval.
        seed: of what they draw.

    Raises:
        InputError: no query is in both, a value is not a finite number, or alpha is not between 0 and 1.
        MissingExtra: numpy is not installed.
    """
    interval = bootstrap_interval(b, a, alpha=alpha, resamples=resamples, seed=seed)
    p = randomization_test(b, a, resamples=resamples, seed=seed)
    differences = paired(b, a)
    n = len(differences)
    moves = _moves(a, b)
    wins = sum(move.difference > 0 for move in moves)
    return Versus(
        queries=n,
        only_a=len(a) - n,
        only_b=len(b) - n,
        mean_a=math.fsum(a[query] for query in a if query in b) / n,
        mean_b=math.fsum(b[query] for query in a if query in b) / n,
        difference=float(differences.mean()),
        interval=interval,
        p=p,
        significant=p <= alpha,
        wins=wins,
        losses=len(moves) - wins,
        ties=n - len(moves),
        moved=tuple(moves[:most_moved]),
        detectable=detectable_effect(float(differences.std(ddof=1)), n, alpha=alpha) if n > 1 else None,
    )


def _moves(a: Mapping[str, float], b: Mapping[str, float]) -> list[Moved]:
    moves = [
        Moved(query_id=query, a=a[query], b=b[query], difference=b[query] - a[query])
        for query in sorted(a)
        if query in b and abs(b[query] - a[query]) > _EQUAL
    ]
    return sorted(moves, key=lambda move: -abs(move.difference))
