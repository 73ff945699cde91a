"""From an experiment to its variants: every strategy with every prompt of its tasks, by every model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import Any

from judge_rerank.core import (
    Candidates,
    ContextLimits,
    Document,
    InputError,
    JudgeCall,
    Plan,
    PlanRunner,
    Query,
    ScorePairs,
    Strategy,
    UnknownName,
    public_url,
    redact_params,
    secrets_in,
    spec_of,
)
from judge_rerank.engine import drive
from judge_rerank.evaluation.experiment import Experiment, ModelSpec, SystemSpec
from judge_rerank.evaluation.record import Variant
from judge_rerank.evaluation.summary import FIRST_STAGE, IDEAL
from judge_rerank.prompting import Library, neutral
from judge_rerank.strategies import parse

_SHOWN = 40
"""Characters of an instruction in the name of a variant."""

_DOCUMENTS = 30
"""Enough for every stage of a strategy to ask something."""


@dataclass(frozen=True, kw_only=True)
class Prompted:
    """A strategy whose calls use these prompts wherever it does not name one itself.

    Calls and rounds are those of the strategy.

    Attributes:
        strategy: what is run.
        prompts: names or paths of templates, by task.
    """

    strategy: Strategy
    prompts: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def name(self) -> str:
        """The strategy's own."""
        return self.strategy.name

    @property
    def spec(self) -> str:
        """The strategy's own; which prompts were sent stands with each judgment."""
        return spec_of(self.strategy)

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """The strategy's plan, with the prompts put in."""
        limits = _PromptedLimits(candidates.limits, self)
        runner = PlanRunner(self.strategy.plan(query, candidates.replaced(limits=limits)))
        while not runner.done:
            runner.send((yield [self.call(effect) for effect in runner.round]))
        return runner.result

    def call(self, call: JudgeCall) -> JudgeCall:
        """The call with the prompt of its task, if it has none of its own."""
        given = self.prompts.get(call.task) if call.prompt is None else None
        return call if given is None else replace(call, prompt=given)


class _PromptedLimits:
    """How much fits with the prompts that will be sent."""

    def __init__(self, limits: ContextLimits, prompted: Prompted) -> None:
        self._limits, self._prompted = limits, prompted

    def largest(self, call: JudgeCall, at_most: int) -> int:
        return self._limits.largest(self._prompted.call(call), at_most)

    def group(self, call: JudgeCall) -> int:
        return self._limits.group(self._prompted.call(call))

    def per_document(self, model: str | None = None) -> int:
        return self._limits.per_document(model)

    def tokens(self, text: str, model: str | None = None) -> int:
        return self._limits.tokens(text, model)


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """A variant with what runs it.

    Attributes:
        variant: as results describe it.
        model: the judge; None for a reference row and for a strategy that asks none.
        strategy: ready to be run; None for a reference row.
    """

    variant: Variant
    model: ModelSpec | None = None
    strategy: Strategy | None = None

    def asks_twice(self, experiment: Experiment) -> bool:
        """Whether each query is asked about without its relevant documents too: where a judge can say of it."""
        return experiment.answerable and self.model is not None

    def options(self, experiment: Experiment, *, answerable: bool) -> dict[str, Any]:
        """What its rankings are asked for: what it is to heed, and how its model is asked."""
        mode = "direct" if self.model is None else experiment.mode
        fallback = experiment.batch_fallback
        return {**self.variant.wishes, "answerable": answerable, "mode": mode, "batch_fallback": fallback}


REFERENCES = tuple(Planned(variant=Variant(name=name, reference=name)) for name in (FIRST_STAGE, IDEAL))
"""The rows that no judge makes, and that are always there."""


def planned(experiment: Experiment) -> list[Planned]:
    """The variants of an experiment, the reference rows first.

    A model multiplies the strategies that ask a judge, a prompt those that ask its task without naming a prompt of
    their own, an instruction those that ask something and have none of their own, and no others. A variant's name is
    its label or strategy, its prompts, its instruction where there are several, and its model where there are several.

    Raises:
        InputError: a prompt is unknown or cannot be used, or is for a task that no strategy asks; a strategy asks a
            judge, and there is none; two variants are the same; the baseline is none of them. With the line, where
            the experiment came from a file.
    """
    library = Library()
    prompts = {task: _templates(library, experiment, task, names) for task, names in experiment.prompts.items()}
    found: list[Planned] = []
    used: set[str] = set()
    for place, system in enumerate(experiment.strategies):
        strategy = parse(system.strategy)
        calls = calls_of(strategy)
        if calls and not experiment.models:
            raise experiment.error(
                f"{system.strategy!r} asks a judge. Name at least one under 'models'.", "strategies", place
            )
        tasks = [task for task in open_tasks(calls) if task in prompts]
        used.update(tasks)
        for model, instruction in product(
            experiment.models if calls else [None], _instructions(experiment, system, calls)
        ):
            for chosen in product(*(prompts[task] for task in tasks)):
                given = dict(zip(tasks, chosen, strict=True))
                found.append(_planned(experiment, model, system, instruction, given))
    if unused := set(prompts) - used:
        task = min(unused)
        message = f"No strategy asks {task!r} without a prompt of its own, so these prompts would not be used."
        raise experiment.error(message, "prompts", task)
    names = [each.variant.name for each in (*REFERENCES, *found)]
    if twice := next((name for place, name in enumerate(names) if name in names[:place]), None):
        message = f"Two variants are called {twice!r}: a strategy, prompt or model appears in the experiment twice."
        raise experiment.error(message)
    if same := _same(found):
        message = f"{same[0]!r} and {same[1]!r} are the same strategy, written in two ways. Leave one of them out."
        raise experiment.error(message, "strategies")
    if experiment.baseline not in names:
        error = UnknownName("variant as the baseline", experiment.baseline, names)
        raise experiment.error(str(error), "baseline")
    return [*REFERENCES, *found]


