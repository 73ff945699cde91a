"""The decorator that gives a command its groups of options.

    @with_options
    def grade(inputs: RunInputs, judging: ModelOptions, spending: SpendingOptions, batch_size: ... = 1) -> None: ...

A parameter whose type is a dataclass of options stands for all of its fields: the command line has an option for each,
and the command is called with the dataclass, filled in. What the command line does not say, the environment and then
the folder's file (`judge_rerank.cli.config`) may.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from typing import Any, TypeVar, get_type_hints

import typer

from judge_rerank.cli.config import config
from judge_rerank.cli.option_groups import configurable
from judge_rerank.cli.output import note

Command = Callable[..., None]
Group = TypeVar("Group")

_CONTEXT = "asked_context"
# What the file turns off is on again where the command line says where to keep it.
_OVERRULED_BY = {"cache": "cache_dir"}


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

    context = next((name for name, hint in hints.items() if hint is typer.Context), "")
    if not context:
        parameters.append(inspect.Parameter(_CONTEXT, inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context))

    @wraps(command)
    def called(**given: Any) -> None:
        asked = given[context] if context else given.pop(_CONTEXT)
        given = {name: _said(asked, name, value, shared.get(name)) for name, value in given.items()}
        taken = {name: kind(**{f.name: given.pop(f.name) for f in fields(kind)}) for name, kind in groups.items()}
        command(**given, **taken)

    shared = {parameter.name: parameter.annotation for parameter in parameters}
    called.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportAttributeAccessIssue]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return called


def _said(context: typer.Context, name: str, value: Any, annotation: Any) -> Any:
    """What an option is set to: on the command line, else by the folder's file."""
    if not _is_left_out(context, name) or configurable().get(name) != annotation:
        return value
    if not _is_left_out(context, _OVERRULED_BY.get(name, name)):
        return value
    found = config()
    if not found.says(name):
        return value
    if name == "api_base":  # the key goes there too, and a file of a folder above may be another user's
        note(f"Requests go to {found.values[name]}, as {found.path} says.")
    return found.values[name]


def _is_left_out(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "DEFAULT"


def configured(group: type[Group]) -> Group:
    """A group of options as the folder's file has it."""
    found = config()
    return group(**{f.name: found.values[f.name] for f in fields(group) if found.says(f.name)})  # pyright: ignore[reportArgumentType]


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
