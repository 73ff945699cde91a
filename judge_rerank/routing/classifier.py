"""What a query classifier is, and what it says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from judge_rerank.core import InputError

LABELS = ("factual", "semantic", "complex")
"""The kinds of query that the classifiers here know. A classifier of one's own may have others.

`factual`: one short fact answers it: a name, a date, a number, a place, what an abbreviation means.
`semantic`: an explanation, a description or advice answers it, often in other words than the query's.
`complex`: several facts have to be put together: a comparison, or a chain of questions.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class QueryClass:
    """The kind of a query.

    Attributes:
        label: one of `LABELS`, or a label of the user's own.
        confidence: how probable it is that the label is right, in [0, 1]; None where the classifier cannot know.
        reasons: what spoke for the label, the strongest first, in words for people.
        fallback: whether another classifier had to answer, because the one that was asked could not.
    """

    label: str
    confidence: float | None = None
    reasons: tuple[str, ...] = ()
    fallback: bool = False

    def __post_init__(self) -> None:
        if not self.label.strip():
            raise InputError("The label of a query class is empty; it must be a word, such as 'factual'.")
        if self.confidence is not None and not 0 <= self.confidence <= 1:
            msg = f"confidence is {self.confidence}; it must be from 0 to 1."
            raise InputError(msg)


@runtime_checkable
class QueryClassifier(Protocol):
    """Says of what kind a query is."""

    def classify(self, query: str) -> QueryClass:
        """The class of one query.

        Raises:
            InputError: the query is empty.
        """
        ...

    def classify_many(self, queries: Iterable[str]) -> list[QueryClass]:
        """The classes of several queries, in their order."""
        ...


def checked(query: str) -> str:
    """The query, if it says something.

    Raises:
        InputError: it is empty.
    """
    if not query.strip():
        raise InputError("The query is empty; there is nothing to classify.")
    return query
