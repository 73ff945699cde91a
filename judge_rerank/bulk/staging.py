"""The input, cut into parts of whole queries, in a folder of the run: what workers read, and what a resumed run finds.

The input is read once, in one pass, before anything is spent, so that whatever is wrong with it is said then. Rows of
one query that stand together are taken as they come. Where a query comes again after another one, the rows are first
distributed over files by the hash of their query's id, each small enough to be grouped in memory.
"""

from __future__ import annotations

import json
import logging
import random
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from judge_rerank.bulk.inputs import Input
from judge_rerank.bulk.places import Folder, arrow
from judge_rerank.bulk.rows import QueryGroup, Row, grouped
from judge_rerank.core import DataError, Document, Query

T = TypeVar("T")

_LOG = logging.getLogger(__name__)

PLAN = "plan.json"
MOST_ROWS = 20_000
"""A part is cut after so many candidates, however few queries they belong to."""

_BUCKET_BYTES = 64 * 1024 * 1024
_MOST_BUCKETS = 512
GROUP_ROWS = 1_000
"""Rows that stand together in a part, so that one who wants some of them need not read all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A number of whole queries.

    Attributes:
        number: from 0.
        queries, rows: how many.
        largest: the most candidates of one query.
        bytes: of all texts.
    """

    number: int
    queries: int
    rows: int
    largest: int
    bytes: int

    @property
    def name(self) -> str:
        """The name of its file."""
        return part_name(self.number)


def part_name(number: int) -> str:
    """The name of a part's file, in the input and in the results."""
    return f"part-{number:06d}.parquet"


@dataclass(frozen=True, kw_only=True, slots=True)
class Staged:
    """The whole input.

    Attributes:
        parts: in order.
        empty_texts: how many candidates have no text.
    """

    parts: Sequence[Part]
    empty_texts: int = 0

    @property
    def queries(self) -> int:
        """How many queries there are."""
        return sum(part.queries for part in self.parts)

    @property
    def rows(self) -> int:
        """How many candidates there are."""
        return sum(part.rows for part in self.parts)


class _Repeated(Exception):
    """A query comes again after another one."""


def staged(folder: Folder) -> Staged | None:
    """What was staged in a folder; None where that was not finished."""
    found = folder.read(PLAN)
    if found is None:
        return None
    plan = json.loads(found)
    return Staged(parts=[Part(**part) for part in plan["parts"]], empty_texts=plan["empty_texts"])


def stage(inputs: Sequence[Input], folder: Folder, *, queries_per_part: int) -> Staged:
    """Copy the input into parts.

    Raises:
        DataError: something in it cannot be used; file and line are in the error.
    """
    made = _of_groups(inputs, lambda groups: _written(groups, folder, queries_per_part))
    plan = {"parts": [asdict(part) for part in made.parts], "empty_texts": made.empty_texts}
    folder.write(PLAN, json.dumps(plan).encode())
    return made


@dataclass(frozen=True, kw_only=True, slots=True)
class Survey:
    """What an input holds.

    Attributes:
        queries, rows: how many there are.
        sample: some queries with their candidates, any as probable as any other; all where there are not more.
    """

    queries: int
    rows: int
    sample: Sequence[tuple[Query, Sequence[Document]]]


def survey(inputs: Sequence[Input], *, most: int) -> Survey:
    """Read an input without keeping more of it than a sample.

    Raises:
        DataError: something in it cannot be used; file and line are in the error.
    """
    return _of_groups(inputs, lambda groups: _surveyed(groups, most))


def _surveyed(groups: Iterator[QueryGroup], most: int) -> Survey:
    dice = random.Random(0)  # noqa: S311
    sample: list[tuple[Query, Sequence[Document]]] = []
    queries = rows = 0
    for queries, group in enumerate(groups, start=1):
        rows += len(group.documents)
        place = len(sample) if len(sample) < most else dice.randrange(queries)
        if place < most:
            sample[place : place + 1] = [(group.query, group.documents)]
    if not queries:
        raise DataError("The input has no rows.")
    return Survey(queries=queries, rows=rows, sample=sample)


def _of_groups(inputs: Sequence[Input], use: Callable[[Iterator[QueryGroup]], T]) -> T:
    """What is made of all queries: as they come, or where some come again, grouped by way of the disk."""
    try:
        return use(_in_order(inputs))
    except _Repeated:
        _LOG.info("Rows of one query do not stand together, so they are grouped by way of the disk first.")
        return use(_by_hash(inputs))


