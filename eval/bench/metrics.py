"""Are the metrics those of ir-measures and pytrec_eval, and do the collections' own BM25 figures come out again?

    python eval/bench/metrics.py [--data ../shared/data]

Every collection's figures are those of its `meta.json`, over all of its queries; the differences to the two libraries
are the largest of any query and metric. Exits with 1 where a figure is missed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

import ir_measures
import pytrec_eval

from judge_rerank.evaluation import Dataset, Files, Metrics, NoRelevant, load, selected

# With what became of queries without a relevant candidate when the collections' figures were made.
COLLECTIONS: Mapping[str, NoRelevant] = {"wikiqa": "skip", "dl19": "skip", "scifact": "zero", "cranfield": "zero"}
NAMES = ("nDCG@10", "P@5", "R@100", "AP", "RR@10", "RR(rel=2)@10", "AP(rel=2)@100", "Judged@10", "ERR@10")
TREC = {"nDCG@10": "ndcg_cut_10", "AP": "map", "P@5": "P_5", "R@100": "recall_100"}


def orders(dataset: Dataset) -> dict[str, list[str]]:
    """The first stage's order of each query."""
    return {topic.id: [document.id or "" for document in topic.candidates] for topic in dataset.topics}


def values(dataset: Dataset, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Our metrics of the first stage, by query."""
    metrics = Metrics(names)
    return {query: metrics.of(order, dataset.grades.get(query, {})) for query, order in orders(dataset).items()}


def differences(dataset: Dataset) -> tuple[float, float]:
    """The largest difference to ir-measures, and to pytrec_eval."""
    ours = values(dataset, NAMES)
    # The program behind ERR reads query ids as numbers.
    ids = {query: str(place) for place, query in enumerate(ours)}
    qrels = {ids[query]: {d: int(g) for d, g in dataset.grades[query].items()} for query in ours}
    scores = {
        ids[query]: {d: float(len(order) - rank) for rank, d in enumerate(order)}
        for query, order in orders(dataset).items()
    }
    measures = [ir_measures.parse_measure(name) for name in NAMES]
    theirs = {(m.query_id, str(m.measure)): float(m.value) for m in ir_measures.iter_calc(measures, qrels, scores)}
    trec = pytrec_eval.RelevanceEvaluator(qrels, set(TREC.values())).evaluate(scores)
    return (
        max(abs(found[name] - theirs[ids[query], name]) for query, found in ours.items() for name in NAMES),
        max(abs(found[name] - trec[ids[query]][key]) for query, found in ours.items() for name, key in TREC.items()),
    )


def figures(dataset: Dataset, expected: Mapping[str, float]) -> tuple[bool, str]:
    """Whether the collection's figures come out, and the two side by side."""
    found = values(dataset, list(expected))
    means = {name: fmean(each[name] for each in found.values()) for name in expected}
    good = all(abs(means[name] - value) <= 5e-5 for name, value in expected.items())
    return good, ", ".join(f"{name} {means[name]:.4f} ({value:.4f})" for name, value in expected.items())


def lines(data: Path) -> list[tuple[bool, str]]:
    """A line of the table for each collection, and whether everything in it is as expected."""
    found: list[tuple[bool, str]] = []
    for name, poor in COLLECTIONS.items():
        meta = json.loads((data / name / "meta.json").read_text(encoding="utf-8"))
        dataset, _ = selected(load(data / name), min_grade=meta["rel_threshold"], no_relevant=poor)
        good, shown = figures(dataset, meta["metrics"])
        apart = differences(dataset)
        row = f"| {name} | {len(dataset.topics)} | {apart[0]:.0e} | {apart[1]:.0e} | {shown} |"
        found.append((good and max(apart) <= 1e-9, row))
    full = load(data / "dl19", files=Files(qrels="qrels.full.tsv"))
    dataset, _ = selected(full, min_grade=2, no_relevant="zero")
    good, shown = figures(dataset, {"nDCG@10": 0.5058})
    apart = differences(dataset)
    row = f"| dl19, all judgments | {len(dataset.topics)} | {apart[0]:.0e} | {apart[1]:.0e} | {shown} |"
    return [*found, (good and max(apart) <= 1e-9, row)]


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    found = lines(parser.parse_args().data)
    print("| collection | queries | from ir-measures | from pytrec_eval | BM25 (its own figure) |")
    print("|---|--:|--:|--:|---|")
    print("\n".join(row for _, row in found))
    return 0 if all(good for good, _ in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
