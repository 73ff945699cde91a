"""Documents with an odd part that the judge puts at the top, and every cheap scorer in the lower half."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import replace

from judge_rerank.core import Candidates, Finding, JudgeCall, Ordering, Outcome, Query
from judge_rerank.guarding.features import NAMES
from judge_rerank.guarding.inspecting import inspect
from judge_rerank.guarding.model import shipped
from judge_rerank.prompting import compares

_TOP_SHARE, _FEWEST_TOP = 0.1, 3
_FEWEST_SCORED = 8
"""Documents that a scorer has to have scored, for a place among them to say anything."""
_REASON = "the judge puts it at the top, and every other scorer in the lower half"


class Disagreement:
    """What the judge and the scorers said in one ranking.

    By itself a disagreement is no sign of an attack: it is what a judge is asked for. So it only counts where a part of
    the document is half as suspicious as it would have to be otherwise.

    Args:
        query: what documents are judged for.
        candidates: the documents as they came.
    """

    def __init__(self, query: Query, candidates: Candidates) -> None:
        self._query = query
        self._candidates = {candidate.index: candidate for candidate in candidates}
        self._scored: dict[str, dict[int, float]] = {}
        self._last: dict[int, JudgeCall] = {}
        self._judged: set[int] = set()

    def note(self, call: JudgeCall, outcome: Outcome) -> None:
        """Note what came of a call."""
        if call.content_free or any(candidate.passage is not None for candidate in call.candidates):
            return
        if not call.by_judge:
            self._scored.setdefault(call.task, {}).update(outcome.scores(call))
        elif outcome.failure is None:
            self._judged.update(candidate.index for candidate in call.candidates)
            if not compares(call):
                for candidate in call.candidates:
                    self._last[candidate.index] = replace(call, candidates=(candidate,))

    def last_call(self, index: int) -> JudgeCall | None:
        """The last question to the judge that asked for a score of this document, as one about it alone."""
        return self._last.get(index)

    def findings(self, ordering: Ordering, *, apart_from: Set[int]) -> list[Finding]:
        """What is suspicious since judge and scorers disagree, in documents of which nothing was found so far."""
        scorers = [scores for scores in self._scored.values() if len(scores) >= _FEWEST_SCORED]
        if not scorers or not self._judged:
            return []
        stood = [index for index in ordering.order if index not in ordering.cut]
        top = stood[: max(_FEWEST_TOP, int(_TOP_SHARE * len(stood)))]
        odd = [i for i in top if i in self._judged and i not in apart_from and all(_low(i, each) for each in scorers)]
        least = shipped(NAMES).beside
        return [
            replace(finding, reason=f"{finding.reason}; {_REASON}")
            for index in odd
            for finding in inspect(
                self._query,
                self._candidates[index].document,
                index=index,
                fields=self._candidates[index].fields,
                doubts=True,
            )
            if finding.score >= least
        ]


def _low(index: int, scores: Mapping[int, float]) -> bool:
    """Whether a document is in the lower half of those that a scorer scored, ties counted in its favour."""
    if index not in scores:
        return False
    return sum(score > scores[index] for score in scores.values()) >= len(scores) / 2
