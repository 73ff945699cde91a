"""Is one variant better than another, or was it luck? Tests and intervals over the same queries under both.

Everything here is a function of values by query: `{query_id: nDCG}`. Two variants are compared on the queries that both
have, in pairs, since queries differ from each other far more than variants do. What is drawn at random is drawn from a
seed, so that the same values always give the same figures.

- the paired randomization test (Fisher; Smucker, Allan and Carterette, CIKM 2007): exact where every assignment of
  signs can be tried, otherwise by a sample of them;
- the paired bootstrap interval, by percentiles, widened as t is wider than the normal distribution (Hesterberg,
  arXiv:1411.5279);
- Holm's correction, where several variants are compared (Holm, 1979).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, TypeAlias

from judge_rerank.core import InputError, MissingExtra
from judge_rerank.evaluation.power import check_level, detectable_effect, t_quantile
from judge_rerank.evaluation.record import Result
from judge_rerank.learning import RESAMPLES, TOLERANCE, chunks, sign_flip

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[tuple[int], np.dtype[np.float64]]

Values: TypeAlias = Mapping[str, float]
"""One metric of one variant, by query."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """One variant beside the baseline, and beside all others.

    Attributes:
        variant: its name.
        letter: stands for it in superscripts.
        mean: over its own queries.
        queries: how many it shares with the baseline; everything below but `better_than` is over these.
        difference: mean of the variant minus that of the baseline.
        interval: confidence interval of the difference.
        p: of the paired randomization test, two-sided; None for the baseline itself.
        p_adjusted: by Holm's correction over all variants compared with the baseline.
        significant: whether `p_adjusted` is at most alpha.
        wins, losses, ties: queries on which the variant is better than the baseline, worse, equal.
        detectable: the smallest true difference to the baseline that this many queries find with a power of 80 %, given
            how much the differences vary; None for the baseline, and for a single query.
        better_than: variants that it is significantly better than, by Holm's correction over all pairs.
        superscript: their letters, as in ranx.
    """

    variant: str
    letter: str
    mean: float
    queries: int
    difference: float = 0.0
    interval: tuple[float, float] = (0.0, 0.0)
    p: float | None = None
    p_adjusted: float | None = None
    significant: bool = False
    wins: int = 0
    losses: int = 0
    ties: int = 0
    detectable: float | None = None
    better_than: tuple[str, ...] = ()
    superscript: str = ""


def compared(
    results: Mapping[str, Values],
    baseline: str,
    *,
    alpha: float = 0.05,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[Comparison, ...]:
    """Every variant beside the baseline and beside the others, in the given order.

    The intervals are those of single comparisons, at the level 1 - alpha. A variant that a race stopped early
    is compared on the queries that it has. They are those on which it lost, so its row describes how far it got; the
    test is the race's.

    Args:
        results: values by query for each variant. Leave out the ideal order, which is better than all by construction.
        baseline: the variant that the others are compared with.
        alpha: the greatest probability of calling any difference significant where there is none.
        resamples: how many assignments of signs and bootstrap samples are drawn.
        seed: of what is drawn.

    Raises:
        InputError: there is no such baseline, or two variants have no query in common.
        MissingExtra: numpy is not installed.
    """
    if baseline not in results:
        raise InputError(f"The baseline {baseline!r} is not among the variants: {', '.join(results)}.")
    check_level("alpha", alpha)
    for one, other in combinations(results, 2):
        require_shared(one, results[one], other, results[other])
    others = [name for name in results if name != baseline]
    p = {name: randomization_test(results[name], results[baseline], resamples=resamples, seed=seed) for name in others}
    adjusted = holm(p)
    better = better_than(results, alpha=alpha, resamples=resamples, seed=seed)
    letters = {name: letter(place) for place, name in enumerate(results)}
    rows: list[Comparison] = []
    for name, values in results.items():
        differences = paired(values, results[baseline])
        wins, losses = int((differences > TOLERANCE).sum()), int((differences < -TOLERANCE).sum())
        beside = {} if name == baseline else {"p": p[name], "p_adjusted": adjusted[name]}
        rows.append(
            Comparison(
                variant=name,
                letter=letters[name],
                mean=math.fsum(values.values()) / len(values),
                queries=len(differences),
                difference=float(differences.mean()),
                interval=_bootstrap(differences, alpha, resamples, seed),
                significant=name != baseline and adjusted[name] <= alpha,
                wins=wins,
                losses=losses,
                ties=len(differences) - wins - losses,
                detectable=None if name == baseline else _detectable(differences, alpha),
                better_than=better[name],
                superscript="".join(letters[other] for other in better[name]),
                **beside,
            )
        )
    return tuple(rows)


def per_query(results: Iterable[Result], metric: str) -> dict[str, dict[str, float]]:
    """One metric by variant and query, the mean over the seeds; a query's key is `dataset/query_id`.

    Raises:
        InputError: a result does not have the metric.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for result in results:
        if metric not in result.metrics:
            raise InputError(f"There is no {metric!r} for {result.key}; there are {', '.join(result.metrics)}.")
        queries = found.setdefault(result.variant, {})
        queries.setdefault(f"{result.dataset}/{result.query_id}", []).append(result.metrics[metric])
    return {
        variant: {query: math.fsum(values) / len(values) for query, values in queries.items()}
        for variant, queries in found.items()
    }


