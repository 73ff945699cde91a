"""The reply cache: an identical request is paid for once, within a run, across processes and across restarts."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from judge_rerank.cache.single_flight import SingleFlight, Turns
from judge_rerank.cache.store import CacheInfo, ReplyStore, Verification
from judge_rerank.core import ChatReply

__all__ = ["CacheInfo", "ReplyCache", "SingleFlight", "Verification"]

T = TypeVar("T")

DEFAULT_SIZE_LIMIT_BYTES = 2**30


class ReplyCache:
    """Replies by request, in a folder that several processes may share.

    A missing, damaged, full or read-only folder is a warning and a miss: never an error, never a wrong answer. Entries
    are written to `folder/replies`, which only this user can enter. At the size limit, the oldest
    go first.

    Args:
        folder: the folder of the cache; it is created if needed.
        size_limit_bytes: the highest size of the cache.
        expire_s: how old a reply may be; None for any age.
        executor: where the disk is used, one job at a time; a thread of its own by default.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        size_limit_bytes: int = DEFAULT_SIZE_LIMIT_BYTES,
        expire_s: float | None = None,
        executor: Executor | None = None,
    ) -> None:
        self.folder = Path(folder).expanduser().absolute()
        self._size_limit_bytes, self._expire_s = size_limit_bytes, expire_s
        self._executor = executor
        self._turns = Turns()
        self._begin()

    def get(self, key: str) -> ChatReply | None:
        """The stored reply, with the usage and the cost of the original; None if there is none."""
        return self._submit(lambda store: store.get(key)).result()

    def put(self, key: str, reply: ChatReply) -> None:
        """Keep a reply."""
        self._submit(lambda store: store.keep(key, reply)).result()

    def single_flight(self, key: str) -> SingleFlight:
        """One turn at a request, for `async with`; see `SingleFlight`."""
        return SingleFlight(key, self._turns, self._submit)

    def info(self) -> CacheInfo:
        """Entries, bytes and hits."""
        return self._submit(lambda store: store.info(self.folder)).result()

    def clear(self) -> int:
        """Delete every reply; returns how many there were."""
        return self._submit(ReplyStore.clear).result()

    def verify(self, *, remove: bool = True) -> Verification:
        """Check every entry against its checksum and its key, and delete the bad ones unless told otherwise."""
        return self._submit(lambda store: store.verify(remove=remove)).result()

    def close(self) -> None:
        """Finish what is under way and close the files. A closed cache opens again when it is used."""
        self._submit(ReplyStore.close).result()
        if self._executor is None:
            self._worker.shutdown()
            self._pid = 0

    def __enter__(self) -> ReplyCache:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._worker = self._executor or ThreadPoolExecutor(1, "judge-rerank-cache")
        self._store = ReplyStore(
            self.folder / "replies", size_limit_bytes=self._size_limit_bytes, expire_s=self._expire_s
        )

    def _submit(self, job: Callable[[ReplyStore], T], /) -> Future[T]:
        if self._pid != os.getpid():  # closed before, or in a child process, which must not touch the parent's files
            if self._pid:
                self._turns, self._of_parent = Turns(), self._store
            self._begin()
        return self._worker.submit(job, self._store)
