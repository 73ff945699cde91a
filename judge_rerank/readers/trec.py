"""TREC runs with their corpus, queries and grades.

Columns are separated by tabs in a line that has tabs, as BEIR writes them, so that an id may hold spaces; else by any
blanks, as TREC writes them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from judge_rerank.core import DataError, Document, InputError, Query
from judge_rerank.readers.files import numbered_documents
from judge_rerank.readers.jsonl import json_value, record_id
from judge_rerank.readers.lines import numbered_lines, suffix_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path


_GRADE_HEADERS = frozenset({"score", "grade", "rel", "relevance", "label"})
_QUERY_HEADERS = frozenset({"id", "_id", "qid", "query-id", "query_id", "query", "text", "question", "title"})
"""What first rows that name their columns hold, and rows of grades or queries do not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunEntry:
    """One line of a run: a document retrieved for a query.

    Attributes:
        document_id: its id in the corpus.
        rank: its place as the run states it.
        score: the first stage's score.
        line: where it stands in the file, from 1.
    """

    document_id: str
    rank: int
    score: float
    line: int


def read_trec(
    run: Path | str,
    corpus: Path | str,
    queries: Path | str | Mapping[str, Query],
    depth: int | None = None,
    *,
    query_ids: Sequence[str] | None = None,
    limit: int | None = None,
) -> list[tuple[Query, list[Document]]]:
    """Queries in the order of the run, each with its documents in the order of their ranks, best first.

    The corpus is streamed: only documents that the run needs are kept.

    Args:
        run: lines of `qid Q0 docid rank score tag`.
        corpus: JSONL with `_id` (or `id`), `text` and perhaps `title`; or another file of records that
            `read_documents` knows.
        queries: JSONL with `_id` (or `id`) and `text`, or a `.tsv` of id and text; or queries by id.
        depth: how many documents to keep of each query, from the top; None for all.
        query_ids: only these queries, in this order.
        limit: only the first so many queries.

    Raises:
        DataError: a file cannot be read, or they do not fit together; path and line are in the error.
        InputError: the run has no such query id, or `depth` or `limit` is below 1.
    """
    for name, value in (("depth", depth), ("limit", limit)):
        if value is not None and value < 1:
            raise InputError(f"{name} is {value}; expected at least 1.")
    entries = read_run(run)
    wanted = list(dict.fromkeys(entries if query_ids is None else query_ids))[:limit]
    for query_id in wanted:
        if query_id not in entries:
            some = ", ".join(repr(known) for known in list(entries)[:5])
            raise InputError(f"Query {query_id!r} is not in {run}, which has {len(entries)} queries ({some}, …).")
    chosen = {query_id: entries[query_id][:depth] for query_id in wanted}
    texts = queries if isinstance(queries, Mapping) else read_queries(queries)
    for query_id, listed in chosen.items():
        if query_id not in texts:
            where = "among the queries" if isinstance(queries, Mapping) else f"in {queries}"
            raise DataError(f"Query {query_id!r} is not {where}.", path=run, line=listed[0].line)
    documents = _needed(corpus, {entry.document_id for listed in chosen.values() for entry in listed})
    _require_all(chosen, documents, run, corpus)
    return [
        (texts[query_id], [replace(documents[entry.document_id], score=entry.score) for entry in listed])
        for query_id, listed in chosen.items()
    ]


def read_run(path: Path | str) -> dict[str, list[RunEntry]]:
    """The lines of a run by query id, in the order of the file, each query's by rank; a first row of names is no line.

    Where ranks are equal (some tools write 0 everywhere) the higher score comes first, then the earlier line.

    Raises:
        DataError: a line has not the six columns, or names a document twice for one query.
    """
    entries: dict[str, dict[str, RunEntry]] = {}
    for number, line in numbered_lines(path):
        if not entries and _columns(line)[3:4] == ["rank"]:
            continue
        query_id, entry = _entry(line, path, number)
        listed = entries.setdefault(query_id, {})
        if earlier := listed.get(entry.document_id):
            raise DataError(
                f"Document {entry.document_id!r} was already listed for query {query_id!r} in line {earlier.line}.",
                path=path,
                line=number,
            )
        listed[entry.document_id] = entry
    if not entries:
        raise DataError("This run is empty; lines of 'qid Q0 docid rank score tag' were expected.", path=path)
    return {
        query_id: sorted(listed.values(), key=lambda entry: (entry.rank, -entry.score))
        for query_id, listed in entries.items()
    }


