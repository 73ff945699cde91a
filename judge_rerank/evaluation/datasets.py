"""Queries with candidates and relevance grades: checked, sampled and shuffled by a seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

from judge_rerank.core import DataError, Document, InputError, Query

NoRelevant = Literal["zero", "skip"]
"""What becomes of a query that has no relevant candidate: it counts as 0, or is left out."""

_NAMED = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Topic:
    """A query with its candidates, in first-stage order; each has an id."""

    query: Query
    candidates: tuple[Document, ...]

    @property
    def id(self) -> str:
        """The query's id."""
        return self.query.id or ""

    def shown(self, seed: int | str | None) -> tuple[int, ...]:
        """The order in which a judge gets the candidates, as first-stage positions; None leaves them as they stand."""
        order = list(range(len(self.candidates)))
        if seed is not None:
            Random(f"{seed}/{self.id}").shuffle(order)  # noqa: S311
        return tuple(order)


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """What is evaluated on.

    Attributes:
        name: as results call it.
        topics: queries in the order of the source, with those that are judged and have no candidates.
        grades: by query id and document id, whole numbers; also of documents that are no candidates.
        source: the file or folder, for messages.
    """

    name: str
    topics: tuple[Topic, ...]
    grades: Mapping[str, Mapping[str, float]]
    source: str = ""

    def relevant(self, topic: Topic, min_grade: float = 1) -> int:
        """How many candidates of a query are relevant."""
        known = self.grades.get(topic.id, {})
        return sum(known.get(document.id or "", 0.0) >= min_grade for document in topic.candidates)


def checked(dataset: Dataset) -> Dataset:
    """The dataset, if its parts fit together.

    Raises:
        DataError: the judgments are about other queries or documents, a candidate has no text, or a grade is not whole.
    """
    if not dataset.topics:
        raise DataError("It has no queries.", path=dataset.source)
    queries = {topic.id for topic in dataset.topics}
    if not queries & set(dataset.grades):
        raise DataError(_other_ids("queries", dataset.grades, queries), path=dataset.source)
    candidates = {document.id or "" for topic in dataset.topics for document in topic.candidates}
    judged = {name for query in queries for name in dataset.grades.get(query, ())}
    if candidates and not judged & candidates:
        raise DataError(_other_ids("candidates", judged, candidates), path=dataset.source)
    for topic in dataset.topics:
        for document in topic.candidates:
            if not document.text.strip() and not (document.title or "").strip():
                raise DataError(
                    f"Document {document.id!r}, a candidate of query {topic.id!r}, has no text; a judge would have "
                    "nothing to read. Take it out of the candidates.",
                    path=dataset.source,
                )
    for query, known in dataset.grades.items():
        for name, grade in known.items():
            if grade != int(grade):
                raise DataError(
                    f"The grade of {name!r} for {query!r} is {grade:g}; expected whole numbers. Multiply all grades.",
                    path=dataset.source,
                )
    return dataset


def selected(
    dataset: Dataset,
    *,
    queries: int | None = None,
    depth: int | None = None,
    seed: int = 0,
    min_grade: float = 1,
    no_relevant: NoRelevant | None = None,
) -> tuple[Dataset, int]:
    """The part that is evaluated, and how many queries were left out because no candidate of theirs is relevant.

    Args:
        dataset: all of it.
        queries: how many, drawn by the seed from those that are not left out, and in the order drawn; None
            for all, in their own order.
        depth: how many candidates of each, from the top; None for all.
        seed: of the draw.
        min_grade: the lowest grade that is relevant.
        no_relevant: "zero" counts a query without relevant candidates as 0, "skip" leaves it out. Queries without any
            judgment are left out by either, as nothing can be said of them.

    Raises:
        DataError: there are queries without relevant candidates, and nobody said what becomes of them; or all are left
            out.
    """
    cut = [replace(topic, candidates=topic.candidates[:depth]) for topic in dataset.topics]
    poor = [topic for topic in cut if not dataset.relevant(topic, min_grade)]
    if poor and no_relevant is None:
        raise DataError(_undecided(dataset, poor, min_grade), path=dataset.source)
    dropped = {t.id for t in poor if no_relevant == "skip" or not dataset.grades.get(t.id)}
    kept = [topic for topic in cut if topic.id not in dropped]
    if not kept:
        raise DataError(
            f"None of its queries has a candidate of grade {min_grade:g} or more, so nothing can be measured.",
            path=dataset.source,
        )
    if queries is not None and queries < len(kept):
        drawn = Random(f"queries/{seed}").sample(range(len(kept)), queries)  # noqa: S311
        kept = [kept[place] for place in drawn]
    return replace(dataset, topics=tuple(kept)), len(dropped)


