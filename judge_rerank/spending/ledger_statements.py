"""What one transaction changes in a ledger in PostgreSQL, and the few statements that write it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from judge_rerank.spending.ledger_book import CallState, Label

if TYPE_CHECKING:
    import psycopg

_INSERT_CALLS = """
INSERT INTO ledger_calls (account, writer, id, time_us, day, run, model, strategy, prompt, priced, state, reserved,
    charged, input_tokens, output_tokens)
SELECT %s, %s, * FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
    %s::integer[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])
"""
_UPDATE_CALLS = """
UPDATE ledger_calls SET state = new.state, charged = new.charged, input_tokens = new.input_tokens,
    output_tokens = new.output_tokens
FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[])
    AS new (id, state, charged, input_tokens, output_tokens)
WHERE ledger_calls.id = new.id
"""
_INSERT_EVENTS = """
INSERT INTO ledger_events (account, time_us, call, state, micro_usd)
SELECT %s, * FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::bigint[])
"""
_ADD_TOTALS = """
INSERT INTO ledger_totals AS old (account, period, spent, held)
SELECT %s, * FROM unnest(%s::text[], %s::bigint[], %s::bigint[])
ON CONFLICT (account, period) DO UPDATE SET spent = old.spent + excluded.spent, held = old.held + excluded.held
"""
_STOP = "INSERT INTO ledger_stopped SELECT %s, * FROM unnest(%s::text[]) ON CONFLICT DO NOTHING"


@dataclass(kw_only=True, slots=True)
class Changes:
    """What a transaction changes.

    Attributes:
        made: by the id of a new call: when, on which day, what for, whether it is priced, what is reserved.
        states: by the id of a call: where it stands now.
        foreign: those calls of `states` that belong to a session that is gone.
        tokens: by the id of a call: input and output, as billed.
        events: what is appended: when, which call, which state, how much.
        totals: by period: what is added to spent, and to held.
        stopped: the models that are stopped.
        resumed: whether every model goes on.
        ended: whether the session ends.
    """

    made: dict[int, tuple[int, str, Label, int, int]] = field(default_factory=dict[int, Any])
    states: dict[int, CallState] = field(default_factory=dict[int, CallState])
    foreign: set[int] = field(default_factory=set[int])
    tokens: dict[int, tuple[int, int]] = field(default_factory=dict[int, Any])
    events: list[tuple[int, int | None, str, int]] = field(default_factory=list[Any])
    totals: dict[str, tuple[int, int]] = field(default_factory=dict[str, Any])
    stopped: set[str] = field(default_factory=set[str])
    resumed: bool = False
    ended: bool = False

    def __bool__(self) -> bool:
        return bool(self.events or self.stopped or self.resumed or self.ended)


def write(raw: psycopg.Connection[Any], changes: Changes, account: str, writer: int) -> None:
    """Write what a transaction changes."""
    made = [(call, *_new(changes, call)) for call in changes.made]
    moved = [(call, *_now(changes, call)) for call in changes.tokens if call not in changes.made]
    totals = [(period, *sums) for period, sums in sorted(changes.totals.items())]
    if made:
        raw.execute(_INSERT_CALLS, (account, writer, *_columns(made)))
    if moved:
        raw.execute(_UPDATE_CALLS, _columns(moved))
    if changes.events:
        raw.execute(_INSERT_EVENTS, (account, *_columns(changes.events)))
    if totals:
        raw.execute(_ADD_TOTALS, (account, *_columns(totals)))
    if changes.resumed:
        raw.execute("DELETE FROM ledger_stopped WHERE account = %s", (account,))
    if changes.stopped:
        raw.execute(_STOP, (account, sorted(changes.stopped)))


def _new(changes: Changes, call: int) -> Sequence[Any]:
    time_us, day, label, priced, reserved = changes.made[call]
    state, charged, *tokens = _now(changes, call)
    return time_us, day, label.run, label.model, label.strategy, label.prompt, priced, state, reserved, charged, *tokens


def _now(changes: Changes, call: int) -> Sequence[Any]:
    at = changes.states[call]
    return at.state, at.charged, *changes.tokens.get(call, (0, 0))


def _columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
