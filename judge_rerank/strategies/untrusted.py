"""Documents of strangers: each is judged where it can reach no other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from judge_rerank.core import (
    Candidate,
    Candidates,
    ContextLimits,
    Effect,
    Failed,
    JudgeCall,
    Ordering,
    Outcome,
    Plan,
    PlanRunner,
    Query,
    Scores,
    Statement,
    Steps,
    Strategy,
    scored,
)
from judge_rerank.strategies.cascade import Composable, as_stage
from judge_rerank.strategies.decorators import strategy
from judge_rerank.strategies.score import Score

_JUDGES_EACH = frozenset({"score", "binary", "grade"})
"""The tasks that judge each document by itself; all others, those of other packages too, are taken to compare."""

_YARDSTICKS = 6
_STAGE = "alone"


@strategy("untrusted")
@dataclass(frozen=True, kw_only=True)
class Untrusted(Composable):
    """A strategy for documents that may want to deceive the judge (`trust="untrusted"`).

    Questions about each document by itself show one document a call, so the text of one is in no other's prompt: n
    calls where a group of b would take ⌈n / b⌉. Prompts that name none are those made for such documents, which forbid
    and say so after the document as well as before it; models that run here keep their usual ones.

    Questions that compare documents leave out the suspicious ones (`Circumstances.suspicious`). If any were left out,
    they and six of the others, evenly spread over the order, are graded alone in one more round, and each suspicious
    document is put behind as many of the six as have a grade at least as good: one call for each and six more.
    Documents that nobody suspects share the prompt of a comparison.

    Attributes:
        strategy: what ranks.
    """

    strategy: Strategy = field(default_factory=Score)

    def __post_init__(self) -> None:
        as_stage(self.strategy)

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """The strategy's rounds, one document a question; and one for documents that were left out."""
        apart = candidates.circumstances.suspicious
        left_out: set[int] = set()
        shown = candidates.replaced(limits=_OneByOne(candidates.limits))
        runner = PlanRunner(self.strategy.plan(query, shown))
        while not runner.done:
            runner.send((yield from _performed(runner.round, apart, left_out)))
        if not left_out:
            return runner.result
        return (yield from _put_in(query, candidates, runner.result, left_out))


class _OneByOne:
    """What fits in a request that shows one document, unless it compares."""

    def __init__(self, limits: ContextLimits) -> None:
        self._limits = limits

    def largest(self, call: JudgeCall, at_most: int) -> int:
        return 1 if _alone(call) else self._limits.largest(call, at_most)

    def group(self, call: JudgeCall) -> int:
        return 1 if _alone(call) else self._limits.group(call)

    def per_document(self, model: str | None = None) -> int:
        return self._limits.per_document(model)

    def tokens(self, text: str, model: str | None = None) -> int:
        return self._limits.tokens(text, model)


def _alone(call: JudgeCall) -> bool:
    return call.by_judge and call.task in _JUDGES_EACH


def _performed(effects: Sequence[Effect], apart: Callable[[int], bool], left_out: set[int]) -> Steps[list[Outcome]]:
    """The outcomes of a round, whose calls are asked one document at a time, or without the suspicious ones."""
    parts = [_parts(effect, apart, left_out) for effect in effects]
    asked = [part for each in parts for part, _ in each]
    came = iter((yield asked) if asked else [])
    return [
        _joined(effect, [(next(came), places) for _, places in each])
        for effect, each in zip(effects, parts, strict=True)
    ]


def _parts(effect: Effect, apart: Callable[[int], bool], left_out: set[int]) -> list[tuple[Effect, tuple[int, ...]]]:
    """What is asked in an effect's place, each with the places of the candidates that it shows."""
    everyone = tuple(range(len(effect.candidates)))
    if not effect.by_judge:
        return [(effect, everyone)]
    asked = replace(effect, trust="untrusted")
    if effect.content_free:
        return [(asked, everyone)]
    if _alone(effect):
        return [(_only(asked, (place,)), (place,)) for place in everyone]
    places = tuple(place for place in everyone if not apart(effect.candidates[place].index))
    left_out.update(each.index for each in effect.candidates if apart(each.index))
    if len(places) < min(2, len(everyone)):
        return []
    return [(_only(asked, places), places)]


