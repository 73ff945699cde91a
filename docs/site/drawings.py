"""Makes the drawings of the manual: `python docs/site/drawings.py`. `--check` only reports those that are out of date.

The picture of the subpackages is made from the import contract in pyproject.toml, so that it cannot drift.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "drawings"

INK, LINE, PAPER, FILLS = "#1c2333", "#5b6477", "#ffffff", ("#e8ecfb", "#fdf0d9", "#e2f3e6", "#f9e3e6")


class Drawing:
    """An SVG picture that is put together from boxes, lines and words."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self._size, self._title, self._parts = (width, height), title, list[str]()

    def box(
        self, x: float, y: float, width: float, height: float, text: str = "", *, fill: int = 0, small: bool = False
    ) -> None:
        """A rectangle with words in its middle; lines are separated by newlines."""
        self._parts.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="{FILLS[fill]}" stroke="{LINE}"/>'
        )
        self.words(x + width / 2, y + height / 2, text, small=small)

    def words(self, x: float, y: float, text: str, *, small: bool = False, at: str = "middle") -> None:
        """Lines of words around a height."""
        lines, size = text.split("\n"), 12 if small else 14
        top = y - (len(lines) - 1) * (size + 3) / 2 + size / 3
        for place, line in enumerate(lines):
            self._parts.append(
                f'<text x="{x}" y="{top + place * (size + 3):.1f}" text-anchor="{at}" font-size="{size}" fill="{INK}">'
                f"{escape(line)}</text>"
            )

    def arrow(self, x1: float, y1: float, x2: float, y2: float, *, dashed: bool = False) -> None:
        """A line with a point at its end."""
        dashes = ' stroke-dasharray="5 4"' if dashed else ""
        self._parts.append(
            f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{LINE}" stroke-width="1.5"{dashes}'
            ' marker-end="url(#p)"/>'
        )

    def svg(self) -> str:
        """The file."""
        width, height = self._size
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
            f'font-family="system-ui, sans-serif"><title>{escape(self._title)}</title>'
            f'<defs><marker id="p" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
            f'orient="auto-start-reverse"><path d="M0 0L10 5L0 10z" fill="{LINE}"/></marker></defs>'
            f'<rect width="{width}" height="{height}" fill="{PAPER}"/>'
        )
        return head + "\n".join(["", *self._parts]) + "\n</svg>\n"


