"""What a strategy is: a generator of rounds, and the words it speaks with the engine.

A strategy yields a round (independent effects, performed side by side), receives their outcomes in the same order,
and returns an `Ordering`. It does no I/O and calls no model, so whatever drives it (the engine, `estimate`, a test)
sees the same run.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, overload, runtime_checkable

from judge_rerank.core.types import Candidate, FailureReason, Kept, Passage, Query

if TYPE_CHECKING:
    from judge_rerank.core.evidence import Evidence

ORDER_TASKS = frozenset({"listwise", "first"})
"""The tasks whose outcome is an `Order`. A task with options ends in a `Choice`, any other in `Scores`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeCall:
    """One question to the judge about some candidates, shown in this order.

    Attributes:
        task: what is asked: "binary", "score", "listwise".
        query: what the candidates are judged for.
        candidates: what is shown.
        prompt: the template's name, or None for the task's default.
        options: the labels to choose from, for tasks that choose ("classify").
        explain: whether a reason is wanted.
        model: another model than the judge's own, by its LiteLLM name.
        stage: the name that the call bears in the trace.
    """

    task: str
    query: Query
    candidates: tuple[Candidate, ...]
    prompt: str | None = None
    options: tuple[str, ...] = ()
    explain: bool = False
    model: str | None = None
    stage: str = ""


Group: TypeAlias = tuple[Query, tuple[Candidate, ...]]
"""The candidates of one query that a scorer scores together."""


