"""A grade from 1 to 10, for each document by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from judge_rerank.core import Candidates, Criterion, Plan, Query, as_criteria, criteria_text
from judge_rerank.strategies.algorithms.first_stage import with_first_stage_scores
from judge_rerank.strategies.decorators import strategy
from judge_rerank.strategies.pointwise import Pointwise


@strategy("score")
@dataclass(frozen=True, kw_only=True)
class Score(Pointwise):
    """Asks for a grade from 1 to 10; the score is (grade − 1) / 9.

    The grade is the expectation over the distribution of the ten labels where the backend has log-probabilities
    (arXiv:2310.14122), which breaks most ties; else the number that the judge wrote. Scores are in [0, 1]; ties keep
    first-stage order.

    ⌈n / batch_size⌉ calls in one round.

    Example:
        ```python
        from judge_rerank import Judge, Score

        docs = ["A bell is loud.", "Squealing brakes need clean rotors."]
        judge = Judge("openai/gpt-6-luna")
        ranking = judge.rerank("why do my brakes squeal?", docs, Score(batch_size=10))
        print([(result.index, result.relevance_score) for result in ranking])  # [(1, 1.0), (0, 0.0)]
        ```

    Attributes:
        criteria: judge by these, with a grade for each in one reply, and score by their weighted mean: names with
            weights or `Criterion`s, or text, "relevance:0.7,recency:0.3"; "" for those of the query, if it has some.
            Weights are no part of what is sent. A document whose reply lacks one is asked about again.
        first_stage_scores: show the judge the score that each document has from the stage before, else the document's
            own, from 0 for the lowest to 100 for the highest (InsertRank, arXiv:2506.14086). Every document needs one.
    """

    task: ClassVar[str] = "score"

    criteria: str | Mapping[str, Any] = ""
    first_stage_scores: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        # As text, the strategy can be compared, kept as a key, and written down.
        object.__setattr__(self, "criteria", criteria_text(as_criteria(self.criteria)))

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """One round of independent calls; a second one for what a batch left out."""
        return super().plan(query, with_first_stage_scores(candidates) if self.first_stage_scores else candidates)

    def asked_criteria(self, query: Query) -> tuple[Criterion, ...]:
        """Its own, else those of the query."""
        return as_criteria(self.criteria) or query.criteria
