"""Runs an experiment: every query under every variant, written down as it comes, and never twice."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from statistics import fmean
from typing import Any, TypedDict, Unpack

from judge_rerank.cache import DEFAULT_CACHE
from judge_rerank.core import Backend, BudgetExceeded, CancelToken, InputError, Ranking
from judge_rerank.engine import run
from judge_rerank.evaluation.datasets import Topic
from judge_rerank.evaluation.experiment import Experiment
from judge_rerank.evaluation.judges import Judges, require_room
from judge_rerank.evaluation.matrix import Planned
from judge_rerank.evaluation.measuring import ranked_result, reference_result
from judge_rerank.evaluation.preparing import Prepared, PreparedExperiment, prepare, require_same
from judge_rerank.evaluation.racing import Race
from judge_rerank.evaluation.record import Result, RunInfo
from judge_rerank.evaluation.runfolder import Lines, RunFolder
from judge_rerank.evaluation.summary import Summary, summarize
from judge_rerank.scorers import forget

_BATCH = 10
"""Queries that a variant gets in a row before the next variant has them, so that all advance side by side."""

# What keeps a query from being finished, unlike replies that came and could not be used.
_UNFINISHED = frozenset({"provider", "budget", "ledger", "deadline", "cancelled"})

Key = tuple[str, str, int, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class RunProgress:
    """Where a run stands; passed to `watch` after every result.

    Attributes:
        done, total: results, without those of the reference rows.
        bought: of these, the ones of this process.
        spent_usd: of all results; what calls of unfinished queries took is not in it.
        means: results and the mean of the first metric, by variant.
    """

    done: int
    total: int
    bought: int
    spent_usd: Decimal
    means: Mapping[str, tuple[int, float]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """What a run found.

    Attributes:
        folder: where it lies.
        info: the experiment as it was run.
        results: every result there is, of earlier runs in the same folder too.
        unfinished: why results are missing, one sentence each; empty when none is.
        failures: which limits of the experiment were missed, one sentence each; empty when none was.
        stopped: which variants a race stopped, and what that saved, one sentence each.
    """

    folder: Path
    info: RunInfo
    results: Sequence[Result]
    unfinished: Sequence[str] = ()
    failures: Sequence[str] = ()
    stopped: Sequence[str] = ()

    @property
    def summary(self) -> Summary:
        """The cost-benefit table over all datasets."""
        return summarize(self.info, self.results)


class RunOptions(TypedDict, total=False):
    """Which part of an experiment is run, and how.

    Attributes:
        limit: only the first so many queries of each dataset.
        only: only variants whose name holds one of these, or that a pattern such as "score*" describes.
        resume: go on with the run that is in the folder.
        race: stop variants as soon as it is certain that they lose by the first metric (`evaluation.racing`), and save
            their remaining calls. The baseline is never stopped. Not with batch jobs, which ask everything at once.
    """

    limit: int | None
    only: Iterable[str]
    resume: bool
    race: bool


def evaluate(
    experiment: Experiment | Mapping[str, Any] | str | Path,
    *,
    output: str | Path,
    backends: Mapping[str, Backend] | None = None,
    cache_dir: str | Path | None = DEFAULT_CACHE,
    watch: Callable[[RunProgress], None] | None = None,
    cancel: CancelToken | None = None,
    **options: Unpack[RunOptions],
) -> Evaluation:
    """Run an experiment and keep its results in a folder, each as soon as it is there.

    Example:
        ```python
        from judge_rerank.evaluation import evaluate
        found = evaluate("docs/examples/experiment.yaml", output="runs/brakes", limit=2)
        print([(row.variant.name, row.calls) for row in found.summary.rows])
        ```

    Args:
        experiment: one that was read, a mapping of the same keys, or its YAML file.
        output: the folder. What it holds already is not asked for again.
        backends: by model name, instead of opening one; such as a `FakeBackend`.
        cache_dir: where replies are kept, as in `Judge`; it is what saves the calls of a query that was cut short.
        watch: called after every result, in another thread.
        cancel: ends the run early when its `cancel()` is called; what is finished stays.
        **options: which part of it is run, and how: see `RunOptions`.

    Returns:
        The evaluation. A budget that is used up, a provider that is down and a cancellation end it early, with the
        reason in `unfinished`.

    Raises:
        InputError: anything in the experiment that cannot be used, a folder that holds a run when it is not resumed or
            holds another one, a budget too small for one variant. Nothing was sent.
        SetupError: a model, its key or an extra is missing.
        ProviderError: no judgment could be had, and no retry can help. What is finished stays.
    """
    plan = prepare(_read(experiment), limit=options.get("limit"), only=options.get("only", ()))
    if options.get("race") and plan.experiment.mode == "batch":
        raise InputError("A race stops variants on the way, and batch jobs ask everything at once: leave out one.")
    folder = RunFolder(output)
    before = folder.info() if folder.exists() else None
    if before is not None and not options.get("resume"):
        raise InputError(f"There is a run in {output} already. Resume it, or write to another folder.")
    if before is not None:
        require_same(before, plan.info())
    ledger = folder.path / "spend.db"
    with Judges(plan.experiment, backends=backends, cache_dir=cache_dir, ledger=ledger) as judges:
        require_room(plan, judges)
        info = _joined(plan.info(started=before.started if before else ""), before)
        folder.write_info(info)
        for prepared in plan.datasets:
            folder.write_documents(prepared.info.name, prepared.documents().values())
        results = {result.key: result for result in folder.results()}
        with folder.appending() as lines:
            runner = _Runner(
                plan, judges, lines, results, watch, cancel, race=_race(plan) if options.get("race") else None
            )
            try:
                runner.references()
                run(runner.run())
            except BaseException as error:
                runner.unfinished.append(f"The run ended early: {error or type(error).__name__}")
                raise
            finally:
                info = _ended(info, runner, results.values(), before)
                folder.write_info(info)
    found = folder.results()
    return Evaluation(
        folder=folder.path,
        info=info,
        results=found,
        unfinished=info.unfinished,
        failures=missed(plan.experiment, summarize(info, found)),
        stopped=info.stopped,
    )


def missed(experiment: Experiment, summary: Summary) -> list[str]:
    """Which limits of an experiment its variants missed, one sentence each."""
    sentences: list[str] = []
    most = experiment.max_parse_failures
    for row in summary.rows:
        if row.variant.reference is not None or not row.results:
            continue
        for metric, least in experiment.thresholds().items():
            if row.metrics.get(metric, 0.0) < least:
                value = row.metrics.get(metric, 0.0)
                sentences.append(f"{row.variant.name}: {metric} is {value:.4f}, below fail_under, {least:g}.")
        if most is not None and row.parse_failure_rate > most:
            rate = f"{row.parse_failure_rate:.2%}"
            sentences.append(f"{row.variant.name}: {rate} of the replies gave no judgment, above max_parse_failures.")
    return sentences


class _Runner:
    """One process's share of a run."""

    def __init__(
        self,
        plan: PreparedExperiment,
        judges: Judges,
        lines: Lines,
        results: dict[Key, Result],
        watch: Callable[[RunProgress], None] | None,
        cancel: CancelToken | None,
        *,
        race: Race | None,
    ) -> None:
        self._race = race
        self._plan, self._judges, self._lines, self._results = plan, judges, lines, results
        self._watch, self._cancel = watch, cancel
        self._tally = _Tally(total=plan.results)
        real = {each.variant.name for each in plan.variants if each.variant.reference is None}
        for result in results.values():
            if result.variant in real:
                self._tally.add(result, plan.metrics.names[0])
        self._tally.bought = 0
        self.unfinished: list[str] = []

    def references(self) -> None:
        """Write the rows that no judge makes."""
        for prepared in self._plan.datasets:
            for seed in self._plan.experiment.seeds:
                for planned in self._plan.variants:
                    if planned.variant.reference is not None:
                        for topic in self._pending(planned, prepared, seed, prepared.dataset.topics):
                            self._keep(
                                reference_result(self._plan.metrics, planned.variant.name, prepared, seed, topic)
                            )

    async def run(self) -> None:
        """Every query under every variant that has no result yet."""
        real = [each for each in self._plan.variants if each.variant.reference is None]
        try:
            if self._plan.experiment.mode == "batch":
                await self._at_once(real)
                return
            for prepared in self._plan.datasets:
                topics = prepared.dataset.topics
                for start in range(0, len(topics), _BATCH):
                    for planned in real:
                        if self._race is not None and planned.variant.name in self._race.stopped:
                            continue
                        for seed in self._plan.experiment.seeds:
                            batch = self._pending(planned, prepared, seed, topics[start : start + _BATCH])
                            if not await self._batch(planned, prepared, seed, batch):
                                return
                    self._bet(prepared, topics[start : start + _BATCH])
        except BudgetExceeded as error:
            self.unfinished.append(f"The run ended early: {error}")

    async def _at_once(self, variants: Sequence[Planned]) -> None:
        """All queries under all variants side by side: a round of batch jobs takes as long for many as for one."""
        async with asyncio.TaskGroup() as group:
            for prepared in self._plan.datasets:
                for planned in variants:
                    for seed in self._plan.experiment.seeds:
                        pending = self._pending(planned, prepared, seed, prepared.dataset.topics)
                        group.create_task(self._batch(planned, prepared, seed, pending))

    async def _batch(self, planned: Planned, prepared: Prepared, seed: int, topics: Sequence[Topic]) -> bool:
        """Rank for a few queries; whether there is any point in going on."""
        if not topics:
            return True
        forget()  # a variant is not to be quick because of what another has computed
        failed: list[str] = []
        async for topic, ranking, twin in self._ranked(planned, prepared, seed, topics):
            made = [each for each in (ranking, twin) if each is not None]
            if unfinished := [each for each in made if set(each.integrity.failed) & _UNFINISHED]:
                failed += unfinished[0].reasons
                continue
            result = ranked_result(self._plan.metrics, planned.variant.name, prepared, seed, topic, (ranking, twin))
            self._keep(result)
            self._tally.add(result, self._plan.metrics.names[0])
            if self._watch is not None:
                self._watch(self._tally.progress())
        if self._cancel is not None and self._cancel.cancelled:
            self.unfinished.append("The run was interrupted.")
            return False
        if failed:
            missing = f"{planned.variant.name} on {prepared.info.name}: queries were not finished ({failed[0]})."
            self.unfinished.append(missing)
        return len(failed) < len(topics)

    async def _ranked(
        self, planned: Planned, prepared: Prepared, seed: int, topics: Sequence[Topic]
    ) -> AsyncIterator[tuple[Topic, Ranking, Ranking | None]]:
        """Side by side, or one after the other where they would only wait for each other: the time of a query is then
        its own. Twins come last, so that the cache answers them and not the rankings that are measured."""
        answerable = planned.asks_twice(self._plan.experiment)
        judge = self._judges.of(planned.model, seed)
        together = 1 if self._judges.at_once(planned.model) == 1 else len(topics)
        for start in range(0, len(topics), together):
            group = topics[start : start + together]
            pairs = [(topic.query, prepared.candidates(topic, seed)) for topic in group]
            made: list[Ranking] = []
            options = planned.options(self._plan.experiment, answerable=answerable)
            async for ranking in judge.arerank_many(pairs, planned.strategy, cancel=self._cancel, **options):
                made.append(ranking)
                if not answerable:
                    yield group[len(made) - 1], ranking, None
            if answerable:
                twins = await self._twins(planned, prepared, seed, group)
                for topic, ranking in zip(group, made, strict=True):
                    yield topic, ranking, twins.get(topic.id)

    async def _twins(
        self, planned: Planned, prepared: Prepared, seed: int, topics: Sequence[Topic]
    ) -> Mapping[str, Ranking]:
        """By query, the ranking of its list without the relevant documents, where something is left of it."""
        pairs = [(topic.query, left) for topic in topics if (left := prepared.without_relevant(topic, seed))]
        judge = self._judges.of(planned.model, seed)
        options = planned.options(self._plan.experiment, answerable=True)
        many = judge.arerank_many(pairs, planned.strategy, cancel=self._cancel, **options)
        return {ranking.query.id or "": ranking async for ranking in many}

    def _bet(self, prepared: Prepared, topics: Sequence[Topic]) -> None:
        """Tell the race what each variant made of some queries, in the mean over the seeds."""
        if self._race is None:
            return
        metric, seeds = self._plan.metrics.names[0], self._plan.experiment.seeds
        for topic in topics:
            for name in self._race.variants:
                found = [self._results.get((name, prepared.info.name, seed, topic.id)) for seed in seeds]
                values = [result.metrics[metric] for result in found if result is not None]
                if len(values) == len(seeds):
                    self._race.add(name, f"{prepared.info.name}/{topic.id}", fmean(values))

    def stopped(self) -> list[str]:
        """What the race stopped, and what that saved."""
        if self._race is None or not self._race.stopped:
            return []
        made: defaultdict[str, list[int]] = defaultdict(list)
        for result in self._results.values():
            made[result.variant].append(int(result.usage.get("calls", 0)) + int(result.usage.get("cached_calls", 0)))
        calls = {name: fmean(made[name]) * len(self._plan.experiment.seeds) for name in self._race.variants}
        saved = self._race.saved(sum(len(each.dataset.topics) for each in self._plan.datasets), calls)
        total = f"The race saved {saved.saved:,.0f} of {saved.planned:,.0f} calls ({saved.share:.0%})."
        return [*map(str, self._race.stopped.values()), total]

    def _pending(self, planned: Planned, prepared: Prepared, seed: int, topics: Sequence[Topic]) -> list[Topic]:
        done = self._results
        return [t for t in topics if (planned.variant.name, prepared.info.name, seed, t.id) not in done]

    def _keep(self, result: Result) -> None:
        self._lines.add(asdict(result))
        self._results[result.key] = result


