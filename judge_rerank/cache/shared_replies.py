"""What the cache keeps in a database that machines share: replies, and claims of those who are fetching one."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from judge_rerank.cache.serialisation import Entry, read_entry, write_entry
from judge_rerank.cache.store import CacheInfo, Ended, Lookups, Verification
from judge_rerank.core import ChatReply, DataError, RerankError
from judge_rerank.storage import LEASE_S, PostgresSql, StoreUrl, Tables, is_lost, open_tables

T = TypeVar("T")

_log = logging.getLogger("judge_rerank.cache")

_CULL_EVERY, _PAGE = 64, 500
_LEFT_ALONE_S = 30.0
"""How long a database that cannot be used is not tried again."""


def _error(message: str, store: str) -> DataError:
    return DataError(message, path=store)


CACHE_TABLES = Tables(
    name="cache",
    schema=(
        "CREATE TABLE cache_replies (key TEXT PRIMARY KEY, stored TIMESTAMPTZ NOT NULL, body TEXT NOT NULL)",
        "CREATE INDEX cache_replies_stored ON cache_replies (stored)",
        # Claims mean nothing after a crash of the database.
        "CREATE UNLOGGED TABLE cache_claims (key TEXT PRIMARY KEY, token TEXT NOT NULL, expires TIMESTAMPTZ NOT NULL)",
        "CREATE TABLE cache_counters (id INTEGER PRIMARY KEY, hits BIGINT NOT NULL, misses BIGINT NOT NULL)",
    ),
    error=_error,
)

_FIND = """
SELECT key, body FROM cache_replies
WHERE key = ANY(?) AND (?::float8 IS NULL OR stored > clock_timestamp() - make_interval(secs => ?::float8))
"""
# Everybody locks rows in the order of their keys, so that no two wait for each other.
_KEEP = """
INSERT INTO cache_replies
SELECT key, clock_timestamp(), body FROM unnest(?::text[], ?::text[]) AS kept (key, body) ORDER BY key
ON CONFLICT (key) DO UPDATE SET stored = excluded.stored, body = excluded.body
"""
_CLAIM = """
INSERT INTO cache_claims AS held
SELECT key, token, clock_timestamp() + make_interval(secs => ?)
FROM unnest(?::text[], ?::text[]) AS asked (key, token) ORDER BY key
ON CONFLICT (key) DO UPDATE SET token = excluded.token, expires = excluded.expires
WHERE held.expires < clock_timestamp() OR held.token = excluded.token RETURNING key
"""
_RELEASE = """
WITH ended AS (
    SELECT key FROM cache_claims WHERE key = ANY(?) AND token = ANY(?) ORDER BY key FOR UPDATE)
DELETE FROM cache_claims USING ended WHERE cache_claims.key = ended.key
"""
_RENEW = "UPDATE cache_claims SET expires = clock_timestamp() + make_interval(secs => ?) WHERE key = ? AND token = ?"
_COUNT = """
INSERT INTO cache_counters AS old VALUES (1, ?, ?)
ON CONFLICT (id) DO UPDATE SET hits = old.hits + excluded.hits, misses = old.misses + excluded.misses
"""
_CULL = """
DELETE FROM cache_replies USING (
    SELECT key, sum(octet_length(body)) OVER (ORDER BY stored DESC, key) AS total FROM cache_replies) AS kept
