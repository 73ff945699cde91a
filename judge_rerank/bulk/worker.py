"""Ranks one part after the other: what every process does, on whatever machine it runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, cast

from judge_rerank.bulk.places import Folder
from judge_rerank.bulk.recorded_scores import Recorded, ScoresRecorded, worth_recording
from judge_rerank.bulk.results import PartResult, write_results
from judge_rerank.bulk.settings import JudgeSettings, paid_from
from judge_rerank.bulk.staging import read_part
from judge_rerank.core import Backend, CancelToken, Ranking, RerankError
from judge_rerank.engine import run
from judge_rerank.spending import Ledger

INPUT = "_input"
"""Where the parts of the input are, in the folder of the run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What is done with every part.

    Attributes:
        output: the folder of the run.
        settings: the judge.
    """

    output: str
    settings: JudgeSettings


class PartWorker:
    """A judge, and the folder whose parts it ranks; a context manager. Its methods may be called from many threads.

    Args:
        work: what is done with every part.
        backends: the judge's models, where they are not those of the settings.
        ledger: what is charged as well, where the judge's own does not count for all workers.
        cancel: ends what is under way.
    """

    def __init__(
        self,
        work: Work,
        *,
        backends: Sequence[Backend] | None = None,
        ledger: Ledger | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        self._work, self._folder = work, Folder(work.output)
        self._input = self._folder / INPUT
        self._judge = work.settings.open(backends=backends)
        self._ledger, self._cancel = ledger, cancel
        strategy = work.settings.strategy
        self._strategy = ScoresRecorded(strategy=strategy) if worth_recording(strategy) and strategy else strategy

    def rank(self, number: int, recorded: Sequence[Recorded] = ()) -> PartResult:
        """Rank the queries of a part, and write its results.

        Args:
            number: which part.
            recorded: what scorers said of it elsewhere, which is not scored again.

        Raises:
            RerankError: the part cannot be read, or its results cannot be written.
        """
        started = time.perf_counter()
        pairs = read_part(self._input, number)
        asked: dict[str, Any] = dict(self._work.settings.asked())
        if self._cancel is not None:
            asked["cancel"] = self._cancel
        known = self._strategy.knowing(recorded) if isinstance(self._strategy, ScoresRecorded) else nullcontext()
        with paid_from(self._judge, self._ledger), known:
            many = self._judge.rerank_many(cast("Any", pairs), self._strategy, on_error="return", **asked)
        if self._ledger is not None:
            run(_written(self._ledger))
        made = cast("Sequence[Ranking | RerankError]", many)
        return write_results(self._folder, number, pairs, made, seconds=time.perf_counter() - started)

    def close(self) -> None:
        """Close the judge."""
        self._judge.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


async def _written(ledger: Ledger) -> None:
    await ledger.written()