def rooms() -> str:
    """The subpackages in the layers of the import contract, highest first."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(each["layers"] for each in contracts if each["type"] == "layers")
    rows = [
        [name.strip().removeprefix("judge_rerank.") for name in layer.replace(":", "|").split("|")] for layer in layers
    ]
    made = Drawing(860, 20 + 58 * len(rows), "The subpackages in layers; each may import those below it")
    for place, row in enumerate(rows):
        width = (840 - 10 * (len(row) - 1)) / len(row)
        for column, name in enumerate(row):
            made.box(10 + column * (width + 10), 14 + place * 58, width, 36, name, fill=place % 2)
        if place:
            made.arrow(430, place * 58 - 8, 430, place * 58 + 13)
    return made.svg()


def ranking() -> str:
    """What happens in one ranking."""
    made = Drawing(860, 400, "The path of one ranking: a strategy yields rounds, and the engine performs them")
    made.box(20, 30, 150, 60, "judge.rerank(\nquery, docs, strategy)", small=True)
    made.box(230, 30, 220, 60, "strategy\na generator of rounds", fill=1)
    made.box(610, 30, 230, 60, "Ranking\nevery document exactly once", fill=2)
    made.arrow(170, 60, 230, 60)
    made.arrow(450, 60, 610, 60)
    made.words(530, 48, "returns an order", small=True)
    made.box(20, 190, 820, 180, "", fill=0)
    made.words(36, 210, "engine, for each call of a round", at="start")
    steps = [
        "render\nthe prompt",
        "look in\nthe cache",
        "reserve the\nworst case",
        "send, retry",
        "read, ask\nonce more",
        "settle\nthe bill",
        "store,\ntrace",
    ]
    for place, step in enumerate(steps):
        made.box(36 + place * 114, 250, 96, 60, step, fill=1 if place in (2, 5) else 2, small=True)
        if place:
            made.arrow(36 + place * 114 - 18, 280, 36 + place * 114, 280)
    made.arrow(300, 90, 300, 190)
    made.words(292, 140, "yields a round:\nindependent calls", small=True, at="end")
    made.arrow(380, 190, 380, 90)
    made.words(390, 140, "receives the outcomes, in the same order", small=True, at="start")
    made.words(
        430,
        345,
        "A reply from the cache goes straight to reading. Sync, async, estimates and dry runs use this same path.",
        small=True,
    )
    return made.svg()


def cap() -> str:
    """How spent and reserved amounts stay below a cap."""
    made = Drawing(860, 330, "What is spent and what is reserved never exceed the cap together")
    rows = [
        ("before", 300, 0, "spent $0.60"),
        ("reserve: two calls, worst case $0.15 each", 300, 150, "both fit: 0.60 + 0.30 ≤ 1.00"),
        ("reserve a third: refused or waits", 300, 225, "0.60 + 0.45 would pass $1.00"),
        ("settle: the two were billed $0.04 each", 340, 0, "spent $0.68; the rest of the reservation is free again"),
    ]
    for place, (label, spent, held, note) in enumerate(rows):
        y = 46 + place * 70
        made.words(20, y + 14, label, small=True, at="start")
        made.box(320, y, spent * 0.9, 28, "spent", fill=2, small=True)
        if held:
            made.box(320 + spent * 0.9, y, held * 0.9, 28, "reserved", fill=3 if place == 2 else 1, small=True)
        made.words(320, y + 42, note, small=True, at="start")
    made.arrow(770, 310, 770, 36)
    made.words(770, 22, "cap $1.00", small=True)
    return made.svg()


def windows() -> str:
    """A sliding window beside a tournament of groups."""
    made = Drawing(860, 360, "A sliding window needs one round for each step; groups are compared at the same time")
    made.words(210, 24, "listwise: a window slides from the end to the top")
    for place in range(20):
        made.box(40 + place * 18, 44, 16, 22, "", fill=2 if place < 4 else 0)
    for step, start in enumerate((10, 5, 0)):
        made.box(40 + start * 18, 84 + step * 56, 10 * 18 - 2, 34, f"round {step + 1}: one call", fill=1, small=True)
        if step:
            made.arrow(40 + (start + 7) * 18, 84 + step * 56 - 22, 40 + (start + 7) * 18, 84 + step * 56)
    made.words(
        220,
        266,
        "The best half of each window moves on to the next.\nRounds = calls. A document at the end can reach the top.",
        small=True,
    )
    made.words(650, 24, "tournament, joint, blitz: groups side by side")
    for place in range(20):
        made.box(470 + place * 18, 44, 16, 22, "", fill=2 if place < 4 else 0)
    for group in range(4):
        made.box(470 + group * 92, 84, 82, 34, "round 1", fill=1, small=True)
        made.arrow(511 + group * 92, 118, 610 + (group - 1.5) * 20, 150)
    made.box(520, 150, 180, 34, "round 2: the winners", fill=1, small=True)
    made.words(
        650, 226, "All calls of a round are sent at the same time,\nso there are fewer rounds than calls.", small=True
    )
    made.words(430, 320, "The number of rounds sets the latency; the number of documents read sets the bill.")
    return made.svg()


DRAWINGS: Mapping[str, Callable[[], str]] = {"rooms": rooms, "ranking": ranking, "cap": cap, "windows": windows}


def outdated() -> list[str]:
    """The files that are not what this script would write."""
    paths = {name: FOLDER / f"{name}.svg" for name in DRAWINGS}
    return [name for name, path in paths.items() if not path.exists() or path.read_text("utf-8") != DRAWINGS[name]()]


def main(arguments: list[str]) -> int:
    """Write the drawings, or report those that are out of date."""
    late = outdated()
    if "--check" in arguments:
        print(*late or ["The drawings are up to date."])
        return bool(late)
    FOLDER.mkdir(exist_ok=True)
    for name in late:
        (FOLDER / f"{name}.svg").write_text(DRAWINGS[name](), encoding="utf-8")
        print(f"wrote docs/drawings/{name}.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