class Scorer(Protocol):
    """A model that scores pairs of a query and a document on this machine, for `ScorePairs`.

    It has to be hashable: calls of equal scorers are scored in one batch. `score` runs in a thread of its own, one
    batch after another; loading the model belongs in its first call.
    """

    @property
    def name(self) -> str:
        """As it stands in rankings and traces."""
        ...

    def score(self, groups: Sequence[Group]) -> Sequence[Sequence[float]]:
        """The raw score of each candidate of each group, in the order given; greater is more relevant.

        Raises:
            SetupError: something has to be installed or downloaded first.
        """
        ...

    def unit(self, raw: float) -> float:
        """A raw score as relevance in [0, 1]; greater stays greater or equal."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class ScorePairs(JudgeCall):
    """A question to a local scorer. Costs nothing, and is no call.

    Attributes:
        scorer: what scores; `task` is its name.
    """

    scorer: Scorer


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """A model that is asked elsewhere than the judge's own.

    Attributes:
        model: LiteLLM's name for it.
        api_base: another address than the provider's own.
        api_key: the key; None for the provider's environment variable. It stands in no repr and no trace.
        params: LiteLLM's parameters for every call, as pairs.
        kind: what it answers: scores of documents, or vectors of texts.
    """

    model: str
    api_base: str | None = None
    api_key: str | None = field(default=None, repr=False)
    params: tuple[tuple[str, Any], ...] = ()
    kind: Literal["rerank", "embedding"] = "rerank"


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiCall(JudgeCall):
    """A question to an API that is no LLM.

    Attributes:
        api: which one, and how it is reached.
    """

    api: Endpoint


@dataclass(frozen=True, kw_only=True, slots=True)
class RerankCall(ApiCall):
    """A question to a rerank API, which scores all candidates in one call."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbedCall(ApiCall):
    """Texts to an embedding API: those of the candidates, or, where there are none, the query.

    Whoever performs the round compares the candidates with the query, so that the outcome is `Scores`.

    Attributes:
        prefix: what stands before each text.
        against: the call for the query's vector, in the same round; None for that call itself.
    """

    prefix: str = ""
    against: EmbedCall | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """Relevance of each candidate of a call, in the order shown.

    Attributes:
        values: in [0, 1]; None for a candidate that the reply left out.
        raw: the scores on the scorer's own scale; empty where an LLM judged.
        labels: the judge's words ("yes", "7"), None where it gave none.
        reasons: explanations, None where there is none.
        repairs: what was mended while reading; empty for a clean reply.
    """

    values: tuple[float | None, ...]
    raw: tuple[float | None, ...] = ()
    labels: tuple[str | None, ...] = ()
    reasons: tuple[str | None, ...] = ()
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Vectors(Scores):
    """What an embedding API said, before the candidates are compared with the query; no strategy is given it.

    Attributes:
        vectors: one a text, all of one length; None for a text whose vector is not of finite numbers, or of zeros.
    """

    values: tuple[float | None, ...] = ()
    vectors: tuple[array[float] | None, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """An order of the candidates of a call: positions in the order shown (from 0), best first.

    Always a permutation. Only the first `stated` come from the judge; the rest were left out by it and follow in the
    order shown, which is no evidence about them.

    Attributes:
        order: positions, best first.
        stated: how many of them the judge named.
        missing, duplicate, invented: ids that the reply left out, repeated, or made up.
        reason: the judge's explanation, where one was asked for.
        repairs: what was mended while reading; empty for a clean reply.
    """

    order: tuple[int, ...]
    stated: int
    missing: int = 0
    duplicate: int = 0
    invented: int = 0
    reason: str | None = None
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """One of the options of a call.

    Attributes:
        label: the option chosen.
        probabilities: by option, summing to 1; empty where the backend has no log-probabilities.
        reason: the judge's explanation, where one was asked for.
        repairs: what was mended while reading; empty for a clean reply.
    """

    label: str
    probabilities: Mapping[str, float] = field(default_factory=dict[str, float])
    reason: str | None = None
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """No judgment, and why. It is evidence of nothing: a strategy leaves the candidates where they were."""

    reason: FailureReason
    message: str


Effect: TypeAlias = JudgeCall | ScorePairs | RerankCall | EmbedCall
Outcome: TypeAlias = Scores | Order | Choice | Failed
Round: TypeAlias = Sequence[Effect]
Outcomes: TypeAlias = Sequence[Outcome]


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
    """

    order: tuple[int, ...]
    scores: Mapping[int, float] = field(default_factory=dict[int, float])
    confidence: Mapping[int, float] = field(default_factory=dict[int, float])
    passages: Mapping[int, Passage] = field(default_factory=dict[int, Passage])
    cut: tuple[int, ...] = ()
    kept: tuple[Kept, ...] = ()
    notes: tuple[str, ...] = ()


Plan: TypeAlias = Generator[Round, Outcomes, Ordering]


class Room(Protocol):
    """What fits in one request."""

    def largest(self, call: JudgeCall, at_most: int) -> int:
        """The greatest n, 1 ≤ n ≤ `at_most`, such that any n of the call's candidates fit in one request."""
        ...

    def per_document(self, model: str | None = None) -> int:
        """The most tokens of a document, title and text together, that a request shows."""
        ...

    def tokens(self, text: str, model: str | None = None) -> int:
        """How many tokens a text takes; of the judge's own model, or of another."""
        ...


class _Unlimited:
    def largest(self, call: JudgeCall, at_most: int) -> int:
        return max(1, min(at_most, len(call.candidates)))

    def per_document(self, model: str | None = None) -> int:  # noqa: ARG002
        return sys.maxsize

    def tokens(self, text: str, model: str | None = None) -> int:  # noqa: ARG002
        return -(-len(text) // 4)


class Candidates(Sequence[Candidate]):
    """The candidates of one query in first-stage order, what fits in a request, and what the judge has said of them.

    Attributes:
        room: what fits in one request.
        evidence: everything that the judge stated so far; whoever drives a plan adds each outcome once.
        prior: scores by `index` that the order given rests on: of the stage before, else those that came with the
            documents; empty where there are none.
    """

    __slots__ = ("_items", "evidence", "prior", "room")

    def __init__(
        self,
        items: Iterable[Candidate],
        *,
        room: Room | None = None,
        evidence: Evidence | None = None,
        prior: Mapping[int, float] | None = None,
    ) -> None:
        from judge_rerank.core.evidence import Evidence  # it reads the outcomes defined here

        self._items = tuple(items)
        self.room: Room = room or _Unlimited()
        self.evidence = evidence if evidence is not None else Evidence()
        if prior is None:
            prior = {c.index: c.document.score for c in self._items if c.document.score is not None}
        self.prior: Mapping[int, float] = prior

    @overload
    def __getitem__(self, place: int) -> Candidate: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Candidate, ...]: ...
    def __getitem__(self, place: int | slice) -> Candidate | tuple[Candidate, ...]:
        return self._items[place]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Candidate]:
        return iter(self._items)

    def arranged(self, order: Iterable[int], *, prior: Mapping[int, float] | None = None) -> Candidates:
        """The candidates with these `index` values, in this order, with the same room and evidence.

        `prior` are the scores that the order rests on; None for those that there were.
        """
        by_index = {candidate.index: candidate for candidate in self._items}
        return Candidates(
            (by_index[index] for index in order),
            room=self.room,
            evidence=self.evidence,
            prior=self.prior if prior is None else prior,
        )


@runtime_checkable
class Strategy(Protocol):
    """A way to put candidates in order."""

    @property
    def name(self) -> str:
        """As it stands in rankings and traces."""
        ...

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """Yield rounds, receive outcomes, return an ordering of exactly these candidates."""
        ...


def by_score(candidates: Candidates, scores: Mapping[int, float]) -> Ordering:
    """Highest score first; ties, and candidates without a score (after all that have one), in the given order."""
    unscored = float("-inf")
    order = sorted((c.index for c in candidates), key=lambda index: -scores.get(index, unscored))
    return Ordering(order=tuple(order), scores=dict(scores))


def scored(asked: Iterable[Sequence[Candidate]], outcomes: Outcomes) -> dict[int, float]:
    """By `index`, the scores that calls about these candidates gave; without those that have none."""
    return {
        candidate.index: value
        for shown, outcome in zip(asked, outcomes, strict=True)
        if isinstance(outcome, Scores)
        for candidate, value in zip(shown, outcome.values, strict=True)
        if value is not None
    }
