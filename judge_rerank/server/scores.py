"""Scores as clients need them: one for every document, from 0 to 1, and no two alike.

Clients sort by score, stretch scores between the lowest and the highest, and put them into columns with six digits. So
equal scores, missing ones and scores that rise down the ranking would each change the order that was made.
"""

from __future__ import annotations

from collections.abc import Sequence

_STEP = 1e-6
"""The least difference; what a number of 32 bits still tells apart."""


def distinct(scores: Sequence[float | None]) -> list[float]:
    """Strictly falling scores in [0, 1], for the documents of a ranking, best first.

    A score stays as it is where it is below the one before. Where it is not, it is put just below. Documents without a
    score share the space between their neighbours in equal steps; in a ranking without any, the first has 1 and the
    last of n has 1/n.

    Args:
        scores: from 0 to 1 each, or None.
    """
    n, ends = len(scores), _next_scored(scores)
    step = min(_STEP, 1 / (2 * n)) if n else _STEP
    found: list[float] = []
    for place, score in enumerate(scores):
        lowest = (n - 1 - place) * step
        above = found[-1] if found else None
        wanted = _between(scores, place, ends[place], above) if score is None else score
        found.append(max(lowest, min(wanted, 1.0 if above is None else above - step)))
    return found


def _next_scored(scores: Sequence[float | None]) -> list[int]:
    """For each place, the next one at which a score stands; the number of places where none does."""
    ends, end = [0] * len(scores), len(scores)
    for place in range(len(scores) - 1, -1, -1):
        end = place if scores[place] is not None else end
        ends[place] = end
    return ends


def _between(scores: Sequence[float | None], place: int, end: int, above: float | None) -> float:
    """A score for the first of a run of documents that have none, in equal steps down to the one at `end`."""
    last, run = end == len(scores), end - place
    below = 0.0 if last else scores[end] or 0.0
    if above is None:
        return 1.0 if last else below + (1 - below) * run / (run + 1)
    return below + max(0.0, above - below) * run / (run + 1)
