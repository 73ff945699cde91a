"""What is done with suspicious documents: strategies around a strategy, one for each policy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, TypeAlias

from judge_rerank.core import (
    Candidate,
    Candidates,
    Document,
    Failed,
    Finding,
    JudgeCall,
    Ordering,
    Outcome,
    Passage,
    Plan,
    PlanRunner,
    Query,
    ScorePairs,
    Scores,
    ShownFields,
    Steps,
    Strategy,
    by_score,
    erased,
)
from judge_rerank.guarding.disagreement import Disagreement
from judge_rerank.guarding.inspecting import inspect
from judge_rerank.prompting import compares

OnSuspicious: TypeAlias = Literal["flag", "recheck", "demote", "drop", "ignore"]
"""What happens with documents that have a suspicious part; what each does stands in `RankOptions`."""

POLICIES: tuple[OnSuspicious, ...] = ("flag", "recheck", "demote", "drop", "ignore")
_MOST_KEPT = 4_096
"""Documents whose findings are kept; as many as are kept cut to what a model is shown."""
RECHECK = "recheck"
"""The stage of questions that are put again."""


class Inspected:
    """The findings in the documents of one ranking, each document inspected once, when it is first asked for.

    Args:
        query: what they are judged for.
        candidates: the documents as they came.
    """

    def __init__(self, query: Query, candidates: Candidates) -> None:
        self._query = query
        self._candidates = {candidate.index: candidate for candidate in candidates}
        self._found: dict[int, tuple[Finding, ...]] = {}
        self._doubted: dict[int, tuple[Finding, ...]] = {}

    def of(self, index: int) -> tuple[Finding, ...]:
        """The findings in a document."""
        if index not in self._found:
            self._found[index] = self._inspected(index, doubts=False)
        return self._found[index]

    def doubted(self, index: int) -> tuple[Finding, ...]:
        """What a second question leaves out of a document: the findings, and what is too doubtful to be one.

        Leaving out what is honest costs a call and hardly any of the score, and saying that it is suspicious would be
        wrong.
        """
        if index not in self._doubted:
            self._doubted[index] = self._inspected(index, doubts=True)
            if self._doubted[index]:
                self.of(index)
            else:
                self._found[index] = ()
        return self._doubted[index]

    def _inspected(self, index: int, *, doubts: bool) -> tuple[Finding, ...]:
        whole = self._candidates[index]
        found = _findings(self._query.text, whole.document.title, whole.document.text, whole.fields, doubts=doubts)
        return tuple(replace(finding, index=index) for finding in found)

    def is_suspicious(self, index: int) -> bool:
        """Whether anything is found in a document."""
        return bool(self.of(index))

    @property
    def all(self) -> tuple[Finding, ...]:
        """The findings so far, by document."""
        return tuple(finding for index in sorted(self._found) for finding in self._found[index])

    @property
    def suspicious(self) -> frozenset[int]:
        """The documents that have any."""
        return frozenset(index for index, found in self._found.items() if found)

    def everything(self) -> frozenset[int]:
        """The suspicious ones of all documents."""
        return frozenset(index for index in self._candidates if self.of(index))

    def erased(self, candidate: Candidate) -> Candidate:
        """A candidate without its suspicious and doubtful parts; one that has none as it is."""
        found = self.doubted(candidate.index)
        if not found:
            return candidate
        fields = {finding.part for finding in found}
        within = [_moved(finding, candidate.passage) for finding in found]
        return replace(
            candidate,
            document=erased(candidate.document, filter(None, within)),
            fields=tuple((name, value) for name, value in candidate.fields if name not in fields),
        )


@lru_cache(maxsize=_MOST_KEPT)
def _findings(query: str, title: str | None, text: str, fields: ShownFields, *, doubts: bool) -> Sequence[Finding]:
    """The findings in a document; the next strategy, or the next evaluation, mostly ranks the same for the query."""
    return inspect(query, Document(text=text, title=title), fields=fields, doubts=doubts)


@dataclass(frozen=True, kw_only=True)
class Guarded:
    """A strategy whose documents are inspected, with what follows from it.

    - "flag" changes nothing. It inspects what an LLM or an API is asked about, so that a ranking by scorers of this
      machine takes no longer.
    - "recheck": where a question shows one document alone and asks for a score, it is put twice in the same round, once
      without the suspicious part, and the lower score holds; if the second gets no answer, neither counts. Questions
      about several documents show them without the part from the beginning, since it might speak of the others. What
      is too doubtful to be reported is left out as well, such as the query where the document repeats it.
    - "demote" puts suspicious documents after all others that were judged, in their order; their scores are cut to the
      lowest of those.
    - "drop" does not show them to anybody; they follow at the end, as cut.

    Calls: those of the strategy, with "recheck" one more for each question about one such document alone. No more
    rounds, but one where only the disagreement of judge and scorers made a document suspicious.

    Attributes:
        strategy: what ranks.
        policy: what is done with suspicious documents.
    """

    strategy: Strategy
    policy: OnSuspicious = "flag"

    @property
    def name(self) -> str:
        """That of the strategy."""
        return self.strategy.name

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """The strategy's rounds, with the findings in what it returns."""
        inspected, said = Inspected(query, candidates), Disagreement(query, candidates)
        # What compares documents asks which of them it is to judge alone.
        knowing = replace(candidates.circumstances, suspicious=inspected.is_suspicious)
        candidates = candidates.replaced(circumstances=knowing)
        dropped = inspected.everything() if self.policy == "drop" else frozenset[int]()
        left = candidates.arranged(c.index for c in candidates if c.index not in dropped) if dropped else candidates
        ordering = yield from _watched(
            self.strategy.plan(query, left), inspected, said, recheck=self.policy == "recheck"
        )
        late = said.findings(ordering, apart_from=inspected.suspicious)
        if late and self.policy == "recheck":
            ordering = yield from _again(ordering, candidates, late, said)
        if self.policy == "demote":
            ordering = demoted(ordering, inspected.everything() | {finding.index for finding in late})
        found = sorted((*inspected.all, *late), key=lambda finding: finding.index)
        end = tuple(candidate.index for candidate in candidates if candidate.index in dropped)
        return replace(ordering, order=(*ordering.order, *end), cut=(*ordering.cut, *end), suspicious=tuple(found))


