"""Strategies one after the other: `BM25() % 50 >> Score() % 20 >> Listwise()`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Protocol

from judge_rerank.core import (
    Candidates,
    InputError,
    Kept,
    Ordering,
    Plan,
    Query,
    Strategy,
    check_number,
    spec_of,
    tiers_without,
)
from judge_rerank.strategies.algorithms.score_fusion import fused
from judge_rerank.strategies.canonical import canonical, written
from judge_rerank.strategies.decorators import condition, strategy
from judge_rerank.strategies.registry import registered_name


class Composable:
    """The base class of strategies: a name, a spec string, and the operators of cascades.

    `strategy % 20` keeps its best 20, `one >> other` goes on with what is kept.
    """

    @property
    def name(self) -> str:
        """The name under which its class is registered; a word for people, which may leave out options."""
        return self._name

    @property
    def spec(self) -> str:
        """The spec string that this strategy can be made from again: `parse(strategy.spec) == strategy`."""
        return self._spec

    def __mod__(self, keep: int) -> Stage | Cascade:
        """The strategy with its best `keep` candidates kept; the others follow, without a score."""
        return Stage(strategy=as_stage(self), keep=keep)

    def __rshift__(self, then: Strategy) -> Cascade:
        """This strategy, then the other on what is kept."""
        return Cascade((as_stage(self), as_stage(then)))

    def __rrshift__(self, before: Strategy) -> Cascade:
        return Cascade((as_stage(before), as_stage(self)))

    @cached_property
    def _name(self) -> str:
        return registered_name(self) or type(self).__name__.lower()

    @cached_property
    def _spec(self) -> str:
        return canonical(self)


class Condition(Protocol):
    """Decides whether a stage is needed. `str()` of it completes the sentence "skipped, because not …"."""

    def __call__(self, query: Query, candidates: Candidates) -> bool:
        """Whether the stage is to run, for candidates as the stage before left them (`candidates.prior`)."""
        ...


@condition("unsure")
@dataclass(frozen=True)
class Unsure:
    """A condition for a stage: the scores so far leave open which candidates belong to the top.

    Attributes:
        margin: the gap, in [0, 1], between the scores at places `top` and `top` + 1 from which on the top is sure.
            Without scores it is never sure.
        top: how many places matter, at least 1.
    """

    margin: float = 0.1
    top: int = 1

    def __post_init__(self) -> None:
        check_number("margin", self.margin)
        check_number("top", self.top, whole=True)
        if not 0 < self.margin <= 1 or self.top < 1:
            raise InputError(f"{self!r}: margin must be above 0 and at most 1, and top at least 1.")

    def __call__(self, query: Query, candidates: Candidates) -> bool:  # noqa: ARG002
        """Whether the gap is smaller than `margin`."""
        if len(candidates) <= self.top:
            return False
        above, below = (candidates.prior.get(candidates[place].index) for place in (self.top - 1, self.top))
        return above is None or below is None or above - below < self.margin

    def __str__(self) -> str:
        return f"unsure of the top {self.top} by a margin of {self.margin:g}"


@strategy("stage")
@dataclass(frozen=True, kw_only=True)
class Stage(Composable):
    """One step of a cascade: a strategy, what is kept of its order, and when it is needed.

    Calls and rounds are those of the strategy, or none where it is skipped.

    Example:
        ```python
        from judge_rerank import BM25, Judge, Listwise, Stage, Unsure

        docs = ["A bell is loud.", "Squealing brakes need clean rotors."]
        strategy = BM25() % 20 >> Stage(strategy=Listwise(), when=Unsure(margin=0.01))
        ranking = Judge("openai/gpt-6-luna").rerank("why do my brakes squeal?", docs, strategy)
        print(ranking.usage.calls, len(ranking.notes))  # 0 1
        ```

    Attributes:
        strategy: what orders the candidates.
        keep: how many of the best go on to the next stage, at least 1; None for all. The others follow at the end, in
            this stage's order, without a score.
        fuse: the weight, above 0 and below 1, of this stage's scores in their sum with those of the stage before,
            both as z-scores, so that a judge adds to an earlier scorer and need not overrule it. A stage that gives
            only an order, or comes after one, counts by ranks. None for this stage alone.
        when: a condition without which the stage is skipped: the candidates stay as they are, and a note says so.
    """

    strategy: Strategy
    keep: int | None = None
    fuse: float | None = None
    when: Condition | None = None

    def __post_init__(self) -> None:
        as_stage(self.strategy)
        if self.keep is not None and (isinstance(self.keep, bool) or not isinstance(self.keep, int) or self.keep < 1):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"{spec_of(self.strategy)} % {self.keep!r} keeps nothing; expected a whole number from 1.")
        if self.fuse is not None:
            check_number("fuse", self.fuse)
        if self.fuse is not None and not 0 < self.fuse < 1:
            raise InputError(f"fuse is {self.fuse}; it must be above 0 and below 1.")

    @property
    def name(self) -> str:
        """The name of what is run, and what is kept of it."""
        name = self.strategy.name
        if self.fuse is not None or self.when is not None:
            fuse = "" if self.fuse is None else f", fuse={self.fuse:g}"
            name = f"stage({name}{fuse}{'' if self.when is None else ', when=...'})"
        return name if self.keep is None else f"{name} % {self.keep}"

    @property
    def spec(self) -> str:
        """`score % 20`, or `stage(score, fuse=0.5, when=unsure) % 20`."""
        inner = spec_of(self.strategy)
        options = {
            name: written(value, float)
            for name, value in (("fuse", self.fuse), ("when", self.when))
            if value is not None
        }
        # In `a % 5 % 3` and `(a >> b) % 3` the last number would be that of the inner stage.
        if options or self.keep is None or isinstance(self.strategy, (Stage, Cascade)):
            inner = f"stage({', '.join([inner, *(f'{name}={text}' for name, text in options.items())])})"
        return inner if self.keep is None else f"{inner} % {int(self.keep)}"

    def __mod__(self, keep: int) -> Stage:
        """The stage with `keep` set."""
        return replace(self, keep=keep)

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """The strategy's rounds, where it is needed."""
        if self.when is not None and not self.when(query, candidates):
            note = f"{self.strategy.name} was skipped, because not {self.when}"
            order = tuple(candidate.index for candidate in candidates)
            return self._kept(Ordering(order=order, scores=dict(candidates.prior), notes=(note,)))
        ordering = yield from self.strategy.plan(query, candidates)
        return self._kept(ordering if self.fuse is None else fused(candidates, ordering, self.fuse))

    def _kept(self, ordering: Ordering) -> Ordering:
        """The ordering without scores for what is cut here, or was within the strategy."""
        if self.keep is None:
            return ordering
        # A mapping, and no tuple, since each of a hundred thousand candidates is looked up in it.
        cut = dict.fromkeys((*ordering.order[self.keep :], *ordering.cut))
        scores = {index: score for index, score in ordering.scores.items() if index not in cut}
        left = Kept(stage=self.name, indices=tuple(index for index in ordering.order if index not in cut))
        tiers = tiers_without(ordering.tiers, cut)
        return replace(ordering, scores=scores, cut=tuple(cut), kept=(*ordering.kept, left), tiers=tiers)


