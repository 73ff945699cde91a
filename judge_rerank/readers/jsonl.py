"""JSONL: one document a line."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from judge_rerank.core import DataError, Document
from judge_rerank.readers.lines import numbered_lines, source_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_KNOWN = frozenset({"text", "title", "id", "_id", "score"})


def read_jsonl(source: Path | str | BinaryIO) -> list[Document]:
    """The documents of a JSONL file or binary stream, in file order.

    A line is an object with `text` and, as far as they are known, `title`, `id` (or `_id`, as BEIR has it) and `score`;
    other keys become metadata. A line may also be a bare JSON string. Blank lines are skipped.

    Raises:
        DataError: the file cannot be read, or a line is not such an object; path and line are in the error.
    """
    return list(iter_jsonl(source))


def iter_jsonl(source: Path | str | BinaryIO) -> Iterator[Document]:
    """The same as `read_jsonl`, one document in memory at a time."""
    for _, document in numbered_documents(source):
        yield document


def numbered_documents(source: Path | str | BinaryIO) -> Iterator[tuple[int, Document]]:
    """Documents with the numbers of their lines."""
    name = source_name(source)
    for number, line in numbered_lines(source):
        value = json_value(line, name, number)
        if isinstance(value, str):
            value = {"text": value}
        if not isinstance(value, dict):
            raise DataError(f"{_not_an_object(value)} was found; {_EXPECTED}", path=name, line=number)
        yield number, document_of(cast("dict[str, Any]", value), name, number)


_EXPECTED = 'an object with a "text" was expected, one a line.'


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


def document_of(record: Mapping[str, Any], name: str, number: int) -> Document:
    """One parsed line as a document."""
    if "text" not in record:
        found = ", ".join(repr(key) for key in list(record)[:6]) or "none"
        raise DataError(f'"text" is missing (keys found: {found}); {_EXPECTED}', path=name, line=number)
    text, title, score = record["text"], record.get("title"), record.get("score")
    if not isinstance(text, str):
        raise DataError(f'"text" is {_kind(text)}; a string was expected.', path=name, line=number)
    if title is not None and not isinstance(title, str):
        raise DataError(f'"title" is {_kind(title)}; a string was expected.', path=name, line=number)
    if score is not None and (isinstance(score, bool) or not isinstance(score, (int, float)) or not _finite(score)):
        raise DataError(f'"score" is {_kind(score)}; a finite number was expected.', path=name, line=number)
    return Document(
        text=_sendable(text),
        title=_sendable(title) if title else None,
        id=record_id(record, name, number),
        score=None if score is None else float(score),
        metadata={key: value for key, value in record.items() if key not in _KNOWN},
    )


def record_id(record: Mapping[str, Any], name: str, number: int) -> str | None:
    """The record's `id` or `_id` as a string; None where it has neither."""
    value = record.get("id", record.get("_id"))
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise DataError(f'"id" is {_kind(value)}; a string or a whole number was expected.', path=name, line=number)


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
