"""`judge-rerank --version`."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from judge_rerank.cli.notes import show_logs
from judge_rerank.cli.output import be_quiet, emit
from judge_rerank.cli.packages import installed


def _print_version(wanted: bool) -> None:
    if wanted:
        emit(f"judge-rerank {installed() or 'is not installed'}\n")
        raise typer.Exit


def root(
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print only warnings and errors, no notes and no costs.")
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose", "-v", help="Also report decisions on the way, such as a model's features and retries."
        ),
    ] = False,
) -> None:
    """Rerank documents with an LLM as the judge.

    Results go to standard output, progress and costs to standard error.
    """
    del show_version
    be_quiet(quiet)
    if verbose:
        show_logs(logging.INFO)
