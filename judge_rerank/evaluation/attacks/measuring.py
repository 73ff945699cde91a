"""From a ranking to a record: where the attacked document went, and what became of the replies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from judge_rerank.core import MissingExtra, Ranking, total_usd
from judge_rerank.evaluation.attacks.drawing import Attempt, Drawn
from judge_rerank.evaluation.attacks.family import Planted
from judge_rerank.evaluation.attacks.record import ADAPTIVE, MOST_PAYLOAD, Clean, Cost, Trial
from judge_rerank.evaluation.attacks.results import total_cost
from judge_rerank.evaluation.attacks.search import Search
from judge_rerank.evaluation.metrics import Metrics

METRIC = "nDCG@10"

_BROKEN = ("refused", "unreadable", "truncated")


class Measure:
    """Makes records of rankings.

    Args:
        graded: whether there are grades to measure nDCG by, where ir-measures is installed.
        grades: by query and document id.
    """

    def __init__(self, *, graded: bool, grades: Mapping[str, Mapping[str, float]]) -> None:
        self._metrics = _metrics() if graded else None
        self._grades = grades

    def clean(self, drawn: Drawn, ranking: Ranking) -> Clean:
        """The record of a ranking without an attack."""
        scores = {str(each.index): each.relevance_score for each in ranking if each.relevance_score is not None}
        return Clean(
            query_id=drawn.id,
            query=drawn.topic.query.text,
            strategy=ranking.strategy,
            order=_whole_order(ranking, len(drawn.documents)),
            scores=scores,
            broken=_broken(ranking),
            suspicious=_suspicious(ranking),
            ndcg=self._ndcg(drawn, ranking),
            cost=_cost(ranking),
        )

    def trial(self, attempt: Attempt, planted: Planted, clean: Clean, ranking: Ranking) -> Trial:
        """The record of an attacked ranking."""
        order = _whole_order(ranking, len(attempt.drawn.documents))
        score = next((each.relevance_score for each in ranking if each.index == attempt.victim), None)
        suspicious = _suspicious(ranking)
        return Trial(
            query_id=attempt.drawn.id,
            family=attempt.family,
            number=attempt.number,
            position=attempt.position,
            relevance=attempt.relevance,
            document=attempt.drawn.documents[attempt.victim].id or "",
            payload=planted.payload[:MOST_PAYLOAD],
            documents=len(attempt.drawn.documents),
            clean_rank=clean.rank(attempt.victim),
            rank=order.index(attempt.victim) + 1,
            clean_score=clean.scores.get(str(attempt.victim)),
            score=score,
            broken=max(0, _broken(ranking) - clean.broken),
            unjudged=attempt.victim in ranking.integrity.unjudged,
            flagged=None if suspicious is None else bool({*suspicious} & {*planted.documents}),
            ndcg=self._ndcg(attempt.drawn, ranking),
            cost=_cost(ranking),
        )

    def searched(self, search: Search, made: Sequence[Trial]) -> Trial:
        """The record of a search: its best ranking, with the cost of all of them."""
        best = min(range(len(made)), key=lambda place: search.seen[place].merit)
        return replace(
            made[best],
            family=ADAPTIVE,
            position=search.seen[best].payload.position,
            rounds=search.ranks,
            cost=total_cost(trial.cost for trial in made),
        )

    def _ndcg(self, drawn: Drawn, ranking: Ranking) -> float | None:
        """By the grades of the documents as they were: a payload makes none of them better."""
        grades = self._grades.get(drawn.id, {})
        if self._metrics is None or not grades:
            return None
        ids = [drawn.documents[index].id or "" for index in ranking.order]
        return self._metrics.of(ids, grades)[METRIC]


def _metrics() -> Metrics | None:
    """None where ir-measures is not installed: ranks are what an audit is about, and need nothing."""
    try:
        return Metrics([METRIC])
    except MissingExtra:
        return None


def _broken(ranking: Ranking) -> int:
    return sum(ranking.integrity.failed.get(why, 0) for why in _BROKEN)


def _whole_order(ranking: Ranking, documents: int) -> tuple[int, ...]:
    """Places, best first; documents that are left out of the results stand at the end."""
    order = ranking.order
    return (*order, *sorted({*range(documents)} - {*order}))


def _suspicious(ranking: Ranking) -> tuple[int, ...] | None:
    """The places that the guard flagged; None where no guard looked."""
    findings: Sequence[Any] | None = getattr(ranking.integrity, "suspicious", None)
    return None if findings is None else tuple(sorted({int(finding.index) for finding in findings}))


def _cost(ranking: Ranking) -> Cost:
    usage = ranking.usage
    tokens, whole = usage.input_tokens + usage.output_tokens, total_usd((usage.cost_usd, usage.saved_usd))
    return Cost(
        calls=usage.calls,
        cached_calls=usage.cached_calls,
        tokens=tokens,
        cost_usd=None if usage.cost_usd is None else str(usage.cost_usd),
        uncached_tokens=tokens + usage.saved_input_tokens + usage.saved_output_tokens,
        uncached_usd=None if whole is None else str(whole),
        seconds=usage.latency_s,
    )
