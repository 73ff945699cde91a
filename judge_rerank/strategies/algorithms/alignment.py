"""Grades of different groups on one scale, by one document that all groups have."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from judge_rerank.strategies.algorithms.score_fusion import Signal, rounded


def aligned(groups: Sequence[Signal], anchor: int) -> dict[int, float]:
    """The scores of all groups, each group's scale stretched so that the anchor has the same score in all of them.

    That score is the mean of those that the groups gave it. 0 stays 0 and 1 stays 1, and what lies between moves in
    proportion: below the anchor as `s · mean / a`, above it so that the distance to 1 does, where a is the anchor's
    score in the group. Hence all scores stay in [0, 1], no order within a group changes, and no tie is made. In a group
    that gave the anchor 0 (or 1), all that has 0 (or 1) is as good as the anchor, and gets its score.

    A group without a score of the anchor keeps its scores; so do all, if fewer than two groups scored it.

    Args:
        groups: scores in [0, 1] by `index`; the anchor may be in any of them, every other document in one.
        anchor: its `index`.
    """
    given = [scores[anchor] for scores in groups if anchor in scores]
    common = fmean(given) if given else 0.0
    found = {
        index: _stretched(score, scores[anchor], common) if anchor in scores else score
        for scores in groups
        for index, score in scores.items()
    }
    return found | {anchor: rounded(common)} if given else found


def _stretched(score: float, at: float, to: float) -> float:
    """Where a score goes on the scale on which `at` goes to `to`."""
    if at == to:
        return score
    if score < at:
        return rounded(score * to / at)
    return rounded(to if score == at else 1 - (1 - score) * (1 - to) / (1 - at))
