"""The reply cache in a database: one turn at a request over machines, and what it does when the database is away."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from judge_rerank.cache import ReplyCache
from judge_rerank.cache.shared_replies import SharedReplies
from judge_rerank.core import ChatReply, InputError
from judge_rerank.storage import StoreUrl
from tests.postgres import Proxy, query

REPLY = ChatReply(text="a reply with NUL \0, a surrogate \ud800 and \x1a a mark", usage={"prompt_tokens": 3})


@pytest.fixture
def cache(store: str) -> Iterator[ReplyCache]:
    with ReplyCache(store) as made:
        yield made


def replies(store: str, **options: float | None) -> SharedReplies:
    given = {"size_limit_bytes": None, "expire_s": None} | options
    return SharedReplies(StoreUrl.of(store), **given)  # pyright: ignore[reportArgumentType]


def claimed(replies: SharedReplies, key: str, token: str) -> ChatReply | bool:
    return replies.claim_all({key: token})[key]


def test_a_reply_comes_back_as_it_was(cache: ReplyCache, store: str) -> None:
    assert cache.get("k") is None
    cache.put("k", REPLY)
    with ReplyCache(store) as other:
        assert other.get("k") == REPLY
    info = cache.info()
    assert (info.entries, info.hits, info.misses) == (1, 1, 1)
    assert "postgres" in str(info.folder)
    assert cache.clear() == 1
    assert cache.get("k") is None


def test_of_many_on_several_machines_one_asks(store: str) -> None:
    asked = 0

    async def ask(cache: ReplyCache) -> tuple[str, str | None]:
        nonlocal asked
        async with cache.single_flight("k") as turn:
            if turn.reply is not None:
                return turn.reply.text, turn.source
            asked += 1
            await asyncio.sleep(0.1)
            await turn.keep(REPLY)
            return REPLY.text, None

    async def work() -> list[tuple[str, str | None]]:
        return list(await asyncio.gather(*(ask(each) for each in (first, second, third) for _ in range(5))))

    with ReplyCache(store) as first, ReplyCache(store) as second, ReplyCache(store) as third:
        found = asyncio.run(work())
    assert asked == 1
    assert {text for text, _ in found} == {REPLY.text}
    assert [source for _, source in found].count("cache") == 2  # one in each of the other machines


def test_a_turn_that_ends_without_a_reply_lets_the_next_in(store: str) -> None:
    async def fails(cache: ReplyCache) -> None:
        async with cache.single_flight("k") as turn:
            assert turn.reply is None
            raise TimeoutError

    async def work() -> None:
        for cache in (first, second, first):
            with pytest.raises(TimeoutError):
                await fails(cache)

    with ReplyCache(store) as first, ReplyCache(store) as second:
        asyncio.run(work())


def test_the_claim_of_a_process_that_is_gone_ends_with_its_lease(store: str) -> None:
    with closing(replies(store, lease_s=0.5)) as gone, closing(replies(store)) as other:
        assert claimed(gone, "k", "a") is True
        assert claimed(gone, "k", "a") is True  # asked again after a lost connection
        assert claimed(other, "k", "b") is False
        gone.renew("k", "a")
        time.sleep(0.6)
        assert claimed(other, "k", "b") is True
        gone.complete_all([("k", "a", None)])  # it wakes up: the claim is not its own any more
        assert claimed(gone, "k", "c") is False
        other.complete_all([("k", "b", REPLY)])
        assert claimed(gone, "k", "c") == REPLY


def test_many_at_once_are_as_one_after_the_other(store: str) -> None:
    with closing(replies(store)) as ours, closing(replies(store)) as other:
        assert ours.claim_all({"a": "1", "b": "2", "c": "3"}) == {"a": True, "b": True, "c": True}
        assert other.claim_all({"d": "5", "b": "4"}) == {"d": True, "b": False}
        ours.complete_all([("c", "3", REPLY), ("b", "2", None), ("d", "no token of it", None)])
        assert other.claim_all({"c": "7", "a": "8", "b": "4"}) == {"c": REPLY, "a": False, "b": True}
        assert ours.claim_all({"d": "9"}) == {"d": False}


def test_an_old_reply_is_none_and_the_oldest_go_at_the_limit(store: str) -> None:
    with closing(replies(store, expire_s=0.3, size_limit_bytes=8000)) as kept:
        for number in range(64):
            kept.keep(f"k{number}", REPLY)
        assert 0 < kept.info().entries < 64
        assert kept.get("k63") == REPLY
        assert kept.get("k0") is None
        time.sleep(0.35)
        assert kept.get("k63") is None


def test_verify_finds_what_was_changed(cache: ReplyCache, store: str) -> None:
    for number in range(3):
        cache.put(f"k{number}", REPLY)
    query(store, "UPDATE cache_replies SET body = 'nothing' WHERE key = 'k0'")
    query(store, "UPDATE cache_replies SET body = (SELECT body FROM cache_replies WHERE key = 'k2') WHERE key = 'k1'")
    assert cache.get("k0") is cache.get("k1") is None
    found = cache.verify()
    assert (found.checked, found.bad, found.removed) == (3, 2, 2)
    assert cache.verify().checked == 1


def test_a_database_that_is_away_is_a_miss_and_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    async def ask() -> None:
        async with cache.single_flight("k") as turn:
            assert turn.reply is None
            await turn.keep(REPLY)

    with ReplyCache("postgresql://postgres:hunter2secret@127.0.0.1:9/db") as cache, caplog.at_level(logging.WARNING):
        for _ in range(3):
            asyncio.run(ask())
            assert cache.get("k") is None
        assert cache.info().entries == cache.clear() == 0
    assert 1 <= len(caplog.records) <= 4
    assert "hunter2secret" not in caplog.text


def test_a_connection_that_is_lost_is_opened_again(proxy: Proxy) -> None:
    with closing(replies(proxy.store)) as kept:
        kept.keep("k", REPLY)
        proxy.cut_at, proxy.cuts, proxy.answered = b"cache_claims", 1, True
        assert claimed(kept, "other", "a") is True
        proxy.cut_at, proxy.cuts = b"cache_replies", 1
        assert kept.get("k") == REPLY


def test_a_cache_apart_knows_nothing_of_its_neighbour(cache: ReplyCache, postgres: str) -> None:
    with cache.apart("repetition-2") as apart:
        apart.put("k", REPLY)
        assert cache.get("k") is None
        schema = getattr(apart.folder, "schema", "")
    query(postgres, f'DROP SCHEMA "{schema}" CASCADE')


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="expected the address of a database"):
        ReplyCache("mysql://a/b")
