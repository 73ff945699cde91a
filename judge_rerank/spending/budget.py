"""Caps on spending, and the arithmetic that holds them. Money is counted in whole micro-dollars."""

from __future__ import annotations

import os
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal, InvalidOperation
from pathlib import Path
from typing import Literal, TypeAlias

from judge_rerank.core import BudgetExceeded, InputError, public_repr, to_usd
from judge_rerank.storage import StoreUrl

Amount: TypeAlias = Decimal | int | float | str
"""Money as a user writes it: "2.00", 2, Decimal("0.10"). A float counts as the number it is printed as."""

Period = Literal["day", "month"]
Unit = Literal["usd", "calls", "tokens"]
Verdict = Literal["grant", "wait", "refuse"]

BUDGET_VARIABLE = "JUDGE_RERANK_BUDGET_USD"

_MICRO = 1_000_000
_MOST_USD = Decimal(1_000_000_000)


def to_decimal(value: Amount, name: str) -> Decimal:
    """A finite number that is not negative.

    Raises:
        InputError: if it is anything else; `name` is what the user called it.
    """
    try:
        number = Decimal(str(value)) if not isinstance(value, bool) else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < 0:
        raise InputError(f'{name} must be an amount that is not negative, such as "2.00"; got {value!r}.')
    return number


def to_micro_usd(value: Amount, name: str) -> int:
    """A cap in micro-dollars, rounded down.

    Raises:
        InputError: if it is not a positive amount of at least one micro-dollar.
    """
    number = to_decimal(value, name)
    micro_usd = int((number * _MICRO).to_integral_value(ROUND_FLOOR)) if number <= _MOST_USD else 0
    if micro_usd <= 0:
        raise InputError(
            f'{name} must be between $0.000001 and ${_MOST_USD:,}, such as "2.00"; got {value!r}. To spend nothing, '
            "use a strategy that makes no calls."
        )
    return micro_usd


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Budget:
    """The most that may be spent: `Budget(usd="2.00", path="spend.db", period="day")`.

    Processes that name the same file share what is spent, and machines that name the same store. With neither, the
    record is in memory, so the cap holds for the life of the judge; or it is in the judge's own store.

    Example:
        ```python
        from judge_rerank import Budget, Judge

        budget = Budget(usd="2.00", path="spend.db", period="day")
        judge = Judge("openai/gpt-6-luna", budget=budget)
        print(judge.rerank("why do my brakes squeal?", ["A bell is loud."]).status)  # complete
        ```

    Attributes:
        usd: the cap in dollars.
        path: the ledger file.
        store: instead, the address of a PostgreSQL database: "postgresql://user@host/database".
        account: which of the ledgers in the store; one for each customer, say.
        period: "day" or "month" (by UTC) start afresh at each; None counts everything the ledger holds.
        source: what the cap is called in messages.

    Raises:
        InputError: `usd` is no amount from a micro-dollar to a billion dollars, `period` is something else, the address
            of the store cannot be read, or both `path` and `store` are given.
    """

    usd: Amount
    path: Path | str | None = None
    store: str | None = None
    account: str = ""
    period: Period | None = None
    source: str = "budget"

    __repr__ = public_repr

    def __post_init__(self) -> None:
        to_micro_usd(self.usd, self.source)
        if self.store is not None:
            StoreUrl.of(self.store)
        if self.store is not None and self.path is not None:
            raise InputError("A budget is kept in a file or in a store: give path or store, not both.")
        if self.period not in (None, "day", "month"):
            raise InputError(f'period must be "day", "month" or None; got {self.period!r}.')

    @classmethod
    def from_environment(cls) -> Budget | None:
        """The budget that `JUDGE_RERANK_BUDGET_USD` sets, or None when it is not set."""
        value = os.environ.get(BUDGET_VARIABLE, "").strip()
        return cls(usd=value, source=BUDGET_VARIABLE) if value else None

    def cap(self) -> Cap:
        """An empty cap of this size."""
        return Cap(self.source, usd=self.usd)


