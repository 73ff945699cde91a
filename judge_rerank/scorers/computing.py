"""How scorers share the processor: so many threads, one computation at a time, batches of equal length."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from judge_rerank.core import SetupError

TURN = threading.Lock()
"""Held while a model computes. Each computation has all the threads there are, so two at once would only wait for
each other."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_Kept = TypeVar("_Kept")


def threads() -> int:
    """As many as this process may use, or what JUDGE_RERANK_THREADS says.

    Raises:
        SetupError: JUDGE_RERANK_THREADS is not a number.
    """
    chosen = os.environ.get("JUDGE_RERANK_THREADS", "").strip()
    if chosen:
        if not chosen.isdecimal() or int(chosen) < 1:
            raise SetupError(f"JUDGE_RERANK_THREADS must be a whole number from 1, not {chosen!r}.")
        return int(chosen)
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def import_torch() -> Any:
    """PyTorch, with no more threads than there are processors."""
    import torch as module

    if module.get_num_threads() > threads():
        module.set_num_threads(threads())
    return module


@contextmanager
def silent_transformers() -> Generator[None]:
    """While transformers loads a model, it draws no progress bar on the user's terminal."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def in_batches(
    items: Sequence[_Item],
    size: int,
    length: Callable[[_Item], int],
    run: Callable[[Sequence[_Item]], Iterable[_Result]],
    keep: Callable[[_Result], _Kept],
) -> list[_Kept]:
    """What is kept of the results, in the order of the items, run in batches of about equal length, so that little is
    padded. `keep` gets each result before the next batch is run, so that no more than one batch's are in memory.
    """
    order = sorted(range(len(items)), key=lambda place: -length(items[place]))
    results: dict[int, _Kept] = {}
    for start in range(0, len(order), size):
        places = order[start : start + size]
        results.update(zip(places, map(keep, run([items[place] for place in places])), strict=True))
    return [results[place] for place in range(len(items))]
