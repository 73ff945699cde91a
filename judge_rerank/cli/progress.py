"""The progress bar, on standard error; where there is no terminal to show it, with --verbose, a line now and then."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from decimal import Decimal
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from judge_rerank.cli.output import counted, dollars
from judge_rerank.cli.terminal import speaks_unicode
from judge_rerank.core import Query

if TYPE_CHECKING:
    from judge_rerank.engine import Progress as RankingProgress


_LOG = logging.getLogger(__name__)
_LINE_EVERY_S = 5


class _Shown:
    """A bar on standard error, disabled where there is no terminal; a context manager."""

    def __init__(self) -> None:
        self._bar = Progress(
            SpinnerColumn("dots" if speaks_unicode() else "line"),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,
            disable=not Console(stderr=True).is_terminal,
        )
        self._told = time.monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def _tell(self, text: str) -> None:
        """A line now and then, where there is no bar."""
        if self._bar.disable and time.monotonic() - self._told >= _LINE_EVERY_S:
            self._told = time.monotonic()
            _LOG.info("%s", text)


class CountBar(_Shown):
    """Counts pieces of work of which all are known; a context manager.

    Args:
        what: is being done.
    """

    def __init__(self, what: str) -> None:
        super().__init__()
        self._what = what
        self._task = self._bar.add_task(what, total=None)

    def update(self, done: int, total: int, now: str) -> None:
        """So many are done; `now` is what is done at the moment."""
        description = f"{self._what}: {now}" if now else self._what
        self._bar.update(self._task, completed=done, total=total, description=description)
        self._tell(f"{description}: {done:,} of {total:,} done")


class Bar(_Shown):
    """Counts calls over all queries; a context manager. `total` is None when it is not known."""

    def __init__(self, total: int | None) -> None:
        super().__init__()
        self._task = self._bar.add_task("judging", total=total)
        self._calls: dict[Query, int] = {}
        self._costs: dict[Query, Decimal | None] = {}

    @staticmethod
    def visible() -> bool:
        """Whether there is a terminal to show it."""
        return Console(stderr=True).is_terminal

    def update(self, progress: RankingProgress) -> None:
        """Take the news of one call; this is the `progress` callback."""
        self._calls[progress.query] = progress.calls
        self._costs[progress.query] = progress.cost_usd
        costs = [cost for cost in self._costs.values() if cost]
        spent = f", {dollars(sum(costs, Decimal(0)))}" if costs else ""
        done, description = sum(self._calls.values()), f"judging, round {progress.round}{spent}"
        self._bar.update(self._task, completed=done, description=description)
        self._tell(f"{description}: {counted(done, 'call')} done")

    @contextmanager
    def paused(self) -> Generator[None]:
        """Out of the way while something is written to the same terminal."""
        shared = sys.stdout.isatty()
        if shared:
            self._bar.stop()
        try:
            yield
        finally:
            if shared:
                self._bar.start()
