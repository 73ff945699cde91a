"""The paired randomization test, by flipping signs (Fisher; Smucker, Allan and Carterette, CIKM 2007)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from judge_rerank.core import InputError, MissingExtra

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[tuple[int], np.dtype[np.float64]]

RESAMPLES = 10_000
TOLERANCE = 1e-9
"""Differences below it are none."""
# So many differences have half a million assignments of signs, which are tried all.
_EXACT = 20
_CHUNK = 2_000_000


def sign_flip(
    differences: Sequence[float] | Array,
    *,
    alternative: Literal["two-sided", "greater"] = "two-sided",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> float:
    """The p-value of the mean of paired differences.

    Under the hypothesis that the two sides are alike, each difference could as well have the other sign. The p-value is
    the share of such assignments of signs whose sum is at least as great as the one observed: in size ("two-sided"), or
    as it stands ("greater"). With at most 20 differences that are not zero it is exact; otherwise it is
    (1 + hits) / (1 + resamples).

    Raises:
        InputError: a difference is not a finite number.
        MissingExtra: numpy is not installed.
    """
    np = _numpy()
    given: Array = np.asarray(differences, dtype=np.float64)
    if not bool(np.isfinite(given).all()):
        raise InputError("A value to compare is not a finite number.")
    given = given[np.abs(given) > TOLERANCE]
    if not len(given):
        return 1.0
    total = float(given.sum())

    def reached(sums: Array) -> Any:
        """Which sums are as great as the one observed."""
        return np.abs(sums) >= abs(total) - TOLERANCE if alternative == "two-sided" else sums >= total - TOLERANCE

    if len(given) <= _EXACT:
        sums: Array = given[:1]  # of the first sign alone: the other half is the mirror image
        for difference in given[1:]:
            sums = np.concatenate((sums + difference, sums - difference))
        return float((reached(sums).mean() + reached(-sums).mean()) / 2)
    dice, hits = np.random.default_rng(seed), 0
    for rows in chunks(resamples, len(given)):
        positive = dice.integers(0, 2, size=(rows, len(given)), dtype=np.int8) @ given
        hits += int(reached(2 * positive - total).sum())
    return (1 + hits) / (1 + resamples)


def chunks(resamples: int, width: int) -> Iterator[int]:
    """Row counts that add up to `resamples`, each small enough for memory."""
    most = max(1, _CHUNK // width)
    for start in range(0, resamples, most):
        yield min(most, resamples - start)


def _numpy() -> Any:
    try:
        import numpy as np
    except ModuleNotFoundError:
        raise MissingExtra("Testing for significance", "eval", "numpy") from None
    return np
