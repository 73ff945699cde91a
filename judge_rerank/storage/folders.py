"""Folders of this user: the one for what can be fetched again, and those that nobody else may enter."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from platformdirs import user_cache_dir

_CACHE_ENV = "JUDGE_RERANK_CACHE_DIR"


def cache_dir() -> Path:
    """The folder for everything that can be fetched again; the environment variable JUDGE_RERANK_CACHE_DIR moves it."""
    chosen = os.environ.get(_CACHE_ENV, "").strip()
    return Path(chosen).expanduser() if chosen else Path(user_cache_dir("judge-rerank"))


def private_folder(folder: Path) -> None:
    """Make a folder for this user alone; one that is there already stays as it is."""
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)


def claimed_folder(folder: Path) -> None:
    """Make a folder that only this user can enter; raises OSError if there is one that belongs to somebody else."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(20, "it is not a folder", str(folder))
    if hasattr(os, "getuid") and found.st_uid != os.getuid():
        raise PermissionError(13, "it belongs to another user", str(folder))
    if stat.S_IMODE(found.st_mode) & 0o077:
        folder.chmod(0o700)
