"""Who asks: clients by their keys, of which only hashes are kept."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from judge_rerank.core import SetupError
from judge_rerank.server.config import KeySpec, ServerConfig, budget_place, from_environment
from judge_rerank.server.problems import Problem
from judge_rerank.server.rates import Rate, rate_file
from judge_rerank.spending import Budget, Ledger

_SHORTEST = 16


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Client:
    """Somebody who asks.

    Attributes:
        name: as the configuration calls the key; "" where there are no keys.
        ledger: what the client's rankings are paid from as well; None without a budget.
        rate: how often it may ask; None for as often as it likes.
        routes: the routes that it may use; None for all.
    """

    name: str = ""
    ledger: Ledger | None = None
    rate: Rate | None = None
    routes: frozenset[str] | None = None

    def may_use(self, route: str) -> bool:
        """Whether a route is open to it."""
        return self.routes is None or route in self.routes

    def count(self) -> None:
        """Count a request.

        Raises:
            Problem: it is one too many.
        """
        wait_s = self.rate.wait_s() if self.rate is not None else 0.0
        if wait_s:
            raise Problem(429, "This key has sent as many requests a minute as it may.", retry_after_s=wait_s)


ANYBODY = Client()
"""Who asks a server without keys."""


class KeyRing:
    """The clients of a server.

    Args:
        config: whose keys.
        ledgers: the folder for budgets, or the database.
        shared: the folder for what worker processes share; None for one worker.

    Raises:
        SetupError: a variable is not set, a key is too short, or two clients have the same.
    """

    def __init__(self, config: ServerConfig, *, ledgers: Path | str, shared: Path | None = None) -> None:
        self._clients: dict[bytes, Client] = {}
        for name, spec in config.keys.items():
            digest = _digest_of(name, spec)
            if digest in self._clients:
                raise SetupError(f"The keys {self._clients[digest].name!r} and {name!r} are the same.")
            self._clients[digest] = _client(name, spec, ledgers, shared)

    def __bool__(self) -> bool:
        return bool(self._clients)

    def client(self, headers: Mapping[str, str]) -> Client:
        """Who sent a request with these headers.

        Raises:
            Problem: nobody who is known.
        """
        if not self._clients:
            _require_local(headers)
            return ANYBODY
        given = headers.get("authorization", "")
        scheme, _, token = given.partition(" ")
        key = token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", given).strip()
        if not key:
            raise Problem(401, "This server wants a key: Authorization: Bearer KEY.")
        digest = hashlib.sha256(key.encode("utf-8", "replace")).digest()
        found: Client | None = None
        for known, client in self._clients.items():  # all of them, so that the time tells nothing
            found = client if hmac.compare_digest(known, digest) else found
        if found is None:
            raise Problem(401, "This key is not known here.")
        return found

    def close(self) -> None:
        """Write what is pending in the clients' ledgers."""
        for client in self._clients.values():
            if client.ledger is not None:
                client.ledger.close()
            if client.rate is not None:
                client.rate.close()


def is_loopback(host: str) -> bool:
    """Whether a host is this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost" or host.lower().endswith(".localhost")


def _require_local(headers: Mapping[str, str]) -> None:
    """Without keys, nobody asks but programs here: not a web page, nor one whose name was made to lead here."""
    origin = headers.get("origin", "//localhost")
    if not all(is_loopback(_host(address)) for address in (f"//{headers.get('host', '')}", origin)):
        raise Problem(403, "This server has no keys, so it answers programs on its own machine only.")


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _digest_of(name: str, spec: KeySpec) -> bytes:
    if spec.key.startswith("sha256:"):
        return bytes.fromhex(spec.key.removeprefix("sha256:"))
    key = from_environment(spec.key, f"The key {name!r}")
    if len(key) < _SHORTEST:
        raise SetupError(f"The key {name!r} has {len(key)} characters; expected at least {_SHORTEST}.")
    return hashlib.sha256(key.encode()).digest()


def _client(name: str, spec: KeySpec, ledgers: Path | str, shared: Path | None) -> Client:
    ledger: Ledger | None = None
    if spec.budget is not None:
        place, source = budget_place(ledgers, f"key-{name}"), f"budget of the key {name!r}"
        ledger = Ledger.of(Budget(usd=spec.budget, period=spec.period, source=source, **place))
    return Client(
        name=name,
        ledger=ledger,
        rate=Rate(spec.rate, rate_file(shared, name)) if spec.rate is not None else None,
        routes=frozenset(spec.routes) if spec.routes is not None else None,
    )