def _only(call: JudgeCall, places: Sequence[int]) -> JudgeCall:
    if len(places) == len(call.candidates):
        return call
    shown = tuple(call.candidates[place] for place in places)
    lettered = len(call.options) == len(call.candidates)
    return replace(call, candidates=shown, options=call.options[: len(places)] if lettered else call.options)


def _joined(effect: Effect, came: Sequence[tuple[Outcome, Sequence[int]]]) -> Outcome:
    """One outcome for the whole effect."""
    n = len(effect.candidates)
    if len(came) == 1:
        outcome, places = came[0]
        return outcome if len(places) == n else outcome.widened(effect, places)
    if not came:
        return Failed(reason="refused", message="Suspicious documents are judged alone.")
    failed = [outcome for outcome, _ in came if isinstance(outcome, Failed)]
    if len(failed) == len(came):
        return failed[0]
    said = {place: outcome.statements(1)[0] for outcome, (place,) in came}
    return _scores([said[place] for place in range(n)], [fix for outcome, _ in came for fix in outcome.repairs])


def _scores(said: Sequence[Statement], repairs: Sequence[str]) -> Scores:
    return Scores(
        values=tuple(each.score for each in said),
        labels=tuple(each.label for each in said),
        reasons=tuple(each.reason if each.failure is None else None for each in said),
        refused=tuple(place for place, each in enumerate(said) if each.failure == "refused"),
        repairs=tuple(dict.fromkeys(repairs)),
        criteria=tuple(each.criteria for each in said) if any(each.criteria for each in said) else (),
    )


def _put_in(query: Query, candidates: Candidates, ordering: Ordering, left_out: Collection[int]) -> Plan:
    """The order with the documents that were left out of comparisons put where a grade of their own puts them."""
    by_index = {each.index: each for each in candidates}
    placed = [index for index in ordering.order if index not in left_out and index not in ordering.cut]
    step = max(1, len(placed) // _YARDSTICKS)
    yardsticks = placed[step // 2 :: step][:_YARDSTICKS]
    waiting = [index for index in ordering.order if index in left_out and index not in ordering.cut]
    alone: list[tuple[Candidate, ...]] = [(by_index[index],) for index in (*yardsticks, *waiting)]
    outcomes = yield [
        JudgeCall(task="score", query=query, candidates=each, stage=_STAGE, trust="untrusted") for each in alone
    ]
    grades = scored(alone, outcomes)
    order = _inserted(placed, yardsticks, sorted(waiting, key=lambda index: -grades.get(index, -1.0)), grades)
    note = f"{len(waiting)} suspicious documents were judged alone and not compared"
    return replace(ordering, order=(*order, *ordering.cut), tiers=None, confidence={}, notes=(*ordering.notes, note))


def _inserted(
    placed: Sequence[int], yardsticks: Sequence[int], waiting: Sequence[int], grades: Mapping[int, float]
) -> list[int]:
    """Each waiting one behind as many yardsticks as have a grade at least as good; one without a grade last."""
    behind: dict[int | None, list[int]] = {}
    for index in waiting:
        own = grades.get(index)
        better = sum(own is None or grades.get(each, 0.0) >= own for each in yardsticks)
        after = None if better == 0 and own is not None else yardsticks[better - 1] if yardsticks else None
        if own is None or better == len(yardsticks):
            after = placed[-1] if placed else None
        behind.setdefault(after, []).append(index)
    order = list(behind.get(None, ()))
    for index in placed:
        order += (index, *behind.get(index, ()))
    return order
