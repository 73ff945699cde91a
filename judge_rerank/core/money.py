"""Money as it is counted, in whole micro-dollars, and as it is shown."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal


def to_usd(micro_usd: int) -> Decimal:
    """Micro-dollars as dollars, exactly."""
    return Decimal(micro_usd).scaleb(-6)


def billed_micro_usd(usd: Decimal) -> int:
    """Dollars as micro-dollars, rounded up: what was spent is never counted for less."""
    return int((usd * 1_000_000).to_integral_value(ROUND_CEILING))


def dollars(usd: Decimal | float) -> str:
    """An amount as people read it: "$1,234.50", "$0.000012". No digit is lost, and cents are always there."""
    whole, _, cents = f"{usd if isinstance(usd, Decimal) else Decimal(str(usd)):,f}".partition(".")
    return f"${whole}.{cents.rstrip('0').ljust(2, '0')}"
