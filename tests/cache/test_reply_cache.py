"""The reply cache: one answer for one request, whatever happens to the folder."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import os
import pickle
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import closing, suppress
from dataclasses import fields, replace
from decimal import Decimal
from pathlib import Path
from textwrap import dedent
from typing import Any

import diskcache
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge_rerank.cache.reply_cache import ReplyCache
from judge_rerank.cache.safe_diskcache import BadRow, SafeDisk, Store
from judge_rerank.cache.serialisation import request_key
from judge_rerank.cache.store import ReplyStore
from judge_rerank.core import Query
from judge_rerank.core.backend import ChatReply, ChatRequest, Message, OutputSchema, Question, Subject
from judge_rerank.storage.leases import LEASE_S, Leases

REPLY = ChatReply(
    text="7 \ud83d é\n\x00",
    branches={"": {"7": -0.25, "8": float("-inf")}},
    input_tokens=120,
    output_tokens=1,
    cached_input_tokens=100,
    cost_usd=Decimal("0.000123"),
    model="m-2026",
    usage={"prompt_tokens": 120, "details": {"cached": [100]}},
)
REQUEST = ChatRequest(
    messages=(Message(role="system", content="Judge."), Message(role="user", content="Is it? é")),
    max_output_tokens=8,
    schema=OutputSchema(name="score", schema={"type": "object"}),
    labels=("yes", "no"),
    seed=1,
)


def in_a_loop(test: Callable[[Path], Coroutine[Any, Any, None]]) -> Callable[[Path], None]:
    @functools.wraps(test)
    def run(tmp_path: Path) -> None:
        asyncio.run(test(tmp_path))

    return run


def key_of(request: ChatRequest = REQUEST, **changed: object) -> str:
    given_: dict[str, object] = {"model": "m", "endpoint": None, "params": {}, "parser_version": 1}
    return request_key(request, **(given_ | changed))  # type: ignore[arg-type]


def database(folder: Path) -> Path:
    return folder / "replies" / "cache.db"


def plant(folder: Path, **columns: object) -> None:
    with closing(sqlite3.connect(database(folder))) as connection, connection:
        row = {"raw": 1, "store_time": 1.0, "access_time": 1.0, "size": 0, "mode": 1} | columns
        names = ", ".join(row)
        connection.execute(f"INSERT INTO Cache ({names}) VALUES ({', '.join('?' * len(row))})", tuple(row.values()))


# What is kept


def test_a_reply_comes_back_as_it_was_with_what_it_cost(tmp_path: Path) -> None:
    with ReplyCache(tmp_path) as cache:
        assert cache.get("k") is None
        cache.put("k", REPLY)
        assert cache.get("k") == REPLY
    with ReplyCache(tmp_path) as again:
        assert again.get("k") == REPLY
        assert (again.info().entries, again.info().hits, again.info().misses) == (1, 2, 1)
        assert again.clear() == 1
        assert again.get("k") is None


def test_a_reply_is_not_served_under_another_key(tmp_path: Path) -> None:
    with ReplyCache(tmp_path) as cache:
        cache.put("k", REPLY)
    with closing(sqlite3.connect(database(tmp_path))) as connection, connection:
        connection.execute("UPDATE Cache SET key = 'other'")
    with ReplyCache(tmp_path) as cache:
        assert cache.get("other") is None
        assert cache.verify().bad == 1
        assert cache.verify().checked == 0


@pytest.mark.parametrize(
    "changed",
    [
        {"reply": None},
        {"reply": {"text": "7"}},
        {"reply": {"text": "7", "cost_usd": "a lot"}},
        {"reply": {"text": "7", "cost_usd": None, "of_a_later_version": 1}},
        {"stored": "yesterday"},
        {"stored": None},
    ],
    ids=json.dumps,
)
def test_what_is_no_entry_of_ours_is_a_miss(tmp_path: Path, changed: dict[str, object]) -> None:
    entry = {"key": "k", "stored": time.time(), "reply": {"text": "7", "cost_usd": "0.1"}}
    store = Store(tmp_path / "replies", size_limit_bytes=2**20)
    for key, value in (("k", entry), ("other", entry | {"key": "other"} | changed)):
        assert store.set_all({key: value})
    store.close()
    with ReplyCache(tmp_path) as cache:
        assert cache.get("k") == ChatReply(text="7", cost_usd=Decimal("0.1"))
        assert cache.get("other") is None
        assert (cache.verify().bad, cache.verify().bad, cache.info().entries) == (1, 0, 1)


def test_old_replies_are_not_served(tmp_path: Path) -> None:
    with ReplyCache(tmp_path) as cache:
        cache.put("k", REPLY)
    with ReplyCache(tmp_path, expire_s=3600) as cache:
        assert cache.get("k") == REPLY
    time.sleep(0.02)
    with ReplyCache(tmp_path, expire_s=0.01) as cache:
        assert cache.get("k") is None


def test_the_size_limit_holds(tmp_path: Path) -> None:
    with ReplyCache(tmp_path, size_limit_bytes=300_000) as cache:
        for number in range(300):
            cache.put(f"k{number}", replace(REPLY, text="x" * 4000))
        assert cache.info().entries < 100
        assert cache.get("k299") is not None


def test_many_at_once_are_as_one_after_the_other(tmp_path: Path) -> None:
    stored = {f"k{number}": replace(REPLY, text=str(number)) for number in range(87)}
    ours, other = (ReplyStore(tmp_path, size_limit_bytes=2**30, expire_s=None) for _ in range(2))
    with closing(ours), closing(other):
        tokens = {key: f"token of {key}" for key in stored}
        assert ours.claim_all(tokens) == dict.fromkeys(stored, True)
        assert other.claim_all({"k3": "x", "k5": "y", "new": "z"}) == {"k3": False, "k5": False, "new": True}
        ours.complete_all([(key, tokens[key], None if key == "k5" else reply) for key, reply in stored.items()])
        assert other.claim_all({"k3": "x", "k5": "y", "k86": "z"}) == {
            "k3": stored["k3"],
            "k5": True,
            "k86": stored["k86"],
        }
        with closing(sqlite3.connect(tmp_path / "replies" / "cache.db")) as connection, connection:
            connection.execute("UPDATE Cache SET value = x'00' WHERE key = 'k7'")
        assert ours.claim_all({"k6": "a", "k7": "b"}) == {"k6": stored["k6"], "k7": True}
        assert ours.info().entries == 85
        assert (ours.info().hits, ours.info().misses) == (1, 88)  # and those of the other, when it is closed


@in_a_loop
async def test_who_gives_up_while_the_store_is_busy_leaves_nothing_behind(tmp_path: Path) -> None:
    with ReplyCache(tmp_path) as cache:
        busy = threading.Event()
        cache._submit(lambda _: busy.wait(20))

        async def enter(key: str) -> ChatReply | None:
            async with cache.single_flight(key) as turn:
                return turn.reply

        given_up = [asyncio.create_task(enter(f"k{number}")) for number in range(5)]
        await asyncio.sleep(0)
        for task in given_up:
            task.cancel()
        await asyncio.gather(*given_up, return_exceptions=True)
        # Their claims, their ends and these claims of the same keys all wait at the same moment.
        others = [asyncio.create_task(enter(f"k{number}")) for number in range(8)]
        await asyncio.sleep(0)
        busy.set()
        async with asyncio.timeout(20):
            assert await asyncio.gather(*others) == [None] * 8
        assert not cache._turns._waiting
    with closing(sqlite3.connect(tmp_path / "replies" / "leases.db")) as connection:
        assert connection.execute("SELECT * FROM leases").fetchall() == []


# The key

OTHER_VALUES: dict[str, st.SearchStrategy[object]] = {
    "messages": st.lists(
        st.builds(Message, role=st.sampled_from(["system", "user", "assistant"]), content=st.text()), max_size=3
    ).map(tuple),
    "max_output_tokens": st.integers(1, 10_000),
    "schema": st.none()
    | st.builds(OutputSchema, name=st.text(), schema=st.dictionaries(st.text(), st.integers() | st.text())),
    "labels": st.lists(st.text(), max_size=3).map(tuple),
    "temperature": st.floats(0, 2),
    "seed": st.none() | st.integers(),
    "questions": st.lists(
        st.builds(Question, kind=st.just("score"), instructions=st.text(), labels=st.just(("low", "high"))), max_size=2
    ).map(tuple),
}
NOT_COUNTED = {"timeout_s", "subject"}


def test_every_field_of_a_request_is_either_counted_or_not() -> None:
    assert {f.name for f in fields(ChatRequest)} == set(OTHER_VALUES) | NOT_COUNTED


@given(data=st.data(), name=st.sampled_from(sorted(OTHER_VALUES)))
def test_any_change_of_a_request_changes_the_key(data: st.DataObject, name: str) -> None:
    value = data.draw(OTHER_VALUES[name])
    changed = replace(REQUEST, **{name: value})
    assert (key_of(changed) == key_of()) == (getattr(changed, name) == getattr(REQUEST, name))


@given(
    st.dictionaries(st.sampled_from(["model", "endpoint", "parser_version"]), st.text(max_size=5), min_size=1),
    st.dictionaries(st.text(min_size=1, max_size=8), st.integers() | st.text(max_size=5), max_size=3),
)
def test_model_endpoint_parser_and_parameters_count(named: dict[str, str], params: dict[str, object]) -> None:
    assert key_of(**named) != key_of()
    assert key_of(params={"effort!": 1} | params) != key_of(params=params)


@given(
    st.floats(0.1, 1e4),
    st.sampled_from(["api_key", "API-Key", "timeout", "request_timeout", "headers", "extra_headers", "max_retries"]),
    st.text(),
)
def test_timeouts_keys_headers_and_retries_do_not_count(timeout_s: float, name: str, value: str) -> None:
    request = replace(REQUEST, timeout_s=timeout_s, subject=Subject(task="score", query=Query(text=value)))
    assert key_of(request, params={name: value, "top_p": 1}) == key_of(params={"top_p": 1})


def test_the_order_of_parameters_does_not_count_and_odd_values_are_no_error() -> None:
    one = {"stop": {"b", "a"}, "logit_bias": {1: 2, "x": 3}, "extra": b"\xff"}
    two = dict(reversed(one.items()))
    assert key_of(params=one) == key_of(params=two)
    assert key_of(replace(REQUEST, messages=(Message(role="user", content="\ud800"),)))


# A folder that somebody else has written to


class Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.target,))


def test_a_planted_pickle_never_runs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    target = tmp_path / "executed"
    bomb = pickle.dumps(Bomb(target))
    with ReplyCache(tmp_path) as cache:
        cache.put("good", REPLY)
    values = tmp_path / "replies" / "aa" / "bb"
    values.mkdir(parents=True)
    (values / "cc.val").write_bytes(bomb)
    for number, (key, raw, mode, filename, value) in enumerate(
        [
            ("k0", 1, 4, None, bomb),
            ("k1", 1, 4, "aa/bb/cc.val", None),
            (bomb, 0, 1, None, b"1"),
            ("k3", 1, 1, None, bomb),
            ("k4", 1, 99, None, bomb),
        ]
    ):
        plant(tmp_path, key=key, raw=raw, mode=mode, filename=filename, value=value, expire_time=1e12 + number)
    with ReplyCache(tmp_path) as cache:
        assert cache.info().entries == 6
        for key in ("k0", "k1", "k3"):
            assert cache.get(key) is None
        assert cache.info().entries == 3
        assert cache.verify(remove=False).bad == 2
        assert cache.verify().removed == 2
        assert cache.get("good") is not None
        assert cache.clear() == 1
    assert not target.exists()
    assert (values / "cc.val").exists()
    assert [r.levelname for r in caplog.records].count("WARNING") == 1


def test_no_operation_of_diskcache_runs_a_planted_pickle(tmp_path: Path) -> None:
    target = tmp_path / "executed"
    bomb = pickle.dumps(Bomb(target))
    with ReplyCache(tmp_path) as cache:
        cache.put("good", REPLY)
    plant(tmp_path, key="k", mode=4, value=bomb, expire_time=2.0)
    plant(tmp_path, key="l", mode=4, value=bomb)
    plant(tmp_path, key=bomb, raw=0, value=bomb)
    with diskcache.Cache(str(tmp_path / "replies"), disk=SafeDisk, statistics=1, cull_limit=10) as raw:
        with pytest.raises(BadRow):
            raw.get("l")
        with pytest.raises(BadRow):
            list(raw)
        with pytest.raises(BadRow):
            list(raw.iterkeys())
        with pytest.raises(BadRow):
            raw.peekitem()
        raw.stats()
        raw.expire()
        raw.cull()
        with suppress(BadRow):
            raw.pop("l")
        raw.clear()
    assert not target.exists()


@pytest.mark.parametrize("name", ["../../victim", "{victim}", "aa/../../../victim"])
def test_a_planted_file_name_is_never_read_or_deleted(tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    folder = tmp_path / "cache"
    with ReplyCache(folder) as cache:
        cache.put("good", REPLY)
    for number, mode in enumerate((2, 3, 4)):
        plant(folder, key=f"k{number}", mode=mode, filename=name.format(victim=victim), size=8)
    plant(folder, key="old", mode=3, filename=name.format(victim=victim), expire_time=2.0)
    with ReplyCache(folder) as cache:
        assert [cache.get(f"k{n}") for n in range(3)] == [None] * 3
        cache.put("old", REPLY)
        cache.clear()
    assert victim.read_text() == "precious"


@pytest.mark.parametrize(
    "columns", [{"value": text} for text in ("text", 7, 7.5, None)] + [{"mode": 2}], ids=json.dumps
)
def test_an_odd_row_is_dropped_and_the_others_stay(tmp_path: Path, columns: dict[str, object]) -> None:
    with ReplyCache(tmp_path) as cache:
        cache.put("good", REPLY)
    plant(tmp_path, key="odd", **({"value": b"7" * 40} | columns))
    with ReplyCache(tmp_path) as cache:
        assert cache.get("odd") is None
        assert cache.get("good") == REPLY
        assert (cache.info().entries, cache.info().set_aside) == (1, ())


@pytest.mark.parametrize("size", [0, 9e18])
def test_planted_settings_are_dropped_before_they_are_applied(tmp_path: Path, size: float) -> None:
    with ReplyCache(tmp_path) as cache:
        cache.put("good", REPLY)
    with closing(sqlite3.connect(database(tmp_path))) as connection, connection:
        for name, value in (("get", "x"), ("sqlite_mmap_size", 1 << 40), ("sqlite_writable_schema", 1), ("disk_x", 1)):
            connection.execute("INSERT OR REPLACE INTO Settings VALUES (?, ?)", (name, value))
        connection.execute("UPDATE Settings SET value = ? WHERE key = 'size'", (size,))
    with ReplyCache(tmp_path) as cache:
        assert cache.get("good") is not None
        cache.put("k", REPLY)
        assert cache.info().entries == 2
    with closing(sqlite3.connect(database(tmp_path))) as connection:
        settings = dict(connection.execute("SELECT key, value FROM Settings"))
    assert settings["sqlite_mmap_size"] == 0
    assert not {"get", "sqlite_writable_schema", "disk_x"} & set(settings)


def test_only_the_user_can_enter_the_folder(tmp_path: Path) -> None:
    (tmp_path / "replies").mkdir(mode=0o777)
    (tmp_path / "replies").chmod(0o777)
    with ReplyCache(tmp_path) as cache:
        cache.put("k", REPLY)
    assert (tmp_path / "replies").stat().st_mode & 0o777 == 0o700


def test_a_link_in_place_of_the_folder_is_not_followed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "replies").symlink_to(tmp_path / "elsewhere")
    with ReplyCache(tmp_path) as cache:
        cache.put("k", REPLY)
        assert cache.get("k") is None
    assert not list((tmp_path / "elsewhere").iterdir())
    assert "not a folder" in caplog.text


# A folder that is damaged


def filled(folder: Path) -> dict[str, ChatReply]:
    replies = {f"key-{n}": replace(REPLY, text=f"answer {n} " * 20) for n in range(40)}
    with ReplyCache(folder) as cache:
        for key, reply in replies.items():
            cache.put(key, reply)
    return replies


def test_flipped_bytes_and_truncations_never_give_a_wrong_answer(tmp_path: Path) -> None:
    original = tmp_path / "original"
    replies = filled(original)
    chance = random.Random(7)
    hits = 0
    for trial in range(50):
        folder = tmp_path / f"trial{trial}"
        shutil.copytree(original, folder)
        content = bytearray(database(folder).read_bytes())
        if trial % 5 == 4:
            del content[chance.randrange(len(content)) :]
        else:
            for _ in range(chance.choice((1, 1, 10, 200))):
                content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        database(folder).write_bytes(content)
        with ReplyCache(folder) as cache:
            for key, reply in replies.items():
                found = cache.get(key)
                assert found is None or found == reply
                hits += found is not None
            cache.verify()
            cache.put("new", REPLY)
        shutil.rmtree(folder)
    assert hits > 300


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 100, b"SQLite format 3\x00" + b"\xff" * 8000])
def test_a_corrupt_file_is_set_aside_and_a_new_one_begun(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    filled(tmp_path)
    database(tmp_path).write_bytes(content)
    with ReplyCache(tmp_path) as cache:
        cache.put("k", REPLY)
        assert cache.get("k") is not None
        aside = cache.info().set_aside
    if content:
        assert [path.read_bytes() for path in aside] == [content]
        assert [r.levelname for r in caplog.records] == ["WARNING"]
    with ReplyCache(tmp_path) as cache:
        cache.clear()
        assert not cache.info().set_aside


def test_a_database_of_somebody_else_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    database(tmp_path).parent.mkdir(mode=0o700)
    with closing(sqlite3.connect(database(tmp_path))) as connection, connection:
        connection.execute("CREATE TABLE Cache (name TEXT)")
    with ReplyCache(tmp_path) as cache:
        cache.put("k", REPLY)
        assert cache.get("k") == REPLY
        aside, *_ = cache.info().set_aside
    with closing(sqlite3.connect(aside)) as connection:
        assert [row[1] for row in connection.execute("PRAGMA table_info(Cache)")] == ["name"]
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_folder_is_given_up_at_the_third_damage(tmp_path: Path) -> None:
    store = Store(tmp_path, size_limit_bytes=2**20)
    for times in range(1, 4):
        (tmp_path / "cache.db").write_bytes(b"no database" * 100)
        assert store.set_all({"k": times}) == (times < 3)
        assert store.get("k") == (times if times < 3 else None)
        store.close()
    assert len(store.set_aside()) == 3


def test_a_file_damaged_while_it_is_open_is_no_failure(tmp_path: Path) -> None:
    with ReplyCache(tmp_path) as cache:
        cache.put("k", REPLY)
        for path in (tmp_path / "replies").glob("cache.db*"):
            if not path.name.endswith("-shm"):
                path.write_bytes(b"\x00garbage" * 5000)
        assert cache.get("k") in (None, REPLY)
        for number in range(5):
            cache.put(f"k{number}", REPLY)
        assert cache.get("k4") in (None, REPLY)
    with ReplyCache(tmp_path) as cache:
        cache.put("k", REPLY)
        assert cache.get("k") is not None


def test_a_folder_that_vanishes_is_no_failure(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    with ReplyCache(folder) as cache:
        cache.put("k", REPLY)
        shutil.rmtree(folder)
        for number in range(5):
            cache.put(f"k{number}", REPLY)
            cache.get(f"k{number}")
    with ReplyCache(folder) as cache:
        cache.put("k", REPLY)
        assert cache.get("k") is not None


def test_a_place_where_no_folder_can_be_is_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    cache = ReplyCache(tmp_path / "file" / "cache")

    async def ask() -> str:
        async with cache.single_flight("k") as flight:
            assert flight.reply is None
            flight.complete(REPLY, store=True)
            return REPLY.text

    with cache:
        for _ in range(3):
            assert asyncio.run(ask()) == REPLY.text
        assert cache.info().entries == 0
        assert cache.verify().checked == 0
        assert cache.clear() == 0
    assert [r.levelname for r in caplog.records] == ["WARNING"]


def child(script: str, *args: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-c", dedent(script), *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def output(process: subprocess.Popen[str]) -> tuple[str, str]:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out, err


NO_RIGHTS = """
    import os, sys, tempfile
    from pathlib import Path
    from judge_rerank.core.backend import ChatReply
    from judge_rerank.cache.reply_cache import ReplyCache
    import json, asyncio, platformdirs
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    if os.getuid() == 0:
        os.chown(folder, 65534, 65534)
        os.setuid(65534)
    with ReplyCache(folder) as cache:
        cache.put("k", ChatReply(text="kept"))
    made = [p for p in (folder / "replies").iterdir()]
    for path in made:
        path.chmod(0o400)
    (folder / "replies").chmod(0o500)
    cache = ReplyCache(folder)
    found = cache.get("k")
    assert found is None or found.text == "kept"
    cache.put("new", ChatReply(text="x"))
    assert cache.get("new") is None
    cache.close()
    for path in [folder / "replies", *made]:
        path.chmod(0o700)
    for path in (folder / "replies").iterdir():
        path.unlink()
    (folder / "replies").rmdir()
    print("fine", [p.name for p in made])
