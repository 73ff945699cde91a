"""Measuring rankings."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from judge_rerank.evaluation.experiment import Experiment
    from judge_rerank.evaluation.runfolder import RunFolder
    from judge_rerank.evaluation.runner import Evaluation, evaluate
    from judge_rerank.evaluation.summary import summarize

_LAZY = {
    "Evaluation": "runner",
    "Experiment": "experiment",
    "RunFolder": "runfolder",
    "evaluate": "runner",
    "summarize": "summary",
}

__all__ = ["Evaluation", "Experiment", "RunFolder", "evaluate", "summarize"]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = globals()[name] = getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
