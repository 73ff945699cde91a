"""What the package logs, as notes on standard error."""

from __future__ import annotations

import logging

_TOLD = ("readers", "providers", "spending", "cache", "tracing")
"""Rooms whose warnings the report of a ranking does not tell."""

_PROGRESS = "judge_rerank.batch"
"""What says how far batch jobs are, which may take hours."""


def show_logs(level: int) -> None:
    """From this level on, records become notes; warnings of the engine are in the report already."""
    everything = level < logging.WARNING
    root = logging.getLogger("judge_rerank")
    root.handlers = [_Notes(level)] if everything else [logging.NullHandler()]
    root.setLevel(level if everything else logging.NOTSET)
    for name in _TOLD:
        # Where the whole package is shown, a handler here would say everything twice.
        logging.getLogger(f"judge_rerank.{name}").handlers = [] if everything else [_Notes(level)]
    jobs = logging.getLogger(_PROGRESS)
    jobs.handlers = [] if everything else [_Notes(logging.INFO)]
    jobs.setLevel(logging.INFO)


class _Notes(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        from judge_rerank.cli.output import note

        note(record.getMessage())
