"""The columns of the comparison: what they are called, where their value is, how it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from judge_rerank.evaluation.report import figures
from judge_rerank.evaluation.report.scope import Scope
from judge_rerank.evaluation.summary import FIRST_STAGE

Record: TypeAlias = Mapping[str, Any]
"""One variant in JSON-ready types; None for what is not known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One column.

    Attributes:
        key: of the record.
        title, help: for people.
        text: how a value is written.
        main: whether it is shown where there is little room.
    """

    key: str
    title: str
    help: str
    text: Callable[[Any], str]
    main: bool = False

    def of(self, record: Record) -> str:
        """The text for a variant; a dash where the column does not apply to it."""
        applies = record["results"] and not (record["reference"] and self.key in _OF_JUDGES)
        # Nothing gained has no price for a point, however well the price is known.
        worthless = (
            self.key == "usd_per_point" and record["usd_per_1000_queries"] is not None and record[self.key] is None
        )
        return self.text(record[self.key]) if applies and self.key in record and not worthless else "–"


def columns(scope: Scope) -> list[Column]:
    """Those that a run has: metrics, comparison, costs, times, replies."""
    beside = "first stage" if _baseline_is_first_stage(scope) else scope.info.baseline
    return [
        *(
            Column(key=name, title=name, help=f"Mean {name}; higher is better.", text=figures.shown_quality, main=True)
            for name in scope.info.metrics
        ),
        Column(
            key="difference",
            title=f"Δ {beside}",
            help=f"Mean difference of {scope.metric} to the baseline, on the same queries.",
            text=figures.shown_change,
            main=True,
        ),
        Column(
            key="interval", title="95 % interval", help="The interval of Δ, by paired bootstrap.", text=figures.interval
        ),
        Column(
            key="p_adjusted",
            title="p",
            help="Paired randomization test against the baseline, with Holm's correction.",
            text=figures.shown_probability,
            main=True,
        ),
        Column(
            key="wins_ties_losses",
            title="W/T/L",
            help="Queries on which the variant is better than the baseline, equal, or worse.",
            text=str,
        ),
        *((_GAIN,) if not _baseline_is_first_stage(scope) else ()),
        *_COSTS,
    ]


_GAIN = Column(
    key="gain", title="Gain", help="Gain over the first stage, on the same queries.", text=figures.shown_change
)

_COSTS = (
    Column(
        key="usd_per_1000_queries",
        title="$ / 1,000 queries",
        help="Cost for 1,000 queries, as if no reply had come from the cache.",
        text=figures.dollars,
        main=True,
    ),
    Column(
        key="usd_per_point",
        title="$ / point",
        help="Cost for 1,000 queries of each gained hundredth of the first metric.",
        text=figures.dollars,
    ),
    Column(
        key="latency_p50_s",
        title="Median time",
        help=(
            "Median time per query, over the queries for which the cache was not used. A model on this machine gets "
            "one query at a time."
        ),
        text=figures.seconds,
        main=True,
    ),
    Column(key="latency_p95_s", title="95 % time", help="95 % of queries take no longer.", text=figures.seconds),
    Column(key="calls", title="Calls", help="Mean per query.", text=figures.count),
    Column(key="rounds", title="Rounds", help="Sequential calls per query.", text=figures.count),
    Column(key="input_tokens", title="Tokens in", help="Mean per query.", text=figures.count),
    Column(key="output_tokens", title="Tokens out", help="Mean per query.", text=figures.count),
    Column(key="cached_share", title="Cached", help="Share of calls that the cache answered.", text=figures.share),
    Column(
        key="parse_failure_rate",
        title="Unreadable",
        help="Share of replies that gave no judgment, even when asked again.",
        text=figures.share,
        main=True,
    ),
    Column(
        key="repair_rate", title="Repaired", help="Share of replies that were read after a repair.", text=figures.share
    ),
    Column(
        key="reask_rate",
        title="Asked again",
        help="Share of replies that were asked for a second time.",
        text=figures.share,
    ),
    Column(key="results", title="Results", help="Number of results: queries times seeds.", text=figures.count),
)

_OF_JUDGES = {column.key for column in _COSTS} - {"results"}


def records(scope: Scope) -> Iterator[Record]:
    """Every variant, in the order of the run, with nothing rounded."""
    for row in scope.summary.rows:
        variant, beside = row.variant, scope.comparisons.get(row.variant.name)
        yield {
            "variant": variant.name,
            "letter": beside.letter if beside else None,
            "reference": variant.reference,
            "model": variant.model,
            "strategy": variant.strategy,
            "prompts": dict(variant.prompts),
            "baseline": variant.name == scope.info.baseline,
            "pareto": row.pareto,
            "results": row.results,
            **{name: row.metrics.get(name) for name in scope.info.metrics},
            "gain": row.gain,
            **_compared(scope, variant.name),
            "usd_per_1000_queries": row.usd_per_1000_queries,
            "usd_per_point": row.usd_per_point,
            "latency_p50_s": row.latency_p50_s,
            "latency_p95_s": row.latency_p95_s,
            "calls": row.calls,
            "rounds": row.rounds,
            "input_tokens": row.input_tokens,
            "output_tokens": row.output_tokens,
            "cached_share": row.cached_share,
            "parse_failure_rate": row.parse_failure_rate,
            "repair_rate": row.repair_rate,
            "reask_rate": row.reask_rate,
            "ceilings": [asdict(ceiling) for ceiling in row.ceilings],
        }


def _compared(scope: Scope, name: str) -> Record:
    beside = scope.comparisons.get(name)
    if beside is None or name == scope.info.baseline:
        # The baseline is not beside itself, but it may be better than others.
        return {
            "better_than": list(beside.better_than) if beside else [],
            "superscript": beside.superscript if beside else "",
        }
    return {
        "difference": beside.difference,
        "interval": beside.interval,
        "p": beside.p,
        "p_adjusted": beside.p_adjusted,
        "significant": beside.significant,
        "wins": beside.wins,
        "ties": beside.ties,
        "losses": beside.losses,
        "wins_ties_losses": f"{beside.wins}/{beside.ties}/{beside.losses}",
        "detectable": beside.detectable,
        "better_than": list(beside.better_than),
        "superscript": beside.superscript,
    }


def _baseline_is_first_stage(scope: Scope) -> bool:
    return any(v.name == scope.info.baseline and v.reference == FIRST_STAGE for v in scope.info.variants)
