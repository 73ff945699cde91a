"""What the judge has said of the candidates of one query, so that no stage buys twice what another has bought."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations

from judge_rerank.core.documents import Passage
from judge_rerank.core.effects import JudgeCall
from judge_rerank.core.outcomes import Outcome, Tiers


class Evidence:
    """Every judgment of one ranking, as scores and as preferences. Candidates are named by their `index`.

    Only what the judge stated counts: a failed call, or a document that a reply left out, adds nothing. Nor does a
    call that showed passages, since what is said of a part need not hold of the whole, nor one without content.
    """

    __slots__ = ("_judged", "_judged_task", "_scores", "_tiers", "_votes")

    def __init__(self) -> None:
        self._tiers: list[Tiers] = []
        self._votes: defaultdict[tuple[int, int], int] = defaultdict(int)
        self._scores: defaultdict[str, dict[int, list[float]]] = defaultdict(dict)
        self._judged: dict[int, dict[Passage | None, list[float]]] = {}
        self._judged_task = ""

    def add(self, call: JudgeCall, outcome: Outcome) -> None:
        """Note one outcome of one call."""
        if call.content_free:
            return
        self._note_judged(call, outcome)
        if any(candidate.passage is not None for candidate in call.candidates):
            return
        shown_at = {candidate.index: place for place, candidate in enumerate(call.candidates)}
        if call.recheck:
            self._lower(call, outcome)
        else:
            for index, value in outcome.scores(call).items():
                self._scores[call.task].setdefault(index, []).append(value)
        tiers = outcome.preferences(call)
        if not tiers:
            return
        self._tiers.append(tiers)
        for above, below in combinations(tiers, 2):
            for better in above:
                for worse in below:
                    if shown_at[better] < shown_at[worse]:
                        self._votes[better, worse] += 1
                    else:
                        self._votes[worse, better] -= 1

    @property
    def preferences(self) -> tuple[Tiers, ...]:
        """What each comparison stated, in the order in which they were made."""
        return tuple(self._tiers)

    @property
    def scores(self) -> dict[str, dict[int, float]]:
        """By task, the mean score of each candidate that has one."""
        return {
            task: {index: sum(values) / len(values) for index, values in by_index.items()}
            for task, by_index in self._scores.items()
        }

    @property
    def judged(self) -> dict[int, float]:
        """The mean score that an LLM gave to each candidate, in the last task that gave any; of passages, the best.

        They say of a document by itself whether it answers, unlike an order, or the score of a scorer.
        """
        return {
            index: max(sum(values) / len(values) for values in by_passage.values())
            for index, by_passage in self._judged.items()
            if by_passage
        }

    def _note_judged(self, call: JudgeCall, outcome: Outcome) -> None:
        said = zip(call.candidates, outcome.statements(len(call.candidates)), strict=True) if call.by_judge else ()
        scores = [(candidate, statement.score) for candidate, statement in said]
        found = [(candidate, score) for candidate, score in scores if score is not None]
        if call.recheck and not found:
            for candidate, _ in scores:
                self._judged.get(candidate.index, {}).pop(candidate.passage, None)
        if found and call.task != self._judged_task:
            self._judged, self._judged_task = {}, call.task
        for candidate, score in found:
            known = self._judged.setdefault(candidate.index, {}).setdefault(candidate.passage, [])
            known[:] = [min([*known, score])] if call.recheck else [*known, score]

    def _lower(self, call: JudgeCall, outcome: Outcome) -> None:
        """Of a question that is put again the lower score holds; without an answer, nothing is known."""
        again, known = outcome.scores(call), self._scores[call.task]
        for candidate in call.candidates:
            if candidate.index in again:
                known[candidate.index] = [min([*known.get(candidate.index, ()), again[candidate.index]])]
            else:
                known.pop(candidate.index, None)

    def verdict(self, first: int, second: int) -> int:
        """What the judge says when `first` is shown before `second`: 1 for `first`, -1 for `second`, 0 if unknown."""
        votes = self._votes.get((first, second), 0)
        return (votes > 0) - (votes < 0)

    def preferred(self, one: int, other: int) -> int:
        """1 where `one` was put above `other` more often than below, -1 for the reverse, 0 where nothing is known."""
        votes = self._votes.get((one, other), 0) - self._votes.get((other, one), 0)
        return (votes > 0) - (votes < 0)

    def best(self, indices: tuple[int, ...]) -> int | None:
        """The one of these candidates that is preferred to each of the others; None where nobody is known to be."""
        leader = indices[0]
        for index in indices[1:]:
            if self.preferred(index, leader) > 0:
                leader = index
        return leader if all(self.preferred(leader, other) > 0 for other in indices if other != leader) else None
