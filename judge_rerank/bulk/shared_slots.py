"""One concurrency limit for many workers: each has a share of it by lease, and gives back what others want more.

A worker asks for its share now and then, and not for every call, so that the sharing costs a call nothing. The shares
that are given out never add up to more than the limit; those of a worker that is not heard of any more are free again.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from judge_rerank.core import Backend, ChatReply, ChatRequest, ModelInfo

LEASE_S = 10.0
RENEW_S = 0.5


@dataclass(slots=True)
class _Share:
    wanted: int = 0
    given: int = 0
    answered: int = 0
    """The last answer, which the worker may not have heard yet; until it asks again, the greater of both is taken."""
    heard_at: float = 0.0

    @property
    def taken(self) -> int:
        return max(self.given, self.answered)


class SlotShares:
    """Divides a limit among workers; where one of them keeps it, all others ask there.

    Args:
        limit: how many slots there are.
        clock: seconds.
    """

    def __init__(self, limit: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._clock = limit, clock
        self._shares: dict[str, _Share] = {}

    def renew(self, worker: str, *, wanted: int, used: int) -> int:
        """How many slots the worker may use from now on.

        Args:
            worker: its name.
            wanted: how many it could use.
            used: how many it uses now; it keeps these.
        """
        now = self._clock()
        for name in [name for name, share in self._shares.items() if now - share.heard_at > LEASE_S]:
            del self._shares[name]
        share = self._shares.setdefault(worker, _Share())
        share.given, share.wanted, share.heard_at = share.answered, wanted, now
        free = self._limit - sum(other.taken for name, other in self._shares.items() if name != worker)
        share.answered = max(used, min(self._fair()[worker], max(0, free)))
        return share.answered

    def leave(self, worker: str) -> None:
        """The worker needs none any more."""
        self._shares.pop(worker, None)

    def _fair(self) -> dict[str, int]:
        """What each would have if all were given anew: as much as it wants, but no more than others that want it."""
        left, fair = self._limit, dict.fromkeys(self._shares, 0)
        hungry = sorted(self._shares, key=lambda name: self._shares[name].wanted)
        for place, name in enumerate(hungry):
            fair[name] = min(self._shares[name].wanted, -(-left // (len(hungry) - place)))
            left -= fair[name]
        return fair


class SharedSlots:
    """A worker's share of the slots: lets as many in as it has, in the order in which they came.

    Args:
        renew: asks for the share, with how many are wanted and how many are used.
    """

    def __init__(self, renew: Callable[[int, int], Awaitable[int]]) -> None:
        self._renew = renew
        self._share = self._used = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._renewing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.create_task(self._keep_renewing())
        if self._used < self._share and not self._waiting:
            self._used += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._used -= 1
                self._admit()
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise

    async def __aexit__(self, *error: object) -> None:
        self._used -= 1
        self._admit()

    async def _keep_renewing(self) -> None:
        """Ask now and again, while anybody is inside or waits."""
        while self._used or self._waiting:
            with suppress(Exception):  # who keeps the shares is away for a moment; what is had is had until then
                self._share = await self._renew(self._used + len(self._waiting), self._used)
            self._admit()
            await asyncio.sleep(RENEW_S if self._share else RENEW_S / 10)

    def _admit(self) -> None:
        while self._waiting and self._used < self._share:
            turn = self._waiting.popleft()
            if not turn.done():
                self._used += 1
                turn.set_result(None)


class SlottedBackend:
    """A model of which all workers together are under one concurrency limit.

    Args:
        backend: the model.
        slots: the worker's share.
    """

    def __init__(self, backend: Backend, slots: SharedSlots) -> None:
        self._backend, self._slots = backend, slots

    @property
    def info(self) -> ModelInfo:
        """That of the model."""
        return self._backend.info

    def count_tokens(self, text: str) -> int:
        """As the model counts."""
        return self._backend.count_tokens(text)

    def warm_up(self) -> None:
        """Load what the first request would."""
        getattr(self._backend, "warm_up", lambda: None)()

    async def complete(self, request: ChatRequest) -> ChatReply:
        """One attempt, in its turn."""
        async with self._slots:
            return await self._backend.complete(request)

    async def aclose(self) -> None:
        """Close the model."""
        await self._backend.aclose()
