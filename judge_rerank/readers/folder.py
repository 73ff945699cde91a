"""Text files and folders of them as passages."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from judge_rerank.core import DataError
from judge_rerank.readers.lines import encoding_of, reading, suffix_of, whole
from judge_rerank.readers.passages import Markup, passages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from judge_rerank.core import Document

_log = logging.getLogger("judge_rerank.readers")

_MARKUPS: dict[str, Markup] = {".md": "markdown", ".markdown": "markdown", ".rst": "rst", ".txt": "text"}

TEXT_SUFFIXES = frozenset(_MARKUPS)
"""The files of a folder that are read."""


def read_text(path: Path | str, *, name: str | None = None, max_chars: int = 1200) -> list[Document]:
    """The passages of one text file, of any suffix; see `passages` for how it is cut.

    UTF-8, or UTF-16 or UTF-32 as the first bytes tell; the file may be packed by gzip. Bytes that do not fit the
    encoding are replaced by U+FFFD, with a warning that says how many and where.

    Args:
        path: the file.
        name: what titles begin with; the file's own name by default.
        max_chars: the longest passage.

    Raises:
        DataError: the file cannot be read, or is not text.
    """
    raw = whole(path)
    encoding = encoding_of(raw[:4])
    if encoding == "utf-8" and b"\0" in raw:
        raise DataError("This is a binary file; expected text. Convert it to text first.", path=path)
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        text = raw.decode(encoding, "replace")
        broken = text.count("\ufffd")
        if broken * 10 > len(text):
            raise DataError(f"This is not text in {encoding.upper()}; convert it first.", path=path) from error
        line = raw.count(b"\n", 0, error.start) + 1
        _log.warning("%s:%d: %d characters are not %s and are replaced.", path, line, broken, encoding.upper())
    markup = _MARKUPS.get(suffix_of(path), "text")
    return passages(text, title=name or Path(path).name, path=str(path), markup=markup, max_chars=max_chars)


def read_folder(path: Path | str, *, max_chars: int = 1200) -> list[Document]:
    """The passages of every text, Markdown and reStructuredText file under a folder, in the order of the paths.

    Hidden files and folders are passed over, as are links to folders. A link to a file outside the folder is left out
    with a warning, so that a folder from elsewhere cannot have the reader's own files read; so is a file that cannot be
    read or is not text.

    Raises:
        DataError: there is no such folder, or there is no text file in it.
    """
    with reading(path) as folder:
        if not folder.is_dir():
            raise DataError("There is no such folder. Check the path.", path=path)
        files = list(_text_files(folder))
    if not files:
        expected = ", ".join(sorted(TEXT_SUFFIXES))
        raise DataError(f"There are no text files in this folder; some of {expected} were expected.", path=path)
    found: list[Document] = []
    for file in files:
        try:
            found += read_text(file, name=str(file.relative_to(folder)), max_chars=max_chars)
        except DataError as error:
            _log.warning("%s It is left out.", error)
    return found


def _text_files(folder: Path) -> Iterator[Path]:
    root = folder.resolve()
    for parent, folders, names in os.walk(folder, onerror=_unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and suffix_of(name) in TEXT_SUFFIXES:
                file = Path(parent, name)
                if not file.resolve().is_relative_to(root):
                    _log.warning("%s: this link points outside the folder; it is left out.", file)
                elif file.is_file():
                    yield file


def _unreadable(error: OSError) -> None:
    _log.warning("%s: this folder cannot be read and is left out: %s.", error.filename, error.strerror)
