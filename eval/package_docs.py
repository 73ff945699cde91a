"""Writes the description of every package installed here as a text file: real documents that every machine has.

python eval/package_docs.py FOLDER
"""

from __future__ import annotations

import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

SUFFIXES = {"text/markdown": ".md", "text/x-rst": ".rst"}


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    written = sum(write(distribution, folder) for distribution in distributions())
    print(f"{written} package descriptions in {folder}", file=sys.stderr)


def write(distribution: Distribution, folder: Path) -> bool:
    description = str(distribution.metadata.get_payload() or distribution.metadata.get("Description") or "")
    if len(description) < 200:
        return False
    kind = str(distribution.metadata.get("Description-Content-Type") or "").partition(";")[0].strip()
    file = folder / (distribution.metadata["Name"].lower() + SUFFIXES.get(kind, ".txt"))
    file.write_text(description, encoding="utf-8", errors="replace")
    return True


if __name__ == "__main__":
    main(Path(sys.argv[1]))
