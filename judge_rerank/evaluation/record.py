"""What an experiment leaves behind: a folder that reports, comparisons and a resumed run read.

RUN/run.json         the experiment: `RunInfo`
RUN/results.jsonl    a line for each variant, dataset, seed and query: `Result`; appended as they come
RUN/documents.jsonl  each document once: dataset, id, title, text
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

RUN_FILE, RESULTS_FILE, DOCUMENTS_FILE = "run.json", "results.jsonl", "documents.jsonl"


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """One row of the comparison: a model with a strategy and its prompts.

    Attributes:
        name: unique in the run.
        model, strategy: by name and spec string; empty for the reference rows, the model also where none is asked.
        prompts: template names by task.
        prompt_hashes: the templates' hashes by task.
        settings: what else the model was given: its endpoint, its parameters.
        instruction, criteria, fields: what the judge was to heed, to weigh (as text), and was shown of metadata.
        reference: "first-stage" or "ideal" for the two orders that no judge made, None for a real variant.
    """

    name: str
    model: str = ""
    strategy: str = ""
    prompts: Mapping[str, str] = field(default_factory=dict[str, str])
    reference: str | None = None
    prompt_hashes: Mapping[str, str] = field(default_factory=dict[str, str])
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    instruction: str = ""
    criteria: str = ""
    fields: Sequence[str] = field(default_factory=list[str])

    @property
    def wishes(self) -> dict[str, Any]:
        """The options of a ranking that make the last three hold."""
        given = {"instruction": self.instruction, "criteria": self.criteria, "fields": list(self.fields)}
        return {name: value for name, value in given.items() if value}


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetInfo:
    """What was evaluated on.

    Attributes:
        name: unique in the run.
        queries: how many were evaluated.
        skipped: how many were left out because no candidate of theirs is relevant.
        documents: how many candidates in all.
        depth: the most candidates of a query; None for all.
        seed: the seed that shuffled the candidates; None where they stand in first-stage order.
        min_grade: the lowest grade that is relevant.
    """

    name: str
    queries: int
    skipped: int = 0
    documents: int = 0
    depth: int | None = None
    seed: int | None = None
    min_grade: float = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class RunInfo:
    """The experiment as it was run.

    Attributes:
        name, description: the experiment's.
        started: ISO 8601, UTC.
        metrics: ir-measures names, the first being the one that variants are compared by.
        baseline: the variant that the others are compared with.
        variants, datasets: as above.
        seeds: repetitions of every cell.
        finished: whether every cell was run.
        version: of this package.
        unfinished: why cells are missing, one sentence each; empty while the run goes on, and where it was killed.
        stopped: which variants a race stopped, and what that saved, one sentence each.
        answerable: whether every query was asked of twice: with its list, and without what is relevant in it.
    """

    name: str
    started: str
    metrics: Sequence[str]
    baseline: str
    variants: Sequence[Variant]
    datasets: Sequence[DatasetInfo]
    seeds: Sequence[int] = (0,)
    description: str = ""
    finished: bool = False
    version: str = ""
    unfinished: Sequence[str] = ()
    stopped: Sequence[str] = ()
    answerable: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """One document of a ranking.

    Attributes:
        id: the document's.
        rank: from 1.
        index: its place in the order that the judge was given, from 0.
        first_stage: its rank in the first stage, from 1.
        grade: from the qrels; None where it has none.
        score: the strategy's, in [0, 1], or None.
        judgments: as `dataclasses.asdict` of `Judgment`, in JSON-ready types.
    """

    id: str
    rank: int
    index: int
    first_stage: int
    grade: float | None = None
    score: float | None = None
    judgments: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """What one cut of a cascade left.

    Attributes:
        stage: the stage, as in a spec string ("bm25 % 50").
        kept: how many documents.
        recall: of the relevant candidates, the share that was kept until here; None where none is relevant.
        metrics: by name, those of the best order that what was kept allows.
    """

    stage: str
    kept: int
    recall: float | None
    metrics: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Twin:
    """The list of a query without its relevant documents, under one variant.

    Attributes:
        answerable: as in `Ranking`.
        usage: as in `Ranking.to_dict()`.
    """

    answerable: float | None = None
    usage: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One query under one variant.

    Attributes:
        metrics: value by metric name.
        status, reasons: as in `Ranking`.
        usage, integrity: as in `Ranking.to_dict()`; `cost_usd` is a decimal as text, or None where it is not known.
        ranking: the documents, best first.
        cuts: what each cut of a cascade left, the first cut first.
        answerable: as in `Ranking`.
        twin: the same without the relevant documents; None where it was not asked for, where no document is relevant,
            and where nothing else is left.
    """

    variant: str
    dataset: str
    seed: int
    query_id: str
    query: str
    metrics: Mapping[str, float]
    status: str = "complete"
    reasons: Sequence[str] = ()
    usage: Mapping[str, Any] = field(default_factory=dict[str, Any])
    integrity: Mapping[str, Any] = field(default_factory=dict[str, Any])
    ranking: Sequence[Placed] = ()
    cuts: Sequence[Cut] = ()
    answerable: float | None = None
    twin: Twin | None = None

    @property
    def key(self) -> tuple[str, str, int, str]:
        """Which cell and query it is of."""
        return (self.variant, self.dataset, self.seed, self.query_id)