"""


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="the system has no such file rights")
def test_a_read_only_folder_is_a_warning() -> None:
    out, err = output(child(NO_RIGHTS))
    assert out.startswith("fine")
    assert err.count("cannot be used") == 1


DISK_FULL = """
    import resource, sys
    from judge_rerank.core.backend import ChatReply
    from judge_rerank.cache.reply_cache import ReplyCache
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
    kept = 0
    with ReplyCache(sys.argv[1]) as cache:
        for n in range(100):
            cache.put(f"k{n}", ChatReply(text=f"{n} " * 2000))
        for n in range(100):
            found = cache.get(f"k{n}")
            assert found is None or found.text == f"{n} " * 2000
            kept += found is not None
    print(kept)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the system has no limit on file sizes")
def test_a_full_disk_is_a_warning(tmp_path: Path) -> None:
    out, err = output(child(DISK_FULL, tmp_path))
    assert int(out) < 50
    assert err.count("cannot be used") <= 1


# In flight


async def asked(
    cache: ReplyCache,
    key: str,
    log: list[str],
    *,
    fail: int = 0,
    seconds: float = 0.01,
    begun: asyncio.Event | None = None,
) -> ChatReply:
    async with cache.single_flight(key) as flight:
        if flight.reply is not None:
            return flight.reply
        log.append(key)
        if begun is not None:
            begun.set()
        await asyncio.sleep(seconds)
        if len(log) <= fail:
            raise ConnectionError("no answer")
        flight.complete(REPLY, store=True)
        return REPLY


