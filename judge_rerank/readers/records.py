"""Rows of files as mappings, whatever they are rows of: JSONL, CSV, TSV and Parquet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, cast

from judge_rerank.core import DataError
from judge_rerank.readers.jsonl import json_value
from judge_rerank.readers.lines import numbered_lines, source_name, suffix_of
from judge_rerank.readers.tables import named_rows, opened_parquet, parquet_rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Record = tuple[int, dict[str, Any]]

RECORD_SUFFIXES = frozenset({".jsonl", ".ndjson", ".csv", ".tsv", ".parquet"})
"""The last parts of the names of files whose rows `numbered_records` reads."""


def numbered_records(source: Path | str | BinaryIO) -> Iterator[Record]:
    """The rows of a file or binary stream with the numbers of their lines or rows, one batch in memory at a time.

    What is in it is told by the end of its name. Cells of CSV and TSV are texts.

    Raises:
        DataError: it cannot be read, or a row is none; path and line are in the error.
        MissingExtra: it is a Parquet file, and pyarrow is not installed.
    """
    suffix = suffix_of(source_name(source))
    if suffix == ".parquet":
        yield from parquet_rows(source)
    elif suffix in {".csv", ".tsv"}:
        for number, record, _ in named_rows(source, "\t" if suffix == ".tsv" else None):
            yield number, record
    else:
        yield from _json_records(source)


def columns_of(source: Path | str | BinaryIO) -> list[str]:
    """The names of a file's columns, from its schema, its first row or its first line; none where it is empty.

    Raises:
        DataError: it cannot be read, or does not hold what its name says.
    """
    suffix = suffix_of(source_name(source))
    if suffix == ".parquet":
        with opened_parquet(source) as table:
            return list(table.schema_arrow.names)
    if suffix in {".csv", ".tsv"}:
        return next((names for *_, names in named_rows(source, "\t" if suffix == ".tsv" else None)), list[str]())
    return list(next((record for _, record in _json_records(source)), dict[str, Any]()))


def _json_records(source: Path | str | BinaryIO) -> Iterator[Record]:
    name = source_name(source)
    for number, line in numbered_lines(source):
        value = json_value(line, name, number)
        if not isinstance(value, dict):
            raise DataError("An object was expected, one per line.", path=name, line=number)
        yield number, cast("dict[str, Any]", value)
