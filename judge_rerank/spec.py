"""From a name or a spec string to a strategy: `"listwise"`, `"listwise(window_size=10, stride=5)"`."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable
from importlib import import_module

from judge_rerank.errors import InputError, UnknownName
from judge_rerank.strategies.base import Strategy

_STRATEGIES = {
    "adaptive": ("judge_rerank.strategies.adaptive", "Adaptive"),
    "binary": ("judge_rerank.strategies.binary", "Binary"),
    "blitz": ("judge_rerank.strategies.blitz", "Blitz"),
    "first": ("judge_rerank.strategies.first", "First"),
    "joint": ("judge_rerank.strategies.joint", "Joint"),
    "listwise": ("judge_rerank.strategies.listwise", "Listwise"),
    "none": ("judge_rerank.strategies.none", "Unchanged"),
    "pairwise": ("judge_rerank.strategies.pairwise", "Pairwise"),
    "partition": ("judge_rerank.strategies.partition", "Partition"),
    "passages": ("judge_rerank.strategies.passages", "Passages"),
    "score": ("judge_rerank.strategies.score", "Score"),
    "self-consistent": ("judge_rerank.strategies.consistency", "SelfConsistent"),
    "setwise": ("judge_rerank.strategies.setwise", "Setwise"),
    "tournament": ("judge_rerank.strategies.tournament", "Tournament"),
}


def strategy_names() -> tuple[str, ...]:
    """The names that `strategy=` understands, sorted."""
    return tuple(sorted(_STRATEGIES))


def resolve(strategy: object) -> Strategy:
    """The strategy that a name, a spec string or an object stands for.

    Raises:
        UnknownName: no strategy, or no option of it, has that name.
        InputError: the spec string cannot be read, or an option's value is out of range.
    """
    if isinstance(strategy, str):
        return _parsed(strategy)
    if isinstance(strategy, type) and isinstance(strategy, Strategy):
        msg = f"strategy is the class {strategy.__name__}; pass an object of it: {strategy.__name__}()."
        raise InputError(msg)
    if isinstance(strategy, Strategy):
        return strategy
    msg = (
        f"strategy is {type(strategy).__name__}; expected a name such as 'listwise' "
        "or an object with a name and a plan() method."
    )
    raise InputError(msg)


def _parsed(spec: str) -> Strategy:
    name, bracket, _ = spec.strip().partition("(")
    name = name.strip()
    if name not in _STRATEGIES:
        raise UnknownName("strategy", name, _STRATEGIES)
    module, attribute = _STRATEGIES[name]
    factory: Callable[..., Strategy] = getattr(import_module(module), attribute)
    return _built(factory, name, _options(spec, name) if bracket else {})


def _options(spec: str, name: str) -> dict[str, object]:
    """The literal keyword arguments in `name(...)`."""
    # Names may hold a dash, which Python would read as a minus.
    source = "strategy" + spec.strip()[len(name) :].strip()
    try:
        call = ast.parse(source, mode="eval").body
        if not isinstance(call, ast.Call) or call.args or any(k.arg is None for k in call.keywords):
            raise ValueError  # noqa: TRY301
        return {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        msg = (
            f"The strategy {spec!r} cannot be read; expected {name}(option=value, ...), for example {name}(model='…')."
        )
        raise InputError(msg) from None


def _built(factory: Callable[..., Strategy], name: str, options: dict[str, object]) -> Strategy:
    fields = {f.name: f for f in dataclasses.fields(factory)}  # pyright: ignore[reportArgumentType]
    built = dict(options)
    for option, value in options.items():
        if option not in fields:
            raise UnknownName(f"option of strategy {name!r}", option, fields)
        annotation = str(fields[option].type)
        if annotation == "Strategy":
            built[option] = resolve(value)
        elif not (annotation.startswith("Literal[") and isinstance(value, str)):  # which words: the strategy checks
            _check_type(name, option, value, annotation)
    return factory(**built)


def _check_type(name: str, option: str, value: object, annotation: str) -> None:
    allowed = {part.strip() for part in annotation.split("|")}
    given = "None" if value is None else type(value).__name__
    if given not in allowed and (given, "float" in allowed) != ("int", True):
        msg = f"{option}={value!r} of strategy {name!r} is {given}; expected {annotation}."
        raise InputError(msg)
