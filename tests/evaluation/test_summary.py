"""The cost-benefit table, on results small enough to reckon by hand."""

from __future__ import annotations

import pytest

from judge_rerank.evaluation.record import DatasetInfo, Result, RunInfo, Variant
from judge_rerank.evaluation.summary import Summary, percentile, summarize


def info(*variants: str, datasets: tuple[str, ...] = ("d",)) -> RunInfo:
    return RunInfo(
        name="x",
        started="",
        metrics=["nDCG@10", "P@1"],
        baseline="first-stage",
        variants=[
            Variant(name="first-stage", reference="first-stage"),
            Variant(name="ideal", reference="ideal"),
            *(Variant(name=name, model="m", strategy="score") for name in variants),
        ],
        datasets=[DatasetInfo(name=name, queries=2) for name in datasets],
    )


def result(variant: str, query: str, ndcg: float, *, dataset: str = "d", failed: int = 0, **usage: object) -> Result:
    return Result(
        variant=variant,
        dataset=dataset,
        seed=0,
        query_id=query,
        query=query,
        metrics={"nDCG@10": ndcg, "P@1": 1.0},
        usage={"calls": 0, "cached_calls": 0, "rounds": 0, "cost_usd": "0", "latency_s": 0.0} | usage,
        integrity={"parsed": 7, "repaired": 1, "failed": {"unreadable": failed, "budget": 5}} if failed else {},
    )


REFERENCE = [
    *(result("first-stage", query, ndcg) for query, ndcg in (("q1", 0.2), ("q2", 0.4))),
    *(result("ideal", query, 1.0) for query in ("q1", "q2")),
]


def summary(*results: Result, variants: tuple[str, ...] = ("a",)) -> Summary:
    return summarize(info(*variants), [*REFERENCE, *results])


def test_gain_cost_and_time() -> None:
    table = summary(
        result("a", "q1", 0.5, calls=4, rounds=2, cost_usd="0.001", latency_s=1.0, input_tokens=100, output_tokens=8),
        result("a", "q2", 0.9, calls=6, rounds=4, cost_usd="0.003", latency_s=3.0, input_tokens=300, output_tokens=4),
    )
    row = table.row("a")
    assert row.results == 2
    assert row.metrics == {"nDCG@10": pytest.approx(0.7), "P@1": 1.0}
    assert row.gain == pytest.approx(0.4)
    assert row.usd_per_1000_queries == pytest.approx(2.0)
    assert row.usd_per_point == pytest.approx(2.0 / 40)
    assert (row.latency_p50_s, row.latency_p95_s) == (1.0, 3.0)
    assert (row.calls, row.rounds, row.input_tokens, row.output_tokens) == (5, 3, 200, 6)
    assert table.metric == "nDCG@10"
    assert table.axis == "usd"
    assert table.row("first-stage").gain == pytest.approx(0.0)
    assert table.row("ideal").gain == pytest.approx(0.7)


def test_what_the_cache_gave_counts_at_what_it_took_when_it_was_bought() -> None:
    row = summary(
        result("a", "q1", 0.5, calls=5, cost_usd="0.005", latency_s=2.0, input_tokens=50),
        result("a", "q2", 0.5, cached_calls=5, saved_usd="0.003", saved_input_tokens=30, latency_s=0.001),
    ).row("a")
    assert row.cached_share == 0.5
    assert row.usd_per_1000_queries == pytest.approx(4.0)
    assert row.input_tokens == pytest.approx(40)
    assert (row.calls, row.latency_p95_s) == (5, 2.0)


def test_how_long_it_takes_is_unknown_where_only_the_cache_answered() -> None:
    row = summary(result("a", "q1", 0.5, cached_calls=5), result("a", "q2", 0.5, cached_calls=5)).row("a")
    assert (row.usd_per_1000_queries, row.latency_p50_s) == (0, None)
    assert row.cached_share == 1.0


def test_the_price_is_unknown_where_that_of_a_cached_reply_is() -> None:
    assert summary(result("a", "q1", 0.5, cached_calls=5, saved_usd=None)).row("a").usd_per_1000_queries is None


def test_an_unknown_price_stays_unknown() -> None:
    row = summary(result("a", "q1", 0.5, calls=1, cost_usd="0.1"), result("a", "q2", 1, calls=1, cost_usd=None)).row(
        "a"
    )
    assert row.usd_per_1000_queries is None


def test_replies_that_could_not_be_read() -> None:
    row = summary(result("a", "q1", 0.5, calls=10, reasks=1, failed=2), result("a", "q2", 0.5, calls=10)).row("a")
    assert row.parse_failure_rate == pytest.approx(2 / 10)
    assert row.repair_rate == pytest.approx(1 / 10)
    assert row.reask_rate == pytest.approx(1 / 10)


def test_the_gain_is_over_the_queries_that_there_are() -> None:
    row = summary(result("a", "q2", 0.5, calls=1)).row("a")
    assert row.gain == pytest.approx(0.1)


def test_datasets_weigh_alike() -> None:
    both = [result("first-stage", "q", 0.0, dataset=dataset) for dataset in ("d", "e")]
    more = [result("a", "q", 1.0), *(result("a", f"q{n}", 0.0, dataset="e") for n in range(9))]
    of_e = [result("first-stage", f"q{n}", 0.0, dataset="e") for n in range(9)]
    table = summarize(info("a", datasets=("d", "e")), [*both, *of_e, *more])
    assert table.row("a").metrics["nDCG@10"] == pytest.approx(0.5)
    assert table.row("a").gain == pytest.approx(0.5)
    assert summarize(info("a"), [*both, *of_e, *more], dataset="e").row("a").gain == 0.0


def test_the_pareto_front() -> None:
    def at(name: str, gain: float, usd: str) -> list[Result]:
        return [result(name, q, start + gain, calls=1, cost_usd=usd) for q, start in (("q1", 0.2), ("q2", 0.4))]

    table = summary(
        *at("cheap", 0.1, "0.001"),
        *at("dear", 0.3, "0.01"),
        *at("dominated", 0.1, "0.005"),
        *at("harmful", -0.1, "0.001"),
        variants=("cheap", "dear", "dominated", "harmful", "unheard"),
    )
    assert [row.variant.name for row in table.rows if row.pareto] == ["first-stage", "cheap", "dear"]
    assert table.row("harmful").usd_per_point is None
    assert table.row("unheard").gain is None


def test_where_nothing_costs_anything_the_front_weighs_time() -> None:
    slow = [result("slow", q, 0.9, calls=1, latency_s=9.0) for q in ("q1", "q2")]
    fast = [result("fast", q, 0.9, calls=1, latency_s=1.0) for q in ("q1", "q2")]
    table = summary(*slow, *fast, variants=("slow", "fast"))
    assert table.axis == "latency"
    assert [row.variant.name for row in table.rows if row.pareto] == ["first-stage", "fast"]


def test_a_run_without_results_has_rows_all_the_same() -> None:
    assert [row.results for row in summarize(info("a"), []).rows] == [0, 0, 0]


def test_percentiles_are_by_the_nearest_rank() -> None:
    assert percentile([], 0.5) is None
    assert percentile([1.0], 0.95) == 1.0
    assert percentile([float(n) for n in range(1, 101)], 0.95) == 95.0
