"""Several strategies on the same queries, where only complete rankings count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from judge_rerank.core import Document, Query, Ranking, Strategy
from judge_rerank.evaluation.streaming import ranked_until
from judge_rerank.learning import check_complete

if TYPE_CHECKING:
    from judge_rerank.judge import Judge


class CompleteRuns:
    """Ranks queries by one strategy after the other, and leaves out those whose ranking was partial under any of them.

    So that strategies are compared on the same queries, a query that is left out is not asked about again.

    Args:
        judge: who ranks.
        pairs: queries with their candidates, in the order in which they are shown.

    Attributes:
        rankings: all that were made, for what they cost.
        left_out: places of queries, in `pairs`, with a partial ranking.
    """

    def __init__(self, judge: Judge, pairs: Iterable[tuple[Query, Sequence[Document]]]) -> None:
        self._judge, self._pairs = judge, list(pairs)
        self.rankings: list[Ranking] = []
        self.left_out: set[int] = set()

    def run(
        self, strategy: str | Strategy | None, places: Iterable[int] | None = None, *, min_score: float | None = None
    ) -> dict[int, Ranking]:
        """The complete rankings of these queries (None: all), by place.

        It stops asking as soon as too many of these queries have a partial ranking.

        Raises:
            IncompleteRankings: more than a fifth of these queries have a partial ranking; it holds all that were made.
        """
        asked = list(range(len(self._pairs)) if places is None else places)
        found: dict[int, Ranking] = {}

        left = [place for place in asked if place not in self.left_out]
        waiting = iter(left)  # rankings come in the order of the queries

        def note(ranking: Ranking) -> bool:
            place = next(waiting)
            self.rankings.append(ranking)
            if ranking.status == "complete":
                found[place] = ranking
            else:
                self.left_out.add(place)
                check_complete(len(self.left_out.intersection(asked)), len(asked), self.rankings)
            return False

        ranked_until(self._judge, (self._pairs[place] for place in left), strategy, note, min_score=min_score)
        return found

    def kept(self, places: Iterable[int] | None = None) -> list[int]:
        """Which of these queries (None: all) have complete rankings under everything that was run."""
        return [
            place for place in (range(len(self._pairs)) if places is None else places) if place not in self.left_out
        ]
