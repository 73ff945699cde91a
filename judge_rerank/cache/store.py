"""What the cache keeps on disk: replies, and rows for those that are being fetched."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from judge_rerank.cache.safe_diskcache import Store
from judge_rerank.cache.serialisation import Entry, read_entry, write_entry
from judge_rerank.core import ChatReply
from judge_rerank.storage import Leases, StoreUrl

_COUNT_EVERY = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheInfo:
    """What a cache holds.

    Attributes:
        folder: where it is: a folder or a database.
        entries: replies.
        bytes: on disk.
        hits, misses: look-ups since it was last cleared, of all processes.
        set_aside: damaged files that were moved out of the way.
    """

    folder: Path | StoreUrl
    entries: int
    bytes: int
    hits: int
    misses: int
    set_aside: tuple[Path, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """What checking every entry found.

    Attributes:
        checked: entries looked at.
        bad: entries that are damaged, or that this package did not write.
        removed: how many of those were deleted.
        set_aside: the file, if it was found to be damaged as a whole; its entries are lost.
    """

    checked: int
    bad: int
    removed: int
    set_aside: tuple[Path, ...] = ()


class Replies(Protocol):
    """Replies by key, for use from one thread. Nothing here raises for what is wrong with the place."""

    def get(self, key: str) -> ChatReply | None:
        """The reply, with what it cost when it was bought; None if there is none."""
        ...

    def keep(self, key: str, reply: ChatReply) -> None:
        """Store a reply."""
        ...

    def claim(self, key: str, token: str) -> ChatReply | bool:
        """The reply if it is there, else whether the caller is the one to ask."""
        ...

    def renew(self, key: str, token: str) -> None:
        """The caller is still asking."""
        ...

    def complete(self, key: str, token: str, reply: ChatReply | None) -> None:
        """The caller has done with asking; `reply` is what it leaves here, if anything."""
        ...

    def write_counts(self) -> None:
        """Add to the counters of all processes what was looked up here."""
        ...

    def info(self) -> CacheInfo:
        """What there is."""
        ...

    def clear(self) -> int:
        """Delete every reply; returns how many there were."""
        ...

    def verify(self, *, remove: bool) -> Verification:
        """Check every row."""
        ...

    def close(self) -> None:
        """Let go of the place, which is opened again on use."""
        ...


class ReplyStore:
    """Replies by key in a folder, for use from one thread. Nothing here raises for what is wrong with the folder."""

    def __init__(self, folder: Path, *, size_limit_bytes: int, expire_s: float | None) -> None:
        self._folder, self._expire_s = folder, expire_s
        self._store = Store(folder / "replies", size_limit_bytes=size_limit_bytes)
        self._leases = Leases(folder / "replies" / "leases.db")
        self._hits = self._misses = 0

    def get(self, key: str) -> ChatReply | None:
        """The reply, with what it cost when it was bought; None if there is none."""
        reply = self._find(key)
        self._count(reply)
        return reply

    def keep(self, key: str, reply: ChatReply) -> None:
        """Store a reply."""
        self._store.set(key, write_entry(key, Entry(reply=reply, stored=time.time())), expire_s=self._expire_s)

    def claim(self, key: str, token: str) -> ChatReply | bool:
        """The reply if it is there, else whether the caller is the one to ask."""
        reply = self._find(key)
        if reply is None and self._store.usable:
            if not self._leases.acquire(key, token):
                return False
            reply = self._find(key)  # it may have come while the row was still held
            if reply is not None:
                self._leases.release(key, token)
        self._count(reply)
        return reply or True

    def renew(self, key: str, token: str) -> None:
        """The caller is still asking."""
        self._leases.renew(key, token)

    def complete(self, key: str, token: str, reply: ChatReply | None) -> None:
        """The caller has done with asking; `reply` is what it leaves here, if anything."""
        if reply is not None:
            self.keep(key, reply)
        if self._store.usable:
            self._leases.release(key, token)

    def info(self) -> CacheInfo:
        """What there is."""
        self.write_counts()
        entries, size = self._store.size()
        hits, misses = self._leases.counters() if self._store.usable else (0, 0)
        aside = tuple(self._store.set_aside())
        return CacheInfo(folder=self._folder, entries=entries, bytes=size, hits=hits, misses=misses, set_aside=aside)

    def clear(self) -> int:
        """Delete every reply; returns how many there were."""
        removed = self._store.clear()
        self._hits = self._misses = 0
        if self._store.usable:
            self._leases.clear()
        return removed

    def verify(self, *, remove: bool) -> Verification:
        """Check every row."""
        before = self._store.set_aside()
        rows = list(self._store.entries())
        bad = [rowid for rowid, key, value in rows if key is None or read_entry(key, value) is None]
        if remove and bad:
            self._store.drop_rows(bad)
        aside = tuple(path for path in self._store.set_aside() if path not in before)
        return Verification(checked=len(rows), bad=len(bad), removed=len(bad) if remove else 0, set_aside=aside)

    def close(self) -> None:
        """Close the files; they open again on use."""
        self.write_counts()
        self._store.close()
        self._leases.close()

    def _find(self, key: str) -> ChatReply | None:
        entry = read_entry(key, self._store.get(key))
        if entry is None or (self._expire_s is not None and time.time() - entry.stored > self._expire_s):
            return None
        return entry.reply

    def _count(self, reply: ChatReply | None) -> None:
        self._hits, self._misses = self._hits + (reply is not None), self._misses + (reply is None)
        if self._hits + self._misses >= _COUNT_EVERY:
            self.write_counts()

    def write_counts(self) -> None:
        """Add to the counters of all processes what was looked up here."""
        if self._store.usable and (self._hits or self._misses):
            self._leases.count(hits=self._hits, misses=self._misses)
            self._hits = self._misses = 0
