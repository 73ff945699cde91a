"""Which strategy to use for so many documents and so much money: forecasts, ranked.

Calls, rounds, tokens and dollars come from the strategies themselves, run on documents of the given length against a
judge that errs. The expected quality comes from `plan.json`, which `eval/bench/fit_plan.py` fitted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from importlib.resources import files
from itertools import pairwise
from random import Random
from statistics import median
from typing import Protocol

from judge_rerank.core import (
    Document,
    Estimate,
    Forecast,
    InputError,
    JudgeCall,
    ModelInfo,
    Outcome,
    PricingUnknown,
    Query,
    Recommendation,
    Strategy,
    require_above_zero,
    spec_of,
)
from judge_rerank.spending import Amount, to_decimal, to_micro_usd
from judge_rerank.strategies import parse

# As in the table: an error of one grade of three.
_NOISE = 1 / 3
# Standard deviation of the error of an expected nDCG@10, so that tau between the orders before and after it is .33, as
# it was between the forecast and the measured order of nine strategies on a collection kept aside.
_ERROR = 0.035
_DRAWS = 1000
_QUERY = "what is asked for, in a query of about ten words"


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a ranking may take, and how long one call of the model does. Dollars are compared with what is expected.

    With `batch`, all calls of a round take that long together, and fewer rounds come first.
    """

    usd: Amount | None
    latency_s: float | None
    call_latency_s: float
    batch: bool = False


