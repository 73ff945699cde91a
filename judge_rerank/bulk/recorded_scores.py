"""Scores of local scorers that were made elsewhere: recorded there, and given to the strategy in the place of a scorer.

The strategy is the same in both places, and so is the ranking: only who computes the scores differs. A score is used
where the same scorer is asked about the same candidates of the same query; whatever else is asked is computed here.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from judge_rerank.core import (
    Candidate,
    Candidates,
    Effect,
    Group,
    Ordering,
    Plan,
    PlanRunner,
    Query,
    ScorePairs,
    Scorer,
    Scores,
    Strategy,
    spec_of,
)
from judge_rerank.scorers import BM25, LocalScorer
from judge_rerank.strategies import Cascade, Stage


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """What one scorer said of some candidates of one query.

    Attributes:
        scorer: its spec.
        query_id: whose candidates.
        indices: which candidates, by their place in the first stage.
        raw: a score each, on the scorer's own scale; None for what is no number.
    """

    scorer: str
    query_id: str
    indices: tuple[int, ...]
    raw: tuple[float | None, ...]

    def shifted(self, by: int) -> Recorded:
        """The same of candidates that begin at another place."""
        return replace(self, indices=tuple(index + by for index in self.indices))


def together(recorded: Iterable[Recorded]) -> list[Recorded]:
    """What was recorded of shards of a query's candidates, as if it had been asked at once."""
    merged: dict[tuple[str, str], list[tuple[int, float | None]]] = {}
    for each in recorded:
        merged.setdefault((each.scorer, each.query_id), []).extend(zip(each.indices, each.raw, strict=True))
    return [
        Recorded(
            scorer=scorer,
            query_id=query_id,
            indices=tuple(index for index, _ in sorted(pairs)),
            raw=tuple(raw for _, raw in sorted(pairs)),
        )
        for (scorer, query_id), pairs in merged.items()
    ]


def worth_recording(strategy: Strategy | None) -> bool:
    """Whether a strategy begins with a scorer that is worth a process, or a graphics card, of its own."""
    first = _first(strategy)
    return isinstance(first, LocalScorer) and not isinstance(first, BM25)


def worth_dividing(strategy: Strategy | None) -> bool:
    """Whether the candidates of one query can be divided among several that score them first."""
    first = _first(strategy)
    return worth_recording(strategy) and isinstance(first, LocalScorer) and first.by_itself


def _first(strategy: Strategy | None) -> Strategy | None:
    if isinstance(strategy, Cascade):
        return _first(strategy.stages[0])
    return _first(strategy.strategy) if isinstance(strategy, Stage) else strategy


@dataclass(frozen=True, kw_only=True)
class Recording:
    """The scorers that a strategy begins with, and nothing after them: what they say is kept in `found`.

    Attributes:
        strategy: the whole strategy.
        rounds: how many rounds of scorers at most; None for all that come before another round.
        found: what was said.
    """

    strategy: Strategy
    rounds: int | None = None
    found: list[Recorded] = field(default_factory=list[Recorded], compare=False)

    @property
    def name(self) -> str:
        """That of the strategy."""
        return self.strategy.name

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """The first rounds of the strategy, while they are for scorers alone; the order is the one that was given."""
        runner, done = PlanRunner(self.strategy.plan(query, candidates)), 0
        while not runner.done and done != self.rounds and all(isinstance(each, ScorePairs) for each in runner.round):
            outcomes = yield runner.round
            self.found.extend(
                Recorded(
                    scorer=_spec(effect.scorer),
                    query_id=query.id or "",
                    indices=tuple(candidate.index for candidate in effect.candidates),
                    raw=tuple(outcome.raw or ()),
                )
                for effect, outcome in zip(runner.round, outcomes, strict=True)
                if isinstance(effect, ScorePairs) and isinstance(outcome, Scores) and _whole(effect)
            )
            done += 1
            runner.send(outcomes)
        return Ordering(order=tuple(candidate.index for candidate in candidates))