def require_shared(one: str, a: Values, other: str, b: Values) -> None:
    """Refuse to compare two variants that have no query in common.

    Raises:
        InputError: they have none; it names them.
    """
    if a.keys().isdisjoint(b):
        raise InputError(
            f"{one!r} ({len(a):,} queries) and {other!r} ({len(b):,}) have no query in common, so there is nothing to "
            "compare. Finish the run, or leave one of them out."
        )


def paired(a: Values, b: Values) -> Array:
    """`a` minus `b` for every query that both have, in the order of `a`.

    Raises:
        InputError: no query is in both, or a value is not a finite number.
    """
    np = _numpy()
    shared = [query for query in a if query in b]
    if not shared:
        raise InputError("The two have no query in common, so there is nothing to compare.")
    differences: Array = np.array([a[query] - b[query] for query in shared], dtype=np.float64)
    if not bool(np.isfinite(differences).all()):
        raise InputError("A value to compare is not a finite number.")
    return differences


def randomization_test(a: Values, b: Values, *, resamples: int = RESAMPLES, seed: int = 0) -> float:
    """The two-sided p-value of the paired randomization test of the difference in means.

    As `judge_rerank.learning.sign_flip`, over the queries that both have.

    Raises:
        InputError: no query is in both, or a value is not a finite number.
        MissingExtra: numpy is not installed.
    """
    return sign_flip(paired(a, b), resamples=resamples, seed=seed)


def bootstrap_interval(
    a: Values, b: Values, *, alpha: float = 0.05, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """The 1 - alpha confidence interval of the mean difference `a` minus `b`, by drawing queries with replacement.

    Raises:
        InputError: no query is in both, a value is not a finite number, or alpha is not between 0 and 1.
        MissingExtra: numpy is not installed.
    """
    check_level("alpha", alpha)
    return _bootstrap(paired(a, b), alpha, resamples, seed)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """p-values such that calling those at most alpha significant errs at all with a probability of at most alpha."""
    adjusted: dict[str, float] = {}
    highest = 0.0
    for place, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[name]))
        adjusted[name] = highest
    return {name: adjusted[name] for name in p_values}


def better_than(
    results: Mapping[str, Values], *, alpha: float = 0.05, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, tuple[str, ...]]:
    """For each variant those that it is significantly better than, by Holm's correction over all pairs."""
    pairs = {f"{place}": pair for place, pair in enumerate(combinations(results, 2))}
    adjusted = holm(
        {
            key: randomization_test(results[a], results[b], resamples=resamples, seed=seed)
            for key, (a, b) in pairs.items()
        }
    )
    better: dict[str, list[str]] = {name: [] for name in results}
    for key, (a, b) in pairs.items():
        if adjusted[key] <= alpha:
            winner, loser = (a, b) if paired(results[a], results[b]).sum() > 0 else (b, a)
            better[winner].append(loser)
    return {name: tuple(other for other in results if other in losers) for name, losers in better.items()}


def letter(place: int) -> str:
    """The letter of the variant at a place, from 0: a, b, … z, a1, b1, …"""
    return "abcdefghijklmnopqrstuvwxyz"[place % 26] + (str(place // 26) if place >= 26 else "")


def _bootstrap(differences: Array, alpha: float, resamples: int, seed: int) -> tuple[float, float]:
    np = _numpy()
    n = len(differences)
    if n < 2:
        return float(differences[0]), float(differences[0])
    dice = np.random.default_rng(seed)
    means = np.concatenate(
        [differences[dice.integers(0, n, size=(rows, n))].mean(axis=1) for rows in chunks(resamples, n)]
    )
    # Bootstrap samples vary less than samples of the population do, by the factor n / (n - 1) and the tails of t.
    tail = NormalDist().cdf(math.sqrt(n / (n - 1)) * t_quantile(alpha / 2, n - 1))
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def _detectable(differences: Array, alpha: float) -> float | None:
    n = len(differences)
    return detectable_effect(float(differences.std(ddof=1)), n, alpha=alpha) if n > 1 else None


def _numpy() -> Any:
    try:
        import numpy as np
    except ModuleNotFoundError:
        raise MissingExtra("Testing for significance", "eval", "numpy") from None
    return np
