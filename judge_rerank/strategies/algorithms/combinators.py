"""Generators around generators: several plans whose rounds are asked together, and plans shown in another order."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from random import Random
from typing import TypeAlias, TypeVar

from judge_rerank.core.strategy import Choice, Effect, Failed, JudgeCall, Order, Outcome, Outcomes, Round, Scores

T = TypeVar("T")

Steps: TypeAlias = Generator[Round, Outcomes, T]
"""A part of a plan: yields rounds, receives outcomes, returns a T."""


def side_by_side(parts: Sequence[Steps[T]]) -> Steps[list[T]]:
    """Run independent parts in step: the first rounds of all of them are one round, then the second ones, and so on.

    As many rounds as the longest part has. Returns their results in the order given.
    """
    results: dict[int, T] = {}
    waiting: list[tuple[int, Steps[T], list[Effect]]] = []

    def advance(place: int, part: Steps[T], outcomes: Outcomes | None) -> None:
        try:
            effects = next(part) if outcomes is None else part.send(outcomes)
        except StopIteration as end:
            results[place] = end.value
        else:
            waiting.append((place, part, list(effects)))

    for place, part in enumerate(parts):
        advance(place, part, None)
    while waiting:
        under_way, waiting = waiting, []
        outcomes = yield [effect for _, _, effects in under_way for effect in effects]
        start = 0
        for place, part, effects in under_way:
            end = start + len(effects)
            advance(place, part, outcomes[start:end])
            start = end
    return [results[place] for place in range(len(parts))]


def watched(part: Steps[T], note: Callable[[Outcomes], None]) -> Steps[T]:
    """The same part, with the outcomes of every round shown to `note` before the part gets them."""
    outcomes: Outcomes | None = None
    while True:
        try:
            effects = next(part) if outcomes is None else part.send(outcomes)
        except StopIteration as end:
            return end.value
        outcomes = yield effects
        note(outcomes)


def shuffled(part: Steps[T], seed: int | None) -> Steps[T]:
    """The same part, with the candidates of every call shown in an order drawn by `seed`; as it is without a seed.

    The part itself notices nothing: outcomes come back in terms of the order in which it asked.
    """
    if seed is None:
        return (yield from part)
    dice = Random(seed)  # noqa: S311
    outcomes: Outcomes | None = None
    while True:
        try:
            effects = next(part) if outcomes is None else part.send(outcomes)
        except StopIteration as end:
            return end.value
        shown = [dice.sample(range(len(effect.candidates)), len(effect.candidates)) for effect in effects]
        replies = yield [_rearranged(effect, places) for effect, places in zip(effects, shown, strict=True)]
        outcomes = [
            _translated(effect, places, reply) for effect, places, reply in zip(effects, shown, replies, strict=True)
        ]


def _rearranged(call: JudgeCall, places: Sequence[int]) -> JudgeCall:
    return replace(call, candidates=tuple(call.candidates[place] for place in places))


def _translated(call: JudgeCall, places: Sequence[int], outcome: Outcome) -> Outcome:
    """An outcome about candidates shown as `places` in terms of the call's own order."""
    if isinstance(outcome, Failed):
        return outcome
    if isinstance(outcome, Order):
        named = [places[shown] for shown in outcome.order[: outcome.stated]]
        unnamed = sorted(set(places).difference(named))
        return replace(outcome, order=(*named, *unnamed))
    if isinstance(outcome, Scores):
        return replace(
            outcome,
            values=_put_back(outcome.values, places),
            raw=_put_back(outcome.raw, places),
            labels=_put_back(outcome.labels, places),
            reasons=_put_back(outcome.reasons, places),
        )
    return _translated_choice(call, places, outcome)


def _translated_choice(call: JudgeCall, places: Sequence[int], choice: Choice) -> Choice:
    if len(call.options) != len(places) or choice.label not in call.options:
        return choice  # its options do not stand for candidates
    own = {shown: call.options[place] for shown, place in zip(call.options, places, strict=True)}
    probabilities = {own.get(label, label): p for label, p in choice.probabilities.items()}
    return replace(choice, label=own[choice.label], probabilities=probabilities)


def _put_back(values: Sequence[T], places: Sequence[int]) -> tuple[T, ...]:
    by_place = dict(zip(places, values, strict=True)) if values else {}
    return tuple(by_place[place] for place in sorted(by_place))
