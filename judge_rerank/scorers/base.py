"""The base class of scorers, as a strategy: one round in which it scores every candidate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from judge_rerank.core import (
    Candidate,
    Candidates,
    Document,
    Group,
    InputError,
    Plan,
    Query,
    ScorePairs,
    Strategy,
    by_raw,
    by_score,
    kept_apart,
    named,
    raw_scores,
    scored,
    spec_of,
)
from judge_rerank.strategies import Composable, Stage, unknown_languages

_MOST_AT_ONCE = 1_024
"""The most candidates in one effect. What is computed for them is in memory together, and a deadline waits for it."""


class LocalScorer(Composable, ABC):
    """Scores every candidate in one round, without a call, and sorts by the raw score; ties keep first-stage order.

    Where a candidate's score does not depend on the others, many candidates are asked about in parts of 1,024, so that
    memory does not grow with what is computed for them. A deadline or a cancelled ranking then leaves those unjudged
    whose part was not scored yet.

    Relevance is what `unit` makes of the raw score, so it means the same in every ranking. Where `unit` makes raw
    scores equal that differ, as the logistic function does with logits of 45, it is kept apart by a last digit.

    Scorers are frozen dataclasses: equal ones share their model, and the batches in which many queries are scored.

    Attributes:
        by_itself: whether the score of a document is the same whichever others are scored with it, so that very many
            can be divided among machines.
    """

    by_itself: ClassVar[bool] = False

    @abstractmethod
    def score(self, groups: Sequence[Group]) -> Sequence[Sequence[float]]:
        """As in `judge_rerank.core.strategy.Scorer`."""

    @abstractmethod
    def unit(self, raw: float) -> float:
        """As in `judge_rerank.core.strategy.Scorer`."""

    def is_here(self) -> bool:
        """Whether it can be used without a download: its libraries and its model are on this machine."""
        return True

    @property
    def languages(self) -> frozenset[str] | None:
        """The languages that it knows, by their codes in `judge_rerank.core.NAMES`; None where nobody says so."""
        return None

    def remarks(self, raw: Mapping[int, float]) -> tuple[str, ...]:  # noqa: ARG002
        """What there is to say of raw scores by `index`, one sentence each."""
        return ()

    def warm_up(self) -> None:
        """Load what the first score would, by giving one.

        Raises:
            SetupError: a library or the model is not on this machine.
        """
        self.score([(Query(text="query"), (Candidate(index=0, document=Document(text="document")),))])

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """One round; candidates without a score follow all that have one."""
        if not candidates:
            return by_score(candidates, {})
        size = _MOST_AT_ONCE if self.by_itself else len(candidates)
        parts = [candidates[start : start + size] for start in range(0, len(candidates), size)]
        outcomes = yield [
            ScorePairs(scorer=self, task=self.name, query=query, candidates=part, stage=self.name) for part in parts
        ]
        raw = raw_scores(parts, outcomes)
        ordering = by_raw(candidates, raw, kept_apart(raw, scored(parts, outcomes)))
        return replace(ordering, notes=(*self._warning(candidates), *self.remarks(raw)))

    def _warning(self, candidates: Candidates) -> tuple[str, ...]:
        """A sentence where there are languages that it does not know."""
        foreign = unknown_languages(self, candidates)
        if not foreign:
            return ()
        return (f"{spec_of(self)} was not trained on {named(foreign)}, so its scores may mean nothing here",)


def full_text(document: Document) -> str:
    """Title and text, as scorers read them."""
    return f"{document.title} {document.text}" if document.title else document.text


def positive(options: object, *names: str) -> None:
    """Check options that count something; None is for those that have a default of their own.

    Raises:
        InputError: one of them is not a whole number from 1.
    """
    for name in names:
        value = getattr(options, name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise InputError(f"{name} is {value!r}; expected a whole number from 1.")


def asks_only_a_scorer(strategy: Strategy) -> bool:
    """Whether a local scorer is all there is to ask, so that queries need not be kept from each other's calls."""
    return isinstance(strategy.strategy if isinstance(strategy, Stage) else strategy, LocalScorer)