@strategy("stages")
@dataclass(frozen=True)
class Cascade(Composable):
    """Strategies in sequence, each on the documents that the one before kept (`Stage.keep`).

    Cut candidates follow at the end: those that were kept longer first, each stage's in its order. They have no score,
    since scores of different stages cannot be compared, and count as below any `min_score`. A cascade within a cascade
    is the same as its stages. `tiers` are those of the last stage, for the documents that it ordered and kept.

    Calls and rounds: the sum over the stages, each for as many candidates as it gets.

    Example:
        ```python
        from judge_rerank import BM25, Judge, Listwise, Score

        docs = ["A bell is loud.", "Squealing brakes need clean rotors."]
        cascade = BM25() % 50 >> Score() % 20 >> Listwise()
        print(cascade.spec)  # bm25 % 50 >> score % 20 >> listwise
        ranking = Judge("openai/gpt-6-luna").rerank("why do my brakes squeal?", docs, cascade)
        print(ranking.usage.rounds)  # 3
        ```

    Attributes:
        stages: at least one.
    """

    stages: Sequence[Strategy]

    def __post_init__(self) -> None:
        flat = tuple(as_stage(part) for stage in self.stages for part in _parts(stage))
        object.__setattr__(self, "stages", flat)
        if not flat:
            raise InputError("A cascade needs at least one stage.")
        for before, after in pairwise(_keeps(flat)):
            if after > before:
                raise InputError(f"{self.spec}: a stage cannot keep {after} of the {before} that it gets.")

    @property
    def name(self) -> str:
        """The names of the stages."""
        return " >> ".join(stage.name for stage in self.stages)

    @property
    def spec(self) -> str:
        """`one >> other`; `stages([one])` where there is one alone."""
        stages = [spec_of(stage) for stage in self.stages]
        return " >> ".join(stages) if len(stages) > 1 else f"stages([{stages[0]}])"

    def __mod__(self, keep: int) -> Cascade:
        """The cascade with the last stage's `keep` set."""
        *before, last = self.stages
        return Cascade((*before, last % keep if isinstance(last, Stage) else Stage(strategy=last, keep=keep)))

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """The stages' rounds, one stage after the other."""
        current, tail, kept, notes = candidates, tuple[int, ...](), tuple[Kept, ...](), tuple[str, ...]()
        ordering = Ordering(order=tuple(candidate.index for candidate in candidates))
        for stage in self.stages:
            ordering = yield from stage.plan(query, current)
            cut = set(ordering.cut)
            tail, kept, notes = (*ordering.cut, *tail), (*kept, *ordering.kept), (*notes, *ordering.notes)
            current = candidates.arranged((i for i in ordering.order if i not in cut), prior=ordering.scores)
        order = (*(candidate.index for candidate in current), *tail)
        return replace(ordering, order=order, cut=tail, kept=kept, notes=notes)


def fewest_kept(strategy: Strategy) -> int | None:
    """How many candidates the last stage of a strategy is left with; None where it gets all of them."""
    return min(_keeps(_parts(strategy)), default=None)


def _keeps(stages: Sequence[Strategy]) -> list[int]:
    return [stage.keep for stage in stages if isinstance(stage, Stage) and stage.keep is not None]


def _parts(stage: Strategy) -> Sequence[Strategy]:
    return stage.stages if isinstance(stage, Cascade) else [stage]


def as_stage(strategy: object) -> Strategy:
    """The strategy, if it is one.

    Raises:
        InputError: it is something else, such as a name.
    """
    if isinstance(strategy, Strategy) and not isinstance(strategy, type):
        return strategy
    kind = strategy.__name__ if isinstance(strategy, type) else type(strategy).__name__
    raise InputError(f"A stage is {kind}; expected an object with a name and a plan() method, such as Score().")
