"""Generators around generators: several plans whose rounds are asked together, and plans shown in another order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import TypeVar

from judge_rerank.core import Candidates, Evidence, JudgeCall, Ordering, Outcome, Outcomes, PlanRunner, Steps

T = TypeVar("T")


def side_by_side(parts: Sequence[Steps[T]]) -> Steps[list[T]]:
    """Run independent parts in step: the first rounds of all of them are one round, then the second ones, and so on.

    As many rounds as the longest part has. Returns their results in the order given.
    """
    runners = [PlanRunner(part) for part in parts]
    while waiting := [runner for runner in runners if not runner.done]:
        outcomes = yield [effect for runner in waiting for effect in runner.round]
        start = 0
        for runner in waiting:
            end = start + len(runner.round)
            runner.send(outcomes[start:end])
            start = end
    return [runner.result for runner in runners]


def watched(part: Steps[T], note: Callable[[Outcomes], None]) -> Steps[T]:
    """The same part, with the outcomes of every round shown to `note` before the part gets them."""
    runner = PlanRunner(part)
    while not runner.done:
        outcomes = yield runner.round
        note(outcomes)
        runner.send(outcomes)
    return runner.result


def shuffled(part: Steps[T], seed: int | None) -> Steps[T]:
    """The same part, with the candidates of every call shown in an order drawn by `seed`; as it is without a seed.

    The part itself notices nothing: outcomes come back in terms of the order in which it asked.
    """
    return part if seed is None else _shuffled(part, Random(seed))  # noqa: S311


def debiased(part: Steps[T], content_free: Callable[[JudgeCall], JudgeCall], evidence: Evidence) -> Steps[T]:
    """The same part, with each outcome corrected by that of a call of the same form and without content.

    There is one such call for each number of candidates, in the round in which it is first shown. `evidence` gets the
    corrected outcomes.
    """
    runner = PlanRunner(part)
    known: dict[int, Outcome] = {}
    while not runner.done:
        calls = runner.round
        new = {len(call.candidates): call for call in calls if len(call.candidates) not in known}
        outcomes = yield [*calls, *map(content_free, new.values())]
        known |= zip(new, outcomes[len(calls) :], strict=True)
        corrected = [outcome.corrected(known[len(call.candidates)]) for call, outcome in zip(calls, outcomes)]  # noqa: B905
        for call, outcome in zip(calls, corrected, strict=True):
            evidence.add(call, outcome)
        runner.send(corrected)
    return runner.result


def as_given(candidates: Candidates) -> Steps[Ordering]:
    """Asks nothing, and leaves the candidates as they are."""
    yield from ()
    return Ordering(order=tuple(candidate.index for candidate in candidates))


def _shuffled(part: Steps[T], rng: Random) -> Steps[T]:
    runner = PlanRunner(part)
    while not runner.done:
        effects = runner.round
        shown = [rng.sample(range(len(effect.candidates)), len(effect.candidates)) for effect in effects]
        replies = yield [_rearranged(effect, places) for effect, places in zip(effects, shown, strict=True)]
        runner.send(
            [reply.reordered(effect, places) for effect, places, reply in zip(effects, shown, replies, strict=True)]
        )
    return runner.result


def _rearranged(call: JudgeCall, places: Sequence[int]) -> JudgeCall:
    return replace(call, candidates=tuple(call.candidates[place] for place in places))
