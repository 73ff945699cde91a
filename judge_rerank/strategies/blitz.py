"""Groups in order, and everything that follows from them."""

from __future__ import annotations

from dataclasses import dataclass

from judge_rerank.core import Candidates, Ordering, Plan, Query, require
from judge_rerank.strategies.algorithms.preference_search import PreferenceSearch
from judge_rerank.strategies.algorithms.windows import even
from judge_rerank.strategies.asking import Comparing
from judge_rerank.strategies.decorators import strategy


@strategy("blitz")
@dataclass(frozen=True, kw_only=True)
class Blitz(Comparing):
    """Collects preferences in a graph and asks only what does not follow from it (BlitzRank, arXiv:2602.05448).

    Each call puts a group of documents in order; a document that is above another is above all that the other is
    above. Documents that are above each other are tied and represent one another. The next group are the documents
    that fewer than `top` others are known to beat, least beaten first, and of which something is still unknown. It
    ends when the best `top` are certain. What earlier stages found out is in the graph from the start, and the first
    ⌈n / k⌉ groups, which have no document in common, are asked about at once.

    At n = 100, k = 10, top = 10: about 13 calls in about 5 rounds, 130 documents read. A reply that cannot be read
    adds nothing to the graph, and a document whose calls failed twice is not asked about again. There are no scores.

    `tiers`: a place is certain where each document before it is known to be above all others, by what the judge stated
    and all that follows from it (transitive closure). A tier of documents that are above each other is tied.

    Documents that the judge's statements leave open are ordered by their share of comparisons won, a half where there
    was none; ties keep the order in which they came.

    Attributes:
        group_size: documents per call, the paper's k, at least 2.
        top: how many places must be certain, at least 1.
    """

    group_size: int = 10
    top: int = 10

    def __post_init__(self) -> None:
        require("group_size", self.group_size, at_least=2)
        require("top", self.top, at_least=1)

    def compared(self, query: Query, candidates: Candidates) -> Plan:
        """Rounds of groups until the top is certain."""
        size = self.fitting(query, candidates, self.group_size)
        known = candidates.evidence.preferences
        search = PreferenceSearch(candidates, lambda group: self.call(query, group), known)
        unread = search.unread
        groups = [group for group in even(unread, size) if len(group) > 1]
        if groups:
            yield from search.ask(groups)
        yield from search.search_top(self.top, size)
        order = search.order()
        return Ordering(order=order, tiers=search.tiers(order))
