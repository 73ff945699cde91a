"""A run as it stands: on standard error, and only where somebody can see it."""

from __future__ import annotations

import time
from decimal import Decimal
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from judge_rerank.cli.output import dollars

if TYPE_CHECKING:
    from judge_rerank.evaluation import RunProgress


class Board:
    """A table that is drawn anew after every result; a context manager.

    Args:
        metric: the one that is shown.
        cap: dollars that may be spent; None for no cap.
        console: where it is drawn; standard error by default.
    """

    def __init__(self, metric: str, cap: Decimal | None, *, console: Console | None = None) -> None:
        self._metric, self._cap = metric, cap
        self._console = console or Console(stderr=True)
        self._live = (
            Live(console=self._console, transient=True, redirect_stdout=False, refresh_per_second=4)
            if self._console.is_terminal
            else None
        )
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, progress: RunProgress) -> None:
        """Draw it; this is the `watch` callback."""
        if self._live is not None:
            self._live.update(board(progress, self._metric, self._cap, time.monotonic() - self._started))


def board(progress: RunProgress, metric: str, cap: Decimal | None, seconds: float) -> Group:
    """The board: results done, what was spent of the cap, time left, and each variant's mean so far.

    Args:
        progress: where the run stands.
        metric: what the means are of.
        cap: dollars that may be spent; None for no cap.
        seconds: since this process began; what an earlier one did says nothing about speed.
    """
    spent = dollars(progress.spent_usd) + (f" of {dollars(cap)}" if cap is not None else "")
    line = f"{progress.done:,} of {progress.total:,} · {spent} · {_left(progress, seconds)}"
    table = Table(box=None, pad_edge=False)
    for heading in ("variant", "queries", metric):
        table.add_column(heading, justify="left" if heading == "variant" else "right")
    for name, (results, mean) in sorted(progress.means.items(), key=lambda item: -item[1][1]):
        table.add_row(Text(name), f"{results:,}", f"{mean:.4f}")
    return Group(Text(line), table)


def _left(progress: RunProgress, seconds: float) -> str:
    if not progress.bought:
        return "time left unknown"
    left = round(seconds / progress.bought * (progress.total - progress.done))
    minutes, rest = divmod(left, 60)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s") + " left"
