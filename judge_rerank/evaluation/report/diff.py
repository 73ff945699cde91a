"""Two runs, or two variants, beside each other: which queries got better, which got worse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from judge_rerank.core import InputError, UnknownName
from judge_rerank.evaluation.paired_comparison import Versus, versus
from judge_rerank.evaluation.record import Result, RunInfo
from judge_rerank.evaluation.runfolder import RunFolder
from judge_rerank.evaluation.significance import per_query, require_shared


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """A run, or one variant of it.

    Attributes:
        name: as it was given.
        info, results: the run's.
        variant: the one that is meant; None for all of them.
    """

    name: str
    info: RunInfo
    results: Sequence[Result]
    variant: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """Variant a of one side beside variant b of the other."""

    a: str
    b: str
    versus: Versus


def side(target: str, other: Side | None = None) -> Side:
    """The run or variant that a target names: `RUN`, `RUN:VARIANT`, or `:VARIANT` of the other side's run.

    Raises:
        DataError: there is no run in that folder, or it cannot be read.
        UnknownName: the run has no such variant.
    """
    if target.startswith(":") and other is not None:
        return Side(name=target, info=other.info, results=other.results, variant=_variant(other.info, target[1:]))
    path, variant = _parted(target)
    folder = RunFolder(path)
    info = folder.info()
    return Side(
        name=target, info=info, results=folder.results(), variant=None if variant is None else _variant(info, variant)
    )


def pairs(a: Side, b: Side, *, metric: str | None = None, most_moved: int = 10) -> list[Pair]:
    """Two variants beside each other, or every variant that both runs have.

    Args:
        a: what was there before.
        b: what may replace it. Where only one side names a variant, it is the one of the same name in the other.
        metric: what is compared; None for the first that the run of `a` was compared by.
        most_moved: how many of the queries that differ are listed.

    Raises:
        InputError: both are the same, a result lacks the metric, or the two have no query or no variant in common.
        MissingExtra: numpy is not installed.
    """
    name = metric or a.info.metrics[0]
    for each in (a, b):
        if name not in each.info.metrics:
            raise UnknownName("metric", name, each.info.metrics, hint=f"It is not measured in {each.name}.")
    before, after = per_query(a.results, name), per_query(b.results, name)
    found: list[Pair] = []
    for first, second in _names(a, b):
        for each, variant, values in ((a, first, before), (b, second, after)):
            if variant not in values:
                raise InputError(f"{variant!r} has no results in {each.name} yet.")
        require_shared(f"{a.name} {first}", before[first], f"{b.name} {second}", after[second])
        beside = versus(before[first], after[second], most_moved=most_moved)
        found.append(Pair(a=first, b=second, versus=beside))
    return found


def _names(a: Side, b: Side) -> list[tuple[str, str]]:
    one, other = a.variant or b.variant, b.variant or a.variant
    if one is not None and other is not None:
        if a.info == b.info and one == other:
            raise InputError(f"{a.name} and {b.name} are the same; name two variants or two runs.")
        return [(_variant(a.info, one), _variant(b.info, other))]
    if a.info == b.info:
        raise InputError("These are the same run. Name two of its variants: judge-rerank diff RUN:A RUN:B")
    theirs = {variant.name for variant in b.info.variants}
    # The references are made of the first stage and the grades alone: they say nothing of a variant.
    shared = [variant.name for variant in a.info.variants if variant.name in theirs and variant.reference is None]
    if not shared:
        raise InputError(
            f"{a.name} and {b.name} have no variant of the same name. Name one on each side: RUN:VARIANT. "
            f"There are: {_list(a.info)} in {a.name}; {_list(b.info)} in {b.name}."
        )
    return [(name, name) for name in shared]


def _variant(info: RunInfo, name: str) -> str:
    known = [variant.name for variant in info.variants]
    if name not in known:
        raise UnknownName("variant", name, known)
    return name


def _parted(target: str) -> tuple[str, str | None]:
    """Folder and variant; the colon that parts them follows the name of a folder that exists."""
    if not Path(target).exists():
        for place, character in enumerate(target):
            if character == ":" and Path(target[:place] or ".").is_dir():
                return target[:place] or ".", target[place + 1 :]
    return target, None


def _list(info: RunInfo) -> str:
    return ", ".join(variant.name for variant in info.variants if variant.reference is None)
