"""Files and folders by path or address, on this machine, in S3 or in Google Cloud Storage: what pyarrow reads."""

from __future__ import annotations

import hashlib
import io
import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, cast

from judge_rerank.core import DataError, InputError, MissingExtra

_SAMPLE_BYTES = 1024 * 1024


def arrow(module: str = "pyarrow") -> Any:
    """pyarrow, or a module of it.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtra("Ranking files", "parquet", error.name or "pyarrow") from None


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A file to read.

    Attributes:
        name: how the user calls it, and messages do.
        path: how its file system calls it.
        files: the file system, of pyarrow.
        bytes: how long it is.
    """

    name: str
    path: str
    files: Any
    bytes: int

    @contextmanager
    def opened(self) -> Generator[BinaryIO]:
        """Its bytes, as a stream that knows its name.

        Raises:
            DataError: it cannot be read.
        """
        with _reading(self.name), self.files.open_input_file(self.path) as file:
            yield cast("BinaryIO", _Named(file, self.name))

    def fingerprint(self) -> dict[str, Any]:
        """What tells it from another version of itself: its size, and a hash of its first and last megabyte."""
        digest = hashlib.sha256()
        with _reading(self.name), self.files.open_input_file(self.path) as file:
            digest.update(file.read(_SAMPLE_BYTES))
            file.seek(max(0, self.bytes - _SAMPLE_BYTES))
            digest.update(file.read(_SAMPLE_BYTES))
        return {"path": self.name, "bytes": self.bytes, "sha256_of_ends": digest.hexdigest()}


class _Named(io.BufferedReader):
    """A stream with the name that messages use."""

    def __init__(self, raw: Any, name: str) -> None:
        super().__init__(raw)
        self._called = name

    @property
    def name(self) -> str:
        """How the user calls the file."""
        return self._called


class Folder:
    """A folder that a run writes to, on this machine or elsewhere. Files in it are whole or not there.

    Args:
        where: a path, or an address such as s3://bucket/results.

    Raises:
        InputError: there is no such file system.
    """

    def __init__(self, where: str | Path) -> None:
        self.name = str(where).rstrip("/")
        self._files, self._path = file_system(where)

    @property
    def local(self) -> Path | None:
        """The folder on this machine; None where it is elsewhere."""
        return Path(self._path) if self._files.type_name == "local" else None

    def __truediv__(self, name: str) -> Folder:
        """A folder in it."""
        return Folder(f"{self.name}/{name}")

    def create(self) -> None:
        """Make it.

        Raises:
            DataError: it cannot be written to.
        """
        with self._writing(""):
            self._files.create_dir(self._path, recursive=True)
            if self.local is not None and not os.access(self._path, os.W_OK | os.X_OK):
                raise PermissionError(13, "permission denied")

    def names(self) -> set[str]:
        """The files in it; none where it is not there."""
        selector = arrow("pyarrow.fs").FileSelector(self._path, allow_not_found=True)
        return {info.base_name for info in self._files.get_file_info(selector) if info.is_file}

    def source(self, name: str) -> Source:
        """A file in it, to read."""
        path = f"{self._path}/{name}"
        info = self._files.get_file_info(path)
        return Source(name=f"{self.name}/{name}", path=path, files=self._files, bytes=info.size or 0)

    def read(self, name: str) -> bytes | None:
        """A file as a whole; None where there is none."""
        source = self.source(name)
        if not self._files.get_file_info(source.path).is_file:
            return None
        with source.opened() as file:
            return file.read()

    def write(self, name: str, content: bytes) -> None:
        """Put a file in the place of what was there, all at once.

        Raises:
            DataError: it cannot be written.
        """
        with self.writing(name) as file:
            file.write(content)

    @contextmanager
    def writing(self, name: str) -> Generator[Any]:
        """A file to write; it is there when the block has ended without an error, and not before.

        Raises:
            DataError: it cannot be written.
        """
        path = f"{self._path}/{name}"
        local = self.local is not None
        # An object in a store appears when it is complete. Elsewhere a file is written beside its place, and moved.
        written = f"{self._path}/_{name}.{secrets.token_hex(4)}.new" if local else path
        with self._writing(name):
            try:
                with self._files.open_output_stream(written) as file:
                    yield file
                if local:
                    self._files.move(written, path)
            except BaseException:
                if local:
                    with suppress(OSError):
                        self._files.delete_file(written)
                raise

    def delete(self, name: str) -> None:
        """Remove a file, if it is there."""
        with self._writing(name), suppress(FileNotFoundError):
            self._files.delete_file(f"{self._path}/{name}")

    def empty(self) -> None:
        """Remove all that is in it, and itself."""
        with self._writing(""), suppress(FileNotFoundError):
            self._files.delete_dir(self._path)

    @contextmanager
    def _writing(self, name: str) -> Generator[None]:
        try:
            yield
        except OSError as error:
            where = f"{self.name}/{name}" if name else self.name
            raise DataError(f"Cannot be written: {error.strerror or error}.", path=where) from error


def file_system(where: str | Path) -> tuple[Any, str]:
    """The file system of a path or an address, and what it calls the place.

    Raises:
        InputError: there is no such file system.
    """
    fs = arrow("pyarrow.fs")
    text = os.fspath(where)
    if "://" not in text:
        return fs.LocalFileSystem(), str(Path(text).expanduser().absolute())
    try:
        return fs.FileSystem.from_uri(text)
    except (ValueError, OSError, NotImplementedError) as error:
        raise InputError(f"{text} cannot be opened: {error}. A path, s3://… or gs://… was expected.") from None


@contextmanager
def _reading(name: str) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"Cannot be read: {error.strerror or error}.", path=name) from error