@in_a_loop
async def test_identical_requests_in_flight_are_made_once(tmp_path: Path) -> None:
    with ReplyCache(tmp_path) as cache:
        log: list[str] = []
        replies = await asyncio.gather(*(asked(cache, "k", log) for _ in range(50)))
        assert log == ["k"]
        assert replies == [REPLY] * 50


@in_a_loop
async def test_when_the_leader_fails_the_next_one_asks_and_only_one(tmp_path: Path) -> None:
    with ReplyCache(tmp_path) as cache:
        log: list[str] = []
        results = await asyncio.gather(*(asked(cache, "k", log, fail=2) for _ in range(20)), return_exceptions=True)
        assert len(log) == 3
        assert sum(isinstance(r, ConnectionError) for r in results) == 2
        assert sum(isinstance(r, ChatReply) for r in results) == 18


@in_a_loop
async def test_when_the_leader_is_cancelled_the_next_one_asks(tmp_path: Path) -> None:
    with ReplyCache(tmp_path) as cache:
        log: list[str] = []
        begun = asyncio.Event()
        tasks = [asyncio.create_task(asked(cache, "k", log, seconds=0.05, begun=begun)) for _ in range(10)]
        await begun.wait()
        for task in tasks[:5]:  # the leader, and some that wait
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert log == ["k", "k"]
        assert all(isinstance(r, ChatReply) for r in results[5:])


