"""What a run would take: calls, tokens, dollars, and hours under the provider's limits. Nothing is sent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from judge_rerank.bulk.places import Folder
from judge_rerank.bulk.settings import JudgeSettings
from judge_rerank.bulk.staging import Staged, Survey, read_part
from judge_rerank.core import Estimate, InputError, PricingUnknown, dollars, require_above_zero
from judge_rerank.engine import usual_latency_s

SAMPLE = 200
"""Queries that are estimated one by one; of more, these stand for all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What the provider allows.

    Attributes:
        requests_per_minute, tokens_per_minute: None where it is not known.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None

    def __post_init__(self) -> None:
        require_above_zero("rpm", self.requests_per_minute)
        require_above_zero("tpm", self.tokens_per_minute)


@dataclass(frozen=True, kw_only=True, slots=True)
class BulkForecast:
    """What a run would take.

    Attributes:
        queries, rows: how many there are.
        sampled: how many queries were estimated; all, or some that stand for all.
        estimate: of all queries.
        hours: how long it takes, by what bounds it.
        bound: what bounds it: "requests per minute", "tokens per minute" or "concurrency".
    """

    queries: int
    rows: int
    sampled: int
    estimate: Estimate
    hours: float
    bound: str


def forecast(settings: JudgeSettings, found: Survey, limits: Limits) -> BulkForecast:
    """What the queries of an input would take, by a sample of them.

    Raises:
        InputError: an option of the rankings cannot be used.
        SetupError: there is no model, or an extra is missing.
    """
    with settings.open() as judge:
        asked: Any = settings.asked()
        estimates = [judge.estimate(query, documents, **asked) for query, documents in found.sample]
    backends = settings.backends()
    at_once = settings.judge.get("concurrency") or (backends[0].info.concurrency if backends else 1)
    latency_s = usual_latency_s(backends[0].info) if backends else 0.0
    total = _scaled(Estimate.together(estimates), found.queries / len(found.sample))
    minutes = {"concurrency": total.calls * latency_s / at_once / 60}
    if limits.requests_per_minute is not None:
        minutes["requests per minute"] = total.calls / limits.requests_per_minute
    if limits.tokens_per_minute is not None:
        minutes["tokens per minute"] = (total.input_tokens + total.expected_output_tokens) / limits.tokens_per_minute
    bound = max(minutes, key=minutes.__getitem__)
    return BulkForecast(
        queries=found.queries,
        rows=found.rows,
        sampled=len(found.sample),
        estimate=total,
        hours=minutes[bound] / 60,
        bound=bound,
    )


def require_room(settings: JudgeSettings, folder: Folder, ready: Staged) -> None:
    """Refuse a cap that is too small for one query.

    Raises:
        InputError: the most that the first query can cost is more than the cap.
        PricingUnknown: the price of the model is not known.
    """
    budget = settings.judge.get("budget")
    if budget is None:
        return
    query, documents = read_part(folder, ready.parts[0].number)[0]
    with settings.open() as judge:
        usd = judge.estimate(query, documents).cost_usd
        if usd is None:
            raise PricingUnknown(judge.model)
    if usd > Decimal(str(budget.usd)):
        raise InputError(
            f"{budget.source} is ${budget.usd}, and query {query.id!r} alone can cost up to {dollars(usd)}. "
            "Raise the cap, or give fewer candidates. Nothing was sent."
        )


def _scaled(estimate: Estimate, by: float) -> Estimate:
    counted = ("calls", "scored_pairs", "input_tokens", "output_tokens", "expected_output_tokens")
    factor = Decimal(str(by))
    money = {
        name: None if (usd := getattr(estimate, name)) is None else usd * factor
        for name in ("cost_usd", "expected_cost_usd")
    }
    return replace(estimate, **{name: round(getattr(estimate, name) * by) for name in counted}, **money)
