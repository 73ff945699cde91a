"""Rounds of groups from which the best go on."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil
from random import Random

from judge_rerank.core import Candidates, Ordering, Plan, Query, Steps, require
from judge_rerank.strategies.algorithms.combinators import side_by_side
from judge_rerank.strategies.algorithms.preference_search import PreferenceSearch
from judge_rerank.strategies.algorithms.windows import balanced
from judge_rerank.strategies.asking import Comparing
from judge_rerank.strategies.decorators import strategy

# TourRank's stages: the share of all documents that goes on, and the size of a group as a share of the window.
_STAGES = ((0.5, 1.0), (0.2, 0.5), (0.1, 1.0), (0.05, 0.5), (0.02, 0.25))


@strategy("tournament")
@dataclass(frozen=True, kw_only=True)
class Tournament(Comparing):
    """Plays `replicas` tournaments side by side and adds up their points (TourRank, arXiv:2406.11678).

    Groups are drawn so that each has its share of the best and of the worst of the first stage, with a shuffle of its
    own in each tournament. The best of each group go on to the next stage. A document gets a point for each stage that
    it survives, and for its place in the last group a part of one.

    With `top`, a group never drops a document that could still be among the best `top`: it passes on half of its
    documents, at least `top`, until all that are left fit in one group. A judge that never errs then gets the best
    `top` right. At n = 100, window_size = 20, top = 10: 100 → 50 → 30 → 20, 11 calls in 4 rounds, 200 documents read,
    each times `replicas` except the rounds.

    With top=0 the stages are the paper's, generalised to any n: 100 → 50 → 20 → 10 → 5 → 2, 13 calls in 5 rounds, 185
    documents read, each times `replicas` except the rounds. No single tournament is then sure of the best ten.

    A group whose reply cannot be read passes on those that come first in the first stage.

    Documents that the judge's statements leave open are ordered by their points; ties keep the order in which they
    came. There are no scores.

    Attributes:
        window_size: documents per call, at least 2 and at least 2 · `top`.
        replicas: how many tournaments, the paper's r.
        top: how many places must be right with a judge that never errs; 0 for the paper's stages.
        seed: the seed of the groups.
    """

    window_size: int = 20
    replicas: int = 1
    top: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        require("top", self.top, at_least=0)
        require("window_size", self.window_size, at_least=max(2, 2 * self.top))
        require("replicas", self.replicas, at_least=1)

    def compared(self, query: Query, candidates: Candidates) -> Plan:
        """The rounds of all tournaments, side by side."""
        n = len(candidates)
        size = self.fitting(query, candidates, self.window_size)
        # All that fit in one group need no tournament, and asking again would be the same question.
        replicas = self.replicas if n > size else 1
        search = PreferenceSearch(candidates, lambda group: self.call(query, group))
        played = [self._played(search, n, size, Random(f"{self.seed}/{number}")) for number in range(replicas)]  # noqa: S311
        points = yield from side_by_side(played)
        total = {place: sum(one[place] for one in points) for place in range(n)}
        return Ordering(order=search.order(total))

    def _played(self, search: PreferenceSearch, n: int, size: int, rng: Random) -> Steps[list[float]]:
        """The points of each place in one tournament."""
        points = [0.0] * n
        remaining = list(range(n))
        stage = _Safe(size, min(self.top, size // 2)) if self.top else _Paper(n, size)
        while largest := stage.group_size(len(remaining)):
            groups = balanced(remaining, largest, rng)
            kept = [stage.kept(len(group), len(remaining)) for group in groups]
            playing = [group for group, count in zip(groups, kept, strict=True) if count < len(group)]
            played = iter((yield from search.ask(playing)))
            remaining: list[int] = []
            for group, count in zip(groups, kept, strict=True):
                order = next(played) if count < len(group) else group
                for rank, place in enumerate(order):
                    points[place] += 1 if rank < count else 1 - (rank + 1) / (len(order) + 1)
                remaining += order[:count]
            remaining.sort()
        return points


@dataclass(slots=True)
class _Safe:
    """Stages that never drop one of the best `top`: half of a group goes on, at least `top`.

    `top` is at most half of `size`, so that some group is larger than it and every stage drops something.
    """

    size: int
    top: int
    over: bool = False

    def group_size(self, remaining: int) -> int:
        """How large a group of the next stage may be; 0 when the tournament is over."""
        if self.over:
            return 0
        self.over = remaining <= self.size
        return self.size

    def kept(self, group: int, remaining: int) -> int:  # noqa: ARG002
        """How many of a group go on."""
        return 0 if self.over else min(group, max(ceil(group / 2), self.top))


@dataclass(slots=True)
class _Paper:
    """TourRank's stages, as shares of the number of documents."""

    n: int
    size: int
    target: int = 0
    stages: list[tuple[float, float]] = field(default_factory=lambda: list(_STAGES))

    def group_size(self, remaining: int) -> int:
        """How large a group of the next stage may be; 0 when the tournament is over."""
        while self.stages:
            share, group_share = self.stages.pop(0)
            self.target = round(self.n * share)
            if 1 <= self.target < remaining:
                return max(2, round(self.size * group_share))
        return 0

    def kept(self, group: int, remaining: int) -> int:
        """How many of a group go on."""
        return max(1, round(group * self.target / remaining))