@in_a_loop
async def test_cancelled_at_any_moment_nobody_waits_for_ever(tmp_path: Path) -> None:
    chance = random.Random(3)
    with ReplyCache(tmp_path) as cache:
        for number in range(60):
            log: list[str] = []
            tasks = [asyncio.create_task(asked(cache, f"k{number}", log, seconds=0.0005)) for _ in range(6)]
            for task in tasks[:-1]:
                await asyncio.sleep(chance.random() * 0.0006)
                task.cancel()
            async with asyncio.timeout(20):
                assert (await tasks[-1]).text == REPLY.text
            await asyncio.gather(*tasks, return_exceptions=True)
        assert not cache._turns._waiting


@in_a_loop
async def test_a_reply_that_is_not_stored_still_answers_those_who_wait(tmp_path: Path) -> None:
    with ReplyCache(tmp_path) as cache:

        async def ask() -> str | None:
            async with cache.single_flight("k") as flight:
                if flight.reply is None:
                    await asyncio.sleep(0.02)
                    flight.complete(replace(REPLY, finish_reason="length"), store=False)
                return flight.source

        assert sorted(map(str, await asyncio.gather(ask(), ask(), ask()))) == ["None", "shared", "shared"]
        assert cache.get("k") is None


@in_a_loop
async def test_who_comes_when_the_reply_is_there_and_not_stored_asks_once_more_and_only_one(tmp_path: Path) -> None:
    with ReplyCache(tmp_path) as cache:
        log: list[str] = []

        async def ask(name: str) -> None:
            async with cache.single_flight("k") as flight:
                if flight.reply is None:
                    log.append(name)
                    await asyncio.sleep(0.05)
                    flight.complete(REPLY, store=False)

        async with cache.single_flight("k") as first:
            first.complete(REPLY, store=False)
            late = [asyncio.create_task(ask(name)) for name in ("second", "third", "fourth")]
            await asyncio.sleep(0.02)
        await asyncio.gather(*late)
        assert log == ["second"]


