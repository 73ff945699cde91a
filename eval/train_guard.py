"""Trains the guard that the package ships, and says how good it is on what it has not seen.

    python eval/train_guard.py [--data ../shared/data] [--model judge_rerank/guarding/guard.json]
                               [--out eval/results/guard.md] [--quick] [--threshold NUMBER]

Gradient-boosted trees over the features of `judge_rerank.guarding.features`, one row a sentence. Honest texts are the
candidates of the shared sets for their queries, and passages of the manuals, documentation, code and logs of this
machine; attacks are made from the templates of `guard/attacks.yaml` and put into honest documents. Two figures count,
and neither is of something trained on: how often a kind of honest text is flagged by a guard that never saw the kind,
and how often a family of attacks is found by a guard that never saw the family. The shipped model is trained on all.

They flatter the guard somewhat: templates and word lists are by one author, and features were chosen with these
figures at hand. `eval/bench/guard.py` measures the shipped model on sets that were not trained on.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from guard_examples import ROOT, SETS, SPECIAL, Attacker, Example, all_families, of_machine, progress, shared
from sklearn.ensemble import HistGradientBoostingClassifier

from judge_rerank.guarding import FORMAT, NAMES, Asked, GuardModel, Text, suspicious
from judge_rerank.guarding.disguises import disguises
from judge_rerank.guarding.lines import of_line

SEED = 7
ATTACKS, TESTED = 800, 120
"""Attacked documents of each family to train on, and to test on."""
HONEST, HONEST_TESTED = 2_500, 800
"""Honest documents of each kind at most."""
OWN = 0.6
"""The share of sentences that are put into a candidate of the query, which has words of it; others go into any text."""
ALIKES = 4_000
"""Honest documents with a sentence that looks like an attack."""
LOWEST = 0.02
"""The score below which nothing is looked at more closely here."""
HONEST_WEIGHT = 3
"""How much more an honest sentence counts than one of an attack; one that is like an attack, by this once more."""
ALIKE = "honest, like attacks"
MOST_FLAGGED = 0.0075
"""The share of honest documents, of the worst kind that was left out, that the threshold may flag."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Sentences as vectors, with where they are from."""

    x: np.ndarray
    y: np.ndarray
    source: np.ndarray

    def only(self, chosen: np.ndarray) -> Rows:
        return Rows(self.x[chosen], self.y[chosen], self.source[chosen])


def main() -> None:
    options = arguments()
    rng = random.Random(SEED)
    honest = {**shared(options.data), **of_machine(rng)}
    queries = [example.query for kind in SETS for example in honest[kind]]
    candidates = [example for kind in SETS for example in honest[kind]]
    attacker = Attacker(rng)
    carriers = [example for kind in honest.values() for example in rng.sample(kind, min(len(kind), 1_500))]
    honest[ALIKE] = [attacker.sprinkled(*scene(rng, queries, carriers, candidates)) for _ in range(ALIKES)]
    hostile = {
        family: [attacker.attacked(family, *scene(rng, queries, carriers, candidates)) for _ in range(ATTACKS + TESTED)]
        for family in all_families(attacker)
    }
    learnt = [
        e
        for kind in honest.values()
        for e in rng.sample(kind, min(len(kind), ALIKES if kind is honest[ALIKE] else HONEST))
    ]
    learnt += [e for kind in hostile.values() for e in kind[:ATTACKS]]
    progress(f"{len(learnt)} documents")
    rows = vectors(learnt)
    progress(f"{len(rows.y)} sentences, {int(rows.y.sum())} of attacks")
    if options.threshold is not None:
        options.model.write_text(written(fit(rows), options.threshold), encoding="utf-8")
        return
    tested = {
        kind: rng.sample(es, min(len(es), HONEST_TESTED)) for kind, es in honest.items() if not kind.endswith("titles")
    }
    found = held_out(rows, tested, {family: es[ATTACKS:] for family, es in hostile.items()}, quick=options.quick)
    threshold = threshold_of(found, tested)
    text = report(found, threshold, tested, rows)
    model = fit(rows)
    options.model.write_text(written(model, threshold), encoding="utf-8")
    options.out.write_text(text, encoding="utf-8")
    print(text)


def scene(
    rng: random.Random, queries: Sequence[str], carriers: Sequence[Example], candidates: Sequence[Example]
) -> tuple[str, str]:
    """A query and the document to attack: one of the query's own candidates, or one on anything else."""
    if rng.random() < OWN:
        chosen = rng.choice(candidates)
        return chosen.query, chosen.text
    return rng.choice(queries), rng.choice(carriers).text


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--model", type=Path, default=ROOT / "judge_rerank/guarding/guard.json")
    parser.add_argument("--out", type=Path, default=ROOT / "eval/results/guard.md")
    parser.add_argument("--quick", action="store_true", help="leave out groups of kinds, not each by itself")
    parser.add_argument("--threshold", type=float, help="train the shipped model only, with this threshold; no tables")
    return parser.parse_args()


def vectors(examples: Iterable[Example]) -> Rows:
    """The sentences of documents that the guard takes a look at; those of attacks are the positive ones."""
    x: list[list[float]] = []
    y: list[int] = []
    source: list[str] = []
    for example in examples:
        asked = Asked.of(example.query)
        for vector, hostile in sentences(example, asked):
            x.append(vector)
            y.append(hostile)
            source.append(example.source)
    return Rows(np.array(x, dtype=np.float32), np.array(y), np.array(source))


