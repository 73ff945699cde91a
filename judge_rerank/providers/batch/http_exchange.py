"""The requests of a job as they would go over the wire, and its results as the answers to them.

A backend makes each request as it always does, and reads each reply as it always does: what differs is that its
request is taken down instead of sent, and that the answer to it comes from a job.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from judge_rerank.providers.http_transport import diverted

if TYPE_CHECKING:
    from aiohttp import ClientRequest, ClientResponse


@dataclass(frozen=True, kw_only=True, slots=True)
class Posted:
    """A request as it would have left this machine.

    Attributes:
        url: where it was to go, with its query.
        headers: with the key; names in lower case.
        body: as it is.
    """

    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def address(self) -> str:
        """The URL without a query, in which a key may stand."""
        return urlunsplit((*urlsplit(self.url)[:3], "", ""))

    def custom_id(self, occurrence: int = 0) -> str:
        """What the request is called in a job: the SHA-256 of what it asks, and of whom.

        `occurrence` tells apart requests that are the same and are all to be answered.
        """
        told = f"{self.address}\n{occurrence or ''}\n".encode() + self.body
        return hashlib.sha256(told).hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """The answer to one request of a job: an HTTP status and a body."""

    status: int
    body: bytes


class Unanswered(BaseException):
    """Ends an attempt whose request has no answer yet. Nobody but `answering` catches it, so no code takes it for a
    failure of the network.

    Attributes:
        posted: the request.
    """

    def __init__(self, posted: Posted) -> None:
        self.posted = posted
        super().__init__()


@contextmanager
def answering(answers: Mapping[str, Answered], occurrence: int = 0) -> Generator[None]:
    """Answer the requests made inside the block from here, by `custom_id`.

    Raises:
        Unanswered: a request has no answer.
    """

    async def answer(request: ClientRequest) -> ClientResponse:
        posted = Posted(
            url=str(request.url),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await request.body.as_bytes() if not isinstance(request.body, bytes) else request.body,
        )
        found = answers.get(posted.custom_id(occurrence))
        if found is None:
            raise Unanswered(posted)
        return _response(request, found)

    with diverted(answer):
        yield


class _NothingSent:
    """What aiohttp asks how much it has sent."""

    output_size = 0


def _response(request: ClientRequest, answered: Answered) -> ClientResponse:
    """The answer as aiohttp's own kind of response."""
    from aiohttp import ClientResponse, StreamReader
    from aiohttp.base_protocol import BaseProtocol
    from aiohttp.helpers import TimerNoop
    from multidict import CIMultiDict, CIMultiDictProxy

    loop = asyncio.get_running_loop()
    response = ClientResponse(
        request.method,
        request.url,
        writer=None,
        continue100=None,
        timer=TimerNoop(),
        request_info=request.request_info,
        traces=[],
        loop=loop,
        session=None,  # pyright: ignore[reportArgumentType]
        stream_writer=_NothingSent(),  # pyright: ignore[reportArgumentType]
    )
    response.status, response.reason = answered.status, "OK" if answered.status == 200 else "Error"
    headers = CIMultiDict({"content-type": "application/json"})
    response._headers = CIMultiDictProxy(headers)  # pyright: ignore[reportPrivateUsage]
    response._raw_headers = ()  # pyright: ignore[reportPrivateUsage]
    content = StreamReader(BaseProtocol(loop), 2**16, loop=loop)
    content.feed_data(answered.body)
    content.feed_eof()
    response.content = content
    return response
