"""Files as bytes and as numbered lines of text: unpacked, decoded, with limits, and with errors that say where."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from judge_rerank.core import DataError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

MAX_LINE_BYTES = 64 * 1024 * 1024
"""A longer line is not one document, and would fill the memory before anything could be said about it."""

MAX_FILE_BYTES = 1024 * 1024 * 1024
"""What is read as a whole, or unpacked as a whole, is not larger."""

_GZIP = b"\x1f\x8b"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def source_name(source: Path | str | BinaryIO) -> str:
    """How messages call a source."""
    if isinstance(source, (str, os.PathLike)):
        return str(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "input"


def suffix_of(path: Path | str) -> str:
    """The last part of a file's name that says what is in it, in small letters: ".csv" of "a.CSV.gz"."""
    name = Path(path)
    return (name.with_suffix("") if name.suffix.lower() == ".gz" else name).suffix.lower()


@contextmanager
def reading(path: Path | str) -> Generator[Path]:
    """Turn what the operating system says about a file into a `DataError`."""
    try:
        yield Path(path)
    except FileNotFoundError as error:
        raise DataError("There is no such file. Check the path.", path=path) from error
    except IsADirectoryError as error:
        raise DataError("This is a folder; expected a file.", path=path) from error
    except PermissionError as error:
        raise DataError("Cannot be read: permission denied.", path=path) from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"This gzip file is damaged: {str(error).rstrip('.')}.", path=path) from error
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"Cannot be read: {getattr(error, 'strerror', None) or error}.", path=path) from error


@contextmanager
def opened(source: Path | str | BinaryIO) -> Generator[BinaryIO]:
    """The bytes of a file or stream, unpacked where they are gzip's; known by its first bytes, whatever its name is."""
    with reading(source_name(source)):
        if isinstance(source, (str, os.PathLike)):
            with Path(source).open("rb") as file:
                yield _unpacked(file)
        else:
            yield _unpacked(source)


def whole(source: Path | str | BinaryIO) -> bytes:
    """All bytes of a file or stream, unpacked.

    Raises:
        DataError: it cannot be read, or is larger than a gigabyte.
    """
    with opened(source) as file:
        found = file.read(MAX_FILE_BYTES + 1)
    if len(found) > MAX_FILE_BYTES:
        raise DataError("This is larger than a gigabyte.", path=source_name(source))
    return found


def encoding_of(head: bytes) -> str:
    """The encoding that the first bytes of a text tell: by a byte order mark, or by the zeros of UTF-16 without one."""
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding
    if len(head) >= 4 and head[:4].count(0) == 2:
        if head[1] == head[3] == 0:
            return "utf-16-le"
        if head[0] == head[2] == 0:
            return "utf-16-be"
    return "utf-8"


def head_of(file: BinaryIO) -> bytes:
    """The first four bytes of a stream, which stay in it; none where the stream cannot look ahead."""
    if callable(peek := getattr(file, "peek", None)):
        return cast("bytes", peek(4))[:4]
    if not file.seekable():
        return b""
    place = file.tell()
    found = file.read(4)
    file.seek(place)
    return found


def numbered_lines(source: Path | str | BinaryIO, *, strip: bool = True) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, with their numbers from 1, one in memory at a time.

    The text is UTF-8, or UTF-16 or UTF-32 as its first bytes tell; it may be packed by gzip.

    Args:
        source: a file, or a binary stream.
        strip: take white space from both ends; without it, only the line's end.

    Raises:
        DataError: the file cannot be read, a line is not in the file's encoding, or it is longer than 64 MB.
    """
    with opened(source) as file:
        encoding = encoding_of(head_of(file))
        lines = _utf8_lines if encoding.startswith("utf-8") else _wide_lines
        for number, line in lines(file, source_name(source), encoding):
            if line.strip():
                yield number, line.strip() if strip else line.rstrip("\r\n")


def _unpacked(file: BinaryIO) -> BinaryIO:
    return cast("BinaryIO", gzip.GzipFile(fileobj=file)) if head_of(file).startswith(_GZIP) else file


def _utf8_lines(file: BinaryIO, name: str, _: str) -> Iterator[tuple[int, str]]:
    number = 0
    while raw := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        _check_length(raw, name, number)
        if number == 1:
            raw = raw.removeprefix(codecs.BOM_UTF8)
        try:
            yield number, raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"Byte {error.start + 1} of this line (0x{raw[error.start]:02x}) is not UTF-8. "
                "Convert the file, for example with: iconv -f latin1 -t utf-8",
                path=name,
                line=number,
            ) from error


def _wide_lines(file: BinaryIO, name: str, encoding: str) -> Iterator[tuple[int, str]]:
    """Lines of an encoding whose line ends are not one byte long."""
    text = io.TextIOWrapper(file, encoding=encoding, newline="\n")
    number = 0
    try:
        while line := text.readline(MAX_LINE_BYTES + 1):
            number += 1
            _check_length(line, name, number)
            yield number, line
    except UnicodeError as error:
        raise DataError(f"This is not {encoding.upper()}: {error}.", path=name, line=number + 1) from error
    finally:
        if not file.closed:
            text.detach()


def _check_length(line: str | bytes, name: str, number: int) -> None:
    if len(line) > MAX_LINE_BYTES:
        raise DataError("This line is longer than 64 MB. Expected one record per line.", path=name, line=number)