@dataclass(frozen=True, kw_only=True, slots=True)
class Charge:
    """What one call takes, or the sum of many."""

    micro_usd: int = 0
    calls: int = 0
    tokens: int = 0

    def __add__(self, other: Charge) -> Charge:
        return Charge(
            micro_usd=self.micro_usd + other.micro_usd,
            calls=self.calls + other.calls,
            tokens=self.tokens + other.tokens,
        )

    def __sub__(self, other: Charge) -> Charge:
        return Charge(
            micro_usd=self.micro_usd - other.micro_usd,
            calls=self.calls - other.calls,
            tokens=self.tokens - other.tokens,
        )

    def of(self, unit: Unit) -> int:
        """The part that is counted in `unit`."""
        return {"usd": self.micro_usd, "calls": self.calls, "tokens": self.tokens}[unit]


NOTHING = Charge()


class Cap:
    """One cap and what counts against it: `spent` for good, and `held` by calls that are under way.

    `spent + held` never exceeds the cap, except by a bill higher than its reservation, which is counted in full. One
    that is higher by more than a tenth (`far_above`) says that what the model takes is not known: the cap is then
    stopped for that model, and holds for the others. A cap belongs to one ledger, which is the only one to change it.
    """

    __slots__ = ("held", "limits", "source", "spent", "stopped")

    def __init__(
        self, source: str, *, usd: Amount | None = None, calls: int | None = None, tokens: int | None = None
    ) -> None:
        self.source = source
        self.limits: dict[Unit, int] = {}
        if usd is not None:
            self.limits["usd"] = to_micro_usd(usd, source)
        if calls is not None:
            self.limits["calls"] = _positive(calls, f"{source} in calls")
        if tokens is not None:
            self.limits["tokens"] = _positive(tokens, f"{source} in tokens")
        if not self.limits:
            raise InputError(f"{source} has no cap: give usd, calls or tokens.")
        self.spent, self.held = NOTHING, NOTHING
        self.stopped: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return f"<Cap {self.source} {self.limits} spent={self.spent} held={self.held}>"

    def verdict(self, charge: Charge, model: str = "") -> Verdict:
        """Whether there is room now, whether there may be when calls under way have settled, or neither."""
        if model in self.stopped or any(self._over(self.spent + charge)):
            return "refuse"
        return "wait" if any(self._over(self.spent + self.held + charge)) else "grant"

    def move(self, *, held: Charge = NOTHING, spent: Charge = NOTHING) -> None:
        """Add to what is held and to what is spent; `NOTHING - charge` takes away."""
        self.held, self.spent = self.held + held, self.spent + spent

    def overrun(self, reserved: Charge, actual: Charge, model: str = "") -> bool:
        """Stop the cap for the model if `actual` is far above what was reserved in a unit that it counts."""
        over = any(far_above(reserved.of(unit), actual.of(unit)) for unit in self.limits)
        if over:
            self.stopped |= {model}
        return over

    def refusal(self, charge: Charge, model: str = "") -> BudgetExceeded:
        """The error that says why `charge` was refused."""
        unit = (self._over(self.spent + charge) or list(self.limits))[0]
        values = (self.spent.of(unit), self.limits[unit], charge.of(unit))
        spent, limit, needed = (to_usd(value) if unit == "usd" else value for value in values)
        stopped = model if model in self.stopped else None
        return BudgetExceeded(spent, limit, self.source, unit=unit, needed=needed, stopped=stopped)

    def _over(self, total: Charge) -> list[Unit]:
        return [unit for unit, most in self.limits.items() if total.of(unit) > most]


def far_above(reserved: int, actual: int) -> bool:
    """Whether a bill is above its reservation by more than a tenth.

    Less is what token counts differ by; it is counted, and nothing else comes of it.
    """
    return 10 * actual > 11 * reserved


def _positive(value: int, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"{name} must be a whole number of at least 1; got {value!r}.")
    return value
