"""A dataset of one's own documents, with queries that are given or made of the documents themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from random import Random

from judge_rerank.core import DataError, Document, Query
from judge_rerank.evaluation.datasets import Dataset, Topic
from judge_rerank.evaluation.sources import read_topics
from judge_rerank.readers import numbered_lines, read_documents, suffix_of
from judge_rerank.retrieval import BM25Retriever

_FIRST_SENTENCE = re.compile(r"[^.!?\n]{1,300}[.!?]?")
_MOST_WORDS = 16
_SPLIT = " › "


def collection(
    path: Path | str, *, queries: Sequence[Query] | None = None, limit: int = 20, depth: int = 20, seed: int = 0
) -> Dataset:
    """Documents of one's own as a dataset: a file or a folder, as `read_documents` reads them.

    Text is cut into passages. BM25 finds the candidates of each query.

    Args:
        path: the documents.
        queries: what is asked; None makes a query of each of `limit` passages that are drawn by the seed: of its last
            heading, else of its first sentence. The passage is the one that is relevant. Nothing is known of the
            relevance of documents for queries that are given.
        limit: the most queries that are made.
        depth: the most candidates of a query.
        seed: of the draw.

    Raises:
        DataError: the documents cannot be read, there are fewer than two, or no query finds two of them.
        MissingExtra: bm25s is not installed.
    """
    documents = _named(read_documents(path))
    if len(documents) < 2:
        raise DataError(f"There are {len(documents)} documents here; a ranking needs at least 2.", path=path)
    retriever = BM25Retriever(documents)
    made = _made(documents, seed) if queries is None else ((query, None) for query in _numbered(queries))
    topics: list[Topic] = []
    grades: dict[str, dict[str, float]] = {}
    found = ((query, source, tuple(retriever.retrieve(query.text, depth))) for query, source in made)
    usable = ((query, source, candidates) for query, source, candidates in found if len(candidates) > 1)
    for query, source, candidates in islice(usable, limit if queries is None else None):
        topics.append(Topic(query=query, candidates=candidates))
        grades[query.id or ""] = {source: 1.0} if source is not None else {}
    if not topics:
        raise DataError("No query shares a word with two of the documents, so there is nothing to rank.", path=path)
    return Dataset(name=Path(path).resolve().name, topics=tuple(topics), grades=grades, source=str(path))


def read_questions(path: Path | str) -> list[Query]:
    """Queries from a file: as `read_topics` reads them, or a line of text for each in any other file.

    Raises:
        DataError: the file cannot be read, or holds no query.
    """
    if suffix_of(path) in {".jsonl", ".tsv"}:
        return list(read_topics(path).values())
    lines = (line.strip() for _, line in numbered_lines(path))
    found = [Query(text=line) for line in lines if line]
    if not found:
        raise DataError("There is no query in this file; expected one on each line.", path=path)
    return found


def _numbered(queries: Sequence[Query]) -> list[Query]:
    """The queries, those without an id called by their place."""
    return [query if query.id else replace(query, id=f"q{place}") for place, query in enumerate(queries, start=1)]


def _named(documents: Sequence[Document]) -> list[Document]:
    """The documents whose text is no other's, each with an id of its own."""
    distinct = {document.text: document for document in reversed(documents) if document.text.strip()}
    kept = [document for document in documents if distinct.get(document.text) is document]
    names = [document.id for document in kept]
    if None not in names and len(set(names)) == len(names):
        return kept
    return [replace(document, id=f"d{place}") for place, document in enumerate(kept, start=1)]


def _made(documents: Sequence[Document], seed: int) -> Iterator[tuple[Query, str | None]]:
    """Queries of documents in the order of the seed, each with the document's id; no query twice."""
    order = list(range(len(documents)))
    Random(f"{seed}/documents").shuffle(order)  # noqa: S311
    asked: set[str] = set()
    for place in order:
        text = _query_of(documents[place])
        if text and text not in asked:
            asked.add(text)
            yield Query(text=text, id=f"q{len(asked)}"), documents[place].id


def _query_of(document: Document) -> str:
    """The last heading where it has two words, else the first sentence; "" where that has fewer than three."""
    heading = (document.title or "").rpartition(_SPLIT)[2] if _SPLIT in (document.title or "") else ""
    if len(heading.split()) >= 2:
        return heading
    found = _FIRST_SENTENCE.search(document.text.strip().lstrip("#*->| "))
    words = found.group().split() if found else []
    return " ".join(words[:_MOST_WORDS]) if len(words) >= 3 else ""
