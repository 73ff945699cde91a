"""Server-sent events: a reply that is told as it comes about, and the progress of a ranking among it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from judge_rerank import Progress

Tell = Callable[[str, Any], Awaitable[None]]
"""Sends an event: its name, and what it says as JSON."""

_EVERY_S = 0.1
_SILENCE_S = 10.0
"""After so long without an event a comment is sent, so that nothing between here and the client gives up."""


class EventStream(Response):
    """A reply of events.

    Args:
        work: sends them, and ends when there are no more.
        headers: what goes before.
    """

    def __init__(self, work: Callable[[Tell], Awaitable[None]], headers: dict[str, str]) -> None:
        kept = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(headers=headers | kept, media_type="text/event-stream")
        del self.headers["content-length"]
        self._work = work

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 as in ASGI
        """Send the events."""

        async def tell(event: str, said: Any) -> None:
            text = json.dumps(said, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            body = f"event: {event}\ndata: {text}\n\n" if event else ":\n\n"
            await send({"type": "http.response.body", "body": body.encode("utf-8", "replace"), "more_body": True})

        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await self._work(tell)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Watch:
    """The newest progress of a ranking, told at most ten times a second. `note` may be called from any thread."""

    def __init__(self) -> None:
        self._loop, self._news = asyncio.get_running_loop(), asyncio.Event()
        self._newest: Progress | None = None

    def note(self, progress: Progress) -> None:
        """Take the news of one call."""
        self._newest = progress
        self._loop.call_soon_threadsafe(self._news.set)

    @asynccontextmanager
    async def told(self, tell: Tell) -> AsyncGenerator[None]:
        """Tells the news while a `with` block lasts."""
        telling = asyncio.ensure_future(self._tell(tell))
        try:
            yield
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)

    async def _tell(self, tell: Tell) -> None:
        while True:
            try:
                async with asyncio.timeout(_SILENCE_S):
                    await self._news.wait()
            except TimeoutError:
                await tell("", None)
                continue
            self._news.clear()
            if self._newest is not None:
                await tell("progress", _shown(self._newest))
            await asyncio.sleep(_EVERY_S)


def _shown(progress: Progress) -> dict[str, Any]:
    return {
        "round": progress.round,
        "stage": progress.stage,
        "calls": progress.calls,
        "round_calls": progress.round_calls,
        "round_done": progress.round_done,
        "cost_usd": None if progress.cost_usd is None else str(progress.cost_usd),
    }
