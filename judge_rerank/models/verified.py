"""Whether a file on this machine is the registered one: its SHA-256, computed once for a file that does not change."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, cast

from judge_rerank.models.registry import ModelFile
from judge_rerank.storage import cache_dir

Seen = tuple[int, int, str]
"""Size, time of the last change in nanoseconds, SHA-256."""


def is_registered(path: Path, file: ModelFile) -> bool:
    """Whether `path` is the registered file. Name and size are not enough: any file can have them.

    Results are kept in `models/verified.json` of the cache folder, and holds while the file has the size and
    the time of its last change that it had then.
    """
    if not path.is_file():
        return False
    state = _state(path)
    if state[0] != file.size_bytes:
        return False
    known = _known().get(_name(path))
    if known is not None and known[:2] == state:
        return known[2] == file.sha256
    digest = _digest(path)
    _keep(path, (*state, digest))
    return digest == file.sha256


def has_hash(path: Path, file: ModelFile) -> bool:
    """As `is_registered`, computed again."""
    return path.stat().st_size == file.size_bytes and _digest(path) == file.sha256


def remember(path: Path, file: ModelFile) -> None:
    """Keep that `path` was found to be the registered file."""
    _keep(path, (*_state(path), file.sha256))


def _digest(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _name(path: Path) -> str:
    return str(path.resolve())


def _record() -> Path:
    return cache_dir() / "models" / "verified.json"


def _known() -> dict[str, Seen]:
    try:
        told: Any = json.loads(_record().read_text(encoding="utf-8"))
        entries = cast("Mapping[str, tuple[int, int, str]]", told).items()
        return {path: (int(size), int(changed), str(digest)) for path, (size, changed, digest) in entries}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _keep(path: Path, seen: Seen) -> None:
    """Written at once. What two processes write at the same time, or cannot be written, is computed again later."""
    entries = {name: known for name, known in _known().items() if Path(name).exists()}
    entries[_name(path)] = seen
    record = _record()
    try:
        record.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile("w", dir=record.parent, prefix=".verified", delete=False, encoding="utf-8") as new:
            json.dump(entries, new)
        os.replace(new.name, record)  # noqa: PTH105  the name is a string
    except OSError:
        return