ASK = """
    import asyncio, os, sys, time
    from pathlib import Path
    from judge_rerank.core.backend import ChatReply
    from judge_rerank.cache.reply_cache import ReplyCache

    folder, meter, wait, n = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    ready, together = meter.with_name("ready"), int(sys.argv[5])

    async def ask(cache):
        async with cache.single_flight("k") as flight:
            if flight.reply is None:
                with meter.open("a") as file:
                    file.write(f"{os.getpid()}\\n")
                await asyncio.sleep(wait)
                flight.complete(ChatReply(text="the answer"), store=True)
                return "the answer"
            return flight.reply.text

    async def main():
        with ready.open("a") as file:
            file.write("x")
        while len(ready.read_text()) < together:
            time.sleep(0.001)
        with ReplyCache(folder) as cache:
            assert set(await asyncio.gather(*(ask(cache) for _ in range(n)))) == {"the answer"}

    asyncio.run(main())
"""


def test_64_identical_requests_from_4_processes_are_made_once(tmp_path: Path) -> None:
    meter = tmp_path / "meter"
    for process in [child(ASK, tmp_path / "cache", meter, 0.5, 16, 4) for _ in range(4)]:
        output(process)
    assert len(meter.read_text().splitlines()) == 1


def test_a_killed_leader_holds_up_nobody(tmp_path: Path) -> None:
    meter = tmp_path / "meter"
    leader = child(ASK, tmp_path / "cache", meter, 600, 1, 1)
    deadline = time.monotonic() + 300
    while not meter.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    follower = child(ASK, tmp_path / "cache", meter, 0, 1, 1)
    time.sleep(0.3)
    leader.send_signal(signal.SIGKILL)
    started = time.monotonic()
    output(follower)
    assert time.monotonic() - started < 0.8 * LEASE_S, "it did not wait for the lease to run out"
    leader.communicate()
    assert len(meter.read_text().splitlines()) == 2


