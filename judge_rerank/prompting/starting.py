"""A prompt of one's own to start from: a copy of another under a new name."""

from __future__ import annotations

import re
from pathlib import Path

from judge_rerank.core import InputError, UnknownName
from judge_rerank.prompting.library import Library, load
from judge_rerank.prompting.tasks import TASKS
from judge_rerank.prompting.template import Template

_NAME = re.compile(r"\w[\w.-]*")


def start_prompt(name: str, folder: Path, library: Library, *, like: str | None = None) -> Template:
    """Write `folder/<task>/<name>.j2`, a copy of another prompt for the task, and load it.

    Args:
        name: "<task>/<name>", such as "score/mine".
        folder: of prompts; made if it is not there.
        library: where the other prompt is.
        like: its name; None for the one that the task uses by default.

    Raises:
        UnknownName: no task, or no prompt for it, has that name.
        InputError: it is no name, or there is such a file already, or it cannot be written.
    """
    task, slash, own = name.partition("/")
    if not slash or not _NAME.fullmatch(own):
        raise InputError(f"{name!r} is not a name for a prompt; expected the task and a word of your own: score/mine.")
    if task not in TASKS:
        raise UnknownName("task", task, TASKS)
    source = library.get(task, like).source
    path = folder / task / f"{own}.j2"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(_renamed(source, own, like or TASKS[task].prompt))
    except FileExistsError:
        raise InputError(f"There is a file {path} already; choose another name, or edit it.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from error
    return load(path, folder=folder)


def _renamed(source: str, name: str, like: str) -> str:
    """A template's text with the name, the description and the version of a new one."""
    new = {"name": name, "description": f"A copy of {like}. Say here in one line what is different.", "version": "1"}
    lines = source.splitlines(keepends=True)
    end = next(place for place, line in enumerate(lines) if place and line.rstrip() == "---")
    kept: list[str] = []
    replaced = False
    for line in lines[:end]:
        key = line.partition(":")[0]
        # What a value goes on with in the next lines is indented.
        replaced = key in new if line[:1].strip() else replaced
        if not replaced:
            kept.append(line)
        elif key in new:
            kept.append(f"{key}: {new[key]}\n")
    return "".join((*kept, *lines[end:]))
