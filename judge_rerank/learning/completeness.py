"""Which rankings are data: those in which every document that was asked about got its judgment.

In a partial ranking some documents stand where the first stage had put them because nobody judged them: a budget ran
out, a provider was out of reach. Whatever learns from rankings would take that order for the judge's. So partial
rankings are left out and counted, and where they are more than `MOST_PARTIAL` of all, nothing is learnt at all: those
that are left would be the queries that came first, or those that a judge finds easy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from judge_rerank.core import IncompleteRankings, Ranking

MOST_PARTIAL = 0.2
"""The greatest share of rankings that may be partial."""


def complete(rankings: Sequence[Ranking]) -> list[Ranking]:
    """The complete rankings, in their order.

    Raises:
        IncompleteRankings: more than `MOST_PARTIAL` of them are partial.
    """
    check_complete(sum(ranking.status == "partial" for ranking in rankings), len(rankings), rankings)
    return [ranking for ranking in rankings if ranking.status == "complete"]


def check_complete(partial: int, wanted: int, made: Sequence[Ranking]) -> None:
    """Refuse to go on when too many are partial.

    Args:
        partial: how many queries have a partial ranking so far.
        wanted: how many queries there are in all.
        made: the rankings so far; the error holds them, and names the most frequent reason.

    Raises:
        IncompleteRankings: `partial` is more than `MOST_PARTIAL` of `wanted`.
    """
    if partial <= MOST_PARTIAL * wanted:
        return
    reasons = Counter(reason for ranking in made for reason in ranking.reasons)
    why = f" The most frequent reason: {reasons.most_common(1)[0][0]}." if reasons else ""
    raise IncompleteRankings(
        f"{partial} of {wanted} queries have partial rankings so far; at most {MOST_PARTIAL:.0%} may. Documents that "
        f"were never judged are not data, so no more queries were sent, and nothing was learnt.{why} Raise the budget "
        "or check the provider, then run the command again. Replies in the cache are not paid for twice.",
        made,
    )
