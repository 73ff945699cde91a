"""An experiment as a YAML file says it: datasets, models, prompts, strategies, and what it may cost."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationError

from judge_rerank.core import (
    CriteriaLike,
    InputError,
    SetupError,
    UnknownName,
    as_criteria,
    as_instruction,
    criteria_text,
    redact_params,
)
from judge_rerank.evaluation.datasets import NoRelevant
from judge_rerank.evaluation.metrics import Metrics
from judge_rerank.evaluation.sources import CATALOGUE, Files
from judge_rerank.prompting import TASKS
from judge_rerank.readers import Located, first_problem
from judge_rerank.spending import Price, to_micro_usd
from judge_rerank.strategies import parse

_REFERENCE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


def _strategy(given: str) -> str:
    parse(given)
    return given


def _metric(name: str) -> str:
    return Metrics([name]).names[0]


def _task(name: str) -> str:
    if name not in TASKS:
        raise UnknownName("task", name, TASKS)
    return name


def _key(given: str) -> str:
    if not _REFERENCE.fullmatch(given):
        raise InputError("A key does not belong in a file. Name the environment variable that has it: api_key: $NAME.")
    return given


def _amount(given: float | str) -> float | str:
    to_micro_usd(given, "budget_usd")
    return given


def _listed(given: object) -> object:
    return [given] if isinstance(given, str) else given


def _system(given: object) -> object:
    return {"strategy": given} if isinstance(given, str) else given


def _named(given: object) -> object:
    return {"name": given} if isinstance(given, str) else given


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class PriceSpec(_Part):
    """What a model costs that LiteLLM does not know; in dollars per million tokens."""

    input_usd_per_mtok: float | str = 0.0
    output_usd_per_mtok: float | str = 0.0
    cached_input_usd_per_mtok: float | str | None = None
    per_call_usd: float | str = 0.0
    batch_share: float | str = 0.5


def _criteria(given: object) -> object:
    return given if given is None else criteria_text(as_criteria(cast("CriteriaLike", given)))


Instruction = Annotated[
    str,
    AfterValidator(as_instruction),
    Field(description='What the judge is to heed beside the query; "" for nothing.'),
]
Criteria = Annotated[
    str | None,
    BeforeValidator(_criteria, json_schema_input_type=str | dict[str, float | dict[str, float | str]] | None),
    Field(description="What documents are judged by: names with weights, or with weight and description."),
]
Fields = Annotated[list[str], Field(description="The metadata that the judge is shown with each document.")]


class SystemSpec(_Part):
    """A strategy, with what it is to heed; what it does not say is as the experiment says."""

    strategy: Annotated[str, AfterValidator(_strategy)]
    instruction: Instruction | None = None
    criteria: Criteria = None
    fields: Fields | None = None
    label: Annotated[str, Field(min_length=1, description="The name in the results.")] | None = None


class ModelSpec(_Part):
    """A judge: a LiteLLM name, "local", or "local/NAME"."""

    name: Annotated[str, Field(min_length=1)]
    label: (
        Annotated[str, Field(min_length=1, description="The name in the results; the model's name by default.")] | None
    ) = None
    api: Annotated[
        Literal["chat", "decisions"] | None,
        Field(description="How it is asked; by default chat, but for models that only decide."),
    ] = None
    transport: Annotated[
        Literal["direct", "litellm"] | None, Field(description="What carries a chat model's requests.")
    ] = None
    api_base: str | None = None
    api_key: Annotated[str, AfterValidator(_key)] | None = None
    params: dict[str, Any] = {}
    price: PriceSpec | Literal["free"] | None = None

    def __repr_args__(self) -> Iterable[tuple[str, Any]]:
        return redact_params({**dict(self), "api_key": None}).items()

    def key(self) -> str | None:
        """The key itself, from the environment.

        Raises:
            SetupError: the variable is not set.
        """
        found = _REFERENCE.fullmatch(self.api_key or "")
        if found is None:
            return None
        variable = found[1] or found[2]
        if not os.environ.get(variable):
            raise SetupError(f"The key of {self.name!r} should come from ${variable}, which is not set.")
        return os.environ[variable]

    def prices(self) -> dict[str, Price]:
        """The price by name, where the file gives one."""
        if self.price is None:
            return {}
        return {self.name: Price.free() if self.price == "free" else Price(**self.price.model_dump())}


class DatasetSpec(_Part):
    """What to evaluate on."""

    path: Annotated[
        str,
        Field(
            min_length=1,
            description="A folder with corpus.jsonl, queries.jsonl, qrels.tsv and candidates.trec; a JSONL file of "
            "queries with candidates; or ir_datasets:ID. Relative to the experiment's file.",
        ),
    ]
    name: str | None = None
    queries: (
        Annotated[int, Field(ge=1, description="The number of queries, drawn by the seed; all by default.")] | None
    ) = None
    depth: Annotated[int, Field(ge=1, description="The number of candidates per query, from the top.")] | None = None
    seed: Annotated[int, Field(description="The seed for drawing queries and for the order that the judge gets.")] = 0
    shuffle: Annotated[bool, Field(description="Show the candidates in random order instead of first-stage order.")] = (
        True
    )
    no_relevant: Annotated[
        NoRelevant | None,
        Field(description="Queries without a relevant candidate count as 0 (zero) or are left out (skip)."),
    ] = None
    min_grade: Annotated[
        float,
        Field(
            gt=0,
            description=(
                "The lowest relevant grade. It is rel= of every binary metric (RR, P, AP, R, …) without a rel= of "
                "its own. TREC's Deep Learning tracks (grades 0 to 3) use 2; the default is 1."
            ),
        ),
    ] = 1
    corpus: str | None = None
    topics: str | None = None
    qrels: str | None = None
    run: str | None = None

    def files(self) -> Files:
        """The files that are named apart from the folder."""
        return Files(corpus=self.corpus, topics=self.topics, qrels=self.qrels, run=self.run)


class Experiment(_Part):
    """Every strategy with every prompt of its tasks by every model, on the same queries; scorers once, without one."""

    name: Annotated[str, Field(min_length=1)]
    description: str = ""
    datasets: Annotated[list[DatasetSpec], Field(min_length=1)]
    models: Annotated[
        list[Annotated[ModelSpec, BeforeValidator(_named, json_schema_input_type=str | ModelSpec)]],
        Field(description="The judges. None are needed if no strategy asks one."),
    ] = []
    prompts: Annotated[
        dict[
            Annotated[str, AfterValidator(_task)],
            Annotated[
                Annotated[list[str], Field(min_length=1)],
                BeforeValidator(_listed, json_schema_input_type=str | list[str]),
            ],
        ],
        Field(description="The prompts by task: names, or .j2 files relative to the experiment's file."),
    ] = {}
    strategies: Annotated[
        list[Annotated[SystemSpec, BeforeValidator(_system, json_schema_input_type=str | SystemSpec)]],
        Field(min_length=1),
    ]
    instructions: Annotated[
        list[Instruction],
        BeforeValidator(_listed, json_schema_input_type=str | list[str]),
        Field(description='The instructions that are compared, for strategies without one of their own; "" for none.'),
    ] = []
    criteria: Criteria = None
    fields: Fields | None = None
    metrics: Annotated[
        list[Annotated[str, AfterValidator(_metric)]],
        Field(
            min_length=1, description="The metrics, by their ir-measures names. The first one compares the variants."
        ),
    ] = ["nDCG@10"]
    baseline: Annotated[str, Field(description="The variant that the others are compared with.")] = "first-stage"
    seeds: Annotated[
        list[int], Field(min_length=1, description="The number of repetitions. Each repetition sends its own calls.")
    ] = [0]
    answerable: Annotated[
        bool,
        Field(
            description=(
                "Ask of every query twice: with its candidates, and without the relevant ones, to measure whether a "
                "variant knows that nothing answers."
            )
        ),
    ] = False
    mode: Annotated[
        Literal["direct", "batch"],
        Field(
            description=(
                "batch asks by batch jobs, at about half the price: each round of all queries and variants at once, "
                "up to 24 hours a round."
            )
        ),
    ] = "direct"
    batch_fallback: Annotated[
        Literal["batch", "direct"],
        Field(
            description=(
                "What batch jobs leave unanswered is asked in the next job, or by single requests at the full price. "
                "direct also asks rounds that are too small for a job (Amazon Bedrock: fewer than 100 requests)."
            )
        ),
    ] = "batch"
    budget_usd: Annotated[float | str, AfterValidator(_amount)] | None = None
    fail_under: Annotated[
        float | dict[Annotated[str, AfterValidator(_metric)], float] | None,
        Field(description="The lowest acceptable value for every variant: of the first metric, or by metric."),
    ] = None
    max_parse_failures: Annotated[
        float | None,
        Field(ge=0, le=1, description="The highest acceptable share of replies without a judgment, for each variant."),
    ] = None
    folder: Annotated[str, Field(description="The folder for relative paths; the folder of the file by default.")] = "."

    _located: Located | None = PrivateAttr(default=None)

    @classmethod
    def load(cls, path: Path | str) -> Experiment:
        """The experiment in a YAML file. Relative paths in it start from the file's folder.

        Raises:
            DataError: anything that is wrong with it, with the line.
        """
        located = Located(path)
        try:
            found = cls.model_validate(located.mapping())
        except ValidationError as invalid:
            place, message = _first(invalid)
            raise located.error(message, place) from None
        there = found.model_copy(update={"folder": str(Path(path).expanduser().parent / found.folder)})
        there._located = located
        return there

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Experiment:
        """The same from a mapping; relative paths start from `folder`, by default the working directory.

        Raises:
            InputError: anything that is wrong with it.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as invalid:
            place, message = _first(invalid)
            raise InputError(f"{'.'.join(map(str, place))}: {message}") from None

    def error(self, message: str, *place: str | int) -> InputError:
        """An error about a part of it; it says the line where the experiment came from a file."""
        return self._located.error(message, place) if self._located else InputError(message)

    def thresholds(self) -> dict[str, float]:
        """What every variant has to reach, by metric as results call it."""
        return {self._measured([name]).names[0]: least for name, least in self._least().items()}

    def measured(self) -> Metrics:
        """The metrics that are computed: those named, the first first, and those that `fail_under` needs."""
        return self._measured([*self.metrics, *self._least()])

    def _measured(self, names: list[str]) -> Metrics:
        return Metrics(names, min_grades=[each.min_grade for each in self.datasets])

    def _least(self) -> dict[str, float]:
        if self.fail_under is None:
            return {}
        return dict(self.fail_under) if isinstance(self.fail_under, dict) else {self.metrics[0]: self.fail_under}

    def place_of(self, path: str) -> str:
        """A path as the file means it."""
        return path if path.startswith(CATALOGUE) else str(Path(self.folder) / Path(path).expanduser())


def schema() -> dict[str, Any]:
    """The JSON schema of an experiment's file, for editors that check and complete YAML."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | Experiment.model_json_schema()


def _first(invalid: ValidationError) -> tuple[tuple[str | int, ...], str]:
    """The first thing that is wrong, for people: where, and what."""
    place, message = first_problem(invalid, Experiment)
    # A price is a mapping or a word, of which pydantic only says that it is none of the two.
    if place[-1:] == ("price",) and message.startswith(f"{'.'.join(map(str, place))}: "):
        keys = ", ".join(PriceSpec.model_fields)
        message = f"{'.'.join(map(str, place))}: a mapping of {keys} was expected, or 'free'."
    return place, message
