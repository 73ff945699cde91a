"""JSONL: one document a line."""

from __future__ import annotations

import json
import math
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from judge_rerank.core import DataError, Document, InputError, document_from, identifier_in
from judge_rerank.readers.lines import numbered_lines, source_name

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from pathlib import Path


def read_jsonl(source: Path | str | BinaryIO) -> list[Document]:
    """The documents of a JSONL file or binary stream, in file order.

    A line is an object with `text` (or another of `TEXT_KEYS`) and, as far as they are known, `title`, `id` (or `_id`,
    as BEIR has it) and `score`; other keys become metadata. A line may also be a bare JSON string. Blank lines are
    skipped.

    Raises:
        DataError: the file cannot be read, or a line is not such an object; path and line are in the error.
    """
    return list(iter_jsonl(source))


def iter_jsonl(source: Path | str | BinaryIO) -> Iterator[Document]:
    """The same as `read_jsonl`, one document in memory at a time."""
    for _, document in json_lines(source):
        yield document


def json_lines(source: Path | str | BinaryIO) -> Iterator[tuple[int, Document]]:
    """Documents with the numbers of their lines."""
    name = source_name(source)
    for number, line in numbered_lines(source):
        value = json_value(line, name, number)
        if isinstance(value, str):
            value = {"text": value}
        if not isinstance(value, dict):
            raise DataError(f"{_not_an_object(value)} was found; {_EXPECTED}", path=name, line=number)
        yield number, document_of(cast("dict[str, Any]", value), name, number)


_EXPECTED = 'an object with a "text" was expected, one per line.'


def json_value(line: str, name: str, number: int) -> object:
    """The JSON value of one line."""
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        if line in {"[", "{"}:
            raise DataError(
                f"This line is only {line!r}, as in JSON that is laid out over several lines; {_EXPECTED} "
                f"Convert it with: jq -c {'.[]' if line == '[' else '.'!r}",
                path=name,
                line=number,
            ) from error
        shown = line if len(line) <= 40 else line[:40] + "…"
        raise DataError(
            f"{shown!r} is not JSON ({error.msg} at column {error.colno}); {_EXPECTED}", path=name, line=number
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"This line is not usable JSON: {error}.", path=name, line=number) from error


def document_of(record: Mapping[str, Any], name: str, number: int | None = None) -> Document:
    """One parsed record as a document.

    Raises:
        DataError: it has no text, or something in it is of the wrong kind.
    """
    with _placed(name, number):
        document = document_from(record, _quoted, _kind)
    title = document.title
    return replace(document, text=_sendable(document.text), title=_sendable(title) if title else None, source=None)


def record_id(record: Mapping[str, Any], name: str, number: int) -> str | None:
    """The record's `id` or `_id` as a string; None where it has neither."""
    with _placed(name, number):
        return identifier_in(record, _quoted, _kind)


@contextmanager
def _placed(name: str, number: int | None) -> Generator[None]:
    """Say where in a file something was not as expected."""
    try:
        yield
    except InputError as error:
        raise DataError(str(error), path=name, line=number) from error


def _quoted(key: str) -> str:
    return f'"{key}"'


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _sendable(text: str) -> str:
    """Half a surrogate pair, which JSON can spell and UTF-8 cannot, becomes U+FFFD."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, (int, float)):
        return f"the number {value:g}" if _finite(value) else "not a finite number"
    if isinstance(value, str):
        return "a string"
    return "a list" if isinstance(value, list) else "an object"


def _not_an_object(value: object) -> str:
    if isinstance(value, list):
        return "A JSON array (turn it into lines with: jq -c '.[]')"
    kind = _kind(value)
    return kind[0].upper() + kind[1:]
