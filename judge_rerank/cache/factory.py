"""From what a `Judge` is told of its cache to the cache."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from judge_rerank.cache.reply_cache import ReplyCache
from judge_rerank.cache.shared_replies import CACHE_TABLES
from judge_rerank.core import Backend
from judge_rerank.storage import StoreUrl, open_tables, store_of_environment, storing
from judge_rerank.storage import cache_dir as cache_dir_of_user

DEFAULT_CACHE = "default"
"""The user's cache folder: $JUDGE_RERANK_CACHE_DIR, else the system's place for caches."""


def opened_cache(
    cache_dir: str | Path | ReplyCache | None,
    models: Sequence[str | Backend | None],
    *,
    store: str | None = None,
) -> ReplyCache | None:
    """The cache that was given, or one in the place where replies are kept; None where they are not.

    Args:
        cache_dir: what the caller said of it.
        models: who answers.
        store: the database in which the caller keeps everything for which no other place is named.
    """
    if isinstance(cache_dir, ReplyCache):
        return cache_dir
    if cache_dir == DEFAULT_CACHE and store is not None:
        return ReplyCache(store)
    place = cache_place(cache_dir, models)
    return ReplyCache(place) if place is not None else None


def cache_place(cache_dir: str | Path | None, models: Sequence[str | Backend | None]) -> str | Path | None:
    """Where replies are kept: as named, the user's own for models given by name, or nowhere."""
    if cache_dir != DEFAULT_CACHE:
        return cache_dir
    # What a backend of the caller's own answers may depend on what nobody here knows.
    named = all(each is None or isinstance(each, str) for each in models)
    return (store_of_environment() or cache_dir_of_user()) if named and storing() else None


def require_shared_cache(store: str) -> None:
    """Raises `DataError` unless the database can be reached and has a cache."""
    open_tables(CACHE_TABLES, StoreUrl.of(store), create=False).close()
