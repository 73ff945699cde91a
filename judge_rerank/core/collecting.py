"""How often a process that does nothing else than this package's work looks for garbage."""

from __future__ import annotations

import gc


def collect_seldom() -> None:
    """Look for cycles after ten thousand new objects, not after seven hundred.

    Each look goes over the questions that are open and what is kept of answers, among which there are hardly any
    cycles: with a hundred calls at once it takes a twelfth of a call's time. It is set for the whole process, so it is
    for programs and workers, and never for a library in somebody else's.
    """
    gc.set_threshold(10_000, 20, 20)
