"""How long the page of a large run takes to make and to open, and how large it is.

    python eval/bench/report.py [--queries 500] [--variants 8] [--documents 100] [--opens 3] [--out FILE.md]

The run is made up: six variants of eight judge each document with a call of its own, with a reason in every reply, so
that nothing but documents repeats. Opening is from the start of the navigation to the load event, in headless Chromium,
a new browser each time; then a query is opened under two variants. Ends with 1 if it took three seconds or more.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from judge_rerank.evaluation import page, scopes
from tests.browser import Browser
from tests.evaluation.runs import VARIANTS, write_run

LIMIT_S = 3.0
_TIMES = (
    "(() => { const of = performance.getEntriesByType('navigation')[0]; return [of.loadEventEnd,"
    " performance.getEntriesByName('usable')[0].startTime]; })()"
)


def opened(file: Path) -> tuple[float, float, float]:
    """Seconds until its script has run, until the load event; and of opening one query after it."""
    with Browser() as browser:
        browser.open(file)
        load, usable = browser.run(_TIMES)
        start = time.perf_counter()
        browser.run("document.querySelector('#list button').click()")
        browser.until("document.querySelector('dialog').open")
        query = time.perf_counter() - start
        if browser.problems:
            raise SystemExit(f"The page complained: {browser.problems}")
        return usable / 1000, load / 1000, query


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--variants", type=int, default=8)
    parser.add_argument("--documents", type=int, default=100)
    parser.add_argument("--opens", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_run(
            Path(scratch) / "run",
            queries=options.queries,
            variants=VARIANTS[: options.variants],
            documents=options.documents,
            words=80,
        )
        start = time.perf_counter()
        results = folder.results()
        text = page(scopes(folder.info(), results), results, folder.documents())
        making = time.perf_counter() - start
        file = Path(scratch) / "report.html"
        file.write_text(text, encoding="utf-8")
        kept = sum(one.stat().st_size for one in folder.path.iterdir())
        usable, load, query = (
            statistics.median(times) for times in zip(*(opened(file) for _ in range(options.opens)), strict=True)
        )
        size = file.stat().st_size
    table = (
        "| queries × variants × documents | run folder | page | made in | usable | load event"
        " | a query |\n| --- | --: | --: | --: | --: | --: | --: |\n"
        f"| {options.queries} × {options.variants} × {options.documents} | {kept / 1e6:.0f} MB | {size / 1e6:.1f} MB"
        f" | {making:.0f} s | {usable:.2f} s | {load:.2f} s | {query:.2f} s |\n"
    )
    sys.stdout.write(table)
    if options.out:
        options.out.write_text(
            f"# Opening a report\n\nBy `python eval/bench/report.py`, the median of {options.opens}.\n\n{table}"
        )
    return int(load >= LIMIT_S)


if __name__ == "__main__":
    sys.exit(main())
