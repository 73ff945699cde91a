"""The first stage for passages: BM25 picks those that are worth a judgment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from judge_rerank.core import Candidate, Document, Query
from judge_rerank.scorers import BM25


def distinct(documents: Sequence[Document]) -> list[Document]:
    """The documents without those whose text stood in an earlier one."""
    first: dict[str, Document] = {}
    for document in documents:
        first.setdefault(document.text, document)
    return list(first.values())


def by_bm25(query: str, documents: Sequence[Document], keep: int) -> list[Document]:
    """The `keep` documents with the highest BM25 score, best first, each with its score; ties in the given order.

    Raises:
        MissingExtra: bm25s is not installed.
    """
    candidates = tuple(Candidate(index=place, document=document) for place, document in enumerate(documents))
    (scores,) = BM25().score([(Query(text=query), candidates)])
    best = sorted(range(len(documents)), key=lambda place: -scores[place])[:keep]
    return [replace(documents[place], score=round(scores[place], 4)) for place in best]
