"""What rankings would take, and which strategy that speaks for."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """What a ranking would take, found without a call.

    Attributes:
        calls, rounds: what a run without failures makes; a strategy that stops early may make fewer.
        scored_pairs: documents for local scorers to score, which are no calls and cost nothing.
        input_tokens: of the prompts as they would be sent, by the model's own tokenizer where it is known.
        output_tokens: the most that the replies may use.
        cost_usd: the most that it can cost without retries; None when the price is not known, 0 for a local model.
    """

    calls: int
    rounds: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal | None
    scored_pairs: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """What one strategy is expected to take and to give.

    Attributes:
        strategy: as a spec string, for `strategy=`.
        ndcg: expected nDCG@10, from a table that a benchmark fitted; it orders strategies, and promises nothing.
        calls, rounds, input_tokens: of a run with a judge that errs.
        output_tokens: the most that the replies may use.
        cost_usd: the most that it can cost without retries; None when the price is not known, 0 for a local model.
        latency_s: how long the rounds take, one after another.
    """

    strategy: str
    ndcg: float
    calls: int
    rounds: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal | None
    latency_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Recommendation:
    """The strategy to use within some limits.

    Attributes:
        best: the one with the highest expected nDCG@10; of those within `tolerance` of it, the one with fewest tokens.
        alternatives: all others that fit the limits, in the same order.
        call_latency_s: how long a call was taken to last.
        tolerance: differences of expected nDCG below it were not told apart by the benchmark.
    """

    best: Forecast
    alternatives: tuple[Forecast, ...]
    call_latency_s: float
    tolerance: float

    @property
    def strategy(self) -> str:
        """The best strategy, for `strategy=`."""
        return self.best.strategy
