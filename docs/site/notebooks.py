"""Notebooks as pages: their text, their code, and what they printed when they were last run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any


def pages(notebooks: Sequence[Path], docs: Path) -> dict[str, str]:
    """The page of each notebook, by its place in docs/."""
    return {
        str(path.relative_to(docs).with_suffix(".md")): page(json.loads(path.read_text("utf-8")), path.name)
        for path in notebooks
    }


def page(notebook: dict[str, Any], name: str) -> str:
    """A notebook as Markdown."""
    title, *cells = notebook["cells"]
    download = f"[{name}]({name}) is this page as a notebook; the tests run it."
    return "\n\n".join(["".join(title["source"]), download, *(part for cell in cells for part in _parts(cell))]) + "\n"


def _parts(cell: dict[str, Any]) -> Iterator[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        yield source
        return
    yield f"```python\n{source}\n```"
    shown = "".join("".join(_text(output)) for output in cell.get("outputs", ()))
    if shown:
        yield f"```text\n{shown.rstrip()}\n```"


def _text(output: dict[str, Any]) -> list[str]:
    return output.get("text") or output.get("data", {}).get("text/plain") or []
