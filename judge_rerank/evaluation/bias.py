"""Does the judge prefer some positions? The same documents in several orders, and what changes."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import combinations
from random import Random
from string import ascii_uppercase
from typing import TYPE_CHECKING, Literal

from judge_rerank.core import Candidates, InputError, JudgeCall, Ordering, Outcome, Plan, Query
from judge_rerank.strategies import batches

if TYPE_CHECKING:
    from judge_rerank.core import DocumentsLike
    from judge_rerank.judge import Judge

Task = Literal["listwise", "first", "setwise", "pairwise"]
# How many documents each can show; letters end at Z.
_LARGEST: dict[str, int] = {"listwise": sys.maxsize, "first": 26, "setwise": 26, "pairwise": 2}


@dataclass(frozen=True, kw_only=True, slots=True)
class PositionRate:
    """What happens to documents shown at one position.

    Attributes:
        position: from 1, the first shown.
        shown: answers in which a document stood there.
        chosen: the share of them that put it first; a fair judge has 1 / (documents a call) at every position.
        mean_rank: the mean of the share of the others that were put above it: 0 for always first, 1 for always last,
            a half for a fair judge; None where nothing was compared.
        pairs: comparisons of a document there with another, of pairs whose verdicts are known in both orders.
        flip_rate: the share of these that say the reverse of what the pair's verdicts in the other order say.
    """

    position: int
    shown: int
    chosen: float
    mean_rank: float | None
    pairs: int
    flip_rate: float


@dataclass(frozen=True, kw_only=True, slots=True)
class PositionBias:
    """How far a judge's answers depend on the order in which documents are shown.

    Attributes:
        answers: replies that could be read.
        failed: replies that could not.
        pairs: pairs of documents that were judged in both orders.
        flip_rate: the share of them whose verdict changes with the order; 0 for a judge without any bias or error.
        first_rate: over all comparisons, how often the document shown first of the two was preferred; a half is fair.
        by_position: the same for each position.
    """

    answers: int
    failed: int
    pairs: int
    flip_rate: float
    first_rate: float
    by_position: tuple[PositionRate, ...]


def measured_bias(trials: Iterable[tuple[JudgeCall, Outcome]]) -> PositionBias:
    """What a set of answers says about position bias.

    Args:
        trials: calls about the same documents in several orders, with their outcomes. Documents are told apart by the
            query's text and their `index`.
    """
    tally = _Tally()
    for call, outcome in trials:
        tally.add(call, outcome)
    return tally.result()


_Key = tuple[str, int, int]


@dataclass(slots=True)
class _Tally:
    answers: int = 0
    failed: int = 0
    # By pair (lower index first): net votes for the lower one, when it is shown first and when it is shown second.
    lower_first: Counter[_Key] = field(default_factory=Counter[_Key])
    lower_second: Counter[_Key] = field(default_factory=Counter[_Key])
    # Every comparison: the pair, whether the lower index won and was shown first, and the two positions.
    comparisons: list[tuple[_Key, bool, bool, int, int]] = field(
        default_factory=list[tuple[_Key, bool, bool, int, int]]
    )
    shown: Counter[int] = field(default_factory=Counter[int])
    chosen: Counter[int] = field(default_factory=Counter[int])
    ranks: defaultdict[int, list[float]] = field(default_factory=lambda: defaultdict[int, list[float]](list))

    def add(self, call: JudgeCall, outcome: Outcome) -> None:
        tiers = outcome.preferences(call)
        if not tiers:
            self.failed += 1
            return
        self.answers += 1
        position = {candidate.index: place for place, candidate in enumerate(call.candidates, start=1)}
        self.shown.update(position.values())
        self.chosen[position[tiers[0][0]]] += 1
        total, above = sum(map(len, tiers)), 0
        for tier in tiers:
            for index in tier:
                self.ranks[position[index]].append((above + (len(tier) - 1) / 2) / (total - 1))
            above += len(tier)
        for better_tier, worse_tier in combinations(tiers, 2):
            for better in better_tier:
                for worse in worse_tier:
                    self._compare(call.query.text, better, worse, position)

    def _compare(self, query: str, better: int, worse: int, position: dict[int, int]) -> None:
        lower, higher = min(better, worse), max(better, worse)
        key = (query, lower, higher)
        lower_won, lower_first = better == lower, position[lower] < position[higher]
        votes = self.lower_first if lower_first else self.lower_second
        votes[key] += 1 if lower_won else -1
        self.comparisons.append((key, lower_won, lower_first, position[better], position[worse]))

    def result(self) -> PositionBias:
        both = [key for key in self.lower_first if self.lower_first[key] and self.lower_second.get(key)]
        flips = sum((self.lower_first[key] > 0) != (self.lower_second[key] > 0) for key in both)
        won_first = sum(lower_won == lower_first for _, lower_won, lower_first, _, _ in self.comparisons)
        compared, flipped = self._by_position()
        return PositionBias(
            answers=self.answers,
            failed=self.failed,
            pairs=len(both),
            flip_rate=flips / len(both) if both else 0.0,
            first_rate=won_first / len(self.comparisons) if self.comparisons else 0.5,
            by_position=tuple(
                PositionRate(
                    position=position,
                    shown=self.shown[position],
                    chosen=self.chosen[position] / self.shown[position],
                    mean_rank=sum(ranks) / len(ranks) if (ranks := self.ranks[position]) else None,
                    pairs=compared[position],
                    flip_rate=flipped[position] / compared[position] if compared[position] else 0.0,
                )
                for position in sorted(self.shown)
            ),
        )

    def _by_position(self) -> tuple[Counter[int], Counter[int]]:
        """Comparisons at each position whose pair is known in the other order, and those that contradict it."""
        compared, flipped = Counter[int](), Counter[int]()
        for key, lower_won, lower_first, *positions in self.comparisons:
            reverse = (self.lower_second if lower_first else self.lower_first).get(key, 0)
            if reverse:
                compared.update(positions)
                flipped.update(positions if lower_won != (reverse > 0) else ())
        return compared, flipped


@dataclass(frozen=True, kw_only=True)
class BiasProbe:
    """A strategy that changes nothing, and shows the same documents in several orders to see what the judge says.

    The documents are cut into windows; each is shown as it stands and backwards, and then `shuffles` times in an order
    drawn by the seed and backwards, all in one round: (2 + 2 · shuffles) · ⌈n / window_size⌉ calls. Every pair in a
    window is so judged as often in the one order as in the other.

    Attributes:
        task: "listwise", "first", "setwise" or "pairwise".
        window_size: documents a call; at most 26 for the tasks that use letters, two for "pairwise".
        shuffles: pairs of orders beyond the first.
        prompt: a template's name or path; None for the task's default.
        model: judge with another model than the `Judge`'s own.
        seed: of the orders.
        trials: every call with its outcome, of all runs of this object.
    """

    task: Task = "listwise"
    window_size: int = 10
    shuffles: int = 2
    prompt: str | None = None
    model: str | None = None
    seed: int = 0
    trials: list[tuple[JudgeCall, Outcome]] = field(
        default_factory=list[tuple[JudgeCall, Outcome]], init=False, compare=False, repr=False
    )

    name = "bias-probe"

    def __post_init__(self) -> None:
        if self.task not in _LARGEST:
            msg = f"task is {self.task!r}; it must be one of {', '.join(_LARGEST)}."
            raise InputError(msg)
        if self.window_size < 2:
            msg = f"window_size is {self.window_size}; a comparison needs at least 2 documents."
            raise InputError(msg)
        if self.shuffles < 0:
            msg = f"shuffles is {self.shuffles}; it must be at least 0."
            raise InputError(msg)

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """One round of all orders of all windows."""
        dice = Random(f"{self.seed}/{query.text}")  # noqa: S311
        calls: list[JudgeCall] = []
        for window in batches(candidates[:], min(self.window_size, _LARGEST[self.task])):
            if len(window) > 1:
                orders = [window, *(dice.sample(window, len(window)) for _ in range(self.shuffles))]
                calls += [self._call(query, Candidates(order)) for each in orders for order in (each, each[::-1])]
        if calls:
            outcomes = yield calls
            self.trials.extend(zip(calls, outcomes, strict=True))
        return Ordering(order=tuple(candidate.index for candidate in candidates))

    def _call(self, query: Query, shown: Candidates) -> JudgeCall:
        lettered = self.task in {"setwise", "pairwise"}
        return JudgeCall(
            task=self.task,
            query=query,
            candidates=shown[:],
            prompt=self.prompt,
            options=tuple(ascii_uppercase[: len(shown)]) if lettered else (),
            model=self.model,
            stage=self.name,
        )


def position_bias(
    judge: Judge, sets: Iterable[tuple[str | Query, DocumentsLike]], *, probe: BiasProbe | None = None
) -> PositionBias:
    """How far a judge's answers depend on the order in which documents are shown.

    Args:
        judge: whose answers.
        sets: queries with documents; those that are close in relevance say most. Queries should differ in their text.
        probe: which task, prompt and orders; a listwise task with windows of 10 by default.

    Raises:
        ProviderError: no judgment could be had, and no retry can help.
    """
    asked = probe or BiasProbe()
    before = len(asked.trials)
    judge.rerank_many(sets, asked)
    return measured_bias(asked.trials[before:])
