"""HTTP connections, one pool for each event loop, and the rule that an attempt sends one request.

LiteLLM sends a request a second time, on its own, when a connection is reset; the provider may have processed and
billed the first. A pool of ours, handed to it, is the one place where that can be seen and stopped.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

if TYPE_CHECKING:
    from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, ClientSession

_NO_HEADERS: Mapping[str, str] = {}
_CONNECT_S = 30.0
_LONGEST_CLOSING_S = 2.0
_MOST_KEPT = 2_000_000
"""Bytes of a body that are kept to look at. No chat reply comes near; long lists of vectors pass."""


@dataclass(slots=True)
class Exchange:
    """What happened on the wire during one attempt.

    Attributes:
        sent: whether a request may have left this machine.
        unreachable: whether no connection could be made.
        abandoned: nobody waits for the answer any more: what is not sent yet will not be.
        path: of the address that was asked.
        status, headers: of the provider's answer, if one came; header names in lower case.
        raw: the body of the answer as far as it was read; empty where it is longer than anything that is looked at.
    """

    sent: bool = False
    abandoned: bool = False
    unreachable: bool = False
    path: str = ""
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: _NO_HEADERS)
    raw: bytearray = field(default_factory=bytearray)


_current: ContextVar[Exchange | None] = ContextVar("judge_rerank_exchange", default=None)

Diversion = Callable[["ClientRequest"], Awaitable["ClientResponse"]]
"""What answers a request in place of the network."""

_diversion: ContextVar[Diversion | None] = ContextVar("judge_rerank_diversion", default=None)


@contextlib.contextmanager
def diverted(diversion: Diversion) -> Generator[None]:
    """Let `diversion` answer what is sent inside the block, in this task or one started from it."""
    token = _diversion.set(diversion)
    try:
        yield
    finally:
        _diversion.reset(token)


@contextlib.contextmanager
def watched() -> Generator[Exchange]:
    """Watch one attempt, which is everything that runs inside the block, in this task or one started from it."""
    exchange = Exchange()
    token = _current.set(exchange)
    try:
        yield exchange
    finally:
        _current.reset(token)


async def _once(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Let one request of an attempt through, and keep LiteLLM from sending it again."""
    from aiohttp import ClientConnectorError, ClientOSError, ServerDisconnectedError

    exchange = _current.get()
    if exchange is None:
        return await handler(request)
    if exchange.abandoned:
        raise ServerDisconnectedError("cancelled before the request was sent")
    if exchange.sent:
        raise ServerDisconnectedError("the connection was lost, and this attempt has had its request")
    exchange.sent, exchange.path = True, request.url.path
    try:
        response = await (_diversion.get() or handler)(request)
    except ClientConnectorError as error:
        exchange.sent, exchange.unreachable = False, True
        raise ServerDisconnectedError(f"cannot connect to {error.host}:{error.port}") from error
    except ClientOSError as error:
        # The kind of error that LiteLLM answers with a second request becomes one that it passes on.
        raise ServerDisconnectedError("the connection was reset") from error
    if 300 <= response.status < 400:
        exchange.sent = False
    exchange.status = response.status
    exchange.headers = {name.lower(): value for name, value in response.headers.items()}
    exchange.raw.clear()
    response.content = _Copied(response.content, exchange.raw)  # pyright: ignore[reportAttributeAccessIssue]
    return response


class _Copied:
    """The stream of a body that also keeps what passes, for LiteLLM hands on only what it knows."""

    def __init__(self, stream: Any, kept: bytearray) -> None:
        self._stream, self._kept = stream, kept

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def iter_chunked(self, n: int) -> AsyncIterator[bytes]:
        """As the stream's own."""
        whole = True
        async for chunk in self._stream.iter_chunked(n):
            whole = whole and len(self._kept) + len(chunk) <= _MOST_KEPT
            if whole:
                self._kept += chunk
            else:
                self._kept.clear()
            yield chunk


@dataclass(slots=True)
class _Pool:
    session: ClientSession
    users: WeakSet[object]


OnNew = Callable[[], None]
OnClose = Callable[[asyncio.AbstractEventLoop], Awaitable[None]]


class Connections:
    """The connection pools of this process, by event loop; a pool closes with the last of its users, or with Python.

    Args:
        on_close: closes what others keep open for a loop; awaited when a pool of that loop is closed.
        watching: whether what is sent is noted in the attempt's `Exchange`, and sent once; who sends does it else.
    """

    def __init__(self, on_close: OnClose, *, watching: bool = True) -> None:
        self._watching = watching
        self._pools: dict[asyncio.AbstractEventLoop, _Pool] = {}
        self._lock = threading.Lock()
        self._on_close = on_close
        self._pid = 0

    async def session(self, user: object, on_new: OnNew) -> ClientSession:
        """The pool of the running loop; `on_new` is called first when there was none."""
        loop = asyncio.get_running_loop()
        dead: list[tuple[asyncio.AbstractEventLoop, _Pool]] = []
        with self._lock:
            pool = self._pools.get(loop)
            if pool is None or pool.session.closed:
                dead = [(other, self._pools.pop(other)) for other in list(self._pools) if other.is_closed()]
                on_new()
                pool = self._pools[loop] = _Pool(session=_new_session(watching=self._watching), users=WeakSet())
                self._close_at_exit()
            pool.users.add(user)
        for other, unused in dead:
            await self._close(other, unused.session)
        return pool.session

    async def release(self, user: object) -> None:
        """End the use of every pool by `user`."""
        with self._lock:
            for pool in self._pools.values():
                pool.users.discard(user)
            unused = [(loop, self._pools.pop(loop)) for loop, pool in list(self._pools.items()) if not pool.users]
        for loop, pool in unused:
            await self._close(loop, pool.session)

    async def _close(self, loop: asyncio.AbstractEventLoop, session: ClientSession) -> None:
        if loop is asyncio.get_running_loop() or loop.is_closed():
            await self._shut(loop, session)
        elif loop.is_running():
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._shut(loop, session), loop))
        else:
            session.detach()

    async def _shut(self, loop: asyncio.AbstractEventLoop, session: ClientSession) -> None:
        await session.close()
        await self._on_close(loop)

    def _close_at_exit(self) -> None:
        """See to it, once a process, that what is still open is closed before Python ends and complains of it."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            atexit.register(self._at_exit)

    def _at_exit(self) -> None:
        if self._pid != os.getpid():  # a forked child has none of the loops
            return
        pools, self._pools = self._pools, {}
        for loop, pool in pools.items():
            # Python is about to end: whatever cannot be closed by now ends with it.
            with contextlib.suppress(Exception):
                asyncio.run(asyncio.wait_for(self._close(loop, pool.session), _LONGEST_CLOSING_S))


def _new_session(*, watching: bool) -> ClientSession:
    from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

    # No limit of its own: the limiter in front of the provider is the limit.
    connector = TCPConnector(limit=0, keepalive_timeout=60.0, ttl_dns_cache=300)
    middlewares = (_once,) if watching else ()
    # Nor does it end an attempt: who sends has a time-out for all of it, which may be longer than five minutes.
    timeout = ClientTimeout(total=None, sock_connect=_CONNECT_S)
    return ClientSession(connector=connector, cookie_jar=DummyCookieJar(), middlewares=middlewares, timeout=timeout)
