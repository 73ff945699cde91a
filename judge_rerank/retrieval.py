"""Retrieval in two stages: fetch many candidates cheaply, then have them judged and keep the best."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from judge_rerank.core import Document, InputError, Query, Ranking, as_documents, as_query
from judge_rerank.scorers import BM25

if TYPE_CHECKING:
    from judge_rerank.core import DocumentLike, DocumentsLike, Strategy
    from judge_rerank.judge import Judge


class Retriever(Protocol):
    """What finds candidates: a vector store, a search engine, a `BM25Retriever`."""

    def retrieve(self, query: str, k: int) -> Sequence[DocumentLike]:
        """The best `k` documents, or fewer, best first; scores go into each document's `score`."""
        ...


@dataclass(frozen=True)
class CallableRetriever:
    """Any function of a query and a number as a retriever: `CallableRetriever(store.search)`.

    Attributes:
        search: returns documents, or pairs of a document and its score, best first.
    """

    search: Callable[[str, int], Iterable[Any]]

    def retrieve(self, query: str, k: int) -> Sequence[Document]:
        """What the function found, as documents."""
        return [_scored(item) for item in self.search(query, k)][:k]


@dataclass(frozen=True)
class BM25Retriever:
    """Searches a collection in memory by BM25, without any other service.

    Attributes:
        documents: the collection; whatever `Judge.rerank` takes.
        bm25: its parameters.
    """

    documents: DocumentsLike
    bm25: BM25 = field(default_factory=BM25, kw_only=True)

    @classmethod
    def from_files(cls, *paths: str | Path) -> BM25Retriever:
        """A retriever over files and folders, as `readers.read_documents` reads them.

        Running text is cut into passages, whose titles say where they are from.

        Raises:
            DataError: a file cannot be read.
        """
        from judge_rerank.readers import read_documents

        documents = [document for path in paths for document in read_documents(path)]
        return cls(documents)

    def retrieve(self, query: str, k: int) -> Sequence[Document]:
        """The `k` documents with the highest scores, best first; those without a word of the query are not found.

        Ties stand in the order of the collection.

        Raises:
            MissingExtra: bm25s is not installed.
        """
        documents, index = self._index
        scores = index(query)
        best = sorted((place for place in range(len(scores)) if scores[place] > 0), key=lambda place: -scores[place])
        return [replace(documents[place], score=round(scores[place], 4)) for place in best[:k]]

    @cached_property
    def _index(self) -> tuple[Sequence[Document], Callable[[str], Sequence[float]]]:
        documents = as_documents(self.documents)
        return documents, self.bm25.index([f"{d.title or ''} {d.text}" for d in documents])


@dataclass(frozen=True)
class RerankedRetriever:
    """A retriever whose candidates are judged: it fetches more documents than requested, and keeps the best.

    One fetch, and the calls and rounds of the strategy for as many documents as were fetched.

    Attributes:
        base: finds the candidates.
        judge: puts them in order.
        strategy: how; None for the judge's own.
        k: how many documents `retrieve` returns by default.
        overfetch: the factor by which more documents are fetched, or a function from the requested number to the
            fetched number.
    """

    base: Retriever
    judge: Judge
    strategy: str | Strategy | None = None
    k: int = field(default=5, kw_only=True)
    overfetch: float | Callable[[int], int] = field(default=4, kw_only=True)

    def __post_init__(self) -> None:
        _check_k(self.k)
        if not callable(self.overfetch) and not 1 <= self.overfetch < float("inf"):
            raise InputError(f"overfetch is {self.overfetch}; a factor of at least 1, or a function, was expected.")

    def retrieve(self, query: str | Query, k: int | None = None) -> Ranking:
        """The best `k` documents, judged. `index` is a document's place among the candidates.

        Raises:
            InputError: the query is empty, or `k` is below 1.
        """
        asked, wanted = as_query(query), self._wanted(k)
        found = self.base.retrieve(asked.text, self._fetched(wanted))
        return self.judge.rerank(asked, found, self.strategy, top_n=wanted)

    async def aretrieve(self, query: str | Query, k: int | None = None) -> Ranking:
        """`retrieve` for asynchronous code; the candidates are fetched in a thread."""
        import asyncio

        asked, wanted = as_query(query), self._wanted(k)
        found = await asyncio.to_thread(self.base.retrieve, asked.text, self._fetched(wanted))
        return await self.judge.arerank(asked, found, self.strategy, top_n=wanted)

    def _wanted(self, k: int | None) -> int:
        return self.k if k is None else _check_k(k)

    def _fetched(self, wanted: int) -> int:
        """At least as many as are wanted."""
        factor = self.overfetch
        return max(wanted, factor(wanted) if callable(factor) else round(wanted * factor))


def _check_k(k: int) -> int:
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"k is {k!r}; a whole number of at least 1 was expected.")
    return k


def _scored(item: Any) -> Document:
    """A document, alone or in a pair with its score."""
    score: Any = None
    if isinstance(item, tuple):
        pair = cast("tuple[Any, ...]", item)
        if len(pair) != 2 or not isinstance(pair[1], (int, float)):
            raise InputError(
                f"The retriever gave {pair!r:.200}; a document, or a pair of it and a number, was expected."
            )
        item, score = pair
    (document,) = as_documents([item])
    return document if score is None else replace(document, score=float(score))
