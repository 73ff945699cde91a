"""Groups of options that many commands share, and the decorator that gives them to a command.

    @with_options
    def grade(inputs: RunInputs, judging: ModelOptions, spending: SpendingOptions, batch_size: ... = 1) -> None: ...

A parameter whose type is a dataclass of options stands for all of its fields: the command line has an option for each,
and the command is called with the dataclass, filled in.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import wraps
from typing import Any, get_type_hints

from judge_rerank.cli import options

Command = Callable[..., None]


def with_options(command: Command) -> Command:
    """The command as typer takes it: every option group in its signature is replaced by the options in it."""
    hints = get_type_hints(command, include_extras=True)
    parameters: list[inspect.Parameter] = []
    groups: dict[str, type[Any]] = {}
    for name, parameter in inspect.signature(command).parameters.items():
        kind = hints[name]
        if is_dataclass(kind) and isinstance(kind, type):
            groups[name] = kind
            parameters += _options(kind)
        else:
            parameters.append(parameter.replace(annotation=kind, kind=inspect.Parameter.KEYWORD_ONLY))

    @wraps(command)
    def called(**given: Any) -> None:
        taken = {name: kind(**{f.name: given.pop(f.name) for f in fields(kind)}) for name, kind in groups.items()}
        command(**given, **taken)

    called.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportAttributeAccessIssue]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return called


def _options(group: type[Any]) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            f.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if f.default is MISSING else f.default,
            annotation=hints[f.name],
        )
        for f in fields(group)
    ]


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Which model answers, and how it is asked."""

    model: options.Model = None
    prompts: options.Prompts = None
    api_base: options.ApiBase = None
    param: options.Params = None
    max_tokens_per_doc: options.MaxTokensPerDoc = None
    concurrency: options.Concurrency = None


@dataclass(frozen=True, kw_only=True)
class JudgeOptions(ModelOptions):
    """Which model ranks, and by which strategy."""

    strategy: options.Strategy = None
    prompt: options.Prompt = None
    explain: options.Explain = False
    passages: options.Passages = None


@dataclass(frozen=True, kw_only=True)
class SpendingOptions:
    """What caps a command's spending, and what it keeps."""

    budget: options.Budget = None
    ledger: options.Ledger = None
    period: options.Period = None
    prices: options.Prices = None
    cache: options.Cache = True
    cache_dir: options.CacheDir = None
    trace: options.TraceFile = None
    no_trace: options.NoTrace = False
