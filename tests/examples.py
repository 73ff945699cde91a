"""The fenced blocks of a Markdown page, as examples that can be run, with the output that the page shows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(path for path in DOCS.rglob("*.md") if "site" not in path.relative_to(DOCS).parts)]
LANGUAGES = {"python", "console", "text", "yaml", "jinja", "json", "toml"}

_FENCE = re.compile(r'^( *)```(\w*)(?: title="([^"]+)")?\n(.*?)^\1```$', re.MULTILINE | re.DOTALL)
_NEEDS = re.compile(r" +# (needs .+)$")
_VARIES = re.compile(r"\b[0-9a-f]{12}\b|(?<=· )\S+(?= · \d+ \+)|[\d.,]*\d")
"""What depends on the model: hashes of prompts, its name in an explanation, and every number."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """One fenced block: its language, its text, and the file that the reader saves it as, if any."""

    language: str
    text: str
    file: str | None = None


@dataclass(frozen=True, kw_only=True)
class Example:
    """Python source or a shell command.

    Attributes:
        source: what is run.
        shown: the output that the page shows; None where it shows none.
        needs: why it is not run here ("needs the network"), as the page says beside a command, or above Python.
        file: the name of a module, where the source begins with `# name.py`.
    """

    source: str
    shown: str | None = None
    needs: str | None = None
    file: str | None = None


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found = _FENCE.findall(page.read_text(encoding="utf-8"))
    return [Block(language=language, text=text, file=file or None) for _, language, file, text in found]


def name_of(page: Path) -> str:
    """What a page is called: its path in docs/, or its name."""
    return str(page.relative_to(DOCS)) if page.is_relative_to(DOCS) else page.name


def save_files(page: Path, folder: Path) -> None:
    """Save what the page asks its reader to save."""
    for block in blocks(page):
        if block.file is not None:
            (folder / block.file).write_text(block.text, encoding="utf-8")


def python_examples(page: Path) -> list[Example]:
    """The Python of a page; a block of text that follows at once is its output."""
    found = blocks(page)
    following = [*found[1:], None][: len(found)]
    return [
        Example(
            source=block.text,
            shown=after.text if after is not None and after.language == "text" else None,
            file=named[1] if (named := re.match(r"# (\w+\.py)\n", block.text)) else None,
            needs=named[1] if (named := re.match(r"# (needs .+)\n", block.text)) else None,
        )
        for block, after in zip(found, following, strict=True)
        if block.language == "python" and block.file is None
    ]


def commands(page: Path) -> list[Example]:
    """The shell commands of a page; the lines below one, up to the next, are its output."""
    found: list[Example] = []
    for block in blocks(page):
        if block.language == "console":
            for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
                line, _, shown = part.partition("\n")
                needs = _NEEDS.search(line)
                source = _NEEDS.sub("", line)
                found.append(Example(source=source, shown=shown or None, needs=needs[1] if needs else None))
    return found


def without_figures(text: str) -> str:
    """A text in which all that depends on the model is replaced."""
    return _VARIES.sub("#", text).strip()
