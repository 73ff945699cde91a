"""What holds for every call of one ranking."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from judge_rerank.core import BudgetExceeded, JudgeCall
from judge_rerank.engine.stop import Stop
from judge_rerank.spending import Cap, Label, Ledger
from judge_rerank.tracing import Trace


@dataclass(slots=True, kw_only=True)
class RankingContext:
    """What holds for every call of one ranking.

    Attributes:
        stop: when it ends.
        ledger: where it is paid from; None where nothing caps it.
        caps: what caps it besides the ledger's budget.
        label: what the ledger sums by; the model and the prompt are filled in for each call.
        trace: where it is written down, if it is.
        ranking: its id in the trace.
        preparing: one call after the other, so that calls are sent in the order in which the strategy asks them and
            what a cap leaves room for goes to the first.
        refusal: why the first call cannot be afforded, if it cannot; the others are then not sent either.
        shared: calls that several effects wait for, by what they ask.
        filtered: `index` of the documents that were refused among others; no later call shows them.
        refuses_all: whether more is refused than documents can be the reason for.
    """

    stop: Stop
    ledger: Ledger | None = None
    caps: tuple[Cap, ...] = ()
    label: Label = field(default_factory=Label)
    trace: Trace | None = None
    ranking: str = ""
    preparing: asyncio.Lock = field(default_factory=asyncio.Lock)
    refusal: BudgetExceeded | None = None
    shared: dict[JudgeCall, asyncio.Task[Any]] = field(default_factory=dict[JudgeCall, "asyncio.Task[Any]"])
    filtered: set[int] = field(default_factory=set[int])
    refuses_all: bool = False

    @property
    def capped_in_usd(self) -> bool:
        """Whether a cap in dollars holds, so that every model needs a price."""
        budgeted = self.ledger is not None and self.ledger.budget is not None
        return budgeted or any("usd" in cap.limits for cap in self.caps)

    def close(self) -> None:
        """Stop listening, and end what is still under way."""
        self.stop.close()
        for task in self.shared.values():
            task.cancel()