def test_a_lease_runs_out_and_can_be_renewed(tmp_path: Path) -> None:
    rows, others = Leases(tmp_path / "leases.db"), Leases(tmp_path / "leases.db")
    assert rows.acquire("k", "a")
    assert not others.acquire("k", "b")
    with closing(sqlite3.connect(tmp_path / "leases.db")) as connection:
        connection.execute("UPDATE leases SET expires = ?", (time.time() - 1,))
        connection.commit()
        rows.renew("k", "a")
        assert not others.acquire("k", "b")
        connection.execute("UPDATE leases SET expires = ?", (time.time() - 1,))
        connection.commit()
    assert others.acquire("k", "b")
    rows.release("k", "a")  # no longer its own
    assert not rows.acquire("k", "c")
    others.release("k", "b")
    assert rows.acquire("k", "c")
    rows.close()
    others.close()


class Hurried(asyncio.SelectorEventLoop):
    """Seconds are short here."""

    def time(self) -> float:
        return 200 * super().time()


def test_a_turn_that_takes_long_keeps_its_lease(tmp_path: Path) -> None:
    def expires() -> float:
        with closing(sqlite3.connect(tmp_path / "replies" / "leases.db")) as connection:
            ((when,),) = connection.execute("SELECT expires FROM leases")
        return when

    async def hold() -> None:
        async with cache.single_flight("k"):
            first, patience = expires(), time.monotonic() + 30
            while expires() == first and time.monotonic() < patience:  # noqa: ASYNC110
                await asyncio.sleep(0)  # the loop's clock runs on while it is kept busy
            assert first < expires() < time.time() + LEASE_S

    with ReplyCache(tmp_path) as cache, asyncio.Runner(loop_factory=Hurried) as runner:
        runner.run(hold())


