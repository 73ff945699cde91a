"""The first-stage order as it is: the baseline of every comparison."""

from __future__ import annotations

from dataclasses import dataclass

from judge_rerank.core import Candidates, Ordering, Plan, Query
from judge_rerank.strategies.cascade import Composable
from judge_rerank.strategies.decorators import strategy


@strategy("none")
@dataclass(frozen=True, kw_only=True)
class Unchanged(Composable):
    """Keeps the first-stage order. No calls, no rounds."""

    def plan(self, query: Query, candidates: Candidates) -> Plan:  # noqa: ARG002
        """Return the given order without asking anything."""
        yield from ()
        return Ordering(order=tuple(candidate.index for candidate in candidates))