def demoted(ordering: Ordering, suspicious: Iterable[int]) -> Ordering:
    """The order with suspicious documents after the others that were judged, and before those that were not.

    Suspicious documents keep their order among themselves. Those that have a score get at most the lowest score of the
    others, so that the order is still that of the scores. Documents that an earlier stage cut stay where they are.
    """
    cut = set(ordering.cut)
    low = set(suspicious) - cut
    stood = [index for index in ordering.order if index not in cut]
    judged = [index for index in stood if not ordering.scores or index in ordering.scores]
    unjudged = [index for index in stood if index not in judged]
    above = [index for index in judged if index not in low]
    below = [index for index in judged if index in low]
    least = min((ordering.scores[index] for index in above if index in ordering.scores), default=1.0)
    scores = {index: min(score, least) if index in low else score for index, score in ordering.scores.items()}
    tail = [index for index in ordering.order if index in cut]
    confidence = {index: sure for index, sure in ordering.confidence.items() if not below}
    tiers = ordering.tiers if not below else None
    return replace(
        ordering, order=(*above, *below, *unjudged, *tail), scores=scores, confidence=confidence, tiers=tiers
    )


def _watched(plan: Plan, inspected: Inspected, said: Disagreement, *, recheck: bool) -> Plan:
    """The plan, with its questions put again where that is wanted; the plan itself notices only the outcomes."""
    runner = PlanRunner(plan)
    while not runner.done:
        calls = runner.round
        if recheck:
            outcomes = yield from _rechecked(calls, inspected)
        else:
            for call in calls:
                _inspect_asked(call, inspected)
            outcomes = yield calls
        for call, outcome in zip(calls, outcomes, strict=True):
            said.note(call, outcome)
        runner.send(outcomes)
    return runner.result


