"""Who asks, when several want the same answer at once: one of them, and the others wait.

Within a process they wait for futures; across processes they look at a row that names the owner, again and again.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Literal

from judge_rerank.cache.store_queue import StoreQueue
from judge_rerank.core import ChatReply
from judge_rerank.storage import LEASE_S

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.005, 0.1

Turn = Future[ChatReply | None]
"""What a follower waits for: the reply, or None when it is now the one to ask."""


class Turns:
    """Who leads and who waits within this process, by key. Safe to use from several threads and event loops."""

    def __init__(self) -> None:
        # Random once: asking the system for it gives the interpreter away, and a busy program gets it back late.
        self._name, self._numbers = secrets.token_hex(8), itertools.count()
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[Turn]] = {}

    def new_token(self) -> str:
        """What no other turn has, of this process or of another."""
        return f"{self._name}-{next(self._numbers)}"

    def join(self, key: str) -> Turn | None:
        """None if the caller leads, else what to wait for."""
        with self._lock:
            waiting = self._waiting.get(key)
            if waiting is None:
                self._waiting[key] = deque()
                return None
            turn: Turn = Future()
            waiting.append(turn)
            return turn

    def complete(self, key: str, reply: ChatReply) -> None:
        """The leader has the reply: give it to everybody who waits."""
        with self._lock:
            waiting = self._waiting.pop(key, ())
        for turn in waiting:
            if turn.set_running_or_notify_cancel():
                turn.set_result(reply)

    def hand_over(self, key: str) -> None:
        """The leader has failed: the next that still waits becomes the leader."""
        with self._lock:
            waiting = self._waiting.get(key, deque[Turn]())
            while waiting:
                turn = waiting.popleft()
                if turn.set_running_or_notify_cancel():
                    break
            else:
                self._waiting.pop(key, None)
                return
        turn.set_result(None)

    def leave(self, key: str, turn: Turn) -> None:
        """A follower gives up. If it had just been made the leader, the next one is."""
        if not turn.cancel() and not turn.cancelled() and turn.result() is None:
            self.hand_over(key)


class SingleFlight:
    """One turn at a request: the reply is here already, or the caller is the one to fetch it.

        async with cache.single_flight(key) as turn:
            if turn.reply is None:
                reply = await backend.complete(request)
                await turn.keep(reply)       # or: turn.complete(reply, store=False)

    Of those that enter with the same key, one finds no reply and the others wait. When it completes its turn, those
    waiting in this process get the reply, and those in other processes if it is stored. When it leaves without one (an
    error, a cancelled task, a killed process), the next is let in.

    Attributes:
        reply: the reply, with the usage and the cost of the original; None if the caller is to fetch it.
        source: "cache" for a stored reply, "shared" for one that somebody else was fetching; None with no reply.
    """

    def __init__(self, key: str, turns: Turns, queue: Callable[[], StoreQueue]) -> None:
        self.reply: ChatReply | None = None
        self.source: Literal["cache", "shared"] | None = None
        self._key, self._turns, self._queue = key, turns, queue
        self._token = turns.new_token()
        self._leads = False
        self._completed = False
        self._to_store: ChatReply | None = None
        self._renewal: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> SingleFlight:
        turn = self._turns.join(self._key)
        if turn is not None:
            try:
                reply = await asyncio.wrap_future(turn)
            except BaseException:
                self._turns.leave(self._key, turn)
                raise
            if reply is not None:
                self.reply, self.source = reply, "shared"
                return self
        try:
            await self._claim()
        except BaseException:
            self._leave()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._leads:
            self._leads = False
            await self._leave()  # who is cancelled here only stops waiting: what was paid for is kept

    def complete(self, reply: ChatReply, *, store: bool) -> None:
        """Give the reply to those who wait, and keep it under the key if `store` is true.

        It is what the call ended with. Where the first reply could not be read and was asked for once more, that is the
        second one, so that a later run pays for neither.
        """
        if not self._leads:
            raise RuntimeError("Only the turn that found no reply can be completed with one.")
        self._completed, self._to_store = True, reply if store else None
        self._turns.complete(self._key, reply)

    async def keep(self, reply: ChatReply) -> None:
        """Give the reply to those who wait, and end the turn when it is stored, also where the caller is cancelled."""
        self.complete(reply, store=True)
        self._leads = False
        await self._leave()

    async def _claim(self) -> None:
        wait_s = _FIRST_WAIT_S
        while (found := await self._queue().claim(self._key, self._token)) is False:
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 1.5, _LONGEST_WAIT_S)
        if isinstance(found, ChatReply):
            self.reply, self.source = found, "cache"
            self._turns.complete(self._key, found)
        else:
            self._leads = True
            self._renew_later()

    def _leave(self) -> asyncio.Future[None]:
        if self._renewal is not None:
            self._renewal.cancel()
        # First come first served: this runs after a claim that a cancelled caller left under way.
        left = self._queue().complete(self._key, self._token, self._to_store)
        if not self._completed:
            self._turns.hand_over(self._key)
        return left

    def _renew_later(self) -> None:
        self._renewal = asyncio.get_running_loop().call_later(LEASE_S / 3, self._renew)

    def _renew(self) -> None:
        self._queue().submit(lambda store: store.renew(self._key, self._token))
        self._renew_later()
