"""Money is counted in micro-dollars, rounded up, and shown without losing a digit."""

from decimal import Decimal

import pytest

from judge_rerank.core import billed_micro_usd, dollars, to_usd


@pytest.mark.parametrize(
    ("usd", "shown"),
    [("0", "$0.00"), ("0.000012", "$0.000012"), ("0.10", "$0.10"), ("1234.5", "$1,234.50"), ("2E+3", "$2,000.00")],
)
def test_an_amount_is_shown_with_every_digit(usd: str, shown: str) -> None:
    assert dollars(Decimal(usd)) == dollars(float(usd)) == shown


def test_what_was_spent_is_never_counted_for_less() -> None:
    assert billed_micro_usd(Decimal("0.0000121")) == 13
    assert billed_micro_usd(to_usd(12)) == 12
    assert str(to_usd(0)) == "0.000000"
