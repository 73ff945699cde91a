"""The first stage's scores, shown to the judge (InsertRank, arXiv:2506.14086)."""

from __future__ import annotations

from dataclasses import replace

from judge_rerank.core import Candidates, InputError

FIELD = "retrieval score (0 to 100)"
"""What stands before a score in the prompt."""


def with_first_stage_scores(candidates: Candidates) -> Candidates:
    """The candidates with the score that their order rests on as a field, from 0 for the lowest to 100 for the highest.

    Raises:
        InputError: one of them has no score.
    """
    prior = candidates.prior
    missing = next((candidate.index for candidate in candidates if candidate.index not in prior), None)
    if missing is not None:
        raise InputError(
            f"first_stage_scores=True shows the judge a score for every document, and docs[{missing}] has none. Give "
            "each document its `score`, or put a stage that scores before this one: 'bm25 >> listwise(...)'."
        )
    low = min((prior[candidate.index] for candidate in candidates), default=0.0)
    spread = max((prior[candidate.index] for candidate in candidates), default=0.0) - low

    def shown(index: int) -> str:
        return str(round(100 * (prior[index] - low) / spread) if spread else 100)

    return candidates.replaced(replace(c, fields=((FIELD, shown(c.index)), *c.fields)) for c in candidates)
