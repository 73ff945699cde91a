"""The registries of strategies, and of what may stand in their options."""

from __future__ import annotations

from collections.abc import Callable

from judge_rerank.core import Addition, Registry

_ROOMS = ("judge_rerank.strategies", "judge_rerank.scorers", "judge_rerank.routing")

STRATEGIES: Registry[Callable[..., object]] = Registry(
    "strategy",
    decorators=("strategy", "scorer"),
    rooms=_ROOMS,
    groups=("judge_rerank.strategies", "judge_rerank.scorers"),
)
"""Strategies and scorers, which share their names: a spec string may hold either."""

VALUES: Registry[Callable[..., object]] = Registry(
    "condition", decorators=("condition", "option_value"), rooms=_ROOMS, groups=("judge_rerank.conditions",)
)
"""What may be made in an option of a strategy: conditions, classifiers, tables."""


def additions() -> tuple[Addition, ...]:
    """What strategies, scorers and conditions did not come with this package, and which of them cannot be used."""
    return (*STRATEGIES.additions(), *VALUES.additions())


def registered_name(of: object) -> str | None:
    """The name under which the class of an object is registered; None where it is not."""
    return STRATEGIES.name_of(type(of)) or VALUES.name_of(type(of))
