"""From the command line's options to a judge and a strategy."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from judge_rerank.core import InputError
from judge_rerank.strategies import Passages, parse

if TYPE_CHECKING:
    from judge_rerank.core import Strategy
    from judge_rerank.judge import Judge
    from judge_rerank.spending import Budget, Period


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Spending:
    """What caps a command's spending, and what it keeps.

    Attributes:
        budget: dollars in all; None takes JUDGE_RERANK_BUDGET_USD.
        ledger: the file that the budget is shared through.
        period: "day" or "month", when the budget starts afresh.
        prices: a YAML file of prices.
        cache: whether replies are kept, and looked for.
        cache_dir: where; None for the user's cache folder.
        trace: the file that every call is written to; None for none.
    """

    budget: str | None = None
    ledger: Path | None = None
    period: Period | None = None
    prices: Path | None = None
    cache: bool = True
    cache_dir: Path | None = None
    trace: Path | None = None

    def opened_budget(self) -> Budget | None:
        """The budget, if there is one."""
        from judge_rerank.spending import BUDGET_VARIABLE, Budget

        amount = self.budget or os.environ.get(BUDGET_VARIABLE, "").strip()
        if amount:
            source = "--budget" if self.budget else BUDGET_VARIABLE
            return Budget(usd=amount, path=self.ledger, period=self.period, source=source)
        if self.ledger is not None or self.period is not None:
            raise InputError(f"--ledger and --period go with a budget: --budget USD, or {BUDGET_VARIABLE}.")
        return None


def open_judge(
    model: str | None,
    strategy: str | None,
    *,
    prompt: str | None = None,
    prompts: Path | None = None,
    explain: bool = False,
    api_base: str | None = None,
    params: Sequence[str] = (),
    concurrency: int | None = None,
    max_tokens_per_doc: int | None = None,
    passages: Literal["max", "top2", "first"] | None = None,
    calibration: Path | None = None,
    spending: Spending | None = None,
) -> Judge:
    """The judge that the options ask for, with its strategy set.

    Raises:
        InputError: an option is out of range, or the strategy does not take it.
        SetupError: there is no model, or an extra is missing.
    """
    from judge_rerank.judge import Judge
    from judge_rerank.providers import open_backend
    from judge_rerank.storage import cache_dir as cache_folder

    taken = parameters(params)
    # Without a strategy the model decides; with one, a judge that only scores may need no model at all.
    chosen = parse(strategy or open_backend(model, api_base=api_base, params=taken).info.strategy)
    options: dict[str, str | bool] = {"prompt": prompt} if prompt is not None else {}
    if explain:
        options["explain"] = True
    chosen = _with(chosen, options)
    if passages is not None:
        chosen = Passages(strategy=chosen, aggregate=passages)
    kept = spending or Spending(cache=False)
    return Judge(
        model,
        api_base=api_base,
        params=taken,
        budget=kept.opened_budget(),
        prices=kept.prices,
        cache_dir=(kept.cache_dir or cache_folder()) if kept.cache else None,
        trace=kept.trace,
        prompts=prompts,
        strategy=chosen,
        concurrency=concurrency,
        max_tokens_per_doc=max_tokens_per_doc,
        calibration=calibration,
    )


def default_trace() -> Path:
    """Where commands write and read their trace when none is named."""
    from judge_rerank.storage import cache_dir as cache_folder

    return cache_folder() / "trace.db"


def parameters(given: Sequence[str]) -> dict[str, Any]:
    """`KEY=VALUE` pairs; a value that is JSON (a number, true, a list) is taken as such, any other as text."""
    found: dict[str, Any] = {}
    for pair in given:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise InputError(f"--param {pair!r} has no '=': --param KEY=VALUE, such as reasoning_effort=low.")
        try:
            found[key] = json.loads(value)
        except ValueError:
            found[key] = value
    return found


def _with(strategy: Strategy, options: Mapping[str, str | bool]) -> Strategy:
    """The strategy with these options changed."""
    if not options:
        return strategy
    fields = (
        {field.name for field in dataclasses.fields(strategy)} if dataclasses.is_dataclass(strategy) else set[str]()
    )
    for option in options:
        if option not in fields:
            raise InputError(f"--{option} does not go with the strategy {strategy.name!r}; leave it out.")
    changed: Any = dataclasses.replace(cast("Any", strategy), **options)
    return changed
