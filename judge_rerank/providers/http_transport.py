"""HTTP connections, one pool for each event loop, and the rule that an attempt sends one request.

LiteLLM sends a request a second time, on its own, when a connection is reset; the provider may have processed and
billed the first. A pool of ours, handed to it, is the one place where that can be seen and stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Generator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, ClientSession

_NO_HEADERS: Mapping[str, str] = {}


@dataclass(slots=True)
class Exchange:
    """What happened on the wire during one attempt.

    Attributes:
        sent: whether a request may have left this machine.
        unreachable: whether no connection could be made.
        abandoned: nobody waits for the answer any more: what is not sent yet will not be.
        status, headers: of the provider's answer, if one came; header names in lower case.
    """

    sent: bool = False
    abandoned: bool = False
    unreachable: bool = False
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: _NO_HEADERS)


_current: ContextVar[Exchange | None] = ContextVar("judge_rerank_exchange", default=None)


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
    exchange.sent = True
    try:
        response = await handler(request)
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
    return response


@dataclass(slots=True)
class _Pool:
    session: ClientSession
    users: WeakSet[object]


class Connections:
    """The connection pools of this process, by event loop; a pool closes with the last of its users."""

    def __init__(self) -> None:
        self._pools: dict[asyncio.AbstractEventLoop, _Pool] = {}
        self._lock = threading.Lock()

    async def session(self, user: object, on_new: Callable[[asyncio.AbstractEventLoop], None]) -> ClientSession:
        """The pool of the running loop; `on_new` is called first when there was none."""
        loop = asyncio.get_running_loop()
        dead: list[_Pool] = []
        with self._lock:
            pool = self._pools.get(loop)
            if pool is None or pool.session.closed:
                dead = [self._pools.pop(other) for other in list(self._pools) if other.is_closed()]
                on_new(loop)
                pool = self._pools[loop] = _Pool(session=_new_session(), users=WeakSet())
            pool.users.add(user)
        for other in dead:
            await other.session.close()
        return pool.session

    async def release(self, user: object) -> None:
        """End the use of every pool by `user`."""
        with self._lock:
            for pool in self._pools.values():
                pool.users.discard(user)
            unused = [(loop, self._pools.pop(loop)) for loop, pool in list(self._pools.items()) if not pool.users]
        for loop, pool in unused:
            await _close(loop, pool.session)


def _new_session() -> ClientSession:
    from aiohttp import ClientSession, DummyCookieJar, TCPConnector

    # No limit of its own: the gate in front of the provider is the limit.
    connector = TCPConnector(limit=0, keepalive_timeout=60.0, ttl_dns_cache=300)
    return ClientSession(connector=connector, cookie_jar=DummyCookieJar(), middlewares=(_once,))


async def _close(loop: asyncio.AbstractEventLoop, session: ClientSession) -> None:
    if loop is asyncio.get_running_loop() or loop.is_closed():
        await session.close()
    elif loop.is_running():
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(session.close(), loop))
    else:
        session.detach()
