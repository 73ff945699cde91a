"""`judge-rerank --version`."""

from __future__ import annotations

import logging
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from judge_rerank.cli.notes import show_logs
from judge_rerank.cli.output import be_quiet, emit


def installed(package: str = "judge-rerank") -> str | None:
    """The version of an installed package, None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _print_version(wanted: bool) -> None:
    if wanted:
        emit(f"judge-rerank {installed() or 'is not installed'}\n")
        raise typer.Exit


def root(
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No notes and no costs, only warnings and errors.")] = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="Say what is decided on the way: a model's features, retries."),
    ] = False,
) -> None:
    """Put documents in order with an LLM as the judge.

    Results go to standard output, progress and costs to standard error.
    """
    del show_version
    be_quiet(quiet)
    if verbose:
        show_logs(logging.INFO)
