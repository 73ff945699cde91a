"""Runs the notebooks of the manual from the root of the repository and keeps what they print.

    python docs/site/run_notebooks.py [--check]

With `--check` nothing is kept; a cell that raises ends the command. The model is that of $JUDGE_RERANK_MODEL, or the
local one.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]


def executed(path: Path, folder: Path) -> nbformat.NotebookNode:
    """A notebook with what its cells print when they are run in a folder.

    Raises:
        CellExecutionError: a cell raises.
    """
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # the time of day
        if cell.cell_type == "code":  # warnings name folders of this machine
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return notebook


def main(arguments: list[str]) -> int:
    """Run them all."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "docs").symlink_to(ROOT / "docs")
        for path in sorted((ROOT / "docs" / "notebooks").glob("*.ipynb")):
            notebook = executed(path, Path(folder))
            if "--check" not in arguments:
                nbformat.write(notebook, path)
            print(f"ran {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