def _same(variants: Sequence[Planned]) -> tuple[str, str] | None:
    """The names of two variants that would ask the same questions."""
    known: dict[str, str] = {}
    for each in variants:
        identity = repr(replace(each.variant, name=each.model.label or "" if each.model else ""))
        if identity in known:
            return known[identity], each.variant.name
        known[identity] = each.variant.name
    return None


def chosen(variants: Sequence[Planned], only: Iterable[str]) -> list[Planned]:
    """The reference rows, and the variants that a pattern describes ("score*"), or that hold it in their name.

    Raises:
        UnknownName: a pattern describes none.
    """
    patterns = list(only)
    real = [each for each in variants if each.variant.reference is None]
    for pattern in patterns:
        if not any(_matches(each, pattern) for each in real):
            raise UnknownName("variant", pattern, [each.variant.name for each in real])
    kept = [each for each in real if not patterns or any(_matches(each, pattern) for pattern in patterns)]
    return [each for each in variants if each.variant.reference is not None or each in kept]


def calls_of(strategy: Strategy) -> list[JudgeCall]:
    """What a strategy asks, found by running it on neutral answers."""
    # With scores, for strategies that show them.
    documents = [Document(text=f"document {place}", score=float(-place)) for place in range(_DOCUMENTS)]
    run = drive(strategy, documents, neutral)
    return [call for call in run.calls if not isinstance(call, ScorePairs)]


def open_tasks(calls: Iterable[JudgeCall]) -> list[str]:
    """The tasks that are asked without naming a prompt."""
    return list(dict.fromkeys(call.task for call in calls if call.prompt is None))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Chosen:
    """A prompt as it is passed on, as it is called, and its hash."""

    given: str
    label: str
    hash: str


def _templates(library: Library, experiment: Experiment, task: str, names: Sequence[str]) -> list[_Chosen]:
    found: list[_Chosen] = []
    for place, name in enumerate(names):
        given = experiment.place_of(name) if name.endswith(".j2") else name
        try:
            template = library.get(task, given)
        except InputError as error:
            raise experiment.error(str(error), "prompts", task, place) from None
        found.append(_Chosen(given=given, label=Path(template.name).name, hash=template.hash))
    return found


def _instructions(experiment: Experiment, system: SystemSpec, calls: Sequence[JudgeCall]) -> Sequence[str]:
    """The instructions of a strategy's variants: its own, else the experiment's; none for one that asks nobody."""
    if system.instruction is not None:
        return [system.instruction]
    return experiment.instructions or [""] if calls else [""]


def _planned(
    experiment: Experiment,
    model: ModelSpec | None,
    system: SystemSpec,
    instruction: str,
    given: Mapping[str, _Chosen],
) -> Planned:
    strategy = parse(system.strategy)
    parts = [system.label or system.strategy, *(prompt.label for prompt in given.values())]
    if instruction and system.label is None:
        parts.append(f'"{instruction if len(instruction) <= _SHOWN else instruction[: _SHOWN - 1] + "…"}"')
    criteria = experiment.criteria if system.criteria is None else system.criteria
    fields = experiment.fields if system.fields is None else system.fields
    if model is not None and len(experiment.models) > 1:
        parts.append(model.label or model.name)
    return Planned(
        variant=Variant(
            name=" · ".join(parts),
            model=model.name if model else "",
            strategy=spec_of(strategy),
            prompts={task: prompt.label for task, prompt in given.items()},
            prompt_hashes={task: prompt.hash for task, prompt in given.items()},
            settings=_settings(model) if model else {},
            instruction=instruction,
            criteria=(criteria or "") if model else "",
            fields=list(fields or ()) if model else [],
        ),
        model=model,
        strategy=Prompted(strategy=strategy, prompts={task: p.given for task, p in given.items()})
        if given
        else strategy,
    )


def _settings(model: ModelSpec) -> dict[str, Any]:
    """What else the model is given, as it may be written into a run: without secrets."""
    asked = {"api": model.api} if model.api else {}
    if not (model.api_base or model.params):
        return asked
    secrets = secrets_in(model.params, model.api_base)
    return asked | {
        "api_base": model.api_base and public_url(model.api_base),
        "params": redact_params(model.params, secrets),
    }


def _matches(each: Planned, pattern: str) -> bool:
    return fnmatchcase(each.variant.name, pattern) or pattern in each.variant.name
