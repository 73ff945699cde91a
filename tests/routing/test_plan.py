"""The recommendation of a strategy: within the limits, from the fitted table, and without a call."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from judge_rerank import InputError, Judge, Price, PricingUnknown, Query, Recommendation
from judge_rerank.core import ModelInfo
from judge_rerank.routing.plan import Curve, table
from judge_rerank.strategies.spec import parse
from judge_rerank.testing import FakeBackend, SimulatedJudge

PRICES = {"fake": Price(input_usd_per_mtok="0.40", output_usd_per_mtok="1.60")}


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend("", local=False, concurrency=32, context_tokens=100_000)


def plan(backend: FakeBackend, *args: int, **limits: float | str) -> Recommendation:
    with Judge(backend, prices=PRICES) as judge:
        return judge.plan(*args, **limits)  # pyright: ignore[reportArgumentType]


def test_it_promises_most_and_asks_nothing(backend: FakeBackend) -> None:
    found = plan(backend, 100, 60)
    everything = [found.best, *found.alternatives]
    assert len(everything) == len(table().curves)
    assert found.best.ndcg >= max(forecast.ndcg for forecast in everything) - found.tolerance
    as_good = [f for f in everything if f.ndcg >= max(e.ndcg for e in everything) - found.tolerance]
    tokens = [f.input_tokens + f.output_tokens for f in as_good]
    assert everything[: len(as_good)] == as_good
    assert tokens == sorted(tokens)
    rest = [f.ndcg for f in everything[len(as_good) :]]
    assert rest == sorted(rest, reverse=True)
    assert found.strategy == found.best.strategy
    assert backend.requests == []


def test_calls_rounds_and_tokens_are_those_of_the_strategy(backend: FakeBackend) -> None:
    found = plan(backend, 100, 60)
    by_name = {forecast.strategy: forecast for forecast in (found.best, *found.alternatives)}
    listwise = by_name["listwise"]
    with Judge(backend, prices=PRICES) as judge:
        estimate = judge.estimate("what is asked for", [f"passage {'word ' * 59}"] * 100, "listwise")
    assert (listwise.calls, listwise.rounds) == (estimate.calls, estimate.rounds) == (9, 9)
    assert listwise.input_tokens == pytest.approx(estimate.input_tokens, rel=0.2)
    assert listwise.output_tokens == estimate.output_tokens
    assert listwise.latency_s == pytest.approx(18)
    assert by_name["score"].latency_s == pytest.approx(2 * 100 / 32)
    assert by_name["setwise"].calls == pytest.approx(31, abs=3)


def test_limits_hold(backend: FakeBackend) -> None:
    free = plan(backend, 100, 60)
    assert free.best.expected_cost_usd is not None
    cap = free.best.expected_cost_usd * Decimal("0.75")
    tight = plan(backend, 100, 60, usd=str(cap), latency_s=9)
    for forecast in (tight.best, *tight.alternatives):
        assert forecast.expected_cost_usd is not None
        assert forecast.expected_cost_usd <= cap
        assert forecast.latency_s <= 9
    assert tight.best.ndcg <= free.best.ndcg + free.tolerance


def test_dollars_are_those_that_are_expected_and_the_bound_stands_beside_them(backend: FakeBackend) -> None:
    """A judge that answers tersely is billed close to what was expected."""
    given = [{"id": str(n), "text": f"passage {n} " + "word " * 60} for n in range(40)]
    query, grades = Query(text="what is asked for", id="q"), {"q": {str(n): float(n % 4) for n in range(40)}}
    judge = Judge(Hosted(grades, logprobs=False), prices=PRICES, cache_dir=None)
    for strategy in ("listwise", "score", "setwise"):
        estimate = judge.estimate(query, given, strategy)
        paid = judge.rerank(query, given, strategy).usage.cost_usd
        assert estimate.expected_cost_usd is not None
        assert estimate.cost_usd is not None
        assert paid is not None
        assert 0.8 < float(estimate.expected_cost_usd / paid) < 1.3, strategy
        assert paid < estimate.cost_usd
        assert estimate.expected_output_tokens < estimate.output_tokens
    best = plan(backend, 100, 60).best
    assert best.expected_cost_usd is not None
    assert best.cost_usd is not None
    assert best.expected_cost_usd < best.cost_usd


class Hosted(SimulatedJudge):
    """A judge from grades that has a price."""

    @property
    def info(self) -> ModelInfo:
        """Not local."""
        return replace(super().info, local=False)


def test_a_rank_is_among_its_likely_places_where_nothing_is_told_apart(backend: FakeBackend) -> None:
    found = plan(backend, 10, 60)
    for each in (found.best, *found.alternatives):
        low, high = each.likely_ranks
        assert low <= each.rank <= high


def test_ranks_say_how_uncertain_they_are(backend: FakeBackend) -> None:
    found = plan(backend, 100, 60)
    everything = sorted([found.best, *found.alternatives], key=lambda forecast: forecast.rank)
    assert [forecast.rank for forecast in everything] == list(range(1, len(everything) + 1))
    assert [forecast.ndcg for forecast in everything] == sorted((f.ndcg for f in everything), reverse=True)
    assert all(low <= forecast.rank <= high for forecast in everything for low, high in [forecast.likely_ranks])
    first, last = everything[0].likely_ranks, everything[-1].likely_ranks
    assert first[1] > 3, "the table does not know which is the best"
    assert first[1] < last[1]


def test_nothing_fits(backend: FakeBackend) -> None:
    with pytest.raises(InputError, match=r"No strategy ranks 100 documents within \$0.0001 and 30 seconds"):
        plan(backend, 100, 60, usd="0.0001", latency_s=30)
    with pytest.raises(InputError, match=r"within 0\.5 seconds\. The quickest, .* takes 2 seconds; the cheapest"):
        plan(backend, 100, 60, latency_s=0.5)


def test_what_is_out_of_range(backend: FakeBackend) -> None:
    for wrong in ({"latency_s": 0}, {"usd": "-1"}, {"usd": "much"}, {"call_latency_s": -1}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            plan(backend, 10, **wrong)  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="n_docs is 0"):
        plan(backend, 0)
    with Judge(FakeBackend("", local=False)) as judge:
        assert judge.plan(20).best.cost_usd is None
        with pytest.raises(PricingUnknown, match="price of 'fake' is not known"):
            judge.plan(20, usd=1)


def test_a_local_model_costs_nothing() -> None:
    with Judge(FakeBackend("")) as judge:
        found = judge.plan(10, usd="0.01")
    assert found.best.cost_usd == Decimal(0)
    assert found.call_latency_s == 1


def test_every_strategy_of_the_table_exists_and_every_expectation_is_an_ndcg() -> None:
    for curve in table().curves:
        parse(curve.spec(40))
        assert all(0.3 < value <= 1 for value in curve.ndcg.values())
        assert {20, 50, 100, 200} <= set(curve.ndcg)
    assert 0 < table().tolerance < 0.05


def test_between_sizes_it_is_interpolated_and_beyond_them_it_stays() -> None:
    curve = Curve(strategy="adaptive(docs={docs})", docs=1.3, ndcg={10: 0.9, 40: 0.7})
    assert curve.expected(20) == pytest.approx(0.8)
    assert (curve.expected(10), curve.expected(40), curve.expected(5), curve.expected(900)) == (0.9, 0.7, 0.9, 0.7)
    assert curve.spec(100) == "adaptive(docs=130)"
