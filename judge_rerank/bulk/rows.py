"""From rows of files to queries with their candidates: one row a candidate, or one row a query with a list of them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from judge_rerank.core import TEXT_KEYS, DataError, Document, InputError, Query, document_from, is_missing

CANDIDATE_COLUMNS = ("query_id", "query", "doc_id", "text")
QUERY_COLUMNS = ("query_id", "query", "documents")

EXPECTED = (
    f"{', '.join(CANDIDATE_COLUMNS)} (one row a candidate; title and score if there are any), or "
    f"{', '.join(QUERY_COLUMNS)} (one row a query)"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What one row brings: a query and some of its candidates, mostly one.

    Attributes:
        query_id, query: whose.
        documents: each with an id.
        file, line: where it stands.
    """

    query_id: str
    query: str
    documents: Sequence[Document]
    file: str
    line: int


@dataclass(kw_only=True, slots=True)
class QueryGroup:
    """A query with all its candidates, in first-stage order.

    Attributes:
        query: with its id.
        documents: each with an id that no other of them has.
    """

    query: Query
    documents: list[Document] = field(default_factory=list[Document])
    known: set[str] = field(default_factory=set[str])

    def add(self, row: Row) -> None:
        """Add the candidates of a row.

        Raises:
            DataError: a candidate is there already, or the query has another text.
        """
        if row.query != self.query.text:
            raise DataError(
                f"Query {row.query_id!r} is {row.query[:60]!r} here, and was {self.query.text[:60]!r} before. "
                "An id stands for one query.",
                path=row.file,
                line=row.line,
            )
        for document in row.documents:
            name = document.id or ""
            if name in self.known:
                raise DataError(
                    f"Document {name!r} is a candidate of query {row.query_id!r} already. Remove one of them.",
                    path=row.file,
                    line=row.line,
                )
            self.known.add(name)
            self.documents.append(document)


def require_columns(columns: Iterable[str], file: str) -> None:
    """Refuse a file whose columns are not those of candidates or of queries.

    Raises:
        DataError: it says which there are, and which were expected.
    """
    there = list(columns)
    if set(CANDIDATE_COLUMNS) <= set(there) or set(QUERY_COLUMNS) <= set(there):
        return
    if not there:
        raise DataError(f"This file is empty; the columns {EXPECTED} were expected.", path=file)
    found = ", ".join(there[:12])
    raise DataError(f"The columns are {found}; expected were {EXPECTED}.", path=file)


def row_of(record: Mapping[str, Any], file: str, line: int) -> Row:
    """A row, checked.

    Raises:
        DataError: a column is missing in it or of the wrong kind; file and line are in the error.
    """
    try:
        query_id, query = _identifier(record, "query_id"), _query(record)
        listed = record.get("documents")
        documents = [_candidate(record)] if is_missing(listed) else _listed(listed)
    except InputError as error:
        raise DataError(str(error), path=file, line=line) from None
    return Row(query_id=query_id, query=query, documents=documents, file=file, line=line)


def grouped(rows: Iterable[Row], *, repeated: Callable[[Row], None]) -> Iterator[QueryGroup]:
    """Queries with all rows that stand together; `repeated` is told of a query that comes again after another one.

    Of queries that were, 64 bits each are kept in memory.
    """
    seen: set[int] = set()
    group: QueryGroup | None = None
    for row in rows:
        if group is None or group.query.id != row.query_id:
            if group is not None:
                yield group
            mark = hash(row.query_id)
            if mark in seen:
                repeated(row)
            seen.add(mark)
            group = QueryGroup(query=Query(text=row.query, id=row.query_id))
        group.add(row)
    if group is not None:
        yield group


def _query(record: Mapping[str, Any]) -> str:
    query = record.get("query")
    if not isinstance(query, str) or not query.strip():
        raise InputError(f"query is {'missing' if is_missing(query) else repr(query)}; a text was expected.")
    return query


def _candidate(record: Mapping[str, Any]) -> Document:
    name = _identifier(record, "doc_id")
    text = record.get("text")
    known = {key: record.get(key) for key in ("title", "score")}
    # A document without a text is ranked like others, and costs them nothing.
    return document_from({**known, "id": name, "text": "" if is_missing(text) else text}, str)


def _listed(value: object) -> list[Document]:
    """The candidates of a column `documents`: a list, or the JSON of one; of texts, or of mappings with a text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise InputError("documents is a text that is not JSON; a list was expected.") from None
    if not isinstance(value, list):
        raise InputError(f"documents is {type(value).__name__}; a list was expected.")
    return [_item(item, place) for place, item in enumerate(cast("list[object]", value))]


def _item(item: object, place: int) -> Document:
    if isinstance(item, str):
        return Document(text=item, id=str(place))
    if not isinstance(item, Mapping):
        raise InputError(f"documents[{place}] is {type(item).__name__}; a text or an object with a text was expected.")
    record = dict(cast("Mapping[str, Any]", item))
    name = next((record[key] for key in ("doc_id", "id", "_id") if not is_missing(record.get(key))), str(place))
    text = next((record[key] for key in TEXT_KEYS if not is_missing(record.get(key))), "")
    known = {key: record.get(key) for key in ("title", "score")}
    return document_from(
        {**known, "id": _identifier({"id": name}, "id"), "text": text}, lambda key: f"documents[{place}].{key}"
    )


def _identifier(record: Mapping[str, Any], column: str) -> str:
    value = record.get(column)
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)  # so pandas has whole numbers in a column with gaps
    if isinstance(value, bool) or not isinstance(value, (str, int)) or value == "":
        raise InputError(f"{column} is {'missing' if is_missing(value) or value == '' else repr(value)}.")
    return str(value)
