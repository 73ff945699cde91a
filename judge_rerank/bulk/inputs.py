"""What a run reads: files and folders of rows, and TREC runs with their corpus and queries."""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from judge_rerank.bulk.places import Source, arrow, file_system
from judge_rerank.bulk.rows import Row, require_columns, row_of
from judge_rerank.core import DataError, Document, InputError
from judge_rerank.readers import (
    RECORD_SUFFIXES,
    columns_of,
    numbered_documents,
    numbered_records,
    read_queries,
    read_run,
    suffix_of,
)

_RUN_NAMES = ("candidates.trec", "run.trec")
_CORPUS, _QUERIES = "corpus.jsonl", "queries.jsonl"


@dataclass(frozen=True, kw_only=True, slots=True)
class RowsInput:
    """A file of rows."""

    source: Source

    @property
    def sources(self) -> Sequence[Source]:
        """The files that it is read from."""
        return (self.source,)

    def check(self) -> None:
        """Refuse it if its columns are not what is expected.

        Raises:
            DataError: they are not.
        """
        with self.source.opened() as file:
            require_columns(columns_of(file), self.source.name)

    def rows(self) -> Iterator[Row]:
        """Its rows, in order."""
        with self.source.opened() as file:
            for number, record in numbered_records(file):
                yield row_of(record, self.source.name, number)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrecInput:
    """A folder with a TREC run, and a corpus and queries as BEIR has them."""

    run: Path
    corpus: Path
    queries: Path

    @property
    def sources(self) -> Sequence[Source]:
        """The files that it is read from."""
        return tuple(_local(path) for path in (self.run, self.corpus, self.queries))

    def check(self) -> None:
        """Refuse it if a file is missing.

        Raises:
            DataError: one is.
        """
        for path in (self.run, self.corpus, self.queries):
            if not path.is_file():
                raise DataError("There is no such file, which belongs to a TREC run.", path=path)

    def rows(self) -> Iterator[Row]:
        """The queries of the run, each with all its candidates.

        The ids of the run and the queries are in memory; the texts of the corpus are in a file meanwhile.
        """
        entries, queries = read_run(self.run), read_queries(self.queries)
        with tempfile.TemporaryDirectory() as folder, closing(sqlite3.connect(Path(folder) / "corpus.db")) as corpus:
            _load(corpus, self.corpus, {entry.document_id for listed in entries.values() for entry in listed})
            for query_id, listed in entries.items():
                if query_id not in queries:
                    raise DataError(f"Query {query_id!r} is not in {self.queries}.", path=self.run, line=listed[0].line)
                found = [(entry, _text_of(corpus, entry.document_id)) for entry in listed]
                for entry, document in found:
                    if document is None:
                        message = f"Document {entry.document_id!r} is not in {self.corpus}."
                        raise DataError(message, path=self.run, line=entry.line)
                documents = [replace(document, score=entry.score) for entry, document in found if document is not None]
                yield Row(
                    query_id=query_id,
                    query=queries[query_id].text,
                    documents=documents,
                    file=str(self.run),
                    line=listed[0].line,
                )


Input = RowsInput | TrecInput


def find_inputs(named: Sequence[str | Path]) -> list[Input]:
    """The inputs that paths and addresses name: files, folders of files, and folders with a TREC run.

    Raises:
        InputError: nothing is named, or nothing that can be read is there.
    """
    if not named:
        raise InputError("No input is named. Name files, folders, or addresses.")
    found = [each for name in named for each in _found(os.fspath(name))]
    for each in found:
        each.check()
    return found


def _found(name: str) -> Iterator[Input]:
    files, path = file_system(name)
    kinds = arrow("pyarrow.fs").FileType
    info = files.get_file_info(path)
    if info.type == kinds.File:
        yield RowsInput(source=_checked(Source(name=name, path=path, files=files, bytes=info.size)))
        return
    if info.type != kinds.Directory:
        raise DataError("There is no such file or folder. Check the path.", path=name)
    if files.type_name == "local" and (run := _trec_run(Path(path))) is not None:
        yield TrecInput(run=run, corpus=Path(path) / _CORPUS, queries=Path(path) / _QUERIES)
        return
    inside = sorted(
        files.get_file_info(arrow("pyarrow.fs").FileSelector(path, recursive=True)), key=lambda each: each.path
    )
    # As in other tools, what begins with "_" or "." is no data.
    readable = [
        each
        for each in inside
        if each.type == kinds.File
        and suffix_of(each.base_name) in RECORD_SUFFIXES
        and not any(part[:1] in "_." for part in each.path[len(path) :].split("/") if part)
    ]
    if not readable:
        raise DataError(f"No file in this folder ends in {', '.join(sorted(RECORD_SUFFIXES))}.", path=name)
    for each in readable:
        shown = f"{name.rstrip('/')}{each.path[len(path.rstrip('/')) :]}"
        yield RowsInput(source=Source(name=shown, path=each.path, files=files, bytes=each.size))


def _checked(source: Source) -> Source:
    if suffix_of(source.name) == ".trec":
        message = f"Name the folder of a run, which has {_RUN_NAMES[0]}, {_CORPUS} and {_QUERIES} in it."
        raise DataError(message, path=source.name)
    if suffix_of(source.name) not in RECORD_SUFFIXES:
        message = f"Its name does not end in {', '.join(sorted(RECORD_SUFFIXES))} (or in these, compressed by gzip)."
        raise DataError(message, path=source.name)
    return source


def _trec_run(folder: Path) -> Path | None:
    return next((folder / name for name in _RUN_NAMES if (folder / name).is_file()), None)


def _local(path: Path) -> Source:
    files, name = file_system(path)
    return Source(name=str(path), path=name, files=files, bytes=path.stat().st_size)


def _load(corpus: sqlite3.Connection, path: Path, wanted: set[str]) -> None:
    corpus.execute("CREATE TABLE documents (id TEXT PRIMARY KEY, document TEXT) WITHOUT ROWID")
    rows = (
        (document.id, json.dumps([document.title, document.text]))
        for _, document in numbered_documents(path)
        if document.id in wanted
    )
    with corpus:
        corpus.executemany("INSERT OR IGNORE INTO documents VALUES (?, ?)", rows)


def _text_of(corpus: sqlite3.Connection, name: str) -> Document | None:
    row = corpus.execute("SELECT document FROM documents WHERE id = ?", (name,)).fetchone()
    if row is None:
        return None
    title, text = json.loads(row[0])
    return Document(id=name, title=title, text=text)
