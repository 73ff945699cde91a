"""Documents from a file of any kind that is known, by its name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from judge_rerank.core import DataError, Document
from judge_rerank.readers.folder import read_folder, read_text
from judge_rerank.readers.jsonl import document_of, json_lines
from judge_rerank.readers.lines import encoding_of, suffix_of, whole
from judge_rerank.readers.tables import csv_documents, parquet_documents, tsv_documents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


def json_documents(path: Path | str) -> Iterator[tuple[int, Document]]:
    """The documents of a `.json` file, with their places from 1: an array of them; or JSON lines, with their lines.

    Raises:
        DataError: it is neither, or an item of the array is not a document.
    """
    raw = whole(path)
    encoding = encoding_of(raw[:4])
    if not raw.decode(encoding, "replace")[:256].lstrip("\ufeff \t\r\n").startswith("["):
        yield from json_lines(path)
        return
    try:
        items: Any = json.loads(raw.decode(encoding).removeprefix("\ufeff"))
    except UnicodeDecodeError as error:
        raise DataError(f"This is not {encoding.upper()}; convert the file to UTF-8.", path=path) from error
    except json.JSONDecodeError as error:
        raise DataError(f"This is not JSON: {error.msg}.", path=path, line=error.lineno) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"This is not usable JSON: {error}.", path=path) from error
    for place, item in enumerate(cast("list[Any]", items), start=1):
        record = {"text": item} if isinstance(item, str) else item
        if not isinstance(record, dict):
            raise DataError(f"Item {place} of the array is not an object with a text.", path=path)
        yield place, document_of(cast("dict[str, Any]", record), f"{path}, item {place}")


_READERS: Mapping[str, Callable[[Path | str], Iterator[tuple[int, Document]]]] = {
    ".jsonl": json_lines,
    ".ndjson": json_lines,
    ".json": json_documents,
    ".csv": csv_documents,
    ".tsv": tsv_documents,
    ".parquet": parquet_documents,
}


def holds_records(path: Path | str) -> bool:
    """Whether a file's name says that it holds one document a line or row, and no running text."""
    return suffix_of(path) in _READERS


def numbered_documents(path: Path | str) -> Iterator[tuple[int, Document]]:
    """The documents of a file of records with the numbers of their lines or rows, one in memory at a time.

    A file whose name says nothing is read as JSON lines.

    Raises:
        DataError: the file cannot be read, or does not hold what its name says; path and line are in the error.
    """
    yield from _READERS.get(suffix_of(path), json_lines)(path)


def read_documents(path: Path | str) -> list[Document]:
    """The documents of a file or folder, in their order.

    JSON lines (`.jsonl`, `.ndjson`), a JSON array or lines (`.json`), tables whose rows are documents (`.csv`, `.tsv`,
    `.parquet`); any other file, and every text file of a folder, is running text, which is cut into passages. All of
    them may be packed by gzip (`.gz`), and text be in UTF-8 or, with a byte order mark, in UTF-16 or UTF-32.

    Raises:
        DataError: it cannot be read, or does not hold what its name says; path and line are in the error.
        MissingExtra: pyarrow, which Parquet needs, is not installed.
    """
    if Path(path).is_dir():
        return read_folder(path)
    return [document for _, document in numbered_documents(path)] if holds_records(path) else read_text(path)
