"""Do the grades of models agree with those of people, and do they put systems in the same order?

    python eval/bench/agreement.py [--data ../shared/data] [--out eval/results/agreement.md]

TREC DL 2019: the passages that people judged, with the grades (0 to 3) that GPT-4o and Llama-3.1-8B gave to the same
passages. The systems are real rankings of BM25's top 100 and mixtures and disturbances of them (see `systems`).
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

from judge_rerank.evaluation import Agreement, Run, kendalls_tau, measure_agreement, system_scores
from judge_rerank.readers import read_run
from judge_rerank.testing import read_grades

JUDGES = {"gpt4o": "GPT-4o", "llama31_8b": "Llama-3.1-8B"}
REAL = {
    "BM25": "candidates.trec",
    "MiniLM cross-encoder": "scores.minilm-cross-encoder.trec",
    "monoT5-large": "scores.monot5-large.trec",
}
DISTURBANCES = (5, 10, 20, 40)
METRICS = ("nDCG@10", "AP(rel=2)", "P(rel=2)@10")


def real_systems(folder: Path) -> dict[str, Run]:
    """The rankings by score, ties in BM25's order."""
    bm25 = {
        query: [entry.document_id for entry in entries] for query, entries in read_run(folder / REAL["BM25"]).items()
    }
    runs: dict[str, Run] = {}
    for name, file in REAL.items():
        entries = read_run(folder / file)
        scores = {query: {e.document_id: e.score for e in found} for query, found in entries.items()}
        runs[name] = {
            query: sorted(names, key=lambda document: -scores[query][document]) for query, names in bm25.items()
        }
    return runs


def systems(real: Mapping[str, Run]) -> dict[str, Run]:
    """The real rankings, their reciprocal-rank fusions, each real one with noise added to its ranks, and chance."""
    runs = dict(real)
    for size in (2, 3):
        for names in combinations(real, size):
            runs[" + ".join(names)] = fused([real[name] for name in names])
    for name, run in real.items():
        for deviation in DISTURBANCES:
            runs[f"{name}, ranks ± {deviation}"] = disturbed(run, deviation)
    runs["in random order"] = disturbed(real["BM25"], 1e9)
    return runs


def fused(runs: Sequence[Run]) -> Run:
    return {
        query: sorted(names, key=lambda name: -sum(1 / (60 + run[query].index(name)) for run in runs))
        for query, names in runs[0].items()
    }


def disturbed(run: Run, deviation: float) -> Run:
    found: dict[str, list[str]] = {}
    for query, names in run.items():
        dice = random.Random(f"{query} {deviation}")
        places = {name: place + dice.gauss(0, deviation) for place, name in enumerate(names)}
        found[query] = sorted(names, key=lambda name: places[name])
    return found


def confusion(found: Agreement) -> str:
    head = [f"{level:g}" for level in found.levels]
    rows = [(f"{level:g}", *row) for level, row in zip(found.levels, found.confusion, strict=True)]
    return table(("people ↓ model →", *head), rows)


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(str(cell) for cell in line) + " |\n" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("eval/results/agreement.md"))
    args = parser.parse_args()
    folder = args.data / "dl19"
    human = read_grades(folder / "judgments.tsv", "human")
    models = {name: read_grades(folder / "judgments.tsv", column) for column, name in JUDGES.items()}
    found = {name: measure_agreement(human, grades) for name, grades in models.items()}
    real = real_systems(folder)
    runs = systems(real)
    by_metric = {
        metric: {name: system_scores(runs, grades, metric) for name, grades in {"people": human, **models}.items()}
        for metric in METRICS
    }

    def tau(metric: str, model: str, among: Mapping[str, Run]) -> str:
        a, b = (by_metric[metric][who] for who in ("people", model))
        return f"{kendalls_tau({name: a[name] for name in among}, b):.3f}"

    grades_rows = [
        (
            name,
            f"{each.kappa:.3f}",
            f"{each.kappa_binary:.3f}",
            f"{100 * each.same:.1f} %",
            f"{each.mean_model:.2f} ({each.mean_human:.2f})",
        )
        for name, each in found.items()
    ]
    order_rows = [(metric, *(tau(metric, name, runs) for name in models)) for metric in METRICS]
    scores = by_metric["nDCG@10"]
    system_rows = [
        (name, *(f"{scores[who][name]:.3f}" for who in scores))
        for name in sorted(runs, key=lambda name: -scores["people"][name])
    ]
    graded = next(iter(found.values())).documents
    text = f"""# Grades by models and by people

Made by `python eval/bench/agreement.py`: {graded:,} passages of TREC DL 2019 that people graded from
0 to 3, {len(human)} queries, with the grades that two models gave to the same passages.

## On each passage

Cohen's κ over the four grades, and over relevant (2 or 3) or not.

{table(("model", "κ, four grades", "κ, relevant or not", "the same grade", "mean grade (people's)"), grades_rows)}
{chr(10).join(f"{name}:{chr(10)}{chr(10)}{confusion(each)}" for name, each in found.items())}
## On the order of systems

Kendall's τ between the orders in which people's and a model's grades put {len(runs)} systems: three real rankings
of BM25's top 100 ({", ".join(REAL)}), their reciprocal-rank fusions, each real one with a
normal error of 5, 10, 20 and 40 added to its ranks, and a random order. Passages without a grade count as 0. Many of
these differ by more than the systems of a real campaign do, which makes τ higher than it would be there.

{table(("metric", *models), order_rows)}
nDCG@10 under each set of grades:

{table(("system", *scores), system_rows)}"""
    args.out.write_text(text.rstrip() + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
