"""What the cache keeps on disk: replies, and rows for those that are being fetched."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

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


Ended: TypeAlias = tuple[str, str, ChatReply | None]
"""A key that is asked no more, under which token it was, and what that leaves here, if anything."""


class Replies(Protocol):
    """Replies by key, for use from one thread. Nothing here raises for what is wrong with the place."""

    def get(self, key: str) -> ChatReply | None:
        """The reply, with what it cost when it was bought; None if there is none."""
        ...

    def keep(self, key: str, reply: ChatReply) -> None:
        """Store a reply."""
        ...

    def claim_all(self, tokens: Mapping[str, str]) -> Mapping[str, ChatReply | bool]:
        """By key, the reply if it is there, else whether the caller, with its token, is the one to ask."""
        ...

    def renew(self, key: str, token: str) -> None:
        """The caller is still asking."""
        ...

    def complete_all(self, ended: Sequence[Ended]) -> None:
        """These callers have done with asking."""
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
        self._lookups = Lookups(self._write_counts)

    def get(self, key: str) -> ChatReply | None:
        """The reply, with what it cost when it was bought; None if there is none."""
        reply = self._find([key]).get(key)
        self._lookups.count([reply])
        return reply

    def keep(self, key: str, reply: ChatReply) -> None:
        """Store a reply."""
        self._keep({key: reply})

    def claim_all(self, tokens: Mapping[str, str]) -> Mapping[str, ChatReply | bool]:
        """By key, the reply if it is there, else whether the caller, with its token, is the one to ask."""
        found: dict[str, ChatReply | bool] = {**self._find(tokens)}
        missing = {key: token for key, token in tokens.items() if key not in found}
        found |= dict.fromkeys(missing, True)
        if missing and self._store.usable:
            held = self._leases.acquire_all(missing)
            late = self._find(held)  # what came while its row was still held
            self._leases.release_all({key: missing[key] for key in late})
            found |= {key: key in held for key in missing} | late
        self._lookups.count(found.values())
        return found

    def renew(self, key: str, token: str) -> None:
        """The caller is still asking."""
        self._leases.renew(key, token)

    def complete_all(self, ended: Sequence[Ended]) -> None:
        """These callers have done with asking."""
        self._keep({key: reply for key, _, reply in ended if reply is not None})
        if self._store.usable:
            self._leases.release_all({key: token for key, token, _ in ended})

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
        self._lookups.forget()
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

    def _find(self, keys: Collection[str]) -> dict[str, ChatReply]:
        found: dict[str, ChatReply] = {}
        for key, value in self._store.get_all(keys).items() if keys else ():
            entry = read_entry(key, value)
            if entry is not None and (self._expire_s is None or time.time() - entry.stored <= self._expire_s):
                found[key] = entry.reply
        return found

    def _keep(self, replies: Mapping[str, ChatReply]) -> None:
        if replies:
            now = time.time()
            entries = {key: write_entry(key, Entry(reply=reply, stored=now)) for key, reply in replies.items()}
            self._store.set_all(entries, expire_s=self._expire_s)

    def write_counts(self) -> None:
        """Add to the counters of all processes what was looked up here."""
        self._lookups.write()

    def _write_counts(self, hits: int, misses: int) -> None:
        if self._store.usable:
            self._leases.count(hits=hits, misses=misses)


class Lookups:
    """Hits and misses of this process, which are added to the counters of all processes now and then.

    Args:
        add: adds them.
    """

    def __init__(self, add: Callable[[int, int], object]) -> None:
        self._add = add
        self._hits = self._misses = 0

    def count(self, found: Iterable[ChatReply | bool | None]) -> None:
        """Count look-ups; one that has to wait, False, is made again and is neither a hit nor a miss."""
        for one in found:
            self._hits += isinstance(one, ChatReply)
            self._misses += one is None or one is True
        if self._hits + self._misses >= _COUNT_EVERY:
            self.write()

    def write(self) -> None:
        """Add them now."""
        if self._hits or self._misses:
            hits, misses = self._hits, self._misses
            self.forget()
            self._add(hits, misses)

    def forget(self) -> None:
        """Do not add what was counted."""
        self._hits = self._misses = 0
