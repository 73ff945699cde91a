"""The judges of an experiment: one model each, under one budget, with a cache of replies for each repetition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Self

from judge_rerank.cache import DEFAULT_CACHE, ReplyCache, opened_cache
from judge_rerank.core import Backend, Estimate, PricingUnknown
from judge_rerank.evaluation.experiment import Experiment, ModelSpec
from judge_rerank.evaluation.matrix import Planned
from judge_rerank.evaluation.preparing import Prepared, PreparedExperiment
from judge_rerank.judge import Judge
from judge_rerank.providers import open_backend
from judge_rerank.spending import BUDGET_VARIABLE, Budget


class Judges:
    """Opens judges when they are first asked for; a context manager that closes them.

    Args:
        experiment: whose models.
        backends: by model name, instead of opening one.
        cache_dir: where replies are kept, as in `Judge`; repetitions after the first have a place of their own in it,
            so that they ask anew, and are paid for once all the same.
        ledger: the file that the budget is counted in; None for judges that only estimate.
    """

    def __init__(
        self,
        experiment: Experiment,
        *,
        backends: Mapping[str, Backend] | None = None,
        cache_dir: str | Path | None = DEFAULT_CACHE,
        ledger: Path | None = None,
    ) -> None:
        self._experiment = experiment
        self._given = backends or {}
        self._cache_dir = cache_dir
        self._backends: dict[str, Backend] = {}
        self._judges: dict[tuple[str | None, int], Judge] = {}
        self.budget = _budget(experiment, ledger) if ledger is not None else None

    def of(self, model: ModelSpec | None, repetition: int = 0) -> Judge:
        """The judge of a model.

        Args:
            model: as the experiment has it; None for strategies that ask no judge.
            repetition: the seed.

        Raises:
            SetupError: the model, its key or an extra is missing.
        """
        key = (model and (model.label or model.name), repetition)
        if key not in self._judges:
            self._judges[key] = Judge(
                self._backend(model) if model else None,
                budget=self.budget,
                on_exhausted="raise",
                prices=(model and model.prices()) or None,
                cache_dir=self._cache(repetition),
            )
        return self._judges[key]

    def is_free(self, model: ModelSpec) -> bool:
        """Whether nothing that the model is asked can cost anything."""
        return model.price == "free" or self._backend(model).info.local

    def at_once(self, model: ModelSpec | None) -> int:
        """How many questions are worth asking side by side; 1 where everything is done on this machine."""
        return 1 if model is None else self._backend(model).info.concurrency

    def close(self) -> None:
        """Close every judge."""
        judges, self._judges, self._backends = self._judges, {}, {}
        for judge in judges.values():
            judge.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _backend(self, model: ModelSpec) -> Backend:
        name = model.label or model.name
        if name not in self._backends:
            self._backends[name] = self._given.get(name) or open_backend(
                model.name,
                api=model.api,
                transport=model.transport,
                api_base=model.api_base,
                api_key=model.key(),
                params=model.params,
            )
        return self._backends[name]

    def _cache(self, repetition: int) -> ReplyCache | None:
        # A backend of the caller's own is not known by its name; it is remembered only where that is asked for.
        shared = opened_cache(self._cache_dir, [*self._given.values()])
        if shared is None or repetition == self._experiment.seeds[0]:
            return shared
        return shared.apart(f"repetition-{repetition}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """What a cell takes: one variant on one dataset, all repetitions.

    Attributes:
        variant, dataset: which.
        queries: how many results.
        estimate: calls, rounds, tokens and dollars of all of them; dollars are the most without retries.
    """

    variant: str
    dataset: str
    queries: int
    estimate: Estimate


def forecast(plan: PreparedExperiment, judges: Judges) -> list[Forecast]:
    """What each cell takes, without a call."""
    cells = [(each, prepared) for prepared in plan.datasets for each in plan.variants]
    return [_forecast(plan, judges, each, prepared) for each, prepared in cells if each.strategy is not None]


def require_room(plan: PreparedExperiment, judges: Judges) -> None:
    """Refuse a budget that is too small for one of the cells.

    Raises:
        InputError: the most that a cell can cost is more than the budget.
        PricingUnknown: the price of a model is unknown.
    """
    budget = judges.budget
    if budget is None or all(each.model is None or judges.is_free(each.model) for each in plan.variants):
        return
    for cell in forecast(plan, judges):
        usd = cell.estimate.cost_usd
        if usd is None:
            raise PricingUnknown(next(e.variant.model for e in plan.variants if e.variant.name == cell.variant))
        if usd > Decimal(str(budget.usd)):
            message = (
                f"{budget.source} is ${budget.usd}, and {cell.variant!r} on {cell.dataset!r} alone can cost up to "
                f"${usd}. Raise it, or evaluate fewer queries or candidates. Nothing was sent."
            )
            raise plan.experiment.error(message, "budget_usd")


def _forecast(plan: PreparedExperiment, judges: Judges, planned: Planned, prepared: Prepared) -> Forecast:
    judge = judges.of(planned.model)
    answerable = planned.asks_twice(plan.experiment)
    topics = [(topic, seed) for seed in plan.experiment.seeds for topic in prepared.dataset.topics]
    lists = [(topic.query, prepared.candidates(topic, seed)) for topic, seed in topics]
    if answerable:  # a twin is at most as dear as its list, and free where the cache knows all of it
        twins = [(topic.query, prepared.without_relevant(topic, seed)) for topic, seed in topics]
        lists += [pair for pair in twins if pair[1]]
    estimates = [
        judge.estimate(query, documents, planned.strategy, **planned.options(plan.experiment, answerable=answerable))
        for query, documents in lists
    ]
    return Forecast(
        variant=planned.variant.name,
        dataset=prepared.info.name,
        queries=len(topics),
        estimate=Estimate.together(estimates),
    )


def _budget(experiment: Experiment, ledger: Path) -> Budget | None:
    if experiment.budget_usd is not None:
        return Budget(usd=experiment.budget_usd, path=ledger, source="budget_usd")
    around = Budget.from_environment()
    return Budget(usd=around.usd, path=ledger, source=BUDGET_VARIABLE) if around else None
