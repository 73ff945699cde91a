"""Reads and writes the folder of a run; its parts are described in `record`."""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from filelock import FileLock, Timeout
from pydantic import BaseModel, TypeAdapter, ValidationError

from judge_rerank.core import DataError, Document
from judge_rerank.evaluation.record import DOCUMENTS_FILE, RESULTS_FILE, RUN_FILE, Result, RunInfo
from judge_rerank.readers import reading
from judge_rerank.storage import private_folder

T = TypeVar("T")

_BLOCK = 1 << 16


class RunFolder:
    """What a run has left so far.

    A line that a killed process left unfinished is not read, and is cut off before more is written. The folder is made
    for this user alone, since queries, documents and replies stand in it.

    Args:
        path: the folder; it need not exist before something is written.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def exists(self) -> bool:
        """Whether a run was ever begun here."""
        return (self.path / RUN_FILE).exists()

    def info(self) -> RunInfo:
        """The experiment.

        Raises:
            DataError: there is no run in this folder, or its description cannot be read.
        """
        file = self.path / RUN_FILE
        if not file.exists():
            raise DataError(f"There is no {RUN_FILE} in this folder; name the folder of a run.", path=self.path)
        with reading(file):
            text = file.read_bytes()
        return parsed(RunInfo, text, file, None)

    def results(self) -> list[Result]:
        """Every result, in the order in which they came; of two with one key only the first.

        Raises:
            DataError: a line is not a result; path and line are in the error.
        """
        file = self.path / RESULTS_FILE
        found: dict[tuple[str, str, int, str], Result] = {}
        for number, line in lines_of(file):
            result = parsed(Result, line, file, number)
            found.setdefault(result.key, result)
        return list(found.values())

    def documents(self) -> dict[tuple[str, str], Document]:
        """The documents by dataset and id.

        Raises:
            DataError: a line is not a document; path and line are in the error.
        """
        file = self.path / DOCUMENTS_FILE
        lines = (parsed(_DocumentLine, line, file, number) for number, line in lines_of(file))
        return {(line.dataset, line.id): Document(id=line.id, title=line.title, text=line.text) for line in lines}

    def write_info(self, info: RunInfo) -> None:
        """Replace the description of the experiment, all at once."""
        write_record(self.path / RUN_FILE, asdict(info))

    def write_documents(self, dataset: str, documents: Iterable[Document]) -> None:
        """Add the documents of a dataset that are not there yet; each needs an id."""
        known = self.documents()
        with Lines(self.path / DOCUMENTS_FILE) as lines:
            for document in documents:
                key = (dataset, document.id or "")
                if key not in known:
                    known[key] = document
                    lines.add({"dataset": dataset, "id": document.id, "title": document.title, "text": document.text})

    def appending(self) -> Lines:
        """Where results are added: `with folder.appending() as lines: lines.add(asdict(result))`."""
        return Lines(self.path / RESULTS_FILE)


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Replace a file by a record as JSON, all at once; its folder is made for this user alone.

    Raises:
        DataError: it cannot be written.
    """
    with writing(path.parent):
        private_folder(path.parent)
        new = path.with_name(f"{path.name}.new")
        new.touch(mode=0o600)
        new.write_text(json.dumps(record, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        new.replace(path)


class Lines:
    """A JSONL file that grows: each record is written with one call, so that a kill tears the last line at most.

    Raises:
        DataError: the file cannot be written, or another process is writing to it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with writing(path):
            private_folder(path.parent)
            self._lock = _locked(path)
            path.touch(mode=0o600)
            self._file = path.open("a+b", buffering=0)
            _mend(self._file)

    def add(self, record: Mapping[str, Any]) -> None:
        """Write one record."""
        line = json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"
        with writing(self._path):
            self._file.write(line.encode("utf-8", "replace"))

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _DocumentLine(BaseModel):
    dataset: str
    id: str
    text: str
    title: str | None = None


def lines_of(file: Path) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers, without a torn one at the end; none where there is no file."""
    if not file.exists():
        return
    with reading(file), file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.endswith(b"\n") or _is_json(line):
                yield number, line


def _locked(path: Path) -> FileLock:
    """Keep other processes from writing to a file; the lock is gone with the process, however that ends."""
    lock = FileLock(path.with_name(f"{path.name}.lock"), mode=0o600, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise DataError("Another process is writing to this file; wait for it, or use another folder.") from None
    return lock


def _mend(file: FileIO) -> None:
    """Cut off a last line that was not finished; end one that only lacks its end."""
    size = start = file.seek(0, os.SEEK_END)
    tail = b""
    while start and b"\n" not in tail:
        step = min(start, _BLOCK)
        start -= step
        file.seek(start)
        tail = file.read(step) + tail
    last = tail[tail.rfind(b"\n") + 1 :]
    if last and _is_json(last):
        file.write(b"\n")
    elif last:
        file.truncate(size - len(last))


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


@contextmanager
def writing(path: Path) -> Generator[None]:
    """Name the file in what goes wrong while it is written."""
    try:
        yield
    except OSError as error:
        raise DataError(f"Cannot be written: {error.strerror or error}.", path=path) from error
    except DataError as error:
        raise DataError(str(error), path=path) from error


@cache
def _adapter(kind: type[T]) -> TypeAdapter[T]:
    return TypeAdapter(kind)


def parsed(
    kind: type[T], text: str | bytes, path: Path, line: int | None = None, *, writer: str = "judge-rerank eval"
) -> T:
    """One record of a run.

    Raises:
        DataError: it is not what the writer wrote; path and line are in the error.
    """
    try:
        return cast("T", _adapter(kind).validate_json(text))
    except ValidationError as invalid:
        error = invalid.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in error["loc"])
        what = f"{where}: {error['msg']}" if where else error["msg"]
        raise DataError(f"This was not written by {writer}, or was changed: {what}.", path=path, line=line) from None
