"""The cost of rankings: calls, tokens, dollars, time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """The cost of a ranking.

    Attributes:
        calls: judgments that were paid for, with re-asks; replies from the cache do not count.
        cached_calls: judgments that came from the cache.
        retries: attempts that failed and were repeated.
        reasks: replies that could not be read and were asked for a second time.
        rounds: sequential calls, which set the latency.
        scored_pairs: documents that local scorers scored, each counted every time.
        input_tokens, output_tokens, cached_input_tokens: the tokens of the calls, as the provider counted them.
        cost_usd: the cost of the calls; None if any price is not known, 0 for a local model.
        saved_input_tokens, saved_output_tokens, saved_usd: the original cost of the replies from the cache; dollars
            are None if any price is not known.
        latency_s: wall-clock seconds from the request to the ranking.
    """

    calls: int = 0
    cached_calls: int = 0
    retries: int = 0
    reasks: int = 0
    rounds: int = 0
    scored_pairs: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    cost_usd: Decimal | None = Decimal(0)
    saved_input_tokens: int = 0
    saved_output_tokens: int = 0
    saved_usd: Decimal | None = Decimal(0)
    latency_s: float = 0.0


def total_usd(costs: Iterable[Decimal | None]) -> Decimal | None:
    """The sum of the costs; None when any of them is not known."""
    total = Decimal(0)
    for cost in costs:
        if cost is None:
            return None
        total += cost
    return total


_COUNTED = tuple(each.name for each in fields(Usage) if each.name not in {"cost_usd", "saved_usd"})


def added(*usages: Usage) -> Usage:
    """What several pieces of work took together, one after the other; the cost is unknown if any of them is."""
    if len(usages) == 1:
        return usages[0]
    sums: dict[str, Any] = {name: sum([getattr(usage, name) for usage in usages]) for name in _COUNTED}
    return Usage(
        **sums,
        cost_usd=total_usd([usage.cost_usd for usage in usages]),
        saved_usd=total_usd([usage.saved_usd for usage in usages]),
    )
