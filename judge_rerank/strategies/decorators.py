"""The decorators that give a class of strategies, scorers or conditions a name in spec strings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from judge_rerank.core import Registry
from judge_rerank.strategies.canonical import canonical
from judge_rerank.strategies.registry import STRATEGIES, VALUES

Class = TypeVar("Class", bound=type)


def strategy(name: str) -> Callable[[Class], Class]:
    """A decorator that gives a class of strategies a name in spec strings: `@strategy("merge")`.

    The options in a spec string are the fields of the dataclass, or the parameters of its `__init__` that it keeps as
    attributes of the same names. A class without a `name` or a `spec` of its own gets them.

    Raises:
        InputError: it is no name, or another strategy or scorer has it.
    """
    return _named(STRATEGIES, name)


def scorer(name: str) -> Callable[[Class], Class]:
    """A decorator that gives a class of scorers (`LocalScorer`) a name in spec strings: `@scorer("overlap")`.

    Raises:
        InputError: it is no name, or another strategy or scorer has it.
    """
    return _named(STRATEGIES, name)


def condition(name: str) -> Callable[[Class], Class]:
    """A decorator that gives a class of conditions a name in `stage(when=...)`: `@condition("long-query")`.

    Raises:
        InputError: it is no name, or another one has it.
    """
    return _named(VALUES, name)


def option_value(name: str) -> Callable[[Class], Class]:
    """A decorator like `condition`, for other objects that an option of a strategy may hold."""
    return _named(VALUES, name)


def _named(registry: Registry[Any], name: str) -> Callable[[Class], Class]:
    register = registry.register(name)

    def add(cls: Class) -> Class:
        if not hasattr(cls, "name") and registry is STRATEGIES:
            cls.name = name  # pyright: ignore[reportAttributeAccessIssue]
        if not hasattr(cls, "spec"):
            cls.spec = property(canonical)  # pyright: ignore[reportAttributeAccessIssue]
        return register(cls)

    return add
