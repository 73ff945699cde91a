"""`judge-rerank docs`: the pages of the manual, which come with the package."""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from judge_rerank.cli.output import emit
from judge_rerank.core import InputError, SetupError, UnknownName

_HEADING = re.compile(r"^#{1,3} (.+)$", re.MULTILINE)
_FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)


def docs(
    page: Annotated[str | None, typer.Argument(metavar="PAGE", help="A page; without one, all are listed.")] = None,
    find: Annotated[
        str | None, typer.Option("--find", metavar="WORDS", help="List the headings whose sections have these words.")
    ] = None,
) -> None:
    """Read the manual: list its pages, print one, or find words in all of them. Nothing is downloaded.

    judge-rerank docs tutorial

    judge-rerank docs --find "rate limit"
    """
    if page is not None and find is not None:
        raise InputError("Name a page, or words to find in all pages, not both.")
    pages = manual()
    if find is not None:
        emit("\n".join(found(pages, find)) + "\n")
    elif page is None:
        width = max(map(len, pages))
        emit("".join(f"{name:<{width}}  {_title(text)}\n" for name, text in pages.items()))
    else:
        _show(pages[_named(page, pages)])


def manual() -> dict[str, str]:
    """The text of every page, by its name: its path without the ending, the first steps first.

    Raises:
        SetupError: the pages are missing from the installation.
    """
    folder = _folder()
    paths = [path for path in folder.rglob("*.md") if path.relative_to(folder).parts[0] not in ("site", "examples")]
    names = {path.relative_to(folder).with_suffix("").as_posix(): path for path in paths}
    first = [name for name in ("index", "tutorial", "questions") if name in names]
    ordered = [*first, *sorted(set(names) - set(first), key=lambda name: ("/" in name, name))]
    return {name: names[name].read_text(encoding="utf-8") for name in ordered}


def found(pages: dict[str, str], words: str) -> list[str]:
    """The sections that have all of these words, those with the words in their heading first.

    Raises:
        InputError: there is no word, or no section has them all.
    """
    wanted = words.casefold().split()
    if not wanted:
        raise InputError('There is nothing to find: --find "rate limit".')
    hits: list[tuple[int, str]] = []
    for name, text in pages.items():
        for heading, body in _sections(text):
            section = f"{heading} {body}".casefold()
            if all(word in section for word in wanted):
                in_heading = sum(word in heading.casefold() for word in wanted)
                hits.append((-in_heading, f"{name}: {heading}"))
    if not hits:
        raise InputError(f"No page has {words!r}. Try fewer words, or `judge-rerank docs` for the list of pages.")
    return [line for _, line in sorted(hits, key=lambda hit: hit[0])]


def _folder() -> Path:
    """Where the pages are: in the installed package, or beside it in a source tree."""
    spec = find_spec("judge_rerank.manual")
    places = [Path(place) for place in (spec and spec.submodule_search_locations) or ()]
    for place in (*places, Path(__file__).resolve().parents[2] / "docs"):
        if (place / "index.md").exists():
            return place
    msg = "The pages of the manual are missing. Install the package again: pip install --force-reinstall judge-rerank"
    raise SetupError(msg)


def _named(page: str, pages: dict[str, str]) -> str:
    """The page of that name, or the one whose last part it is."""
    name = page.removesuffix(".md").strip("/")
    last = [each for each in pages if each == name or each.rpartition("/")[2] == name]
    if not last:
        raise UnknownName("page", page, pages)
    return name if name in last else last[0]


def _title(text: str) -> str:
    return text.partition("\n")[0].lstrip("# ")


def _sections(text: str) -> list[tuple[str, str]]:
    """Headings with the prose below them; a line in a fenced block is none."""
    bare = _FENCED.sub("", text)
    headings = list(_HEADING.finditer(bare))
    ends = [*(each.start() for each in headings[1:]), len(bare)]
    return [(each[1], bare[each.end() : end]) for each, end in zip(headings, ends, strict=True)]


def _show(text: str) -> None:
    """A page for a terminal, or as it is for a pipe."""
    if not sys.stdout.isatty():
        emit(text)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console(file=sys.stdout).print(Markdown(text))