def _race(plan: PreparedExperiment) -> Race:
    """All variants that a judge makes, for the first metric."""
    real = [each.variant.name for each in plan.variants if each.variant.reference is None]
    return Race(real, keep=[name for name in real if name == plan.info().baseline])


@dataclass(slots=True)
class _Tally:
    total: int
    done: int = 0
    bought: int = 0
    spent_usd: Decimal = Decimal(0)
    values: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict[str, list[float]](list))

    def add(self, result: Result, metric: str) -> None:
        self.done += 1
        self.bought += 1
        self.spent_usd += Decimal(result.usage.get("cost_usd") or "0")
        if result.twin is not None:
            self.spent_usd += Decimal(result.twin.usage.get("cost_usd") or "0")
        self.values[result.variant].append(result.metrics[metric])

    def progress(self) -> RunProgress:
        means = {name: (len(values), fmean(values)) for name, values in self.values.items()}
        return RunProgress(done=self.done, total=self.total, bought=self.bought, spent_usd=self.spent_usd, means=means)


def _read(experiment: Experiment | Mapping[str, Any] | str | Path) -> Experiment:
    if isinstance(experiment, Experiment):
        return experiment
    return Experiment.parse(experiment) if isinstance(experiment, Mapping) else Experiment.load(experiment)


def _ended(info: RunInfo, runner: _Runner, results: Iterable[Result], before: RunInfo | None) -> RunInfo:
    """The run with what there is to say of its end; what an earlier race stopped stays said while results lack."""
    made = Counter(result.variant for result in results)
    uneven = len({made[each.name] for each in info.variants if each.reference is None}) > 1
    stopped = runner.stopped() or (list(before.stopped) if before is not None and uneven else [])
    unfinished = list(dict.fromkeys(runner.unfinished))
    return replace(info, finished=not unfinished, unfinished=unfinished, stopped=stopped)


def _joined(now: RunInfo, before: RunInfo | None) -> RunInfo:
    """The run as it is now, with what an earlier part of it had and this one was not asked for."""
    if before is None:
        return now
    variants = {each.name: each for each in (*now.variants, *before.variants)}
    datasets = {each.name: each for each in before.datasets} | {each.name: each for each in now.datasets}
    baseline = before.baseline if now.baseline not in variants else now.baseline
    seeds = list(dict.fromkeys((*before.seeds, *now.seeds)))
    return replace(now, variants=[*variants.values()], datasets=[*datasets.values()], baseline=baseline, seeds=seeds)
