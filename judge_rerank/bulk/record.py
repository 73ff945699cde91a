"""The run record: what was run, on what, with what came of it; a file in the folder of the results."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

from judge_rerank.bulk.places import Folder
from judge_rerank.bulk.results import PartResult, Sums
from judge_rerank.core import DataError, InputError

RECORD = "_run.json"

RunStatus = Literal["running", "complete", "partial", "stopped"]
"""`partial`: some queries are not complete. `stopped`: the run ended early, and can go on."""

_PACKAGES = ("judge-rerank", "litellm", "pyarrow", "ray")


@dataclass(frozen=True, kw_only=True, slots=True)
class Totals(Sums):
    """The sums over all parts that are there.

    Attributes:
        parts: how many.
        ledger_usd: what the ledger counts: spent, and set aside for attempts whose end is not known; "" where there
            is none.
    """

    parts: int = 0
    ledger_usd: str = ""

    def plus(self, result: PartResult) -> Totals:
        """With another part."""
        counted = ("queries", "rows", "calls", "cached_calls", "scored_pairs", "input_tokens", "output_tokens")
        sums: dict[str, Any] = {name: getattr(self, name) + getattr(result, name) for name in (*counted, "unpriced")}
        money = {name: str(Decimal(getattr(self, name)) + Decimal(getattr(result, name))) for name in _MONEY}
        statuses = dict(Counter(self.statuses) + Counter(result.statuses))
        return replace(self, parts=self.parts + 1, statuses=statuses, **sums, **money)

    @classmethod
    def of(cls, results: Iterable[PartResult]) -> Totals:
        """The sums over some parts."""
        total = cls()
        for result in results:
            total = total.plus(result)
        return total


_MONEY = ("cost_usd", "saved_usd")


@dataclass(frozen=True, kw_only=True, slots=True)
class BulkRun:
    """A run over files, as its record has it.

    Attributes:
        folder: where its results are.
        configuration: what decides what the judge is asked: model, strategy, options.
        inputs: the files, with their sizes and what tells them from other versions.
        queries_per_part: how the input is cut.
        parts, queries, rows: how much there is to do.
        empty_texts: candidates without a text.
        status: how far it is.
        reasons: why it is not complete, one sentence each.
        totals: what was done.
        prompts: hashes of the templates, by name.
        versions: of this package and those that it rests on.
        started, ended: ISO 8601, UTC; the end is that of the last session.
        seconds: how long all sessions took together.
    """

    folder: str
    configuration: Mapping[str, Any]
    inputs: Sequence[Mapping[str, Any]]
    queries_per_part: int
    parts: int = 0
    queries: int = 0
    rows: int = 0
    empty_texts: int = 0
    status: RunStatus = "running"
    reasons: Sequence[str] = ()
    totals: Totals = field(default_factory=Totals)
    prompts: Mapping[str, str] = field(default_factory=dict[str, str])
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    started: str = ""
    ended: str = ""
    seconds: float = 0.0

    def write(self, folder: Folder) -> None:
        """Put it in the place of the record that is there.

        Raises:
            DataError: the folder cannot be written to.
        """
        folder.write(RECORD, (json.dumps(asdict(self), ensure_ascii=False, indent=2, default=str) + "\n").encode())

    def require_same(self, now: BulkRun) -> None:
        """Refuse to go on with a run that was begun otherwise.

        Raises:
            InputError: the model, the strategy, an option or an input is not what it was.
        """
        was, is_ = _plain(self), _plain(now)
        for name in is_:
            if was.get(name) != is_[name]:
                raise InputError(
                    f"The run in {self.folder} has other settings: {name} was {_shown(was.get(name))}, and now it is "
                    f"{_shown(is_[name])}. Go on with the same, or write to another folder."
                )


def read_record(folder: Folder) -> BulkRun | None:
    """The record in a folder; None where there is none.

    Raises:
        DataError: it was not written by this package.
    """
    found = folder.read(RECORD)
    if found is None:
        return None
    try:
        record: dict[str, Any] = json.loads(found)
        return BulkRun(totals=Totals(**record.pop("totals")), **record)
    except (ValueError, TypeError, KeyError) as error:
        message = f"This is not the record of a run of judge-rerank bulk: {error}."
        raise DataError(message, path=f"{folder.name}/{RECORD}") from None


def versions() -> dict[str, str]:
    """Of Python and of the packages that a run rests on."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def now() -> str:
    """ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _plain(run: BulkRun) -> dict[str, Any]:
    """What has to be the same, as JSON has it."""
    inputs = {f"input {each['path']}": dict(each) for each in run.inputs}
    same = {**run.configuration, "inputs": sorted(inputs), **inputs, "queries_per_part": run.queries_per_part}
    return json.loads(json.dumps(same, default=str))


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else text[:199] + "…"
