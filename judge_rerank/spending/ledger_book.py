"""What a ledger is, wherever it is kept: what was reserved, sent, billed and given back, and the sums of it.

`events` is the record and is only ever appended to. `calls` is the latest state of each call and `totals` the sums by
period; both are kept in the same transaction and can be recomputed from the events (see `audit`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal, TypeVar

from judge_rerank.core import LedgerError
from judge_rerank.spending.budget import Period, far_above

T = TypeVar("T")

State = Literal["reserved", "sent", "settled", "released", "forfeited", "orphaned"]

UNDER_WAY = ("reserved", "sent")
_US_A_DAY = 86_400_000_000
UNCONFIRMED = ("forfeited", "orphaned")


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """What a call is for; `spend` sums by these."""

    run: str = ""
    model: str = ""
    strategy: str = ""
    prompt: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Totals:
    """The sums of one period, in micro-dollars, and the models that a bill far above its reservation has stopped."""

    spent: int = 0
    held: int = 0
    stopped: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class CallState:
    """Where a call stands: the day and model it counts for, what was reserved, and what counts as spent."""

    day: str
    model: str
    state: State
    reserved: int
    charged: int = 0


class LeaseLost(LedgerError):
    """A reservation was given back because its process was not heard of for too long."""

    def __init__(self) -> None:
        super().__init__(
            "What was reserved for this call was given back, because this process was paused or cut off for too long. "
            "Nothing was sent."
        )


class LedgerBook(ABC):
    """One session with a ledger. All but `transact`, `read` and `beat` is called inside a transaction, in one thread.

    Attributes:
        beat_s: how often `beat` has to be called while calls are under way; None for never.
        sweep_s: how often to look for calls of sessions that are gone.
    """

    beat_s: float | None = None
    sweep_s: float = 0.25

    @abstractmethod
    def transact(self, work: Callable[[], T]) -> T:
        """What `work` gives, which is alone with the ledger: nobody else can write between what it reads and writes.

        `work` may be called again where an earlier call of it was not committed.
        """

    @abstractmethod
    def read(self, work: Callable[[], T]) -> T:
        """What `work` gives, which only reads, and sees the ledger as it was at one moment."""

    @abstractmethod
    def totals(self, period: str) -> Totals:
        """The sums of a period; zero where it has none."""

    @abstractmethod
    def others_wrote(self) -> int:
        """A number that changes when another session has written; outside a transaction, without a lock."""

    @abstractmethod
    def rows(self, statement: str) -> Sequence[tuple[Any, ...]]:
        """What a statement reads of the tables calls, events and totals."""

    @abstractmethod
    def damage(self) -> Iterable[str]:
        """What is wrong with the store itself, one sentence each."""

    @abstractmethod
    def disconnect(self) -> None:
        """Let go of the store."""

    def beat(self) -> None:  # noqa: B027 - most have nobody to tell
        """Say that this session is alive. Does not raise."""

    def period(self, period: Period | None) -> str:
        """The key of the period that it is now."""
        day = day_of(self._now_us())
        return {None: "ever", "month": day[:7], "day": day}[period]

    def reserve(self, micro_usd: int, label: Label, *, priced: bool, sent: bool = False) -> int:
        """Set `micro_usd` aside for a call, which is then `sent` at once or not yet; returns the call's id."""
        now_us = self._now_us()
        day = day_of(now_us)
        call = self._insert(now_us, day, micro_usd, label, priced=priced, state="sent" if sent else "reserved")
        self._record(now_us, call, "reserved", micro_usd)
        if sent:
            self._record(now_us, call, "sent", 0)
        self._add(day, spent=0, held=micro_usd)
        return call

    def move(self, call: int, state: State, charged: int = 0, *, input_tokens: int = 0, output_tokens: int = 0) -> bool:
        """Bring a call into a state in which `charged` counts as spent; whether the bill stops its model.

        Raises:
            LeaseLost: it is to be sent, and was given back meanwhile.
        """
        was = self._find(call)
        if state == "sent" and was.state != "reserved":
            raise LeaseLost
        self._update(call, was, state, charged, tokens=(input_tokens, output_tokens))
        self._record(self._now_us(), call, state, charged)
        held = (was.reserved if state in UNDER_WAY else 0) - (was.reserved if was.state in UNDER_WAY else 0)
        self._add(was.day, spent=charged - was.charged, held=held)
        over = state == "settled" and charged > was.reserved and far_above(was.reserved, charged)
        if over:
            self._stop(was.model)
        return over

    def forfeit(self, call: int, state: State = "forfeited") -> None:
        """Charge all that was reserved for a call, since what it was billed is not known."""
        self.move(call, state, self._find(call).reserved)

    def give_back(self, call: int) -> bool:
        """Charge nothing for a call that was charged in full because its bill was not known; whether it was so."""
        try:
            was = self._find(call)
        except (LookupError, TypeError):  # the ledger is another one by now
            return False
        if was.state not in UNCONFIRMED:
            return False
        self.move(call, "settled")
        return True

    def resume(self) -> None:
        """Let stopped models go on."""
        self._record(self._now_us(), None, "resumed", 0)
        self._unstop()

    def sweep(self) -> int:
        """End the calls of sessions that are gone: release what never left, keep the rest charged. Returns how many."""
        abandoned = list(self._abandoned())
        for call, fate in abandoned:
            if fate == "released":
                self.move(call, "released")
            else:
                self.forfeit(call, fate)
        return len(abandoned)

    def close(self) -> None:
        """End this session: what it never sent is given back, what it sent stays charged."""
        try:
            self.transact(self._end)
        finally:
            self.disconnect()

    def _end(self) -> None:
        for call, state in list(self._own_under_way()):
            if state == "reserved":
                self.move(call, "released")
            else:
                self.forfeit(call)
        self._close_session()

    @abstractmethod
    def _now_us(self) -> int:
        """Microseconds since the epoch."""

    @abstractmethod
    def _insert(self, now_us: int, day: str, micro_usd: int, label: Label, *, priced: bool, state: State) -> int:
        """Note a new call; returns its id."""

    @abstractmethod
    def _find(self, call: int) -> CallState:
        """Where a call stands."""

    @abstractmethod
    def _update(self, call: int, was: CallState, state: State, charged: int, *, tokens: tuple[int, int]) -> None:
        """Note where a call stands now."""

    @abstractmethod
    def _record(self, now_us: int, call: int | None, state: str, micro_usd: int) -> None:
        """Append an event."""

    @abstractmethod
    def _add(self, day: str, *, spent: int, held: int) -> None:
        """Add to the sums of the periods that a day counts in."""

    @abstractmethod
    def _stop(self, model: str) -> None:
        """Stop a model."""

    @abstractmethod
    def _unstop(self) -> None:
        """Let every model go on."""

    @abstractmethod
    def _abandoned(self) -> Iterable[tuple[int, Literal["released", "orphaned"]]]:
        """The calls under way of sessions that are gone, which are closed, and what becomes of each."""

    @abstractmethod
    def _own_under_way(self) -> Iterable[tuple[int, State]]:
        """The calls of this session that are under way."""

    @abstractmethod
    def _close_session(self) -> None:
        """Note that this session has ended."""


def periods_of(day: str) -> tuple[str, str, str]:
    """The keys of the periods that a day counts in."""
    return "ever", day[:7], day


def day_of(time_us: int) -> str:
    """The day (UTC) of a moment."""
    return _day(time_us // _US_A_DAY)


@lru_cache(maxsize=8)
def _day(number: int) -> str:
    return datetime.fromtimestamp(number * _US_A_DAY / 1e6, UTC).strftime("%Y-%m-%d")
