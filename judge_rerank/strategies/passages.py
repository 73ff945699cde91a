"""Long documents, judged a passage at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Literal, cast

from judge_rerank.core import (
    Candidate,
    Candidates,
    Evidence,
    Ordering,
    Plan,
    PlanRunner,
    Query,
    Steps,
    Strategy,
    by_score,
    require,
    require_one_of,
)
from judge_rerank.strategies.algorithms.chunking import passages
from judge_rerank.strategies.cascade import Composable, as_stage
from judge_rerank.strategies.decorators import strategy
from judge_rerank.strategies.score import Score

AGGREGATES = ("max", "top2", "first")


@strategy("passages")
@dataclass(frozen=True, kw_only=True)
class Passages(Composable):
    """Cuts documents that are too long into passages, lets a strategy judge these as candidates of their own, and
    ranks each document by its passages (MaxP and FirstP, arXiv:1905.09217).

    A passage ends with a paragraph or a sentence and shares a little of its text with the next; each is shown under
    the document's title. A document that is short enough is one candidate, as without this.

    Where the strategy has scores, a document's score is that of its best passage, or the mean of its best two. Where
    it has only an order, or does not order by its scores, the best-placed passage decides, whatever the aggregate.
    Ties keep first-stage order. A passage without a judgment has no score and is never the one that decided.

    Calls and rounds are those of the strategy for as many candidates as there are passages. A strategy that is certain
    of the top of its list alone finds the best passages, which may all be of a few documents: for many long documents
    one with scores is the better choice. There is no `confidence` where a document was cut.

    Example:
        ```python
        from judge_rerank import Judge, Passages, Score

        long = "Bicycles are quiet. " * 200 + "Squealing brakes need clean rotors."
        strategy = Passages(strategy=Score(), max_tokens=300)
        ranking = Judge("openai/gpt-6-luna").rerank("why do my brakes squeal?", ["A bell.", long], strategy)
        print(ranking.results[0].index, ranking.results[0].evidence)
        ```

    Attributes:
        strategy: what judges the passages.
        aggregate: "max", the best passage; "top2", the mean of the best two (of one, where there is one); "first",
            the beginning of each document, without reading the rest, which counts as truncated.
        max_tokens: the most tokens of a passage, at least 16, title included (up to half of them); None for the most
            that the judge is shown of a document (`max_tokens_per_doc`), which is also the bound of any other value.
        overlap_tokens: the most tokens of a passage that are repeated at the beginning of the next, at least 0, and at
            most half of its text.
    """

    strategy: Strategy = field(default_factory=Score)
    aggregate: Literal["max", "top2", "first"] = "max"
    max_tokens: int | None = None
    overlap_tokens: int = 32

    def __post_init__(self) -> None:
        as_stage(self.strategy)
        require_one_of("aggregate", self.aggregate, AGGREGATES)
        require("max_tokens", self.max_tokens, at_least=16)
        require("overlap_tokens", self.overlap_tokens, at_least=0)

    @property
    def name(self) -> str:
        """The name of what is run, in brackets."""
        return f"passages({self.strategy.name})"

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """The strategy's rounds over passages."""
        parts = [part for candidate in candidates for part in self._parts(candidate, candidates)]
        if all(part.passage is None for part in parts):
            return (yield from self.strategy.plan(query, candidates))
        numbered = (replace(part, index=number, passage=None) for number, part in enumerate(parts))
        prior = {
            number: candidates.prior[part.index] for number, part in enumerate(parts) if part.index in candidates.prior
        }
        alone = candidates.replaced(numbered, evidence=Evidence(), prior=prior)
        ordering, judged = yield from _translated(self.strategy.plan(query, alone), alone, parts)
        return self._combined(candidates, parts, ordering, judged)

    def _parts(self, candidate: Candidate, candidates: Candidates) -> Sequence[Candidate]:
        """The document in passages, or the candidate as it is."""
        room, document = candidates.limits, candidate.document
        model = cast("str | None", getattr(self.strategy, "model", None))
        shown = room.per_document(model)
        limit = shown if self.max_tokens is None else min(self.max_tokens, shown)
        # A title gets at most half of what is shown, so that much is left for the text.
        title = min(room.tokens(document.title, model), limit // 2) if document.title else 0
        # The fields get at most half of the rest.
        fields = min(room.tokens(candidate.heading, model), (limit - title) // 2) if candidate.fields else 0
        left = max(1, limit - title - fields)
        cut = passages(document.text, left, min(self.overlap_tokens, left // 2), lambda text: room.tokens(text, model))
        if len(cut) < 2:
            return [candidate]
        return [
            replace(
                candidate,
                document=replace(document, text=document.text[passage.start : passage.end]),
                passage=passage,
            )
            for passage in (cut[:1] if self.aggregate == "first" else cut)
        ]

    def _combined(
        self, candidates: Candidates, parts: Sequence[Candidate], ordering: Ordering, judged: set[int]
    ) -> Ordering:
        """The documents in order. `ordering` and `judged` speak of the parts by number."""
        best_first = sorted(ordering.order, key=lambda number: number not in judged)
        of_document: dict[int, list[int]] = {}
        for number in best_first:
            of_document.setdefault(parts[number].index, []).append(number)
        scores = self._scores(of_document, ordering.scores)
        if _by_its_scores(ordering):
            of_document = {
                index: sorted(numbers, key=lambda number: -ordering.scores.get(number, -1.0))
                for index, numbers in of_document.items()
            }
            order = by_score(candidates, scores).order
        else:
            order = tuple(dict.fromkeys(parts[number].index for number in ordering.order))
        deciding = {index: numbers[0] for index, numbers in of_document.items() if numbers[0] in judged}
        found = {index: parts[number].passage for index, number in deciding.items()}
        return Ordering(
            order=order,
            scores=scores,
            passages={index: passage for index, passage in found.items() if passage is not None},
            notes=ordering.notes,
        )

    def _scores(self, of_document: Mapping[int, Sequence[int]], scores: Mapping[int, float]) -> dict[int, float]:
        counted = 2 if self.aggregate == "top2" else 1
        by_document = {
            index: sorted((scores[number] for number in numbers if number in scores), reverse=True)
            for index, numbers in of_document.items()
        }
        return {index: fmean(values[:counted]) for index, values in by_document.items() if values}


def _translated(plan: Plan, alone: Candidates, parts: Sequence[Candidate]) -> Steps[tuple[Ordering, set[int]]]:
    """The plan, with each call about the parts themselves; its ordering, and which parts the judge spoke of."""
    judged: set[int] = set()

    def shown(candidate: Candidate) -> Candidate:
        return replace(parts[candidate.index], fields=candidate.fields)

    runner = PlanRunner(plan)
    while not runner.done:
        calls = runner.round
        outcomes = yield [
            call if call.content_free else replace(call, candidates=tuple(map(shown, call.candidates)))
            for call in calls
        ]
        for call, outcome in zip(calls, outcomes, strict=True):
            if call.content_free:
                continue
            alone.evidence.add(call, outcome)
            said = zip(call.candidates, outcome.statements(len(call.candidates)), strict=True)
            judged.update(candidate.index for candidate, statement in said if statement.failure is None)
        runner.send(outcomes)
    return runner.result, judged


def _by_its_scores(ordering: Ordering) -> bool:
    """Whether the order is that of the scores."""
    scores = [ordering.scores.get(number, -1.0) for number in ordering.order]
    return bool(ordering.scores) and scores == sorted(scores, reverse=True)
