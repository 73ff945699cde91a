"""What runs on the machines of a Ray cluster: those that judge, those that score, and the one that keeps the limits."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from judge_rerank.bulk.places import Folder
from judge_rerank.bulk.record import RECORD
from judge_rerank.bulk.recorded_scores import Recorded, Recording, together
from judge_rerank.bulk.shared_ledger import Answer, LedgerOwner, Order, SharedLedger
from judge_rerank.bulk.shared_slots import SharedSlots, SlotShares, SlottedBackend
from judge_rerank.bulk.staging import GROUP_ROWS, Part, part_name, read_part
from judge_rerank.bulk.worker import INPUT, PartWorker, Work
from judge_rerank.core import RerankError, collect_seldom
from judge_rerank.judge import Judge
from judge_rerank.spending import Budget

SCORES = "_scores"
_SCORED_AT_ONCE = 32

Batch = Mapping[str, Any]


def machine_problem(work: Work) -> str:
    """What keeps this machine from ranking, in words; "" for nothing."""
    try:
        if Folder(work.output).read(RECORD) is None:
            return f"{work.output} is not the same folder there. Name one that all machines reach: s3://…, or a mount."
        work.settings.check()
    except RerankError as error:
        return str(error)
    return ""


class Coordinator:
    """The actor that all others ask: for their share of the concurrency limit, and for money.

    Args:
        limit: requests at once, over all workers.
        budget: with its file; None where there is no cap, or a database keeps the ledger.
    """

    def __init__(self, limit: int, budget: Budget | None) -> None:
        self._slots, self._stopped = SlotShares(limit), False
        self._budget, self._owner = budget, LedgerOwner(budget) if budget is not None else None

    async def budget(self) -> Budget | None:
        """The cap that this actor holds."""
        return self._budget

    async def renew(self, worker: str, wanted: int, used: int) -> int:
        """As in `SlotShares`."""
        return self._slots.renew(worker, wanted=wanted, used=used)

    async def apply(self, worker: str, orders: Sequence[Order]) -> list[Answer]:
        """As in `LedgerOwner`."""
        assert self._owner is not None
        return await self._owner.apply(worker, orders)

    async def stop(self) -> None:
        """No further part is to be ranked."""
        self._stopped = True

    async def stopped(self) -> bool:
        """Whether that was said."""
        return self._stopped

    async def close(self) -> None:
        """Write what is pending."""
        if self._owner is not None:
            self._owner.close()


class JudgeActor:
    """Ranks the parts that it is given.

    Args:
        work: what is done with each.
        coordinator: the handle of the `Coordinator`.
    """

    def __init__(self, work: Work, coordinator: Any) -> None:
        import ray

        collect_seldom()
        self._ray: Any = ray
        self._coordinator, self._work = coordinator, work
        name = secrets.token_hex(8)

        async def renew(wanted: int, used: int) -> int:
            return await coordinator.renew.remote(name, wanted, used)

        async def apply(worker: str, orders: Sequence[Order]) -> list[Answer]:
            return await coordinator.apply.remote(worker, list(orders))

        budget = self._ray.get(coordinator.budget.remote())
        slots = SharedSlots(renew)
        settings = work.settings if budget is None else work.settings.changed(budget=None)
        self._worker = PartWorker(
            Work(output=work.output, settings=settings),
            backends=[SlottedBackend(backend, slots) for backend in settings.backends()],
            ledger=None if budget is None else SharedLedger(budget, apply),
        )

    def __call__(self, batch: Batch) -> dict[str, list[str]]:
        """Rank one part; "" where no further part is to be ranked, and "error: …" where it cannot be."""
        if self._ray.get(self._coordinator.stopped.remote()):
            return {"result": [""]}
        number = int(batch["part"][0])
        recorded = [*_read(str(batch["recorded"][0])), *read_scores(self._work, number)]
        try:
            result = self._worker.rank(number, recorded)
        except RerankError as error:
            return {"result": [f"error: {error}"]}
        return {"result": [json.dumps(asdict(result))]}


class _Scoring:
    """Scores what a strategy asks of scorers first, of all queries of a part together.

    Args:
        work: what is done with each part.
        rounds: as in `Recording`.
    """

    def __init__(self, work: Work, *, rounds: int | None) -> None:
        assert work.settings.strategy is not None
        self._input = Folder(work.output) / INPUT
        self._strategy, self._rounds = work.settings.strategy, rounds
        # As many queries at once as fill a batch.
        self._judge = Judge(None, cache_dir=None, concurrency=_SCORED_AT_ONCE)

    def scored(self, number: int, groups: Sequence[int] | None = None) -> list[Recorded]:
        """What scorers say of a part, or of some of its rows."""
        recording = Recording(strategy=self._strategy, rounds=self._rounds)
        # Whatever goes wrong is met again where the part is ranked, and told there.
        self._judge.rerank_many(read_part(self._input, number, groups), recording, on_error="return")
        first = groups[0] * GROUP_ROWS if groups else 0
        return [each.shifted(first) for each in recording.found]


class ScorerActor:
    """Scores parts, before they are judged.

    Args:
        work: what is done with each.
    """

    def __init__(self, work: Work) -> None:
        self._work, self._scoring = work, _Scoring(work, rounds=None)

    def __call__(self, batch: Batch) -> dict[str, list[Any]]:
        """The part, with what was recorded of it."""
        number = int(batch["part"][0])
        known = has_scores(self._work, number)
        return {"part": [number], "recorded": ["" if known else _written(self._scoring.scored(number))]}


class ShardActor:
    """Scores shards of the candidates of one query.

    Args:
        work: what is done with each part.
    """

    def __init__(self, work: Work) -> None:
        self._scoring = _Scoring(work, rounds=1)

    def __call__(self, batch: Batch) -> dict[str, list[Any]]:
        """The part, with what was recorded of the shard."""
        number, first, end = (int(batch[name][0]) for name in ("part", "first", "end"))
        return {"part": [number], "recorded": [_written(self._scoring.scored(number, range(first, end)))]}


def shards_of(work: Work, part: Part, rows: int) -> list[dict[str, int]]:
    """A part in shards of about so many rows, in groups of rows; none where it has been scored already."""
    if has_scores(work, part.number):
        return []
    groups, size = -(-part.rows // GROUP_ROWS), max(1, rows // GROUP_ROWS)
    return [{"part": part.number, "first": first, "end": min(groups, first + size)} for first in range(0, groups, size)]


def write_scores(work: Work, number: int, recorded: Iterable[str]) -> None:
    """Keep what was recorded of all shards of a part."""
    folder = Folder(work.output) / SCORES
    folder.create()
    merged = together(each for text in recorded for each in _read(text))
    folder.write(_scores_name(number), _written(merged).encode())


def read_scores(work: Work, number: int) -> list[Recorded]:
    """What was recorded of the shards of a part; nothing where it was not scored so."""
    found = (Folder(work.output) / SCORES).read(_scores_name(number))
    return [] if found is None else _read(found.decode())


def has_scores(work: Work, number: int) -> bool:
    """Whether the shards of a part have been scored."""
    return _scores_name(number) in (Folder(work.output) / SCORES).names()


def _scores_name(number: int) -> str:
    return part_name(number).replace(".parquet", ".json")


def _written(recorded: Iterable[Recorded]) -> str:
    return json.dumps([[each.scorer, each.query_id, each.indices, each.raw] for each in recorded])


def _read(text: str) -> list[Recorded]:
    return [
        Recorded(scorer=scorer, query_id=query_id, indices=tuple(indices), raw=tuple(raw))
        for scorer, query_id, indices, raw in json.loads(text or "[]")
    ]
