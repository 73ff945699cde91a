"""What each cut of a cascade leaves to be gained: how much of what is relevant it kept, and how well that can rank."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from judge_rerank.core import Ranking
from judge_rerank.evaluation.averages import by_dataset
from judge_rerank.evaluation.metrics import Metrics, ideal
from judge_rerank.evaluation.record import Cut, Result


@dataclass(frozen=True, kw_only=True, slots=True)
class Ceiling:
    """One cut of a variant, over its queries: no stage after it can do better than this.

    Attributes:
        stage: the stage that cuts ("bm25 % 50").
        results: over how many.
        kept: documents kept, a query.
        recall: of the relevant candidates, the share that was kept until here; the mean over the queries of each
            dataset that have any, then over datasets. None where none has any.
        metrics: by name, those of the best order that what was kept allows; means as above.
    """

    stage: str
    results: int
    kept: float
    recall: float | None
    metrics: Mapping[str, float]


def cuts(metrics: Metrics, ranking: Ranking, grades: Mapping[str, float], *, min_grade: float = 1) -> list[Cut]:
    """What each cut of one ranking left, the first cut first.

    Documents that are cut stay where the cut put them, at the end, and what was kept stands before them in the ideal
    order; so the ranking itself is never better by nDCG.

    Args:
        metrics: what is computed of that order.
        ranking: with every document, each with an id.
        grades: by document id.
        min_grade: the lowest grade that is relevant.
    """
    names = {each.index: each.document.id or "" for each in ranking}
    relevant = {name for name in names.values() if grades.get(name, 0.0) >= min_grade}
    found: list[Cut] = []
    for kept in ranking.kept:
        left = [names[index] for index in kept.indices]
        rest = [name for index, name in names.items() if index not in set(kept.indices)]
        found.append(
            Cut(
                stage=kept.stage,
                kept=len(left),
                recall=len(relevant.intersection(left)) / len(relevant) if relevant else None,
                metrics=metrics.of([*ideal(left, grades), *rest], grades, min_grade=min_grade),
            )
        )
    return found


def ceilings(results: Sequence[Result]) -> tuple[Ceiling, ...]:
    """The cuts of a variant, in the order in which they are made; none for a strategy that cuts nothing.

    Cuts are put together by their place and name, as a strategy that chooses for each query may make different ones.
    """
    found: dict[tuple[int, str], list[tuple[str, Cut]]] = {}
    for result in results:
        for place, cut in enumerate(result.cuts):
            found.setdefault((place, cut.stage), []).append((result.dataset, cut))
    in_order = sorted(found.items(), key=lambda item: item[0][0])
    return tuple(_ceiling(stage, made) for (_, stage), made in in_order)


def _ceiling(stage: str, made: Iterable[tuple[str, Cut]]) -> Ceiling:
    pairs = list(made)
    names = dict.fromkeys(name for _, cut in pairs for name in cut.metrics)
    means = {name: by_dataset((d, cut.metrics[name]) for d, cut in pairs if name in cut.metrics) for name in names}
    return Ceiling(
        stage=stage,
        results=len(pairs),
        kept=fmean(cut.kept for _, cut in pairs),
        recall=by_dataset((dataset, cut.recall) for dataset, cut in pairs if cut.recall is not None),
        metrics={name: mean for name, mean in means.items() if mean is not None},
    )
