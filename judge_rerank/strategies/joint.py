"""Overlapping blocks, all at once."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

from judge_rerank.core import Candidates, Ordering, Plan, Query, require, require_one_of
from judge_rerank.strategies.algorithms.preference_search import PreferenceSearch
from judge_rerank.strategies.algorithms.windows import balanced
from judge_rerank.strategies.asking import Comparing
from judge_rerank.strategies.decorators import strategy

_AGGREGATES = ("winrate", "pagerank")


@strategy("joint")
@dataclass(frozen=True, kw_only=True)
class Joint(Comparing):
    """Ranks overlapping blocks side by side and joins them by the preferences that they imply (JointRank,
    arXiv:2506.22262).

    Every document is in `replicas` blocks; each block holds its share of the best and of the worst of the first
    stage. Documents are then ordered by the share of comparisons won, or by PageRank over them.

    replicas · ⌈n / window_size⌉ calls in one round: 20 calls, 400 documents read at n = 100, window_size = 20,
    replicas = 4. One round cannot make the top certain, even with a judge that never errs, unless every two documents
    meet. With `refine`, the documents that fewer than `top` others are known to beat are therefore ranked once more,
    in as many further calls, one per round, as they need (rarely more than one or two with a judge that errs).

    What the judge stated holds where it did not contradict itself. Ties keep the order in which documents came. There
    are no scores.

    Attributes:
        window_size: documents per block, at least 2.
        replicas: how many blocks each document is in, at least 1.
        aggregate: "winrate" or "pagerank".
        refine: continue until the best `top` are certain; False for the paper's single round.
        top: how many places must be certain, at least 1.
        seed: the seed of the blocks.
    """

    window_size: int = 20
    replicas: int = 2
    aggregate: Literal["winrate", "pagerank"] = "winrate"
    refine: bool = True
    top: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        require("window_size", self.window_size, at_least=2)
        require("replicas", self.replicas, at_least=1)
        require("top", self.top, at_least=1)
        require_one_of("aggregate", self.aggregate, _AGGREGATES)

    def compared(self, query: Query, candidates: Candidates) -> Plan:
        """One round of overlapping blocks, then what the top still needs."""
        n = len(candidates)
        size = self.fitting(query, candidates, self.window_size)
        search = PreferenceSearch(candidates, lambda group: self.call(query, group))
        rng = Random(self.seed)  # noqa: S311
        # One block that holds everything would be the same question again.
        replicas = self.replicas if n > size else 1
        yield from search.ask(
            [block for _ in range(replicas) for block in balanced(range(n), size, rng) if len(block) > 1]
        )
        if self.refine:
            yield from search.search_top(self.top, size)
        strength = search.page_ranks if self.aggregate == "pagerank" else search.win_rates
        return Ordering(order=search.order(strength))
