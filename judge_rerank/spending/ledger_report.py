"""Reading a ledger: what was spent on what, and whether its sums are right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from judge_rerank.core import to_usd
from judge_rerank.spending.ledger_book import UNCONFIRMED, UNDER_WAY, LedgerBook, periods_of

SpendKey = Literal["model", "day", "strategy", "prompt", "run"]

SPEND_KEYS: tuple[SpendKey, ...] = ("model", "day", "strategy", "prompt", "run")

_SPEND = """
SELECT {key}, count(*), sum(charged),
    sum(CASE WHEN state IN ('forfeited', 'orphaned') THEN charged ELSE 0 END),
    sum(CASE WHEN state IN ('reserved', 'sent') THEN reserved ELSE 0 END),
    sum(input_tokens), sum(output_tokens), sum(1 - priced)
FROM calls WHERE state != 'released' GROUP BY {key} ORDER BY sum(charged) DESC, {key}
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Spend:
    """What was spent on one model, day, strategy, prompt or run.

    Attributes:
        key: which one; "" where the calls did not say.
        calls: calls made, retries included; those that never left are not in it.
        cost_usd: what they cost. Calls whose price is not known are not in it.
        unconfirmed_usd: the part of `cost_usd` that is charged because the bill never came (a timeout, a cancelled or
            killed call): the most that those calls can have cost.
        held_usd: set aside for calls that are under way; not in `cost_usd`.
        input_tokens, output_tokens: as billed.
        unpriced_calls: calls whose price is not known.
    """

    key: str
    calls: int
    cost_usd: Decimal
    unconfirmed_usd: Decimal
    held_usd: Decimal
    input_tokens: int
    output_tokens: int
    unpriced_calls: int


def spend(book: LedgerBook, by: SpendKey) -> list[Spend]:
    """What was spent, dearest first."""
    return [
        Spend(
            key=key,
            calls=calls,
            cost_usd=to_usd(int(charged)),
            unconfirmed_usd=to_usd(int(unconfirmed)),
            held_usd=to_usd(int(held)),
            input_tokens=int(tokens_in),
            output_tokens=int(tokens_out),
            unpriced_calls=int(unpriced),
        )
        # A sum is a Decimal in PostgreSQL.
        for key, calls, charged, unconfirmed, held, tokens_in, tokens_out, unpriced in book.rows(_SPEND.format(key=by))
    ]


def audit(book: LedgerBook) -> list[str]:
    """Recompute every state and every sum from the events; returns what does not agree, one sentence each."""
    return [*book.damage(), *_wrong_calls(book), *_wrong_totals(book)]


def _wrong_calls(book: LedgerBook) -> Iterator[str]:
    latest: dict[int, tuple[str, int, int]] = {}
    events = book.rows("SELECT call, state, micro_usd FROM events WHERE call IS NOT NULL ORDER BY id")
    for call, state, micro_usd in events:
        if state == "reserved":
            latest[call] = (state, micro_usd, 0)
        elif call in latest:
            latest[call] = (state, latest[call][1], micro_usd)
        else:
            yield f"Call {call} was {state} without a reservation."
    rows = book.rows("SELECT id, state, reserved, charged FROM calls")
    for call, *row in rows:
        if latest.pop(call, None) != tuple(row):
            yield f"Call {call} is recorded as {tuple(row)}, but its events contradict that."
        state, reserved, charged = row
        if state in UNCONFIRMED and charged != reserved:
            yield f"Call {call} is {state} and not charged in full."
    for call in latest:
        yield f"Call {call} has events but no record."


def _wrong_totals(book: LedgerBook) -> Iterator[str]:
    spent: Counter[str] = Counter()
    held: Counter[str] = Counter()
    for day, state, reserved, charged in book.rows("SELECT day, state, reserved, charged FROM calls"):
        for period in periods_of(day):
            spent[period] += charged
            held[period] += reserved if state in UNDER_WAY else 0
    for period, *sums in book.rows("SELECT period, spent, held FROM totals"):
        expected = [spent.pop(period, 0), held.pop(period, 0)]
        if sums != expected:
            yield f"The sums of {period} are {sums} micro-dollars (spent, held); the calls make {expected}."
    for period in spent:
        if spent[period] or held[period]:
            yield f"The sums of {period} are missing."
