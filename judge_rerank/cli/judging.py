"""From the command line's options to a judge and a strategy."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from judge_rerank.cli.option_groups import JudgeOptions, ModelOptions, SpendingOptions
from judge_rerank.cli.options import parameters
from judge_rerank.core import InputError
from judge_rerank.strategies import Passages

if TYPE_CHECKING:
    from judge_rerank.core import Backend, JudgeKind, Strategy
    from judge_rerank.judge import Judge
    from judge_rerank.spending import Budget


def open_judge(
    judging: ModelOptions,
    spending: SpendingOptions,
    *,
    strategy: str | None = None,
    calibration: Path | None = None,
) -> Judge:
    """The judge that the options ask for, with its strategy set.

    Args:
        judging: the model, and for `JudgeOptions` what it is asked.
        spending: caps, cache and trace.
        strategy: the strategy of commands that bring their own.
        calibration: the file of one.

    Raises:
        InputError: an option is out of range, or the strategy does not take it.
        SetupError: there is no model, or an extra is missing.
    """
    from judge_rerank.judge import Judge
    from judge_rerank.tracing import Trace

    params = parameters(judging.param or ())
    kept = places(spending)
    asked = judging if isinstance(judging, JudgeOptions) else JudgeOptions()
    return Judge(
        judging.model,
        api=judging.api,
        transport=judging.transport,
        api_base=judging.api_base,
        params=params,
        budget=opened_budget(spending),
        prices=spending.prices,
        cache_dir=kept.replies,
        trace=Trace(kept.trace),
        store=kept.store,
        prompts=judging.prompts,
        strategy=_strategy(judging, asked, strategy),
        concurrency=judging.concurrency,
        max_tokens_per_doc=judging.max_tokens_per_doc,
        calibration=calibration,
        instruction=asked.instruction,
        criteria=asked.criteria,
        fields=asked.fields,
        trust=asked.trust,
        on_suspicious=asked.on_suspicious,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Places:
    """Where a command keeps what it asks and is answered.

    Attributes:
        replies: the folder, or the address of a database; None for nowhere.
        trace: the file, or the address; None for none.
        store: the address of the database that holds what no other place is named for; None for none.
    """

    replies: Path | str | None
    trace: Path | str | None
    store: str | None = None


def places(spending: SpendingOptions) -> Places:
    """Where options say, else in the store, else in the user's cache folder, unless nothing is to be kept there.

    Raises:
        InputError: --store is neither an address nor on or off.
    """
    from judge_rerank.storage import cache_dir, storing

    store = None if spending.no_store else store_address(spending.store)
    usual = not spending.no_store and (storing() if spending.store is None else spending.store.lower() != "off")
    replies = spending.cache_dir or store or (cache_dir() if usual else None)
    trace = spending.trace or store or (default_trace() if usual else None)
    return Places(
        replies=_expanded(replies) if spending.cache else None,
        trace=_expanded(trace) if not spending.no_trace else None,
        store=store,
    )


def store_address(said: str | None) -> str | None:
    """The address of the database that --store or the environment names; None where they name none.

    Raises:
        InputError: --store is neither an address nor on or off.
    """
    from judge_rerank.storage import read_storing, store_of_environment

    if said is None:
        return store_of_environment()
    read = read_storing(said.strip(), "--store")
    return read if isinstance(read, str) else None


def _expanded(place: Path | str | None) -> Path | str | None:
    return place.expanduser() if isinstance(place, Path) else place


def unspent(prices: Path | None = None) -> SpendingOptions:
    """For commands that ask nothing: no cache, no trace, and the prices to estimate with."""
    return SpendingOptions(prices=prices, cache=False, no_trace=True)


def judge_kind_of(judging: ModelOptions) -> JudgeKind:
    """Who would judge: a model that is paid for, one that runs here, or nobody."""
    from judge_rerank.core import ModelUnavailable, judge_kind

    try:
        backend = _backend(judging)
    except ModelUnavailable:
        return judge_kind(None)
    return judge_kind(backend.info)


def opened_budget(spending: SpendingOptions) -> Budget | None:
    """The budget, if there is one."""
    from judge_rerank.spending import BUDGET_VARIABLE, Budget

    amount = spending.budget or os.environ.get(BUDGET_VARIABLE, "").strip()
    if amount:
        source = "--budget" if spending.budget else BUDGET_VARIABLE
        return Budget(usd=amount, path=spending.ledger, period=spending.period, source=source)
    if spending.ledger is not None or spending.period is not None:
        raise InputError(f"--ledger and --period need a budget: --budget USD, or {BUDGET_VARIABLE}.")
    return None


def _backend(judging: ModelOptions) -> Backend:
    from judge_rerank.providers import open_backend

    params = parameters(judging.param or ())
    way: Any = {"api": judging.api, "transport": judging.transport}
    return open_backend(judging.model, **way, api_base=judging.api_base, params=params)


def chosen_strategy(judging: JudgeOptions) -> Strategy | None:
    """The strategy that the options ask for; None where they leave it to the model."""
    said = judging.strategy or judging.prompt or judging.explain or judging.passages
    return _strategy(judging, judging, None) if said else None


def _strategy(judging: ModelOptions, asked: JudgeOptions, given: str | None) -> Strategy:
    """The strategy that is asked for, with its options."""
    from judge_rerank.strategies import parse

    named = given or asked.strategy
    # Without a strategy the model decides; with one, a judge that only scores may need no model at all.
    chosen = parse(named or _backend(judging).info.strategy)
    options: dict[str, str | bool] = {"prompt": asked.prompt} if asked.prompt is not None else {}
    if asked.explain:
        options["explain"] = True
    chosen = _with(chosen, options)
    return chosen if asked.passages is None else Passages(strategy=chosen, aggregate=asked.passages)


def default_trace() -> Path:
    """Where commands write and read their trace when none is named."""
    from judge_rerank.storage import cache_dir as cache_folder

    return cache_folder() / "trace.db"


def _with(strategy: Strategy, options: Mapping[str, str | bool]) -> Strategy:
    """The strategy with these options changed."""
    if not options:
        return strategy
    fields = (
        {field.name for field in dataclasses.fields(strategy)} if dataclasses.is_dataclass(strategy) else set[str]()
    )
    for option in options:
        if option not in fields:
            raise InputError(f"--{option} cannot be used with the strategy {strategy.name!r}; leave it out.")
    changed: Any = dataclasses.replace(cast("Any", strategy), **options)
    return changed
