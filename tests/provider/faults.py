"""How the provider misbehaves: by a script, or on a schedule that a seed decides."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

Kind = Literal[
    "status",  # an error status, with `status`, `headers` and `message`
    "hang",  # processed, charged, never answered
    "reset",  # connection reset before the request is processed
    "drop",  # processed, charged, and then the connection is reset
    "half_body",  # processed, charged, and half of the answer arrives
    "bad_json",  # an answer that is not JSON
    "wrong_type",  # a web page with status 200
    "duplicate",  # the same answer twice on one connection
    "no_usage",  # an answer that does not say what it used
    "truncated",  # the answer stops in the middle, finish reason "length"
    "refusal",  # the model declines
    "bad_order",  # a permutation with a repeated, a missing and an invented id
    "no_choices",  # an answer without a reply in it
    "body",  # this very `body` with this `status`, not charged for
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One way to misbehave; `delay_s` comes first, whatever follows. Without a kind it is latency alone."""

    kind: Kind | None = None
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    message: str = "The server had an error while processing your request."
    code: str | None = None
    delay_s: float = 0.0
    body: object = None

    @classmethod
    def says(cls, body: object, status: int = 200) -> Fault:
        """This body as it stands: JSON, or a page where it is text."""
        return cls(kind="body", status=status, body=body)

    @classmethod
    def too_many(cls, retry_after: str | None = None, *, code: str = "rate_limit_exceeded") -> Fault:
        """429; `code="insufficient_quota"` for an account without credit."""
        headers = {"retry-after": retry_after} if retry_after is not None else {}
        message = "Rate limit reached." if code == "rate_limit_exceeded" else "You exceeded your current quota."
        return cls(kind="status", status=429, headers=headers, message=message, code=code)


class Schedule(Protocol):
    """Decides what happens to the request with this number, counted from 0."""

    def at(self, number: int) -> Fault:
        """The fault of that request; `Fault()` for none."""
        ...


class Script:
    """These faults in this order (None: none), then none."""

    def __init__(self, faults: Iterable[Fault | None] = ()) -> None:
        self._faults = list(faults)
        self._start = 0
        self._lock = threading.Lock()

    def restart(self, faults: Iterable[Fault | None], *, at: int) -> None:
        """From the request with number `at`, these faults."""
        with self._lock:
            self._faults, self._start = list(faults), at

    def at(self, number: int) -> Fault:
        """The fault of that request."""
        with self._lock:
            place = number - self._start
            return (self._faults[place] if 0 <= place < len(self._faults) else None) or Fault()


class Faults:
    """Faults at random with these probabilities, the same ones for the same seed and request number.

    Args:
        seed: decides everything.
        rates: probability by kind; they may add up to at most 1.
        latency_s: the least and the most time before an answer.
        statuses: what a "status" fault may be.
        retry_after_s: sent with 429 and 503; None to send none.
    """

    def __init__(
        self,
        seed: int,
        rates: Mapping[Kind, float],
        *,
        latency_s: tuple[float, float] = (0.0, 0.0),
        statuses: tuple[int, ...] = (429, 500, 503, 529),
        retry_after_s: float | None = None,
    ) -> None:
        if sum(rates.values()) > 1:
            raise ValueError("the rates add up to more than 1")
        self._seed, self._rates, self._latency_s = seed, dict(rates), latency_s
        self._statuses, self._retry_after_s = statuses, retry_after_s

    def at(self, number: int) -> Fault:
        """The fault of that request."""
        rng = random.Random(f"{self._seed}/{number}")
        delay_s = rng.uniform(*self._latency_s)
        point = rng.random()
        for kind, rate in self._rates.items():
            if point < rate:
                return self._fault(kind, rng, delay_s)
            point -= rate
        return Fault(delay_s=delay_s)

    def _fault(self, kind: Kind, rng: random.Random, delay_s: float) -> Fault:
        status = rng.choice(self._statuses) if kind == "status" else 500
        headers: dict[str, str] = {}
        if status in {429, 503} and self._retry_after_s is not None:
            headers["retry-after"] = f"{self._retry_after_s:g}"
        code = "rate_limit_exceeded" if status == 429 else None
        return Fault(kind=kind, status=status, headers=headers, code=code, delay_s=delay_s)
