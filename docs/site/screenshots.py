"""Makes the pictures of the report and of the server's page: `python docs/site/screenshots.py`. It needs Chromium.

The judge is simulated, with a seed, so that the pictures need no key and are the same for everybody.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))

from judge_rerank.cli import run  # noqa: E402
from judge_rerank.evaluation import evaluate  # noqa: E402
from judge_rerank.testing import SimulatedJudge, read_grades  # noqa: E402
from tests.browser import Browser  # noqa: E402
from tests.server.running import DOCS, QUERY, Running  # noqa: E402

PAUSE = "new Promise(done => setTimeout(done, 800))"
PICTURES = ROOT / "docs" / "pictures"
COLLECTION = ROOT / "docs" / "examples" / "collection"


def report(folder: Path) -> None:
    """The first screen of the report of an experiment."""
    judge = SimulatedJudge(read_grades(COLLECTION / "qrels.tsv", "score"), noise=0.7, seed=1)
    experiment = {
        "name": "which strategy",
        "datasets": [{"path": str(COLLECTION), "min_grade": 2}],
        "models": ["simulated"],
        "strategies": ["score", "score(batch_size=5)", "listwise", "bm25 % 3 >> score"],
        "metrics": ["nDCG@5", "RR@5"],
    }
    evaluate(experiment, output=folder / "run", backends={"simulated": judge})
    run(["report", str(folder / "run"), "--output", str(folder / "report.html")])
    with Browser(1200, 1000) as browser:
        browser.open(folder / "report.html")
        browser.run(PAUSE)
        browser.screenshot(PICTURES / "report.png")


def playground() -> None:
    """The server's page after a ranking."""
    with Running(page=True, specs=True) as server, Browser(1200, 900) as browser:
        browser.open(f"{server.url}/")
        browser.until("!document.querySelector('#ask').hidden")
        browser.run(f"taken({json.dumps(chr(10).join(DOCS))}, {json.dumps(QUERY)})")
        browser.run("document.querySelector('#rank').click()")
        browser.until("document.querySelectorAll('#column-a .place, #column-b .place').length >= 8")
        browser.run(PAUSE)
        browser.screenshot(PICTURES / "playground.png", whole=True)


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        report(Path(scratch))
    playground()
