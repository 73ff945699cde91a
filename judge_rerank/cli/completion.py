"""What the shell completes: strategies, models, prompts. Nothing heavy is imported: somebody waits at a prompt."""

from __future__ import annotations

from collections.abc import Iterable

import typer

from judge_rerank.core import RerankError
from judge_rerank.strategies import strategy_names


def strategies(incomplete: str) -> list[str]:
    """Names of strategies; in a cascade, for its last step."""
    before, separator, last = incomplete.rpartition(">> ")
    return [before + separator + name for name in _beginning(last, strategy_names())]


def models(incomplete: str) -> list[str]:
    """Models that run here, and LiteLLM's chat models."""
    from judge_rerank.models import REGISTRY
    from judge_rerank.spending import chat_models

    here = ["local", *(f"local/{each.name}" for each in REGISTRY.values() if each.task == "judge")]
    return _beginning(incomplete, [*here, *chat_models()])


def prompts(context: typer.Context, incomplete: str) -> list[str]:
    """Names of prompts, those of the folder that the line names too; words where an option takes them for its task."""
    from judge_rerank.prompting import Library

    folder = context.params.get("prompts")
    try:
        names = Library([folder] if folder else []).names()
    except RerankError:
        names = Library().names()
    if context.command.name in _BY_FULL_NAME:
        return _beginning(incomplete, names)
    return _beginning(incomplete, dict.fromkeys(name.partition("/")[2] for name in names))


def attack_families(incomplete: str) -> list[str]:
    """Names of families of attacks."""
    from judge_rerank.evaluation import family_names

    return _beginning(incomplete, family_names())


_BY_FULL_NAME = frozenset({"show", "try"})


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