@pytest.mark.parametrize("content", [b"garbage" * 2000, b"SQLite format 3\x00" + b"\x00" * 4080])
def test_a_corrupt_file_of_locks_holds_up_nobody(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "leases.db").write_bytes(content)
    rows = Leases(tmp_path / "leases.db")
    assert rows.acquire("k", "a")
    rows.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_a_cache_of_its_own(tmp_path: Path) -> None:
    with ReplyCache(tmp_path) as cache:
        cache.put("k", REPLY)
        pid = os.fork()
        if pid == 0:
            found = cache.get("k") is not None
            cache.put("child", REPLY)
            cache.close()
            os._exit(0 if found else 1)
        assert os.waitpid(pid, 0)[1] == 0
        assert cache.get("child") is not None


def test_the_folder_is_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from judge_rerank.storage import cache_dir as cache_folder

    monkeypatch.setenv("JUDGE_RERANK_CACHE_DIR", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("JUDGE_RERANK_CACHE_DIR")
    assert cache_folder().name == "judge-rerank"


def test_stored_values_are_json(tmp_path: Path) -> None:
    logging.getLogger("judge_rerank.cache").setLevel(logging.NOTSET)
    with ReplyCache(tmp_path) as cache:
        cache.put("k", REPLY)
    with closing(sqlite3.connect(database(tmp_path))) as connection:
        [(key, raw, mode, filename, value)] = connection.execute("SELECT key, raw, mode, filename, value FROM Cache")
    assert (key, raw, mode, filename) == ("k", 1, 1, None)
    assert json.loads(value[32:])["reply"]["cost_usd"] == "0.000123"