@dataclass(kw_only=True, slots=True)
class Known:
    """What one scorer said of the candidates of one query.

    Attributes:
        said: all that was recorded.
    """

    said: list[Recorded] = field(default_factory=list[Recorded])
    _by_index: dict[int, float | None] | None = None

    def of(self, indices: tuple[int, ...], *, by_itself: bool) -> tuple[float | None, ...] | None:
        """The scores of these candidates, asked together; None where they are not known.

        Args:
            indices: their places in the first stage.
            by_itself: whether it makes no difference which others were asked about with them.
        """
        for each in self.said:
            if each.indices == indices:
                return each.raw
        if not by_itself:
            return None
        if self._by_index is None:
            self._by_index = {
                index: raw for each in self.said for index, raw in zip(each.indices, each.raw, strict=True)
            }
        known = self._by_index
        return tuple(known[index] for index in indices) if all(index in known for index in indices) else None


ScoreTable = dict[tuple[str, str], Known]
"""What is known, by the scorer's spec and the query's id."""


@dataclass(frozen=True, kw_only=True)
class RecordedScorer:
    """A scorer in whose place its recorded scores stand. Equal where the scorers are, so that they share batches.

    Attributes:
        scorer: what would compute them.
        table: what is known, of one worker.
    """

    scorer: Scorer
    table: ScoreTable = field(compare=False, repr=False)

    @property
    def name(self) -> str:
        """That of the scorer."""
        return self.scorer.name

    def score(self, groups: Sequence[Group]) -> Sequence[Sequence[float]]:
        """The recorded scores, as in `judge_rerank.core.strategy.Scorer`."""
        found = (_known(self.table, self.scorer, query, candidates) for query, candidates in groups)
        return [[math.nan if score is None else score for score in raw or ()] for raw in found]

    def unit(self, raw: float) -> float:
        """As the scorer has it."""
        return self.scorer.unit(raw)


@dataclass(frozen=True, kw_only=True)
class ScoresRecorded:
    """A strategy whose scorers need not compute what is known of them. Name and spec are those of the strategy.

    Attributes:
        strategy: what ranks.
        table: what is known; a worker fills it before it ranks, and empties it afterwards.
    """

    strategy: Strategy
    table: ScoreTable = field(default_factory=ScoreTable, compare=False, repr=False)

    @property
    def name(self) -> str:
        """That of the strategy."""
        return self.strategy.name

    @property
    def spec(self) -> str:
        """That of the strategy."""
        return spec_of(self.strategy)

    @contextmanager
    def knowing(self, recorded: Iterable[Recorded]) -> Generator[None]:
        """Know these scores inside the block."""
        keys = set[tuple[str, str]]()
        for each in recorded:
            keys.add((each.scorer, each.query_id))
            self.table.setdefault((each.scorer, each.query_id), Known()).said.append(each)
        try:
            yield
        finally:
            for key in keys:
                self.table.pop(key, None)

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """The strategy's rounds, with the scores that are known in the place of scorers."""
        runner = PlanRunner(self.strategy.plan(query, candidates))
        while not runner.done:
            runner.send((yield [self._known(effect) for effect in runner.round]))
        return runner.result

    def _known(self, effect: Effect) -> Effect:
        if not isinstance(effect, ScorePairs) or not _whole(effect):
            return effect
        if _known(self.table, effect.scorer, effect.query, effect.candidates) is None:
            return effect
        return replace(effect, scorer=RecordedScorer(scorer=effect.scorer, table=self.table))


def _known(
    table: ScoreTable, scorer: Scorer, query: Query, candidates: Sequence[Candidate]
) -> tuple[float | None, ...] | None:
    known = table.get((_spec(scorer), query.id or ""))
    indices = tuple(candidate.index for candidate in candidates)
    return None if known is None else known.of(indices, by_itself=getattr(scorer, "by_itself", False))


def _spec(scorer: Scorer) -> str:
    return str(getattr(scorer, "spec", scorer.name))


def _whole(effect: ScorePairs) -> bool:
    """Whether it is about whole documents, which their places tell apart."""
    return all(candidate.passage is None for candidate in effect.candidates)
