"""The folder of this user for what can be fetched again."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_dir

_CACHE_ENV = "JUDGE_RERANK_CACHE_DIR"


def cache_dir() -> Path:
    """The folder for everything that can be fetched again; the environment variable JUDGE_RERANK_CACHE_DIR moves it."""
    chosen = os.environ.get(_CACHE_ENV, "").strip()
    return Path(chosen).expanduser() if chosen else Path(user_cache_dir("judge-rerank"))
