"""From a ranking to a result: its metrics, and each document with its grade and where it came from."""

from __future__ import annotations

from judge_rerank.core import Ranking
from judge_rerank.evaluation.ceilings import cuts
from judge_rerank.evaluation.datasets import Topic
from judge_rerank.evaluation.metrics import Metrics, ideal
from judge_rerank.evaluation.preparing import Prepared
from judge_rerank.evaluation.record import Placed, Result, Twin
from judge_rerank.evaluation.summary import IDEAL


def reference_result(metrics: Metrics, name: str, prepared: Prepared, seed: int, topic: Topic) -> Result:
    """The result of an order that no judge made: of the first stage, or the ideal one."""
    grades = prepared.dataset.grades.get(topic.id, {})
    ids = [document.id or "" for document in topic.candidates]
    best_first = ideal(ids, grades) if name == IDEAL else ids
    first_stage = {each: place for place, each in enumerate(ids, start=1)}
    shown = {ids[position]: place for place, position in enumerate(prepared.shown(topic, seed))}
    placed = [
        Placed(id=each, rank=rank, index=shown[each], first_stage=first_stage[each], grade=grades.get(each))
        for rank, each in enumerate(best_first, start=1)
    ]
    return Result(
        variant=name,
        dataset=prepared.info.name,
        seed=seed,
        query_id=topic.id,
        query=topic.query.text,
        metrics=metrics.of(best_first, grades, min_grade=prepared.info.min_grade),
        ranking=placed,
    )


def ranked_result(
    metrics: Metrics, name: str, prepared: Prepared, seed: int, topic: Topic, ranked: tuple[Ranking, Ranking | None]
) -> Result:
    """The result of a query that a variant has ranked, with the ranking of its twin where there is one."""
    ranking, twin = ranked
    order = prepared.shown(topic, seed)
    grades = prepared.dataset.grades.get(topic.id, {})
    plain = ranking.to_dict()
    placed = [
        Placed(
            id=each.document.id or "",
            rank=each.rank,
            index=each.index,
            first_stage=order[each.index] + 1,
            grade=grades.get(each.document.id or ""),
            score=each.relevance_score,
            judgments=place["judgments"],
        )
        for place, each in zip(plain["results"], ranking, strict=True)
    ]
    return Result(
        variant=name,
        dataset=prepared.info.name,
        seed=seed,
        query_id=topic.id,
        query=topic.query.text,
        metrics=metrics.of([each.id for each in placed], grades, min_grade=prepared.info.min_grade),
        status=ranking.status,
        reasons=ranking.reasons,
        usage=plain["usage"],
        integrity=plain["integrity"],
        ranking=placed,
        cuts=cuts(metrics, ranking, grades, min_grade=prepared.info.min_grade),
        answerable=ranking.answerable,
        twin=None if twin is None else Twin(answerable=twin.answerable, usage=twin.to_dict()["usage"]),
    )
