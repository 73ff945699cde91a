"""Tables in files, whose rows are documents: CSV, TSV and Parquet."""

from __future__ import annotations

import csv
import io
import re
from contextlib import contextmanager
from importlib import import_module
from itertools import chain
from typing import TYPE_CHECKING, Any, BinaryIO

from judge_rerank.core import TEXT_KEYS, DataError, Document, MissingExtra
from judge_rerank.readers.jsonl import document_of
from judge_rerank.readers.lines import MAX_LINE_BYTES, encoding_of, head_of, numbered_lines, opened, source_name

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path

_KNOWN = frozenset({*TEXT_KEYS, "id", "_id", "title", "score"})
_COLUMNS = ", ".join(TEXT_KEYS)
_DIGIT = re.compile(r"\d")

Row = tuple[int, list[str]]
"""The line at which a row of cells begins, from 1, and its cells."""


def csv_documents(path: Path | str) -> Iterator[tuple[int, Document]]:
    """The rows of a CSV file as documents, with the numbers of their lines.

    The first row names the columns. Cells may be quoted, and hold commas and line breaks then. Cells may also be
    separated by semicolons or tabs: by what the first row has most of.

    Raises:
        DataError: the file cannot be read, has no column with a text, or a row has more cells than there are columns.
    """
    yield from _documents(_quoted_rows(path, None), path, bare=False)


def tsv_documents(path: Path | str) -> Iterator[tuple[int, Document]]:
    """The rows of a TSV file as documents, with the numbers of their lines.

    The first row names the columns. In a file with two columns whose first row begins with an id, as in MS MARCO, these
    are id and text: an id is known by a digit in it, which the name of a column has not. A quotation mark is a
    character like others, as in the collections of TREC, unless it begins and ends a cell. Where that does not give
    every row the same number of cells, the file is read as CSV with tabs is, so that quoted cells may hold line breaks.

    Raises:
        DataError: as for `csv_documents`.
    """
    tabs = {line.count("\t") for _, line in numbered_lines(path, strip=False)}
    rows = _tabbed_rows(path) if len(tabs) <= 1 else _quoted_rows(path, "\t")
    yield from _documents(rows, path, bare=True)


def parquet_documents(path: Path | str) -> Iterator[tuple[int, Document]]:
    """The rows of a Parquet file as documents, with their numbers from 1.

    Raises:
        DataError: the file cannot be read, or a row is not a document.
        MissingExtra: pyarrow is not installed.
    """
    for number, record in parquet_rows(path):
        yield number, document_of(record, str(path), number)


def parquet_rows(source: Path | str | BinaryIO) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a Parquet file as mappings, with their numbers from 1, a batch in memory at a time.

    Raises:
        DataError: the file cannot be read.
        MissingExtra: pyarrow is not installed.
    """
    with opened_parquet(source) as table:
        number = 0
        for batch in table.iter_batches(batch_size=1024):
            for record in batch.to_pylist():
                number += 1
                yield number, record


@contextmanager
def opened_parquet(source: Path | str | BinaryIO) -> Generator[Any]:
    """A Parquet file as pyarrow opens it.

    Raises:
        DataError: the file cannot be read.
        MissingExtra: pyarrow is not installed.
    """
    try:
        pyarrow: Any = import_module("pyarrow")
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError as error:
        raise MissingExtra("Reading Parquet", "parquet", error.name or "pyarrow") from None
    with opened(source) as file:
        try:
            table = parquet.ParquetFile(file if file.seekable() else io.BytesIO(file.read()))
        except pyarrow.ArrowException as error:
            raise DataError(f"This is not a Parquet file: {error}.", path=source_name(source)) from error
        with table:
            yield table


def named_rows(source: Path | str | BinaryIO, separator: str | None) -> Iterator[tuple[int, dict[str, Any], list[str]]]:
    """The rows of a CSV file as mappings, with the numbers of their lines and the names of the columns.

    Raises:
        DataError: the file cannot be read, or a row has more cells than there are columns.
    """
    rows = _quoted_rows(source, separator)
    names = [name.strip() for name in next(rows, (0, list[str]()))[1]]
    for number, cells in rows:
        yield number, _record(names, cells, source_name(source), number), names


def _documents(rows: Iterator[Row], path: Path | str, *, bare: bool) -> Iterator[tuple[int, Document]]:
    first = next(rows, None)
    if first is None:
        raise DataError("This file is empty; expected a row with the names of the columns.", path=path)
    names = _names(first[1])
    bare = bare and len(names) == 2 and _DIGIT.search(names[0]) is not None and names[1] not in TEXT_KEYS
    names = ["id", "text"] if bare else names
    if not any(name in TEXT_KEYS for name in names):
        raise DataError(
            f"The first row is {', '.join(map(repr, names[:8]))}; the names of the columns were expected, one of them "
            f"of the column with the text: {_COLUMNS}.",
            path=path,
            line=first[0],
        )
    for number, cells in chain([first], rows) if bare else rows:
        yield number, document_of(_record(names, cells, path, number), str(path), number)


def _names(first: Sequence[str]) -> list[str]:
    names = [name.strip() for name in first]
    return [name.lower() if name.lower() in _KNOWN else name for name in names]


def _record(names: Sequence[str], cells: Sequence[str], path: Path | str, number: int) -> dict[str, Any]:
    if len(cells) > len(names):
        raise DataError(
            f"{len(cells)} cells were found, and the columns are {len(names)} ({', '.join(names[:8])}). Quote a cell "
            "that contains the separator.",
            path=path,
            line=number,
        )
    record: dict[str, Any] = dict(zip(names, cells, strict=False))
    if "score" in record:
        record["score"] = _number(record["score"])
    return record


def _number(cell: str) -> float | str | None:
    """The number in a cell; what is none is left for the check of the document."""
    try:
        return float(cell) if cell.strip() else None
    except ValueError:
        return cell


def _tabbed_rows(path: Path | str) -> Iterator[Row]:
    for number, line in numbered_lines(path, strip=False):
        yield number, [_unquoted(cell) for cell in line.split("\t")]


def _unquoted(cell: str) -> str:
    """A cell without the quotation marks around it, if those within it are doubled as CSV doubles them."""
    if len(cell) < 2 or cell[0] != '"' or cell[-1] != '"':
        return cell
    inner = cell[1:-1].replace('""', "\0")
    return cell if '"' in inner else inner.replace("\0", '"')


def _quoted_rows(source: Path | str | BinaryIO, separator: str | None) -> Iterator[Row]:
    # The limit is the process's; it is only ever raised, so that nobody else's reading fails.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE_BYTES))
    with opened(source) as file:
        encoding = encoding_of(head_of(file))
        text = io.TextIOWrapper(file, "utf-8-sig" if encoding == "utf-8" else encoding, newline="")
        number = 1
        try:
            first = text.readline(MAX_LINE_BYTES)
            lines = chain([first], iter(lambda: text.readline(MAX_LINE_BYTES + 1), ""))
            reader = csv.reader(lines, delimiter=separator or max(",;\t", key=first.count), strict=True)
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield number, cells
                number = reader.line_num + 1
        except UnicodeError as error:
            said = f"This is not {encoding.upper()}; convert the file to UTF-8."
            raise DataError(said, path=source_name(source)) from error
        except csv.Error as error:
            raise DataError(f"This row is not CSV: {error}.", path=source_name(source), line=number) from error
