"""The list of benchmark pages, which are what the commands in eval/bench printed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

_COMMAND = re.compile(r"`((?:python|judge-rerank) [^`]*)`")
_HEAD = """# Benchmarks

Every figure in this manual was printed by a command of the repository. The pages of this list are what these commands
printed, with the models and the data. Times are ratios within one run.

| page | printed by |
|---|---|
"""


def index(results: Sequence[Path]) -> str:
    """The first page: the others, with the command behind each."""
    return _HEAD + "".join(_row(path) for path in results)


def _row(path: Path) -> str:
    text = path.read_text("utf-8")
    title = text.partition("\n")[0].lstrip("# ").strip()
    found = _COMMAND.search(text)
    command = f"`{' '.join(found[1].split())}`" if found else "the commands that the page names"
    return f"| [{title}]({path.name}) | {command} |\n"
