"""What an experiment will run: its variants, and its datasets as far as they are evaluated."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version

from judge_rerank.core import Document, InputError
from judge_rerank.evaluation.datasets import Dataset, Topic, require_positive, selected
from judge_rerank.evaluation.experiment import DatasetSpec, Experiment
from judge_rerank.evaluation.matrix import Planned, chosen, planned
from judge_rerank.evaluation.metrics import Metrics
from judge_rerank.evaluation.record import DatasetInfo, RunInfo
from judge_rerank.evaluation.sources import load
from judge_rerank.learning import twin


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """A dataset as it is evaluated.

    Attributes:
        dataset: the queries that are evaluated, with their candidates.
        info: as the run describes it.
        seed: of the order that the judge gets; None for the first stage's.
    """

    dataset: Dataset
    info: DatasetInfo
    seed: int | None

    def shown(self, topic: Topic, repetition: int) -> tuple[int, ...]:
        """The order in which the judge gets the candidates of a query, as first-stage positions."""
        return topic.shown(None if self.seed is None else f"{self.seed}/{repetition}")

    def candidates(self, topic: Topic, repetition: int) -> list[Document]:
        """The candidates of a query in that order."""
        return [topic.candidates[place] for place in self.shown(topic, repetition)]

    def without_relevant(self, topic: Topic, repetition: int) -> list[Document]:
        """The twin of a query: its candidates that are not relevant, in that order; empty where none is relevant."""
        shown = self.candidates(topic, repetition)
        left = twin(shown, self.dataset.grades.get(topic.id, {}), self.info.min_grade)
        return left if len(left) < len(shown) else []

    def documents(self) -> dict[str, Document]:
        """Every candidate by id."""
        return {document.id or "": document for topic in self.dataset.topics for document in topic.candidates}


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedExperiment:
    """Everything that is run, read and checked."""

    experiment: Experiment
    metrics: Metrics
    variants: Sequence[Planned]
    datasets: Sequence[Prepared]

    @property
    def results(self) -> int:
        """How many results there will be, without those of the reference rows."""
        real = sum(each.variant.reference is None for each in self.variants)
        return real * len(self.experiment.seeds) * sum(each.info.queries for each in self.datasets)

    def info(self, *, started: str = "", finished: bool = False) -> RunInfo:
        """How the run describes it."""
        names = {each.variant.name for each in self.variants}
        baseline = self.experiment.baseline
        return RunInfo(
            name=self.experiment.name,
            description=self.experiment.description,
            started=started or datetime.now(UTC).isoformat(timespec="seconds"),
            metrics=self.metrics.names,
            baseline=baseline if baseline in names else self.variants[0].variant.name,
            variants=[each.variant for each in self.variants],
            datasets=[each.info for each in self.datasets],
            seeds=self.experiment.seeds,
            finished=finished,
            version=version("judge-rerank"),
            answerable=self.experiment.answerable,
        )


def prepare(experiment: Experiment, *, limit: int | None = None, only: Iterable[str] = ()) -> PreparedExperiment:
    """Read and check everything that an experiment names.

    Args:
        experiment: what to run.
        limit: only the first so many queries of each dataset, of those that the experiment would evaluate.
        only: only variants that one of these patterns describes.

    Raises:
        InputError: anything that cannot be used, or fits nothing else. Nothing was sent.
        MissingExtra: a package that a dataset or the metrics need is not installed.
    """
    require_positive(limit=limit)
    variants = chosen(planned(experiment), only)
    metrics = experiment.measured()
    datasets = [_prepared(experiment, place, each, limit) for place, each in enumerate(experiment.datasets)]
    names = [each.info.name for each in datasets]
    if twice := next((place for place, name in enumerate(names) if name in names[:place]), None):
        message = f"Two datasets are called {names[twice]!r}; give one of them another name."
        raise experiment.error(message, "datasets", twice)
    return PreparedExperiment(experiment=experiment, metrics=metrics, variants=variants, datasets=datasets)


def require_same(before: RunInfo, now: RunInfo) -> None:
    """Refuse to add results to a run that was made otherwise.

    Raises:
        InputError: a metric, a dataset or a variant of the same name is not what it was.
    """
    if list(before.metrics) != list(now.metrics):
        raise InputError(_changed("its metrics were", ", ".join(before.metrics), ", ".join(now.metrics)))
    if before.answerable != now.answerable:
        raise InputError(_changed("answerable was", *(str(each.answerable).lower() for each in (before, now))))
    datasets = {each.name: each for each in before.datasets}
    for dataset in now.datasets:
        old = datasets.get(dataset.name, dataset)
        was, is_ = (f"depth {each.depth}, seed {each.seed}, min_grade {each.min_grade:g}" for each in (old, dataset))
        if was != is_:
            raise InputError(_changed(f"dataset {dataset.name!r} had", was, is_))
    variants = {each.name: each for each in before.variants}
    for variant in now.variants:
        old_variant = variants.get(variant.name, variant)
        was, is_ = (json.dumps(asdict(each), sort_keys=True) for each in (old_variant, variant))
        if was != is_:
            raise InputError(_changed(f"variant {variant.name!r} was", was, is_))


def _changed(what: str, was: str, now: str) -> str:
    return (
        f"The run in this folder has other settings: {what} {was}, and now {now}. Write to another folder (--output)."
    )


def _prepared(experiment: Experiment, place: int, spec: DatasetSpec, limit: int | None) -> Prepared:
    try:
        whole = load(experiment.place_of(spec.path), name=spec.name, files=spec.files())
        dataset, skipped = selected(
            whole,
            queries=spec.queries,
            depth=spec.depth,
            seed=spec.seed,
            min_grade=spec.min_grade,
            no_relevant=spec.no_relevant,
        )
    except InputError as error:
        raise experiment.error(str(error), "datasets", place) from error
    dataset = replace(dataset, topics=dataset.topics[:limit])
    seed = spec.seed if spec.shuffle else None
    prepared = Prepared(dataset=dataset, info=DatasetInfo(name=dataset.name, queries=0), seed=seed)
    info = DatasetInfo(
        name=dataset.name,
        queries=len(dataset.topics),
        skipped=skipped,
        documents=len(prepared.documents()),
        depth=spec.depth,
        seed=seed,
        min_grade=spec.min_grade,
    )
    return replace(prepared, info=info)
