"""What a strategy is: a generator of rounds, and the words it speaks with the engine.

A strategy yields a round (independent effects, performed side by side), receives their outcomes in the same order,
and returns an `Ordering`. It does no I/O and calls no model, so whatever drives it (the engine, `estimate`, a test)
sees the same run.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias, runtime_checkable

from judge_rerank.core.candidates import Candidates
from judge_rerank.core.documents import Candidate, Passage, Query
from judge_rerank.core.effects import Round
from judge_rerank.core.findings import Finding
from judge_rerank.core.outcomes import Outcomes, Statement
from judge_rerank.core.ranking import Kept
from judge_rerank.core.tiers import Tier


@dataclass(frozen=True, kw_only=True, slots=True)
class Ordering:
    """What a strategy returns.

    Attributes:
        order: the `index` of every candidate, best first.
        scores: relevance in [0, 1] by `index`, for the candidates that have one.
        confidence: by `index`, where the strategy knows it: how probable it is that the candidate at place p really
            is among the best p.
        passages: by `index`, for documents that were judged in passages: the one that decided.
        cut: `index` of candidates that an early stage cut; they follow in the order, without a score.
        kept: what each cut left, the first cut first.
        notes: what there is to say of the run, one sentence each.
        tiers: what is certain of the order, without documents that were cut; None where the strategy does not know.
        suspicious: parts of documents that seem written for the judge, by `index`.
    """

    order: tuple[int, ...]
    scores: Mapping[int, float] = field(default_factory=dict[int, float])
    confidence: Mapping[int, float] = field(default_factory=dict[int, float])
    passages: Mapping[int, Passage] = field(default_factory=dict[int, Passage])
    cut: tuple[int, ...] = ()
    kept: tuple[Kept, ...] = ()
    notes: tuple[str, ...] = ()
    tiers: tuple[Tier, ...] | None = None
    suspicious: tuple[Finding, ...] = ()


Plan: TypeAlias = Generator[Round, Outcomes, Ordering]


@runtime_checkable
class Strategy(Protocol):
    """A way to put candidates in order.

    A strategy may also have a `spec`: the spec string that it can be made from again, with its options (`spec_of`).
    """

    @property
    def name(self) -> str:
        """A word for people."""
        ...

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """Yield rounds, receive outcomes, return an ordering of exactly these candidates."""
        ...


def spec_of(strategy: Strategy) -> str:
    """The text that identifies a strategy wherever one is kept: its `spec`, such as "score(batch_size=5)".

    A strategy without one is identified by its name, so its name has to say all that makes it differ from another.
    """
    return str(getattr(strategy, "spec", None) or strategy.name)


def by_score(candidates: Candidates, scores: Mapping[int, float]) -> Ordering:
    """Highest score first; ties, and candidates without a score (after all that have one), in the given order."""
    unscored = float("-inf")
    order = sorted((c.index for c in candidates), key=lambda index: -scores.get(index, unscored))
    return Ordering(order=tuple(order), scores=dict(scores))


def by_raw(candidates: Candidates, raw: Mapping[int, float], relevance: Mapping[int, float]) -> Ordering:
    """As `by_score`, by the scores on the scorer's own scale; `relevance` says the same in [0, 1]."""
    return replace(by_score(candidates, raw), scores=dict(relevance))


def raw_scores(asked: Iterable[Sequence[Candidate]], outcomes: Outcomes) -> dict[int, float]:
    """As `scored`, on the scorer's own scale where the outcome has one."""
    return {
        candidate.index: said.score if said.raw is None else said.raw
        for candidate, said in _stated(asked, outcomes)
        if said.score is not None
    }


def scored(asked: Iterable[Sequence[Candidate]], outcomes: Outcomes) -> dict[int, float]:
    """By `index`, the scores that calls about these candidates gave; without those that have none."""
    return {candidate.index: said.score for candidate, said in _stated(asked, outcomes) if said.score is not None}


def _stated(asked: Iterable[Sequence[Candidate]], outcomes: Outcomes) -> Iterator[tuple[Candidate, Statement]]:
    for shown, outcome in zip(asked, outcomes, strict=True):
        yield from zip(shown, outcome.statements(len(shown)), strict=True)
