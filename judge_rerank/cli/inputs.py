"""From the command line's input options to queries with their candidates."""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from judge_rerank.cli import options
from judge_rerank.cli.first_stage import by_bm25, distinct
from judge_rerank.cli.output import counted, note
from judge_rerank.core import DataError, Document, InputError, Query
from judge_rerank.readers import holds_records, read_documents, read_jsonl, read_trec, suffix_of

_DEPTH = 20

Pair = tuple[Query, list[Document]]


@dataclass(frozen=True, kw_only=True)
class RunInputs:
    """A run that the user asked to judge, as given."""

    run: options.Run = None
    corpus: options.Corpus = None
    queries: options.Queries = None
    query_id: options.QueryIds = None
    limit: options.Limit = None
    candidates: options.Depth = None

    def read(self) -> list[Pair]:
        """The queries, each with its candidates in the order in which the judge will get them.

        Raises:
            InputError: options that do not go together, or a file that cannot be used.
        """
        for name, value in (("--run", self.run), ("--corpus", self.corpus), ("--queries", self.queries)):
            if value is None:
                raise InputError(f"{name} is missing: --run RUN --corpus CORPUS --queries QUERIES.")
        assert self.run is not None
        assert self.corpus is not None
        assert self.queries is not None
        return read_trec(
            self.run,
            self.corpus,
            self.queries,
            self.candidates or _DEPTH,
            query_ids=self.query_id or None,
            limit=self.limit,
        )


@dataclass(frozen=True, kw_only=True)
class Inputs(RunInputs):
    """What the user asked to rank, as given: files for one query, or a run."""

    files: options.Files = None
    query: options.Query = None
    shuffle: options.Shuffle = None

    @property
    def many(self) -> bool:
        """Whether it is a run, with queries of its own."""
        return self.run is not None

    def read(self) -> list[Pair]:
        """The queries, each with its candidates in the order in which the judge will get them.

        Raises:
            InputError: options that do not go together, an empty query, a file that cannot be used.
        """
        self._check()
        pairs = super().read() if self.run is not None else [self._read_files()]
        if self.shuffle is not None:
            for query, documents in pairs:
                # A seed for each query, so that a query's order does not depend on which others are ranked with it.
                random.Random(f"{self.shuffle} {query.id or ''}").shuffle(documents)  # noqa: S311
        return pairs

    def _check(self) -> None:
        run_only = {
            "--corpus": self.corpus,
            "--queries": self.queries,
            "--query-id": self.query_id or None,
            "--limit": self.limit,
        }
        if self.run is None:
            if given := [name for name, value in run_only.items() if value is not None]:
                raise InputError(f"{given[0]} needs --run: --run RUN --corpus CORPUS --queries QUERIES.")
            if self.query is None:
                raise InputError('There is no query. Give one with -q "…", or rank a run with --run.')
            if not self.query.strip():
                raise InputError("The query is empty, so there is nothing to judge the documents against.")
        elif self.query is not None or self.files:
            raise InputError("--run brings its own queries and documents; leave out -q and FILES.")

    def _read_files(self) -> Pair:
        query = Query(text=self.query or "")
        if not self.files and (_stdin() is None or sys.stdin.isatty()):
            raise InputError("There are no documents. Name files or folders, or pipe JSONL to standard input.")
        documents: list[Document] = []
        passages = False
        for name in self.files or ["-"]:
            found, cut = _read_one(name)
            documents += found
            passages = passages or cut
        if passages:
            return query, _picked(query, documents, self.candidates or _DEPTH)
        if self.candidates is not None and len(documents) > self.candidates:
            note(f"The first {self.candidates} of {len(documents)} documents are judged; the others are left out.")
        if not documents:
            note("The input holds no documents.")
        return query, documents[: self.candidates]


def _read_one(name: str) -> tuple[list[Document], bool]:
    """The documents of one argument, and whether they were cut from running text."""
    if name == "-":
        stdin = _stdin()
        return (read_jsonl(stdin.buffer) if stdin is not None else []), False
    if not name:
        raise InputError("A file name is empty. Is it a variable that is not set?")
    path = Path(name)
    if suffix_of(path) == ".trec":
        raise DataError("Name a run with --run, together with --corpus and --queries.", path=path)
    return read_documents(path), not holds_records(path)


def _stdin() -> TextIO | None:
    """Standard input; None for a program that was started without any."""
    return sys.stdin


def _picked(query: Query, documents: list[Document], depth: int) -> list[Document]:
    """The passages that the judge gets; what was left out is reported."""
    different = distinct(documents)
    kept = by_bm25(query.text, different, depth)
    repeated = len(documents) - len(different)
    note(
        counted(len(different), "passage")
        + (f" ({counted(repeated, 'repeat')} left out)" if repeated else "")
        + (f"; BM25 picked {len(kept)} of them for the judge (--candidates)." if len(kept) < len(different) else ".")
    )
    if kept and not any(document.score for document in kept):
        note("No passage shares a word with the query, so the passages keep the order of the files.")
    return kept