class Forecaster(Protocol):
    """What can run a strategy against made-up answers: the engine."""

    def forecast(
        self,
        query: Query,
        documents: Sequence[Document],
        strategy: Strategy,
        *,
        answer: Callable[[JudgeCall], Outcome],
    ) -> Estimate:
        """Calls, rounds and tokens of a run against these answers."""
        ...

    def tokens(self, text: str) -> int:
        """How many tokens a text takes."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """One strategy of the table.

    Attributes:
        strategy: a spec string, in which {docs} stands for a limit of documents read.
        docs: that limit, for each candidate.
        ndcg: mean nDCG@10 by the number of candidates.
    """

    strategy: str
    docs: float | None
    ndcg: Mapping[int, float]

    def spec(self, n: int) -> str:
        """The strategy for `n` documents."""
        return self.strategy.format(docs=round((self.docs or 0) * n))

    def expected(self, n: int) -> float:
        """nDCG@10 for `n` documents: linear in the logarithm of n between those measured, constant beyond them."""
        sizes = sorted(self.ndcg)
        for low, high in pairwise(sizes):
            if low <= n <= high:
                share = math.log(n / low) / math.log(high / low)
                return self.ndcg[low] * (1 - share) + self.ndcg[high] * share
        return self.ndcg[sizes[0] if n < sizes[0] else sizes[-1]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """What was measured.

    Attributes:
        curves: one for each strategy.
        tolerance: differences of nDCG below it were not told apart.
    """

    curves: Sequence[Curve]
    tolerance: float


@cache
def table() -> Table:
    """The table that is shipped."""
    raw = json.loads(files("judge_rerank.routing").joinpath("plan.json").read_text(encoding="utf-8"))
    return Table(
        curves=[
            Curve(
                strategy=curve["strategy"],
                docs=curve["docs"],
                ndcg={int(n): float(value) for n, value in curve["ndcg"].items()},
            )
            for curve in raw["curves"]
        ],
        tolerance=median(raw["tolerance"].values()),
    )


def recommend(judge: Forecaster, info: ModelInfo, n_docs: int, tokens_per_doc: int, limits: Limits) -> Recommendation:
    """The strategy that promises most within the limits; of those that promise as much, the one with fewest tokens.

    Dollars are what a ranking is expected to cost; a cap, which holds by the most it can cost, may need to be higher.

    Raises:
        InputError: a number is out of range, or none fits.
        PricingUnknown: there is a limit in dollars, and the price of the model is unknown.
    """
    require_above_zero("n_docs", n_docs, whole=True)
    require_above_zero("tokens_per_doc", tokens_per_doc, whole=True)
    require_above_zero("latency_s", limits.latency_s)
    if limits.usd is not None:
        to_micro_usd(limits.usd, "usd")  # says what is wrong with it
    documents = _documents(judge, n_docs, tokens_per_doc)
    forecasts = [_forecast(judge, info, curve, documents, limits) for curve in table().curves]
    if limits.usd is not None and any(forecast.cost_usd is None for forecast in forecasts):
        raise PricingUnknown(info.name)
    fitting = [forecast for forecast in forecasts if _fits(forecast, limits)]
    if not fitting:
        raise InputError(_nothing_fits(forecasts, n_docs, limits))
    rounds = sorted({forecast.rounds for forecast in fitting}) if limits.batch else [0]
    groups = [[each for each in fitting if not limits.batch or each.rounds == n] for n in rounds]
    ranked = _ranked([forecast for group in groups for forecast in _best_first(group)])
    return Recommendation(
        best=ranked[0],
        alternatives=tuple(ranked[1:]),
        call_latency_s=limits.call_latency_s,
        tolerance=table().tolerance,
    )


def _best_first(forecasts: Sequence[Forecast]) -> list[Forecast]:
    enough = max(forecast.ndcg for forecast in forecasts) - table().tolerance
    return sorted(forecasts, key=lambda forecast: (forecast.ndcg < enough, _weight(forecast, enough)))


def _ranked(forecasts: Sequence[Forecast]) -> list[Forecast]:
    """The forecasts, each with its place by the expected nDCG and the places that it is likely to have.

    The places are those of many draws in which each expectation errs by `_ERROR`.
    """
    dice = Random(0)  # noqa: S311
    n = len(forecasts)
    places: list[list[int]] = [[] for _ in forecasts]
    for _ in range(_DRAWS):
        drawn = [forecast.ndcg + dice.gauss(0, _ERROR) for forecast in forecasts]
        for place, number in enumerate(sorted(range(n), key=lambda number: -drawn[number]), start=1):
            places[number].append(place)
    by_ndcg = sorted(forecasts, key=lambda forecast: -forecast.ndcg)
    ranks = [by_ndcg.index(forecast) + 1 for forecast in forecasts]
    return [
        replace(forecast, rank=rank, likely_ranks=_middle(sorted(found), rank))
        for forecast, rank, found in zip(forecasts, ranks, places, strict=True)
    ]


def _middle(places: Sequence[int], rank: int) -> tuple[int, int]:
    """The first and the last place of the middle four fifths, and as far as the place that is expected."""
    tenth = len(places) // 10
    return min(rank, places[tenth]), max(rank, places[-1 - tenth])


def _weight(forecast: Forecast, enough: float) -> float:
    """Tokens among those that promise as much as the best, then the promise."""
    return forecast.input_tokens + forecast.output_tokens if forecast.ndcg >= enough else -forecast.ndcg


def _forecast(
    judge: Forecaster, info: ModelInfo, curve: Curve, documents: Sequence[Document], limits: Limits
) -> Forecast:
    strategy = parse(curve.spec(len(documents)))
    estimate = judge.forecast(Query(text=_QUERY), documents, strategy, answer=_erring(len(documents)))
    waits = estimate.rounds if limits.batch else max(estimate.rounds, estimate.calls / info.concurrency)
    return Forecast(
        strategy=spec_of(strategy),
        ndcg=curve.expected(len(documents)),
        calls=estimate.calls,
        rounds=estimate.rounds,
        input_tokens=estimate.input_tokens,
        output_tokens=estimate.output_tokens,
        expected_output_tokens=estimate.expected_output_tokens,
        cost_usd=estimate.cost_usd,
        expected_cost_usd=estimate.expected_cost_usd,
        latency_s=waits * limits.call_latency_s,
    )


def _fits(forecast: Forecast, limits: Limits) -> bool:
    affordable = limits.usd is None or (forecast.expected_cost_usd or Decimal(0)) <= to_decimal(limits.usd, "usd")
    return affordable and (limits.latency_s is None or forecast.latency_s <= limits.latency_s)


def _nothing_fits(forecasts: Sequence[Forecast], n_docs: int, limits: Limits) -> str:
    asked = [f"${limits.usd}"] if limits.usd is not None else []
    asked += [f"{limits.latency_s:g} seconds"] if limits.latency_s is not None else []
    quickest = min(forecasts, key=lambda forecast: forecast.latency_s)
    needs = f"The quickest, {quickest.strategy!r}, takes {quickest.latency_s:g} seconds"
    priced = [forecast for forecast in forecasts if forecast.cost_usd is not None]
    if priced:
        cheapest = min(priced, key=lambda forecast: forecast.expected_cost_usd or Decimal(0))
        needs += f"; the cheapest, {cheapest.strategy!r}, will cost about ${cheapest.expected_cost_usd}"
    return (
        f"No strategy ranks {n_docs} documents within {' and '.join(asked)}. {needs}. Allow more, or fewer documents."
    )


def _documents(judge: Forecaster, n_docs: int, tokens_per_doc: int) -> list[Document]:
    """Documents of about so many tokens, by the model's own count."""
    words = max(1, round(tokens_per_doc**2 / max(1, judge.tokens("passage " * tokens_per_doc))))
    return [Document(text="passage " * words)] * n_docs


def _erring(n: int) -> Callable[[JudgeCall], Outcome]:
    """A judge whose idea of each document changes a little from call to call; the same for every strategy."""
    from judge_rerank.prompting import stating  # templates are not needed to classify a query

    rng = Random(n)  # noqa: S311
    worth = [rng.random() for _ in range(n)]

    def answer(call: JudgeCall) -> Outcome:
        values = [worth[candidate.index] + rng.gauss(0, _NOISE) for candidate in call.candidates]
        best_first = sorted(range(len(values)), key=lambda place: -values[place])
        return stating(call, best_first, [min(1.0, max(0.0, value)) for value in values])

    return answer
