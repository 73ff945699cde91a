"""Looks at the built site as a reader: what the first hits of a search are, how pages look, and what axe finds wrong.

    python docs/site/look.py search "how do I use a local model" ...
    python docs/site/look.py pictures FOLDER [PAGE ...]
    python docs/site/look.py axe axe.min.js [PAGE ...]

It needs Chromium, and the site in build/site (`make docs`). axe.min.js is in the npm package axe-core.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))

from tests.browser import Browser  # noqa: E402

SITE = ROOT / "build" / "site"
PAGES = ("index.html", "tutorial.html", "strategies.html", "explanation/cap.html", "reference/api/judge.html")
PAUSE = "new Promise(done => setTimeout(done, 500))"
_RULES = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']}"
_BROKEN = "violations.map(v => [v.id, v.nodes.length, v.nodes[0].html])"
_AXE = f"axe.run(document, {_RULES}).then(found => JSON.stringify(found.{_BROKEN}))"
# The search lives in an element of its own, out of reach of the page's selectors.
_ROOT = "[...document.querySelectorAll('*')].map(e => e.shadowRoot).find(Boolean)"
_LINKS = f"[...{_ROOT}.querySelectorAll('a')].map(a => a.getAttribute('href'))"


def search(questions: Sequence[str], site: Path = SITE) -> dict[str, list[str]]:
    """The pages that each question finds, best first."""
    found: dict[str, list[str]] = {}
    with Browser() as browser:
        for question in questions:
            browser.open(site / "index.html")
            browser.run(PAUSE)
            browser.run("document.querySelector('.md-search__button').click()")
            browser.until(f"({_ROOT})?.querySelector('input')")
            browser.run(f"({_ROOT}).querySelector('input').focus()")
            browser.send("Input.insertText", text=question)
            browser.run(f"{PAUSE}.then(() => {PAUSE})")
            found[question] = browser.run(_LINKS) or []
    return found


def pictures(folder: Path, pages: Sequence[str]) -> None:
    """Pages on a desk in light colours, and on a phone in dark ones."""
    folder.mkdir(parents=True, exist_ok=True)
    for phone in (False, True):
        size = (390, 844) if phone else (1280, 900)
        with Browser(*size, dark=phone, phone=phone) as browser:
            for page in pages:
                browser.open(SITE / page)
                browser.run(PAUSE)
                name = page.replace("/", "-").removesuffix(".html")
                browser.screenshot(folder / f"{name}-{'phone' if phone else 'desk'}.png")


def violations(axe: str, pages: Sequence[str]) -> list[str]:
    """What breaks the rules of WCAG 2.1 AA, in both colour schemes."""
    found: list[str] = []
    for dark in (False, True):
        with Browser(dark=dark) as browser:
            for page in pages:
                browser.open(SITE / page)
                browser.run(PAUSE)
                browser.run(f"{axe};1")
                found += [
                    f"{page}, {'dark' if dark else 'light'}: {broken}" for broken in json.loads(browser.run(_AXE))
                ]
    return found


def main(arguments: list[str]) -> int:
    """One of the three."""
    match arguments:
        case ["search", *questions]:
            for question, links in search(questions).items():
                print(f"{question}: {', '.join(links[:3]) or 'nothing'}")
            return 0
        case ["pictures", folder, *pages]:
            pictures(Path(folder), pages or PAGES)
            return 0
        case ["axe", script, *pages]:
            found = violations(Path(script).read_text("utf-8"), pages or PAGES)
            print(*found or ["axe finds nothing wrong."], sep="\n")
            return bool(found)
        case _:
            print(__doc__)
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
