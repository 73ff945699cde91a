"""Do the statistics of an experiment reservation what they promise? Simulated experiments with known truth.

    python eval/bench/significance.py [--data ../shared/data] [--out eval/results/significance.md] [--runs 1000]

The truth is TREC DL 2019: the human grades of BM25's top 100 for 43 queries (candidates without a grade count as 0). A
variant is a judge that scores each document by its grade with a normal error, drawn anew each time; the worse the
variant, the greater its error. An experiment draws its queries from the 43 with replacement, has every variant rank
their candidates, and measures nDCG@10 (linear gain, ideal order of the candidates).
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

import numpy as np

from judge_rerank.evaluation import (
    Exposed,
    Race,
    bootstrap_interval,
    fixed_effect,
    holm,
    outcome,
    queries_needed,
    randomization_test,
    reported,
)
from judge_rerank.readers import read_qrels, read_run

ALPHA = 0.05
DISCOUNTS = 1 / np.log2(np.arange(2, 12))
Row = Sequence[object]


class Lab:
    """Simulated experiments on the grades of a collection."""

    def __init__(self, folder: Path) -> None:
        qrels, run = read_qrels(folder / "qrels.full.tsv"), read_run(folder / "candidates.trec")
        rows = [
            [qrels[query].get(e.document_id, 0.0) for e in entries] + [0.0] * (100 - len(entries))
            for query, entries in run.items()
            if query in qrels
        ]
        self.grades = np.array([row for row in rows if any(row)])
        self.ideal = (np.sort(self.grades)[:, :-11:-1] * DISCOUNTS).sum(axis=1)

    def ndcg(self, queries: np.ndarray, noise: float, dice: np.random.Generator) -> np.ndarray:
        """nDCG@10 of a judge with this error on these queries."""
        grades = self.grades[queries]
        order = np.argsort(-(grades + dice.normal(0, noise, grades.shape)), axis=1)[:, :10]
        return (np.take_along_axis(grades, order, axis=1) * DISCOUNTS).sum(axis=1) / self.ideal[queries]

    def experiment(self, noises: Sequence[float], queries: int, seed: int) -> dict[str, dict[str, float]]:
        """Values by query of variants with these errors."""
        dice = np.random.default_rng(seed)
        drawn = dice.integers(0, len(self.grades), queries)
        return {
            f"v{place}": {f"q{n}": float(value) for n, value in enumerate(self.ndcg(drawn, noise, dice))}
            for place, noise in enumerate(noises)
        }

    def truth(self, better: float, worse: float) -> tuple[float, float]:
        """The true mean difference of two variants, and the standard deviation of the differences over queries."""
        dice = np.random.default_rng(0)
        drawn = dice.integers(0, len(self.grades), 200_000)
        differences = np.concatenate(
            [self.ndcg(part, better, dice) - self.ndcg(part, worse, dice) for part in np.array_split(drawn, 100)]
        )
        return float(differences.mean()), float(differences.std())


def raced(values: Mapping[str, Mapping[str, float]]) -> Race:
    """The race over the queries in their order."""
    race = Race(values, alpha=ALPHA)
    for query in values["v0"]:
        for name in race.alive:
            race.add(name, query, values[name][query])
    return race


def fixed_rows(lab: Lab, runs: int) -> list[Row]:
    rows: list[Row] = []
    for queries in (20, 50, 200):
        experiments = [lab.experiment([1, 1], queries, seed) for seed in range(runs)]
        false = fmean(randomization_test(e["v0"], e["v1"], seed=n) <= ALPHA for n, e in enumerate(experiments))
        intervals = [bootstrap_interval(e["v0"], e["v1"], resamples=2_000, seed=n) for n, e in enumerate(experiments)]
        covered = fmean(low <= 0 <= high for low, high in intervals)
        rows.append((f"two identical variants, {queries} queries", percent(false), percent(covered)))
    family = 0
    for seed in range(runs):
        e = lab.experiment([1, 1, 1, 1, 1], 50, seed)
        p = {name: randomization_test(e[name], e["v0"], resamples=2_000, seed=seed) for name in e if name != "v0"}
        family += min(holm(p).values()) <= ALPHA
    rows.append(("four identical variants against the baseline, Holm, 50 queries", percent(family / runs), ""))
    return rows


def power_rows(lab: Lab, runs: int) -> list[Row]:
    rows: list[Row] = []
    for better, worse in ((1.0, 1.15), (1.0, 1.3), (0.8, 1.0)):
        effect, deviation = lab.truth(better, worse)
        for power in (0.8, 0.9):
            queries = queries_needed(effect, deviation, power=power)
            experiments = (lab.experiment([better, worse], queries, 10_000 + seed) for seed in range(runs))
            found = fmean(randomization_test(e["v0"], e["v1"], resamples=2_000) <= ALPHA for e in experiments)
            rows.append((f"{effect:.3f}", f"{deviation:.3f}", queries, percent(power), percent(found)))
    return rows


def racing_rows(lab: Lab, runs: int) -> list[Row]:
    rows: list[Row] = []
    settings: list[tuple[str, list[float], int]] = [
        ("two identical", [1, 1], 100),
        ("four identical", [1, 1, 1, 1], 100),
        ("one of two a little worse", [1, 1.3], 100),
        ("one of two worse", [1, 2], 100),
        ("one of two clearly worse", [1, 4], 50),
        ("one of two clearly worse", [1, 4], 100),
        ("one of two clearly worse", [1, 4], 200),
        ("one of four clearly worse", [1, 1, 1, 4], 100),
        ("three of four clearly worse", [1, 4, 4, 4], 100),
    ]
    for name, noises, queries in settings:
        tested, stopped, wrong, saved, worst = 0, 0, 0, 0.0, 0.0
        last, best = f"v{len(noises) - 1}", min(noises)
        for seed in range(runs):
            values = lab.experiment(noises, queries, 20_000 + seed)
            race = raced(values)
            stopped += bool(race.stopped)
            wrong += any(noises[int(variant[1:])] == best for variant in race.stopped)
            if len(noises) == 2:
                p = 0.0 if race.stopped else randomization_test(values["v0"], values["v1"], resamples=2_000, seed=seed)
                tested += p <= ALPHA
            found = race.saved(queries)
            saved += found.share
            worst += found.by_variant.get(last, 0.0) / queries
        difference = lab.truth(noises[0], noises[-1])[0] if noises[0] != noises[-1] else 0.0
        final = percent(tested / runs) if len(noises) == 2 else ""
        shares = [percent(value / runs) for value in (stopped, wrong)]
        rows.append((name, queries, f"{difference:.2f}", *shares, final, percent(saved / runs), percent(worst / runs)))
    return rows


def online_rows(runs: int) -> list[Row]:
    looked: dict[str, list[int]] = {"A/B": [0, 0, 0], "interleaving": [0, 0, 0]}
    for seed in range(runs):
        dice = random.Random(seed)
        units = [Exposed(treated=dice.random() < 0.5, value=float(dice.random() < 0.3)) for _ in range(1_000)]
        sessions = [dice.choice(("a", "b", None)) for _ in range(1_000)]
        hits = {"A/B": [False, False], "interleaving": [False, False]}
        for n in range(100, 1_001, 50):
            report = reported(
                units[:n],
                outcome="clicked",
                names=("old", "new"),
                split=0.5,
                missing=None,
                horizon=None,
                expected_units=1_000,
                alpha=ALPHA,
            )
            sides = ([u.value or 0.0 for u in units[:n] if u.treated == side] for side in (False, True))
            naive = fixed_effect(*sides, alpha=ALPHA)
            found = outcome(sessions[:n])
            hits["A/B"][0] |= report.significant
            hits["A/B"][1] |= naive is not None and naive.p <= ALPHA
            hits["interleaving"][0] |= found.p_any_time <= ALPHA
            hits["interleaving"][1] |= found.p <= ALPHA
        for kind, (guarded, unguarded) in hits.items():
            looked[kind][0] += guarded
            looked[kind][1] += unguarded
    return [(kind, percent(hit[0] / runs), percent(hit[1] / runs)) for kind, hit in looked.items()]


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def table(head: Sequence[str], rows: Sequence[Row]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(str(cell) for cell in line) + " |\n" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("eval/results/significance.md"))
    parser.add_argument("--runs", type=int, default=1_000)
    args = parser.parse_args()
    started = time.perf_counter()
    lab = Lab(args.data / "dl19")
    text = f"""# Do the statistics reservation what they promise?