def _inspect_asked(call: JudgeCall, inspected: Inspected) -> None:
    if not isinstance(call, ScorePairs) and not call.content_free:
        for candidate in call.candidates:
            inspected.of(candidate.index)


def _rechecked(calls: Sequence[JudgeCall], inspected: Inspected) -> Steps[Sequence[Outcome]]:
    """One round of calls, and in the same round those that are put again; what came of each call, the lower of two."""
    shown: list[JudgeCall] = []
    again: dict[int, JudgeCall] = {}
    for place, call in enumerate(calls):
        without = call if call.content_free else _without(call, inspected)
        if without is not call and _alone(call):
            again[place] = replace(without, recheck=True, stage=RECHECK)
            without = call
        shown.append(without)
    came = yield [*shown, *again.values()]
    outcomes = list(came[: len(calls)])
    for place, second in zip(again, came[len(calls) :], strict=True):
        outcomes[place] = _lower(outcomes[place], second)
    return outcomes


def _alone(call: JudgeCall) -> bool:
    return call.by_judge and len(call.candidates) == 1 and not compares(call)


def _without(call: JudgeCall, inspected: Inspected) -> JudgeCall:
    """The call about its documents without their suspicious parts; the same call where there are none."""
    candidates = tuple(inspected.erased(candidate) for candidate in call.candidates)
    unchanged = all(new is old for new, old in zip(candidates, call.candidates, strict=True))
    return call if unchanged else replace(call, candidates=candidates)


def _lower(first: Outcome, second: Outcome) -> Outcome:
    """The lower of two scores of one document. A failure of either is one of both: nothing is known for certain."""
    if first.failure is not None or second.failure is not None:
        failed = first if first.failure is not None else second
        return failed if isinstance(failed, Failed) else second
    if not isinstance(first, Scores) or not isinstance(second, Scores):
        return second
    if first.values[0] is None or second.values[0] is None:
        return first if first.values[0] is None else second
    return first if first.values[0] <= second.values[0] else second


def _again(ordering: Ordering, candidates: Candidates, late: Sequence[Finding], said: Disagreement) -> Plan:
    """One more round for documents that are only known to be suspicious by what the judge said of them."""
    by_index: dict[int, list[Finding]] = {}
    for finding in late:
        by_index.setdefault(finding.index, []).append(finding)
    asked = {index: said.last_call(index) for index in by_index if index in ordering.scores}
    calls: dict[int, JudgeCall] = {}
    for index, call in asked.items():
        if call is not None:
            one = call.candidates[0]
            without = replace(one, document=erased(one.document, by_index[index]))
            calls[index] = replace(call, candidates=(without,), recheck=True, stage=RECHECK)
    if not calls:
        return ordering
    outcomes = yield list(calls.values())
    scores = dict(ordering.scores)
    for index, outcome in zip(calls, outcomes, strict=True):
        score = outcome.statements(1)[0].score
        if score is None:
            scores.pop(index)
        else:
            scores[index] = min(scores[index], score)
    stood = candidates.arranged(index for index in ordering.order if index not in ordering.cut)
    order = by_score(stood, {i: s for i, s in scores.items() if i not in ordering.cut}).order
    return replace(ordering, order=(*order, *(i for i in ordering.order if i in ordering.cut)), scores=scores)


def _moved(finding: Finding, passage: Passage | None) -> Finding | None:
    """A finding in a document as one in its passage; None where it is elsewhere."""
    if passage is None or finding.part != "text":
        return finding
    start, end = max(finding.start, passage.start), min(finding.end, passage.end)
    return replace(finding, start=start - passage.start, end=end - passage.start) if start < end else None
