"""Links to rankings of the page, which are read back from the trace. Only rankings that were made here have one."""

from __future__ import annotations

import asyncio
import re
import secrets
from dataclasses import dataclass
from typing import Self

from judge_rerank.core import Ranking, RerankError
from judge_rerank.server.problems import Problem
from judge_rerank.server.table import Route, RouteTable

_LINK = re.compile(r"(?P<route>[^~]{1,64})~(?P<run>[^~]{1,100})~(?P<token>[0-9a-f]{32})")


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """What a link says.

    Attributes:
        route: whose trace has the ranking.
        run: the run in it.
        token: what nobody can guess.
    """

    route: str
    run: str
    token: str

    @classmethod
    def to_new(cls, route: Route) -> Self | None:
        """The link to a ranking that is about to be made; None where no trace will keep it."""
        trace = route.judge.trace
        if trace is None or trace.file is None or "~" in trace.run:
            return None
        return cls(route=route.name, run=trace.run, token=secrets.token_hex(16))

    @classmethod
    def of(cls, text: str) -> Self:
        """The link of an address.

        Raises:
            Problem: it is none.
        """
        found = _LINK.fullmatch(text)
        if found is None:
            raise _not_here()
        return cls(**found.groupdict())

    @property
    def query_id(self) -> str:
        """What the query is called in the trace. The route is in it, so that no other route's name opens it."""
        return f"page~{self.route}~{self.token}"

    def __str__(self) -> str:
        return f"{self.route}~{self.run}~{self.token}"


async def read_shared(table: RouteTable, link: Link) -> tuple[Ranking, Route]:
    """The ranking that a link leads to, and the route that made it.

    Raises:
        Problem: there is none.
    """
    route = next((route for route in table if route.name == link.route), None)
    if route is None or route.judge.trace is None:
        raise _not_here()
    try:
        ranking = await asyncio.to_thread(route.judge.trace.ranking, link.run, link.query_id)
    except RerankError:
        raise _not_here() from None  # its own words may name other queries of the trace
    if ranking.query.id != link.query_id:
        raise _not_here()
    return ranking, route


def _not_here() -> Problem:
    return Problem(404, "This ranking is not in the server's trace. The link may be incomplete, or the trace is gone.")
