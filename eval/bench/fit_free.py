"""Fits the hybrid and the distilled scorer that `scorers_compared.yaml` and `strategies_compared.yaml` compare.

    python eval/bench/fit_free.py [--queries 40] [--out eval/distilled]

They learn from the grades of other queries of the same collections: so many of each, or as many as are left. Prints the
weights of the hybrid, which stand in the experiments, and what both are worth on queries that the fit of their fold has
not seen; the distilled scorer is written to `--out`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

from judge_rerank import Judge
from judge_rerank.evaluation import Dataset, Experiment, Topic, load, selected, shuffled, tune
from judge_rerank.learning import distill, examples
from judge_rerank.scorers import Embedding

EVAL = Path(__file__).parent.parent
EXPERIMENTS = ("scorers_compared.yaml", "strategies_compared.yaml")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=40, help="of each collection")
    parser.add_argument("--out", type=Path, default=EVAL / "distilled")
    options = parser.parse_args()
    training = pooled(options.queries)
    with Judge() as judge:
        tuned = tune(judge, training, ["embedding", "bm25"])
    print(f"hybrid: {dict(tuned.weights)}, {tuned.metric} {tuned.held_out:.4f} on unseen queries; alone {tuned.alone}")
    started = time.perf_counter()
    seen = examples([(t.query, t.candidates) for t in training.topics], training.grades, prefilter=Embedding())
    found = distill(seen)
    found.save(options.out)
    print(
        f"distilled: nDCG@10 {found.after:.4f} on unseen queries, {found.before:.4f} before, p = {found.p_value:.4f}; "
        f"{found.queries} queries, {time.perf_counter() - started:.0f} s"
    )


def pooled(queries: int) -> Dataset:
    """Queries of all collections that no experiment asks, their candidates shuffled."""
    topics: list[Topic] = []
    grades: dict[str, dict[str, float]] = {}
    experiments = [Experiment.load(EVAL / name) for name in EXPERIMENTS]
    for place, spec in enumerate(experiments[0].datasets):
        whole = load(experiments[0].place_of(spec.path), name=spec.name)
        asked = {id_ for experiment in experiments for id_ in asked_of(whole, experiment, place)}
        rest, _ = selected(whole, depth=spec.depth, no_relevant="skip")
        left = [topic for topic in rest.topics if topic.id not in asked]
        drawn = Random(0).sample(left, min(queries, len(left)))
        print(f"{spec.name}: {len(asked)} queries kept apart, {len(drawn)} to learn from")
        for topic in drawn:
            name = f"{spec.name}/{topic.id}"  # two collections may number their queries alike
            shown = tuple(shuffled(topic, spec.seed))
            topics.append(replace(topic, query=replace(topic.query, id=name), candidates=shown))
            grades[name] = dict(whole.grades[topic.id])
    return Dataset(name="training", topics=tuple(topics), grades=grades)


def asked_of(whole: Dataset, experiment: Experiment, place: int) -> Iterator[str]:
    """The queries that an experiment draws from a collection."""
    spec = experiment.datasets[place]
    drawn, _ = selected(whole, queries=spec.queries, depth=spec.depth, seed=spec.seed, no_relevant=spec.no_relevant)
    yield from (topic.id for topic in drawn.topics)


if __name__ == "__main__":
    main()