def read_part(folder: Folder, number: int, groups: Sequence[int] | None = None) -> list[tuple[Query, list[Document]]]:
    """The queries of a part, each with its candidates.

    Args:
        folder: where the parts are.
        number: which part.
        groups: only these groups of 1,000 rows, from 0; those that the part has not are left out.
    """
    parquet = arrow("pyarrow.parquet")
    pairs: list[tuple[Query, list[Document]]] = []
    with folder.source(part_name(number)).opened() as file, parquet.ParquetFile(file) as table:
        wanted = None if groups is None else [group for group in groups if group < table.num_row_groups]
        for batch in table.iter_batches(batch_size=GROUP_ROWS, row_groups=wanted):
            for row in batch.to_pylist():
                if not pairs or pairs[-1][0].id != row["query_id"]:
                    pairs.append((Query(text=row["query"], id=row["query_id"]), []))
                if row["doc_id"] is not None:
                    document = Document(text=row["text"], title=row["title"], id=row["doc_id"], score=row["score"])
                    pairs[-1][1].append(document)
    return pairs


def _in_order(inputs: Sequence[Input]) -> Iterator[QueryGroup]:
    def repeated(row: Row) -> None:
        raise _Repeated(row.query_id)

    yield from grouped((row for each in inputs for row in each.rows()), repeated=repeated)


def _by_hash(inputs: Sequence[Input]) -> Iterator[QueryGroup]:
    """Queries whose rows stand anywhere: one pass writes them to files by the hash of the id, another groups each."""
    size = sum(source.bytes for each in inputs for source in each.sources)
    buckets = min(_MOST_BUCKETS, 1 + size // _BUCKET_BYTES)
    with tempfile.TemporaryDirectory(prefix="judge-rerank-") as temporary:
        paths = [Path(temporary) / f"{number}.jsonl" for number in range(buckets)]
        with ExitStack() as stack:
            files = [stack.enter_context(path.open("w", encoding="utf-8")) for path in paths]
            for each in inputs:
                for row in each.rows():
                    files[zlib.crc32(row.query_id.encode()) % buckets].write(_as_line(row))
        for path in paths:
            yield from _bucket(path)


def _as_line(row: Row) -> str:
    documents = [[each.id, each.title, each.text, each.score] for each in row.documents]
    return json.dumps([row.query_id, row.query, documents, row.file, row.line]) + "\n"


def _bucket(path: Path) -> Iterator[QueryGroup]:
    groups: dict[str, QueryGroup] = {}
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            query_id, query, listed, file, number = json.loads(line)
            documents = [Document(id=each[0], title=each[1], text=each[2], score=each[3]) for each in listed]
            row = Row(query_id=query_id, query=query, documents=documents, file=file, line=number)
            groups.setdefault(query_id, QueryGroup(query=Query(text=query, id=query_id))).add(row)
    yield from groups.values()


def _written(groups: Iterator[QueryGroup], folder: Folder, queries_per_part: int) -> Staged:
    folder.empty()
    folder.create()
    parts: list[Part] = []
    waiting: list[QueryGroup] = []
    empty = rows = 0
    for group in groups:
        size = len(group.documents)
        if waiting and (len(waiting) >= queries_per_part or rows + size > MOST_ROWS):
            parts.append(_write_part(folder, len(parts), waiting))
            waiting, rows = [], 0
        waiting.append(group)
        rows += size
        empty += sum(not document.text.strip() for document in group.documents)
    if waiting:
        parts.append(_write_part(folder, len(parts), waiting))
    if not parts:
        raise DataError("The input has no rows.")
    return Staged(parts=parts, empty_texts=empty)


def _write_part(folder: Folder, number: int, groups: Sequence[QueryGroup]) -> Part:
    pyarrow, parquet = arrow(), arrow("pyarrow.parquet")
    text = pyarrow.string()
    kinds = {"query_id": text, "query": text, "doc_id": text, "title": text, "text": text, "score": pyarrow.float64()}
    schema = pyarrow.schema(list(kinds.items()))
    rows: list[dict[str, Any]] = []
    with folder.writing(part_name(number)) as file, parquet.ParquetWriter(file, schema, compression="zstd") as writer:

        def flush() -> None:
            writer.write_table(pyarrow.Table.from_pylist(rows, schema=schema))
            rows.clear()

        for group in groups:
            shared = {"query_id": group.query.id, "query": group.query.text}
            for document in group.documents:
                rows.append({**shared, **_columns(document)})
                if len(rows) >= GROUP_ROWS:
                    flush()
            if not group.documents:
                rows.append({**shared, "doc_id": None})  # a query without candidates has a ranking of none
        flush()
    documents = [document for group in groups for document in group.documents]
    return Part(
        number=number,
        queries=len(groups),
        rows=len(documents),
        largest=max(len(group.documents) for group in groups),
        bytes=sum(len(document.text) for document in documents),
    )


def _columns(document: Document) -> dict[str, Any]:
    return {"doc_id": document.id, "title": document.title, "text": document.text, "score": document.score}
