"""The reply cache: an identical request is paid for once, within a run, across processes and across restarts."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar
from zlib import crc32

from judge_rerank.cache.shared_replies import SharedReplies
from judge_rerank.cache.single_flight import SingleFlight, Turns
from judge_rerank.cache.store import CacheInfo, Replies, ReplyStore, Verification
from judge_rerank.cache.store_queue import StoreQueue
from judge_rerank.core import ChatReply
from judge_rerank.storage import StoreUrl, place_of, require_driver

__all__ = ["CacheInfo", "ReplyCache", "SingleFlight", "Verification"]

T = TypeVar("T")

DEFAULT_SIZE_LIMIT_BYTES = 2**30
_CONNECTIONS = 4
"""To a database, where a job is a trip and not a matter of the disk."""


class ReplyCache:
    """Replies by request, in a folder that processes may share, or in a database that machines may share.

    A missing, damaged, full or read-only folder is a warning and a miss: never an error, never a wrong answer; so is a
    database that cannot be reached. Entries are written to `folder/replies`, which only this user can enter. At the
    size limit, the oldest go first.

    Example:
        ```python
        from judge_rerank import Judge, ReplyCache

        cache = ReplyCache("replies", size_limit_bytes=2**28, expire_s=7 * 24 * 3600)
        judge = Judge("openai/gpt-6-luna", cache_dir=cache)
        ask = ("why do my brakes squeal?", ["A bell is loud."], "score")
        first, again = judge.rerank(*ask), judge.rerank(*ask)
        print(first.usage.calls, again.usage.calls, again.usage.cached_calls)  # 1 0 1
        ```

    Args:
        folder: the folder of the cache, which is created if needed, or the address of a database (postgresql://...).
        size_limit_bytes: the highest size of the cache. By default a GiB for a folder, and none for a database.
        expire_s: how old a reply may be; None for any age.
        executor: where the disk is used, one job at a time; a thread of its own by default.

    Raises:
        InputError: the address cannot be read.
        MissingExtra: the driver of the database is not installed.
    """

    def __init__(
        self,
        folder: Path | str | StoreUrl,
        *,
        size_limit_bytes: int | None = None,
        expire_s: float | None = None,
        executor: Executor | None = None,
    ) -> None:
        self.folder = place_of(folder, "cache")
        self._size_limit_bytes, self._expire_s = size_limit_bytes, expire_s
        self._executor = executor
        self._turns = Turns()
        if isinstance(self.folder, StoreUrl):
            require_driver()
        self._begin()

    def apart(self, name: str) -> ReplyCache:
        """A cache beside this one, which knows nothing of it: a folder in its folder, or a schema in its database."""
        if isinstance(self.folder, StoreUrl):
            place = replace(self.folder, schema=f"{self.folder.schema}_{name.replace('-', '_')}")
        else:
            place = self.folder / name
        return ReplyCache(place, size_limit_bytes=self._size_limit_bytes, expire_s=self._expire_s)

    def get(self, key: str) -> ChatReply | None:
        """The stored reply, with the usage and the cost of the original; None if there is none."""
        return self._submit(lambda store: store.get(key), key).result()

    def put(self, key: str, reply: ChatReply) -> None:
        """Keep a reply."""
        self._submit(lambda store: store.keep(key, reply), key).result()

    def single_flight(self, key: str) -> SingleFlight:
        """One turn at a request, for `async with`; see `SingleFlight`."""
        return SingleFlight(key, self._turns, lambda: self._queue(key))

    def info(self) -> CacheInfo:
        """Entries, bytes and hits."""
        self._write_counts()
        return self._submit(lambda store: store.info()).result()

    def clear(self) -> int:
        """Delete every reply; returns how many there were."""
        self._write_counts()
        return self._submit(lambda store: store.clear()).result()

    def verify(self, *, remove: bool = True) -> Verification:
        """Check every entry against its checksum and its key, and delete the bad ones unless told otherwise."""
        return self._submit(lambda store: store.verify(remove=remove)).result()

    def close(self) -> None:
        """Finish what is under way and close the files. A closed cache opens again when it is used."""
        if self._pid != os.getpid():
            return
        for executor, queue in self._lanes:
            queue.close()
            if self._executor is None:
                executor.shutdown()
        if self._executor is None:
            self._pid = 0

    def __enter__(self) -> ReplyCache:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _begin(self) -> None:
        self._pid = os.getpid()
        lanes = _CONNECTIONS if isinstance(self.folder, StoreUrl) and self._executor is None else 1
        executors = [self._executor or ThreadPoolExecutor(1, "judge-rerank-cache") for _ in range(lanes)]
        self._lanes = [(executor, StoreQueue(self._opened(), executor)) for executor in executors]

    def _write_counts(self) -> None:
        self._queue()  # it may have been closed
        for _, queue in self._lanes:
            queue.submit(lambda store: store.write_counts()).result()

    def _opened(self) -> Replies:
        if isinstance(self.folder, StoreUrl):
            return SharedReplies(self.folder, size_limit_bytes=self._size_limit_bytes, expire_s=self._expire_s)
        most = self._size_limit_bytes or DEFAULT_SIZE_LIMIT_BYTES
        return ReplyStore(self.folder, size_limit_bytes=most, expire_s=self._expire_s)

    def _submit(self, job: Callable[[Replies], T], key: str = "") -> Future[T]:
        return self._queue(key).submit(job)

    def _queue(self, key: str = "") -> StoreQueue:
        """Who does what is asked about a key, one thing after the other."""
        if self._pid != os.getpid():  # closed before, or in a child process, which must not touch the parent's files
            if self._pid:
                self._turns, self._of_parent = Turns(), self._lanes
            self._begin()
        return self._lanes[crc32(key.encode()) % len(self._lanes)][1]