WHERE cache_replies.key = kept.key AND kept.total > ?
"""


class SharedReplies:
    """Replies by key in a database, for use from one thread. Nothing here raises for what is wrong with it.

    A claim lasts until it is given up or no longer renewed, by the database's clock: those who wait for a process that
    was killed wait so long.

    Args:
        store: the database.
        size_limit_bytes: the highest size of all replies; at it, the oldest go first. None for no limit.
        expire_s: how old a reply may be; None for any age.
        lease_s: how long a claim lasts without being renewed.
    """

    def __init__(
        self, store: StoreUrl, *, size_limit_bytes: int | None, expire_s: float | None, lease_s: float = LEASE_S
    ) -> None:
        self._store, self._size_limit_bytes, self._expire_s = store, size_limit_bytes, expire_s
        self._lease_s = lease_s
        self._sql: PostgresSql | None = None
        self._lookups, self._kept = Lookups(self._write_counts), 0
        self._left_alone_until = 0.0
        self._warned = False

    def get(self, key: str) -> ChatReply | None:
        """The reply, with what it cost when it was bought; None if there is none."""
        reply = self._run(lambda sql: self._find(sql, [key]), {}).get(key)
        self._lookups.count([reply])
        return reply

    def keep(self, key: str, reply: ChatReply) -> None:
        """Store a reply."""
        self._run(lambda sql: self._keep(sql, {key: reply}), None)

    def claim_all(self, tokens: Mapping[str, str]) -> Mapping[str, ChatReply | bool]:
        """By key, the reply if it is there, else whether the caller, with its token, is the one to ask."""
        nothing: dict[str, ChatReply | bool] = dict.fromkeys(tokens, True)
        found = self._run(lambda sql: self._claim(sql, tokens), nothing)
        self._lookups.count(found.values())
        return found

    def renew(self, key: str, token: str) -> None:
        """The caller is still asking."""
        self._run(lambda sql: sql.execute(_RENEW, (self._lease_s, key, token)), None)

    def complete_all(self, ended: Sequence[Ended]) -> None:
        """These callers have done with asking."""
        kept = {key: reply for key, _, reply in ended if reply is not None}

        def complete(sql: PostgresSql) -> None:
            with sql.raw.pipeline():
                if kept:
                    self._keep(sql, kept)
                _release(sql, {key: token for key, token, _ in ended})

        self._run(complete, None)

    def info(self) -> CacheInfo:
        """What there is."""
        self.write_counts()

        def info(sql: PostgresSql) -> CacheInfo:
            size = sql.execute(
                "SELECT count(*) AS entries, pg_total_relation_size('cache_replies') AS bytes FROM cache_replies"
            ).fetchone()
            looked = sql.execute("SELECT hits, misses FROM cache_counters").fetchone() or {"hits": 0, "misses": 0}
            return CacheInfo(
                folder=self._store,
                entries=size["entries"],
                bytes=size["bytes"],
                hits=looked["hits"],
                misses=looked["misses"],
            )

        return self._run(info, CacheInfo(folder=self._store, entries=0, bytes=0, hits=0, misses=0))

    def clear(self) -> int:
        """Delete every reply; returns how many there were."""
        self._lookups.forget()

        def clear(sql: PostgresSql) -> int:
            sql.execute("DELETE FROM cache_counters")
            return sql.execute("DELETE FROM cache_replies").rowcount

        return self._run(clear, 0)

    def verify(self, *, remove: bool) -> Verification:
        """Check every row."""
        checked, bad = 0, list[str]()
        for key, body in self._bodies():
            checked += 1
            if _read(key, body) is None:
                bad.append(key)
        if remove and bad:
            self._run(lambda sql: sql.execute("DELETE FROM cache_replies WHERE key = ANY(?)", (bad,)), None)
        return Verification(checked=checked, bad=len(bad), removed=len(bad) if remove else 0)

    def close(self) -> None:
        """End the connection; it is opened again on use."""
        if self._sql is not None:
            self.write_counts()
        self._disconnect()

    def _find(self, sql: PostgresSql, keys: Iterable[str]) -> dict[str, ChatReply]:
        rows = sql.execute(_FIND, (list(keys), self._expire_s, self._expire_s)).fetchall()
        read = {row["key"]: _read(row["key"], row["body"]) for row in rows}
        return {key: reply for key, reply in read.items() if reply is not None}

    def _keep(self, sql: PostgresSql, replies: Mapping[str, ChatReply]) -> None:
        now = time.time()
        entries = [write_entry(key, Entry(reply=reply, stored=now)) for key, reply in replies.items()]
        sql.execute(_KEEP, (list(replies), [json.dumps(entry, separators=(",", ":")) for entry in entries]))
        self._kept += len(entries)
        if self._size_limit_bytes is not None and self._kept >= _CULL_EVERY:
            sql.execute(_CULL, (self._size_limit_bytes,))
            self._kept = 0

    def _claim(self, sql: PostgresSql, tokens: Mapping[str, str]) -> dict[str, ChatReply | bool]:
        found: dict[str, ChatReply | bool] = {**self._find(sql, tokens)}
        missing = {key: token for key, token in tokens.items() if key not in found}
        if not missing:
            return found
        claimed = sql.execute(_CLAIM, (self._lease_s, list(missing), list(missing.values()))).fetchall()
        held = {row["key"] for row in claimed}
        late = self._find(sql, held) if held else {}  # what came while somebody else held the claim
        if late:
            _release(sql, {key: missing[key] for key in late})
        return found | {key: key in held for key in missing} | late

    def _bodies(self) -> Iterator[tuple[str, str]]:
        page, after = "SELECT key, body FROM cache_replies WHERE key > ? ORDER BY key LIMIT ?", ""
        while True:
            rows = self._run(lambda sql, after=after: sql.execute(page, (after, _PAGE)).fetchall(), [])
            if not rows:
                return
            yield from ((row["key"], row["body"]) for row in rows)
            after = rows[-1]["key"]

    def write_counts(self) -> None:
        """Add to the counters of all processes what was looked up here."""
        self._lookups.write()

    def _write_counts(self, hits: int, misses: int) -> None:
        self._run(lambda sql: sql.execute(_COUNT, (hits, misses)), None)

    def _run(self, job: Callable[[PostgresSql], T], default: T) -> T:
        import psycopg

        for attempt in range(2):
            if time.monotonic() < self._left_alone_until:
                break
            try:
                self._sql = self._sql or open_tables(CACHE_TABLES, self._store)
                return job(self._sql)
            except (psycopg.Error, RerankError) as error:
                self._disconnect()
                if attempt or not is_lost(error):  # a lost connection is opened once more
                    self._left_alone_until = time.monotonic() + _LEFT_ALONE_S
                    self._warn(error)
        return default

    def _disconnect(self) -> None:
        sql, self._sql = self._sql, None
        if sql is not None:
            sql.close()

    def _warn(self, error: Exception) -> None:
        level, self._warned = (logging.DEBUG if self._warned else logging.WARNING), True
        _log.log(level, "The cache in %s cannot be used (%s); continuing without it.", self._store, error)


def _release(sql: PostgresSql, tokens: Mapping[str, str]) -> None:
    sql.execute(_RELEASE, (list(tokens), list(tokens.values())))


def _read(key: str, body: str) -> ChatReply | None:
    try:
        entry = read_entry(key, json.loads(body))
    except (ValueError, RecursionError):
        return None
    return None if entry is None else entry.reply
