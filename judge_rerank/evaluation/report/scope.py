"""The figures of a run over all of its datasets, or over one, and what is certain of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from judge_rerank.evaluation.answering import Answers, answers
from judge_rerank.evaluation.record import Result, RunInfo
from judge_rerank.evaluation.significance import Comparison, Values, compared, per_query
from judge_rerank.evaluation.summary import FIRST_STAGE, IDEAL, Row, Summary, summarize


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """What a table shows.

    Attributes:
        info: the experiment.
        dataset: the one it is about; None for all of them.
        summary: quality, costs and times of each variant.
        comparisons: by variant; without those that share no query with the baseline, and without the ideal order.
        answers: what each variant knew of queries that nothing answers; empty where the experiment did not ask.
    """

    info: RunInfo
    dataset: str | None
    summary: Summary
    comparisons: Mapping[str, Comparison]
    answers: Sequence[Answers] = ()

    @property
    def metric(self) -> str:
        """The one that variants are compared by."""
        return self.summary.metric

    @property
    def first_stage(self) -> Row | None:
        """The row of the order that no judge has touched."""
        return next((row for row in self.summary.rows if row.variant.reference == FIRST_STAGE), None)


def scope(info: RunInfo, results: Sequence[Result], dataset: str | None = None) -> Scope:
    """The figures over one dataset, or over all of them.

    Raises:
        InputError: a result lacks the metric that variants are compared by.
        MissingExtra: numpy is not installed.
    """
    chosen = [result for result in results if dataset in (None, result.dataset)]
    summary = summarize(info, chosen)
    return Scope(
        info=info,
        dataset=dataset,
        summary=summary,
        comparisons=_comparisons(info, chosen, summary.metric),
        answers=answers(info, chosen),
    )


def scopes(info: RunInfo, results: Sequence[Result]) -> list[Scope]:
    """All datasets together and then, where there are several, each of them."""
    names = [dataset.name for dataset in info.datasets]
    return [scope(info, results), *(scope(info, results, name) for name in names if len(names) > 1)]


def _comparisons(info: RunInfo, results: Sequence[Result], metric: str) -> Mapping[str, Comparison]:
    ideal = {variant.name for variant in info.variants if variant.reference == IDEAL}
    found = per_query((result for result in results if result.variant not in ideal), metric)
    if info.baseline not in found:
        return {}
    values = {name: found[name] for name in (variant.name for variant in info.variants) if name in found}
    weight = _weights(results)
    comparable: dict[str, Values] = {}
    for name in sorted(values, key=lambda name: name != info.baseline):
        # A run that was broken off may have variants that met no query of each other's.
        if all(not values[name].keys().isdisjoint(other) for other in comparable.values()):
            comparable[name] = {query: value * weight[query] for query, value in values[name].items()}
    in_order = {name: comparable[name] for name in values if name in comparable}
    return {row.variant: row for row in compared(in_order, info.baseline)}


def _weights(results: Sequence[Result]) -> Mapping[str, float]:
    """What a query counts for, so that each dataset counts alike, as it does in the summary's means."""
    queries = {f"{result.dataset}/{result.query_id}": result.dataset for result in results}
    sizes = Counter(queries.values())
    return {query: len(queries) / (len(sizes) * sizes[dataset]) for query, dataset in queries.items()}
