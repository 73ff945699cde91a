"""Files as numbered lines of text, with a limit on their length and errors that say where."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from judge_rerank.core import DataError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

MAX_LINE_BYTES = 64 * 1024 * 1024
"""A longer line is not one document, and would fill the memory before anything could be said about it."""

_BOM = b"\xef\xbb\xbf"


def source_name(source: Path | str | BinaryIO) -> str:
    """How messages call a source."""
    if isinstance(source, (str, os.PathLike)):
        return str(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "input"


@contextmanager
def reading(path: Path | str) -> Generator[Path]:
    """Turn what the operating system says about a file into a `DataError`."""
    try:
        yield Path(path)
    except FileNotFoundError as error:
        raise DataError("There is no such file. Check the path.", path=path) from error
    except IsADirectoryError as error:
        raise DataError("This is a folder; a file was expected.", path=path) from error
    except PermissionError as error:
        raise DataError("This may not be read: permission denied.", path=path) from error
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"This cannot be read: {getattr(error, 'strerror', None) or error}.", path=path) from error


def numbered_lines(source: Path | str | BinaryIO) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, with their numbers from 1, one in memory at a time.

    Raises:
        DataError: the file cannot be read, a line is not UTF-8, or it is longer than 64 MB.
    """
    if not isinstance(source, (str, os.PathLike)):
        yield from _decoded(source, source_name(source))
        return
    with reading(source) as path, path.open("rb") as file:
        yield from _decoded(file, str(source))


def _decoded(file: BinaryIO, name: str) -> Iterator[tuple[int, str]]:
    number = 0
    while raw := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(raw) > MAX_LINE_BYTES:
            raise DataError("This line is longer than 64 MB. One record a line was expected.", path=name, line=number)
        if number == 1:
            raw = raw.removeprefix(_BOM)
        try:
            line = raw.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            raise DataError(
                f"Byte {error.start + 1} of this line (0x{raw[error.start]:02x}) is not UTF-8. "
                "Convert the file, for example with: iconv -f latin1 -t utf-8",
                path=name,
                line=number,
            ) from error
        if line:
            yield number, line