def read_queries(path: Path | str) -> dict[str, Query]:
    """Queries by id, in file order: JSONL with `_id` (or `id`) and `text`, or a `.tsv` of id and text.

    A first row of a `.tsv` that names its columns is passed over.

    Raises:
        DataError: a line is not a query, or an id stands twice.
    """
    queries: dict[str, Query] = {}
    tabbed = suffix_of(path) == ".tsv"
    for number, line in numbered_lines(path):
        if tabbed and not queries and [column.lower() in _QUERY_HEADERS for column in _columns(line)] == [True, True]:
            continue
        query_id, text = _tabbed_query(line, path, number) if tabbed else _json_query(line, path, number)
        if not text.strip():
            raise DataError(f"Query {query_id!r} has no text.", path=path, line=number)
        if query_id in queries:
            raise DataError(f"Query {query_id!r} appears in this file twice.", path=path, line=number)
        queries[query_id] = Query(text=text, id=query_id)
    return queries


def read_qrels(path: Path | str) -> dict[str, dict[str, float]]:
    """Grades by query id and document id: lines of `qid iter docid grade`, or of `qid docid grade` below a header.

    Raises:
        DataError: a line is neither, or grades a document twice for one query.
    """
    grades: dict[str, dict[str, float]] = {}
    for number, line in numbered_lines(path):
        columns = _columns(line)
        if not grades and columns[-1].lower() in _GRADE_HEADERS:
            continue
        if len(columns) not in (3, 4):
            raise DataError(
                f"{len(columns)} columns were found; 'qid iter docid grade' or 'qid docid grade' was expected.",
                path=path,
                line=number,
            )
        query_id, document_id, grade = columns[0], columns[-2], columns[-1]
        known = grades.setdefault(query_id, {})
        if document_id in known:
            raise DataError(f"Document {document_id!r} has a grade for {query_id!r} already.", path=path, line=number)
        known[document_id] = _grade(grade, path, number)
    if not grades:
        raise DataError("This file holds no grades; lines of 'qid iter docid grade' were expected.", path=path)
    return grades


def _columns(line: str) -> list[str]:
    """The columns of a line, without blanks around them."""
    return [column.strip() for column in line.split("\t")] if "\t" in line else line.split()


def _grade(text: str, path: Path | str, number: int) -> float:
    try:
        grade = float(text)
    except ValueError:
        grade = math.nan
    if not math.isfinite(grade):
        raise DataError(f"Grade {text!r} is not a finite number.", path=path, line=number)
    return grade


def _entry(line: str, path: Path | str, number: int) -> tuple[str, RunEntry]:
    columns = _columns(line)
    if len(columns) != 6:
        raise DataError(
            f"{len(columns)} columns were found; the six of 'qid Q0 docid rank score tag' were expected.",
            path=path,
            line=number,
        )
    query_id, _, document_id, rank, score, _ = columns
    try:
        entry = RunEntry(document_id=document_id, rank=int(rank), score=float(score), line=number)
    except ValueError as error:
        raise DataError(
            f"Rank {rank!r} and score {score!r} were found; a whole number and a number were expected.",
            path=path,
            line=number,
        ) from error
    if not math.isfinite(entry.score):
        raise DataError(f"Score {score!r} is not a finite number.", path=path, line=number)
    return query_id, entry


def _json_query(line: str, path: Path | str, number: int) -> tuple[str, str]:
    value = json_value(line, str(path), number)
    if isinstance(value, dict):
        record = cast("dict[str, Any]", value)
        query_id, text = record_id(record, str(path), number), record.get("text")
        if query_id is not None and isinstance(text, str):
            return query_id, text
    raise DataError('An object with "_id" and "text" was expected.', path=path, line=number)


def _tabbed_query(line: str, path: Path | str, number: int) -> tuple[str, str]:
    query_id, tab, text = line.partition("\t")
    if not tab:
        raise DataError("No tab was found; an id, a tab and the query were expected.", path=path, line=number)
    return query_id, text


def _needed(corpus: Path | str, ids: Collection[str]) -> dict[str, Document]:
    documents: dict[str, Document] = {}
    for number, document in numbered_documents(corpus):
        name = document.id
        if name is not None and name in ids:
            if name in documents:
                raise DataError(f"Document {name!r} appears in this corpus twice.", path=corpus, line=number)
            documents[name] = document
    return documents


def _require_all(
    chosen: Mapping[str, Sequence[RunEntry]], documents: Mapping[str, Document], run: Path | str, corpus: Path | str
) -> None:
    missing = [entry for listed in chosen.values() for entry in listed if entry.document_id not in documents]
    if missing:
        others = len({entry.document_id for entry in missing}) - 1
        more = f" {others} more are missing too." if others else ""
        raise DataError(
            f"Document {missing[0].document_id!r} is not in {corpus}.{more}", path=run, line=missing[0].line
        )