Made by `python eval/bench/significance.py --runs {args.runs}`. {
        args.runs:,} simulated experiments a row on the human grades of
TREC DL 2019 ({
        len(lab.grades)
    } queries, BM25's top 100, nDCG@10). A variant is a judge whose scores are the grades with a normal
error, drawn anew each time; identical variants have the same error of one grade. The level is 5 % throughout.

## Without a difference

How often a difference is called significant that is none (promised: 5 %), and how often the 95 % interval holds the
truth.

{table(("experiment", "called significant", "interval holds the truth"), fixed_rows(lab, args.runs))}
## With a planted difference

As many queries as `queries_needed` asks for, to find this difference with this power.

{
        table(
            ("true difference", "its deviation over queries", "queries", "promised power", "found"),
            power_rows(lab, args.runs),
        )
    }
## Racing

A variant is stopped when a bet against it has grown large enough. "Significant in the end" is the verdict on two
variants: the race stopped one, or the randomization test over all queries says so. Calls are saved as a share of all
calls of the experiment, and of those of the last variant.

{
        table(
            (
                "variants",
                "queries",
                "difference",
                "any stopped",
                "a best one stopped",
                "significant in the end",
                "calls saved",
                "calls of the last variant saved",
            ),
            racing_rows(lab, args.runs),
        )
    }
## Online, looked at 19 times

Users who click with the same probability (0.3) under both arms, or prefer each ranking equally often: 1,000 of them,
with a look after every 50 from the hundredth on. How often any look calls a difference significant, with the guard and
with the test that is meant for one look.

{table(("test", "with the guard", "without"), online_rows(args.runs))}"""
    args.out.write_text(text.rstrip() + "\n", encoding="utf-8")
    print(text)
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