def sentences(example: Example, asked: Asked) -> Iterable[tuple[list[float], int]]:
    if example.source not in SPECIAL:
        text = Text(example.text, asked)
        for place, segment in enumerate(text.segments):
            if text.worth(place) and not of_line(example.text, text, place, asked):
                overlap = min(segment.end, example.end) - max(segment.start, example.start)
                yield text.vector(place), int(overlap > 0.5 * (segment.end - segment.start))
    for disguise in disguises(example.text):
        if not disguise.certain:
            inner = Text(disguise.text, asked)
            hostile = min(disguise.end, example.end) > max(disguise.start, example.start)
            yield from (
                (inner.vector(p, disguised=True), int(hostile)) for p in range(len(inner.segments)) if inner.worth(p)
            )


def fit(rows: Rows) -> HistGradientBoostingClassifier:
    """Trees on all rows; each source weighs alike on its side, so that no set outweighs the others."""
    counts = defaultdict(int)
    for source in rows.source:
        counts[source] += 1
    weight = np.array([counts[source] ** -0.5 for source in rows.source])
    weight[rows.y == 0] *= HONEST_WEIGHT
    weight[(rows.y == 0) & (rows.source == ALIKE)] *= HONEST_WEIGHT
    model = HistGradientBoostingClassifier(
        max_iter=130, learning_rate=0.12, max_leaf_nodes=12, min_samples_leaf=25, l2_regularization=5.0,
        random_state=SEED, max_features=0.4,
    )  # fmt: skip
    return model.fit(rows.x, rows.y, sample_weight=weight / weight.mean())


def held_out(
    rows: Rows, honest: dict[str, Sequence[Example]], hostile: dict[str, Sequence[Example]], *, quick: bool
) -> dict[str, list[float]]:
    """The scores of documents by guards that saw no other of their kind or family."""
    found: dict[str, list[float]] = {}
    everything = {**honest, **hostile}
    groups = [[name] for name in everything]
    if quick:
        groups = [list(honest)[i::4] + list(hostile)[i::4] for i in range(4)]
    for group in groups:
        left = [*group, *(f"{name} titles" for name in group)]
        model = as_guard(fit(rows.only(~np.isin(rows.source, left))), threshold=LOWEST)
        for name in group:
            found[name] = [highest(example, model) for example in everything[name]]
            progress(f"{name}: {np.mean(np.array(found[name]) >= 0.9):.4f} above .9")
    return found


def highest(example: Example, model: GuardModel) -> float:
    """The score of the most suspicious part of a document; of an attacked one, of a part of the attack."""
    parts = suspicious(example.text, Asked.of(example.query), model)
    hit = [p.score for p in parts if not example.hostile or (p.start < example.end and p.end > example.start)]
    return max(hit, default=0.0)


def as_guard(model: HistGradientBoostingClassifier, *, threshold: float) -> GuardModel:
    """The trees as the program reads them; no sentence is suspicious for standing beside one."""
    return GuardModel.load(written(model, threshold, beside=2.0), path="", names=NAMES)


def written(model: HistGradientBoostingClassifier, threshold: float, *, beside: float | None = None) -> str:
    trees = [_tree(stage[0].nodes, 0) for stage in model._predictors]
    record = {
        "format": FORMAT,
        "threshold": round(threshold, 4),
        "beside": round(threshold / 2, 4) if beside is None else beside,
        "bias": round(float(model._baseline_prediction.ravel()[0]), 4),
        "features": list(NAMES),
        "trees": trees,
    }
    return json.dumps(record, separators=(",", ":")) + "\n"


def _tree(nodes: Any, at: int) -> Any:
    node = nodes[at]
    if node["is_leaf"]:
        return round(float(node["value"]), 4)
    low, high = _tree(nodes, int(node["left"])), _tree(nodes, int(node["right"]))
    return [int(node["feature_idx"]), round(float(node["num_threshold"]), 5), low, high]


def threshold_of(found: dict[str, list[float]], honest: Iterable[str]) -> float:
    """The lowest threshold at which no kind of honest text is flagged more often than is allowed."""
    needed = [float(np.quantile(found[kind], 1 - MOST_FLAGGED)) for kind in honest if kind != ALIKE]
    return min(0.6, max(0.4, *needed) + 1e-4)


def share(scores: Sequence[float], threshold: float) -> float:
    return float(np.mean(np.array(scores) >= threshold))


def auroc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """The probability that an attacked document scores above an honest one; a tie counts half."""
    from scipy.stats import rankdata

    ranks = rankdata([*positive, *negative])[: len(positive)]
    return float((ranks.sum() - len(positive) * (len(positive) + 1) / 2) / (len(positive) * len(negative)))


def report(found: dict[str, list[float]], threshold: float, honest: dict[str, Sequence[Example]], rows: Rows) -> str:
    """The tables, as Markdown."""
    clean = [score for kind in honest for score in found[kind]]
    lines = [
        "# The guard, on kinds of text and families of attacks that it was not trained on",
        "",
        f"`python eval/train_guard.py`. {len(rows.y):,} sentences, {int(rows.y.sum()):,} of them attacks; threshold "
        f"{threshold:.3f}. Each line is of a guard that was trained without the kind or family of the line.",
        "",
        "| honest texts | documents | flagged |",
        "| --- | ---: | ---: |",
        *(f"| {kind} | {len(found[kind]):,} | {share(found[kind], threshold):.2%} |" for kind in honest),
        "",
        "| attacks | documents | found | AUROC against all honest texts |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {name} | {len(scores):,} | {share(scores, threshold):.1%} | {auroc(scores, clean):.3f} |"
            for name, scores in found.items()
            if name not in honest
        ),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    progress(f"{time.perf_counter() - started:.0f} s")
