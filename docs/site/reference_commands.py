"""The pages of the command line: what `--help` prints, a page for each command."""

from __future__ import annotations

import re

import typer
from typer.cli import get_docs_for_click
from typer.main import get_command

from judge_rerank.cli import build

_FOLDER = "reference/commands"
_PROGRAM = "judge-rerank"


def command_pages() -> dict[str, str]:
    """A page for each command, and the list of them."""
    whole = get_command(build())
    context = typer.Context(whole, info_name=_PROGRAM)
    found = {name: whole.get_command(context, name) for name in whole.list_commands(context)}
    made = {
        f"{_FOLDER}/{name}.md": _as_markdown(
            get_docs_for_click(
                obj=command, ctx=typer.Context(command, info_name=name, parent=context), call_prefix=_PROGRAM
            )
        )
        for name, command in found.items()
        if command is not None and not command.hidden
    }
    rows = [
        f"| [`{name}`]({name}.md) | {command.get_short_help_str(200)} |"
        for name, command in sorted(found.items())
        if command is not None and not command.hidden
    ]
    head = ["# Commands", "", "`judge-rerank COMMAND --help` prints the same.", "", "| command | |", "|---|---|"]
    return made | {f"{_FOLDER}/index.md": "\n".join([*head, *rows, ""])}


def _as_markdown(text: str) -> str:
    """Help as a page: options that are placeholders in angle brackets are no HTML."""
    return re.sub(r"<(?=[A-Za-z])", "&lt;", text)
