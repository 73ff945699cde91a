"""What comes of an effect: scores, an order, a choice, or a failure.

Each outcome knows what it states of the candidates that its call showed (`statements`), which preferences are in it
(`preferences`), and what it would be had they been shown in another order (`reordered`), so nobody asks for its type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeAlias, TypeVar

from judge_rerank.core.documents import Passage
from judge_rerank.core.effects import JudgeCall
from judge_rerank.core.judgments import FailureReason, Judgment

T = TypeVar("T")

Tiers: TypeAlias = tuple[tuple[int, ...], ...]
"""Groups of candidates (by `index`), each of which the judge put above all that follow; no order within a group."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """What an outcome says of one candidate; the fields are those of `Judgment`."""

    score: float | None = None
    raw: float | None = None
    label: str | None = None
    position: int | None = None
    reason: str | None = None
    failure: FailureReason | None = None
    criteria: Mapping[str, float] | None = None


class _Judged:
    """What outcomes have in common that hold a judgment: no failure, and unless they say otherwise, a comparison."""

    __slots__ = ()

    failure: ClassVar[None] = None
    message: ClassVar[str] = ""
    compares: ClassVar[bool] = True

    def scores(self, call: JudgeCall) -> dict[int, float]:  # noqa: ARG002
        """None."""
        return {}


class _Uncounted:
    """An outcome in which no id can be missing, repeated or made up."""

    __slots__ = ()

    missing: ClassVar[int] = 0
    duplicate: ClassVar[int] = 0
    invented: ClassVar[int] = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores(_Judged, _Uncounted):
    """Relevance of each candidate of a call, in the order shown.

    Attributes:
        values: in [0, 1]; None for a candidate that the reply left out.
        raw: the scores on the scorer's own scale; empty where an LLM judged.
        labels: the judge's words ("yes", "7"), None where it gave none.
        reasons: explanations, None where there is none.
        repairs: what was repaired while reading; empty for a clean reply.
        refused: positions of candidates that had to be left out of the request, because they were refused.
        criteria: by criterion, what `values` were weighed from, in [0, 1]; empty where there were no criteria.
    """

    values: tuple[float | None, ...]
    raw: tuple[float | None, ...] = ()
    labels: tuple[str | None, ...] = ()
    reasons: tuple[str | None, ...] = ()
    repairs: tuple[str, ...] = ()
    refused: tuple[int, ...] = ()
    criteria: tuple[Mapping[str, float] | None, ...] = ()

    compares: ClassVar[bool] = False

    def statements(self, n: int) -> tuple[Statement, ...]:
        """A score each. One that a scorer left out was no number; one that a reply left out could not be read."""
        nothing = (None,) * n
        missing: FailureReason = "scorer" if self.raw else "unreadable"
        optional = (each or nothing for each in (self.raw, self.labels, self.reasons, self.criteria))
        parts = zip(self.values, *optional, strict=True)
        return tuple(
            Statement(failure="refused" if shown in self.refused else missing)
            if value is None
            else Statement(score=value, raw=raw, label=label, reason=reason, criteria=criteria)
            for shown, (value, raw, label, reason, criteria) in enumerate(parts)
        )

    def preferences(self, call: JudgeCall) -> Tiers:  # noqa: ARG002
        """None: each candidate is judged by itself."""
        return ()

    def scores(self, call: JudgeCall) -> dict[int, float]:
        """By `index`, the scores of the candidates that have one."""
        pairs = zip(call.candidates, self.values, strict=True)
        return {candidate.index: value for candidate, value in pairs if value is not None}

    def reordered(self, call: JudgeCall, places: Sequence[int]) -> Scores:  # noqa: ARG002
        """The scores put back in the call's own order."""
        return replace(
            self,
            values=_put_back(self.values, places),
            raw=_put_back(self.raw, places),
            labels=_put_back(self.labels, places),
            reasons=_put_back(self.reasons, places),
            criteria=_put_back(self.criteria, places),
            refused=tuple(places[shown] for shown in self.refused),
        )

    def corrected(self, content_free: Outcome) -> Scores:  # noqa: ARG002
        """The same: a score by itself has no position."""
        return self

    def widened(self, call: JudgeCall, places: Sequence[int]) -> Scores:
        """The scores of the whole call, none for the candidates that were left out."""
        n = len(call.candidates)
        return replace(
            self,
            values=_spread(self.values, places, n),
            raw=_spread(self.raw, places, n),
            labels=_spread(self.labels, places, n),
            reasons=_spread(self.reasons, places, n),
            criteria=_spread(self.criteria, places, n),
            refused=_others(places, n),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Order(_Judged):
    """An order of the candidates of a call: positions in the order shown (from 0), best first.

    Always a permutation. Only the first `stated` come from the judge; the rest were left out by it and follow in the
    order shown, which is no evidence about them.

    Attributes:
        order: positions, best first.
        stated: how many of them the judge named.
        missing, duplicate, invented: ids that the reply left out, repeated, or made up.
        reason: the judge's explanation, where one was asked for.
        repairs: what was repaired while reading; empty for a clean reply.
        refused: positions of candidates that had to be left out of the request, because they were refused.
        chances: by position, how probable it is that the judge names it as the best; empty where that is not known.
    """

    order: tuple[int, ...]
    stated: int
    missing: int = 0
    duplicate: int = 0
    invented: int = 0
    reason: str | None = None
    repairs: tuple[str, ...] = ()
    refused: tuple[int, ...] = ()
    chances: tuple[float, ...] = ()

    def statements(self, n: int) -> tuple[Statement, ...]:
        """A position each, from 1; a candidate that the reply left out has none."""
        ranks = {shown: rank for rank, shown in enumerate(self.order[: self.stated], start=1)}
        return tuple(
            Statement(position=ranks[shown], reason=self.reason)
            if shown in ranks
            else Statement(failure="refused" if shown in self.refused else "unreadable")
            for shown in range(n)
        )

    def preferences(self, call: JudgeCall) -> Tiers:
        """A chain of those that the judge named."""
        if self.stated < 2:
            return ()
        return tuple((call.candidates[shown].index,) for shown in self.order[: self.stated])

    def reordered(self, call: JudgeCall, places: Sequence[int]) -> Order:  # noqa: ARG002
        """The same order by the call's own positions; what was left out follows in the call's own order."""
        named = [places[shown] for shown in self.order[: self.stated]]
        refused = tuple(places[shown] for shown in self.refused)
        rest = sorted(set(places).difference(named))
        return replace(self, order=(*named, *rest), refused=refused, chances=_put_back(self.chances, places))

    def widened(self, call: JudgeCall, places: Sequence[int]) -> Order:
        """The order of the whole call; candidates that were left out follow, and are not stated."""
        n = len(call.candidates)
        named = [places[shown] for shown in self.order[: self.stated]]
        rest = [shown for shown in range(n) if shown not in named]
        chances = tuple(chance or 0.0 for chance in _spread(self.chances, places, n))
        return replace(self, order=(*named, *rest), refused=_others(places, n), chances=chances)

    def corrected(self, content_free: Outcome) -> Order:
        """The order by what the documents add to the chances that their positions have without content."""
        bias = content_free.chances if isinstance(content_free, Order) else ()
        if not self.chances or len(bias) != len(self.chances):
            return self
        chances = _without_bias(self.chances, bias)
        named = sorted(sorted(self.order[: self.stated]), key=lambda shown: -chances[shown])
        return replace(self, order=(*named, *self.order[self.stated :]), chances=chances)


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice(_Judged, _Uncounted):
    """One of the options of a call.

    Attributes:
        label: the option chosen.
        probabilities: by option, summing to 1; empty where the backend has no log-probabilities.
        reason: the judge's explanation, where one was asked for.
        repairs: what was repaired while reading; empty for a clean reply.
        refused: positions of candidates that had to be left out of the request, because they were refused.
    """

    label: str
    probabilities: Mapping[str, float] = field(default_factory=dict[str, float])
    reason: str | None = None
    repairs: tuple[str, ...] = ()
    refused: tuple[int, ...] = ()

    def statements(self, n: int) -> tuple[Statement, ...]:
        """The label, which is the same for each that was shown."""
        said, refused = Statement(label=self.label, reason=self.reason), Statement(failure="refused")
        return tuple(refused if shown in self.refused else said for shown in range(n))

    def preferences(self, call: JudgeCall) -> Tiers:
        """The chosen candidate above the others, where the options stand for candidates."""
        indices = [candidate.index for candidate in call.candidates]
        if not (len(call.options) == len(indices) > 1 and self.label in call.options):
            return ()
        chosen = indices[call.options.index(self.label)]
        others = (index for shown, index in enumerate(indices) if index != chosen and shown not in self.refused)
        return ((chosen,), tuple(others))

    def reordered(self, call: JudgeCall, places: Sequence[int]) -> Choice:
        """The same candidate by its option in the call's own order."""
        if len(call.options) != len(places) or self.label not in call.options:
            return self  # its options do not stand for candidates
        own = {shown: call.options[place] for shown, place in zip(call.options, places, strict=True)}
        probabilities = {own.get(label, label): p for label, p in self.probabilities.items()}
        refused = tuple(places[shown] for shown in self.refused)
        return replace(self, label=own[self.label], probabilities=probabilities, refused=refused)

    def widened(self, call: JudgeCall, places: Sequence[int]) -> Choice:
        """The choice by the whole call's options."""
        own = {shown: call.options[place] for shown, place in zip(call.options, places, strict=False)}
        probabilities = {own.get(label, label): p for label, p in self.probabilities.items()}
        refused = _others(places, len(call.candidates))
        return replace(self, label=own.get(self.label, self.label), probabilities=probabilities, refused=refused)

    def corrected(self, content_free: Outcome) -> Choice:
        """The choice by what the documents add to the probabilities that their letters have without content."""
        bias = content_free.probabilities if isinstance(content_free, Choice) else dict[str, float]()
        if not self.probabilities or bias.keys() != self.probabilities.keys():
            return self
        labels = list(self.probabilities)
        chances = _without_bias([self.probabilities[label] for label in labels], [bias[label] for label in labels])
        best = max(range(len(labels)), key=lambda place: chances[place])
        return replace(self, label=labels[best], probabilities=dict(zip(labels, chances, strict=True)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed(_Uncounted):
    """No judgment, and why. It is evidence of nothing: a strategy leaves the candidates where they were."""

    reason: FailureReason
    message: str

    repairs: ClassVar[tuple[str, ...]] = ()
    compares: ClassVar[bool] = False

    @property
    def failure(self) -> FailureReason:
        """Why there is no judgment."""
        return self.reason

    def statements(self, n: int) -> tuple[Statement, ...]:
        """The failure, which is that of each."""
        return (Statement(failure=self.reason, reason=self.message),) * n

    def preferences(self, call: JudgeCall) -> Tiers:  # noqa: ARG002
        """None."""
        return ()

    def scores(self, call: JudgeCall) -> dict[int, float]:  # noqa: ARG002
        """None."""
        return {}

    def reordered(self, call: JudgeCall, places: Sequence[int]) -> Failed:  # noqa: ARG002
        """The same."""
        return self

    def widened(self, call: JudgeCall, places: Sequence[int]) -> Failed:  # noqa: ARG002
        """The same."""
        return self

    def corrected(self, content_free: Outcome) -> Failed:  # noqa: ARG002
        """The same."""
        return self


Outcome: TypeAlias = Scores | Order | Choice | Failed
"""What comes of one effect. All have

- `failure` and `message`: why there is no judgment; None and "" where there is one;
- `repairs`, and the counts `missing`, `duplicate` and `invented` of ids in an order;
- `compares`: whether it puts candidates above others, rather than judging each by itself;
- `statements(n)`: what it says of each of the `n` candidates, in the order shown;
- `preferences(call)`: whom it puts above whom; `scores(call)`: by `index`, the scores there are;
- `reordered(call, places)`: the outcome of candidates that were shown as `places` of the call, in the call's own order;
- `widened(call, places)`: the outcome of only the candidates at `places` of the call, as one of the whole call, whose
  other candidates were refused;
- `corrected(content_free)`: the outcome without the judge's liking for positions, as far as both know probabilities.
"""

Outcomes: TypeAlias = Sequence[Outcome]


def judgments_of(
    outcome: Outcome, call: Judgment, passages: Sequence[Passage | None], *, one_by_one: bool = False
) -> tuple[Judgment, ...]:
    """The judgment of each candidate that a call showed, in the order shown.

    Args:
        outcome: what came of the call.
        call: what is the same for all of them: who was asked, what was shown, what it took.
        passages: for each candidate, the part of it that was shown; None where it was shown as a whole.
        one_by_one: whether each was shown without the others, so that its `window` is itself alone.
    """
    shared = {name: getattr(call, name) for name in Judgment.__dataclass_fields__} | {"repairs": outcome.repairs}
    windows = [(index,) for index in call.window] if one_by_one else [call.window] * len(passages)
    found: list[Judgment] = []
    for said, passage, window in zip(outcome.statements(len(passages)), passages, windows, strict=True):
        own = {name: getattr(said, name) for name in _SAID}
        values: dict[str, Any] = {**shared, **own, "passage": passage, "window": window}
        found.append(Judgment(**values))
    return tuple(found)


_SAID = tuple(Statement.__dataclass_fields__)


def _put_back(values: Sequence[T], places: Sequence[int]) -> tuple[T, ...]:
    by_place = dict(zip(places, values, strict=True)) if values else {}
    return tuple(by_place[place] for place in sorted(by_place))


def _spread(values: Sequence[T], places: Sequence[int], n: int) -> tuple[T | None, ...]:
    by_place = dict(zip(places, values, strict=True)) if values else {}
    return tuple(by_place.get(place) for place in range(n)) if values else ()


def _others(places: Sequence[int], n: int) -> tuple[int, ...]:
    return tuple(place for place in range(n) if place not in places)


def _without_bias(chances: Sequence[float], bias: Sequence[float]) -> tuple[float, ...]:
    """The chances divided by what each position has anyway, summing to 1 (arXiv:2102.09690).

    A position that the provider did not list is taken to have as little as the least that it listed.
    """
    least = min((each for each in bias if each > 0), default=1.0)
    divided = [chance / max(each, least) for chance, each in zip(chances, bias, strict=True)]
    total = sum(divided)
    return tuple(each / total for each in divided) if total > 0 else tuple(chances)