@dataclass(frozen=True, kw_only=True, slots=True)
class Overview:
    """What is in a dataset.

    Attributes:
        queries, documents: how many; documents are different ones among the candidates.
        candidates: fewest, median and most candidates of a query.
        grades: judged candidates by grade; None for those without a grade.
        no_judgment, no_candidates, no_relevant: queries of which this is so.
        words: mean length of a candidate.
    """

    queries: int
    documents: int
    candidates: tuple[int, int, int]
    grades: Mapping[float | None, int]
    no_judgment: int
    no_candidates: int
    no_relevant: int
    words: float


def overview(dataset: Dataset, *, min_grade: float = 1) -> Overview:
    """Count what is in a dataset."""
    sizes = sorted(len(topic.candidates) for topic in dataset.topics)
    documents = {document.id: document for topic in dataset.topics for document in topic.candidates}
    grades = Counter(
        dataset.grades.get(topic.id, {}).get(document.id or "")
        for topic in dataset.topics
        for document in topic.candidates
    )
    words = [len(document.text.split()) for document in documents.values()]
    return Overview(
        queries=len(dataset.topics),
        documents=len(documents),
        candidates=(sizes[0], sizes[len(sizes) // 2], sizes[-1]),
        grades=dict(sorted(grades.items(), key=lambda item: (item[0] is None, item[0] or 0.0))),
        no_judgment=sum(not dataset.grades.get(topic.id) for topic in dataset.topics),
        no_candidates=sum(not topic.candidates for topic in dataset.topics),
        no_relevant=sum(not dataset.relevant(topic, min_grade) for topic in dataset.topics),
        words=sum(words) / len(words) if words else 0.0,
    )


def require_positive(**values: int | None) -> None:
    """Refuse numbers below 1; None is no number.

    Raises:
        InputError: one of them is.
    """
    for name, value in values.items():
        if value is not None and value < 1:
            raise InputError(f"{name} is {value}; expected at least 1.")


def _other_ids(kind: str, judged: Iterable[str], known: Iterable[str]) -> str:
    return (
        f"None of the judgments is about one of the {kind}: these are called {_some(known)}, but in the judgments "
        f"{_some(judged)}. Are the judgments from another collection?"
    )


def _undecided(dataset: Dataset, poor: Sequence[Topic], min_grade: float) -> str:
    bare = sum(not topic.candidates for topic in poor)
    blank = sum(not dataset.grades.get(topic.id) for topic in poor)
    details = [f"{bare} have no candidates at all"] * bool(bare) + [f"{blank} have no judgment at all"] * bool(blank)
    shown = f" ({'; '.join(details)})" if details else ""
    return (
        f"{len(poor)} of {len(dataset.topics)} queries have no candidate of grade {min_grade:g} or more{shown}: "
        f"{_some(topic.id for topic in poor)}. Choose how these queries count: no_relevant: skip (left out) or "
        "no_relevant: zero (as 0)."
    )


def _some(names: Iterable[str]) -> str:
    listed = sorted(names)
    return ", ".join(repr(name) for name in listed[:_NAMED]) + (", …" if len(listed) > _NAMED else "")
