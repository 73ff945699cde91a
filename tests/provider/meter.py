"""What the provider charges, in whole numbers: its own token count times its own prices."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

PICO_PER_MICRO = 1_000_000
"""A micro-dollar for a million tokens is a pico-dollar for one, so that every charge is a whole number."""

Count = Callable[[str], int]


def quarter_of_bytes(text: str) -> int:
    """A token for every four bytes, as in English text: never more than there are bytes."""
    return -(-len(text.encode()) // 4)


@dataclass(frozen=True, kw_only=True, slots=True)
class Price:
    """Micro-dollars for a million tokens; `request` is micro-dollars for a request, whatever its size."""

    input: int = 150_000
    output: int = 600_000
    cached_input: int = 75_000
    request: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Tokens:
    """What one reply used; `cached` is a part of `input`."""

    input: int = 0
    output: int = 0
    cached: int = 0


class Bill:
    """What has been charged. Only requests that were accepted and processed are on it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.requests = 0
        self.picousd = 0
        self.microusd = 0
        self.input_tokens = 0
        self.output_tokens = 0

    def charge(self, price: Price, used: Tokens) -> int:
        """Put one request on the bill; returns its price in pico-dollars."""
        amount = (
            (used.input - used.cached) * price.input
            + used.cached * price.cached_input
            + used.output * price.output
            + price.request * PICO_PER_MICRO
        )
        with self._lock:
            self.requests += 1
            self.picousd += amount
            self.microusd += -(-amount // PICO_PER_MICRO)
            self.input_tokens += used.input
            self.output_tokens += used.output
        return amount

    @property
    def usd(self) -> Decimal:
        """The exact total in dollars."""
        return Decimal(self.picousd).scaleb(-12)
