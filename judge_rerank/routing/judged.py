"""The judge as the classifier: one call a query, under the same budget, cache and trace as any other."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from judge_rerank.core import (
    Candidates,
    Choice,
    InputError,
    JudgeCall,
    Ordering,
    Outcome,
    Outcomes,
    Plan,
    Query,
    Round,
    Strategy,
)
from judge_rerank.routing.classifier import LABELS, QueryClass, QueryClassifier, checked

_TASK = "classify"


class Reranker(Protocol):
    """A `Judge`, as far as a classifier needs one."""

    def rerank_many(self, pairs: Iterable[tuple[Query, Iterable[Any]]], strategy: Strategy) -> Any:
        """Perform a strategy for many queries side by side."""
        ...


def asked(
    query: Query,
    *,
    labels: Sequence[str] = LABELS,
    prompt: str | None = None,
    explain: bool = False,
    model: str | None = None,
    fallback: QueryClassifier | None = None,
) -> Generator[Round, Outcomes, QueryClass]:
    """Ask the judge of what kind a query is, from within a strategy: `found = yield from asked(query)`.

    One call, one round. Where the judge gives no usable answer, `fallback` classifies, and the class says so.

    Args:
        query: what to classify.
        labels: the kinds to choose from; what is said of each is in the prompt.
        prompt: the template's name, or None for the task's default.
        explain: whether a reason is wanted.
        model: another model than the judge's own.
        fallback: who answers instead; None for the trained classifier, or for the first label where the labels are
            not its own.

    Raises:
        InputError: the query is empty, or there are fewer than two labels.
    """
    chosen = _checked_labels(labels)
    checked(query.text)
    call = JudgeCall(
        task=_TASK,
        query=query,
        candidates=(),
        prompt=prompt,
        options=chosen,
        explain=explain,
        model=model,
        stage=_TASK,
    )
    (outcome,) = yield [call]
    return _read(outcome, query.text, chosen, fallback)


@dataclass(frozen=True, kw_only=True)
class JudgeClassifier:
    """Classifies by asking the judge: one call per query, queries side by side.

    The confidence is the label's probability where the model gives log-probabilities, else None. A query without a
    usable answer (refused, unreadable, out of budget, provider out of reach) is classified by `fallback`; its class has
    `fallback=True`, and the reason is in its reasons.

    Attributes:
        judge: who is asked, with its budget, cache and trace.
        labels: the kinds to choose from. With other labels than the built-in ones, bring a prompt that says what they
            mean.
        prompt: a template's name or path; None for the task's default.
        explain: whether a reason is wanted.
        model: ask another model than the judge's own.
        fallback: who answers instead; None for the trained classifier, or for the first label where the labels are
            others than its own.

    Raises:
        InputError: there are fewer than two labels, or one appears twice.
    """

    judge: Reranker
    labels: tuple[str, ...] = LABELS
    prompt: str | None = None
    explain: bool = False
    model: str | None = None
    fallback: QueryClassifier | None = None

    def __post_init__(self) -> None:
        _checked_labels(self.labels)

    def classify(self, query: str) -> QueryClass:
        """The class of one query.

        Raises:
            InputError: the query is empty.
            ProviderError: no answer could be had, and no retry can help (no key, no such model).
            PricingUnknown: a cap in dollars holds, and the price of the model is unknown.
        """
        return self.classify_many([query])[0]

    def classify_many(self, queries: Iterable[str]) -> list[QueryClass]:
        """The classes of several queries, in their order; one call for each distinct query. Raises as `classify`."""
        texts = [checked(query) for query in queries]
        asking = _Asking(classifier=self)
        self.judge.rerank_many(((Query(text=text), ()) for text in dict.fromkeys(texts)), asking)
        return [asking.found[text] for text in texts]


@dataclass(frozen=True, kw_only=True)
class _Asking:
    """A strategy without documents, so that the engine performs the call as it performs any other."""

    classifier: JudgeClassifier
    found: dict[str, QueryClass] = field(default_factory=dict[str, QueryClass])

    name = _TASK

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """Ask, note the answer, change nothing."""
        how = self.classifier
        self.found[query.text] = yield from asked(
            query, labels=how.labels, prompt=how.prompt, explain=how.explain, model=how.model, fallback=how.fallback
        )
        return Ordering(order=tuple(candidate.index for candidate in candidates))


def _checked_labels(labels: Sequence[str]) -> tuple[str, ...]:
    chosen = tuple(labels)
    if len(chosen) < 2 or len(set(chosen)) < len(chosen) or not all(label.strip() for label in chosen):
        msg = f"labels are {chosen!r}; expected at least two different words to choose from."
        raise InputError(msg)
    return chosen


def _read(outcome: Outcome, query: str, labels: tuple[str, ...], fallback: QueryClassifier | None) -> QueryClass:
    if isinstance(outcome, Choice):
        return QueryClass(
            label=outcome.label,
            confidence=outcome.probabilities.get(outcome.label),
            reasons=(outcome.reason,) if outcome.reason else (),
        )
    why = getattr(outcome, "message", "its answer was not a label")
    reasons: tuple[str, ...] = (f"the judge gave no answer: {why}",)
    instead = fallback or _trained_for(labels)
    if instead is None:
        return QueryClass(label=labels[0], reasons=(*reasons, "the first label is used"), fallback=True)
    found = instead.classify(query)
    return QueryClass(label=found.label, confidence=found.confidence, reasons=(*reasons, *found.reasons), fallback=True)


def _trained_for(labels: tuple[str, ...]) -> QueryClassifier | None:
    from judge_rerank.routing.trained import TrainedClassifier

    return TrainedClassifier() if set(LABELS) <= set(labels) else None
